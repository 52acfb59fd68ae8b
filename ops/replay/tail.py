"""Scores of a run's model for events that came after its plan: the texts are mostly in the newest raw articles."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from aggregation.event import Event
from consumers.classifier.text import model_text
from contracts.events import RAW_STREAM
from contracts.kinesis import user_data
from contracts.log_reading import first_record
from contracts.ports import Position
from contracts.resolution import HOUR_MS, MINUTE_MS
from ops.replay.rescore import text_key, texts_of_items
from ops.replay.stitch import heads, stitched
from ops.replay.units import rescore
from stores.home import Home
from stores.sqlite_scores import SqliteScores

#: How far back the articles of the newest events are looked for at first.
LOOK_BACK_MS: Final = HOUR_MS
#: An article is on the log this long before the time it says it was fetched at most: clocks differ.
CLOCKS_DIFFER_MS: Final = 5 * MINUTE_MS


class _Raw(msgspec.Struct, gc=False):
    article_id: str
    title: str
    snippet: str = ""


_decode: Final = msgspec.json.Decoder(_Raw).decode


class TailScores:
    """Re-scores events as the log gives them, in order of arrival; those without a text stay as they are."""

    def __init__(self, home: Home, model: str, since_ms: int | None, cache: SqliteScores | None) -> None:
        """Articles are looked for from an hour before `since_ms`, further back once an event is older (None: all, those
        of the lake too). Without a cache every text is scored again. Raises `ModelUnavailable`."""
        from consumers.classifier.models.registry import load

        self._home = home
        self._model: Any = load(model)
        self._cache = cache
        self.unscored = 0
        self._begin(None if since_ms is None else since_ms - LOOK_BACK_MS)

    def _begin(self, from_ms: int | None) -> None:
        """Know the articles that arrived from an instant on, or all."""
        log = self._home.log
        self._from_ms = from_ms
        self._texts: dict[str, str] = {}
        tips = heads(log, RAW_STREAM) if from_ms is None else {}
        for piece in stitched(self._home, RAW_STREAM, tips) if from_ms is None else ():
            self._take(piece.lines)
        oldest = Position("TRIM_HORIZON") if from_ms is None else Position("AT_TIMESTAMP", str(from_ms))
        self._iterators: dict[str, str | None] = {}
        for shard in log.shards(RAW_STREAM):
            tip = tips.get(shard.shard_id)
            start = Position("AFTER_SEQUENCE_NUMBER", tip) if tip else oldest
            self._iterators[shard.shard_id] = log.iterator(RAW_STREAM, shard.shard_id, start)

    def _reach_back(self, events: list[Event]) -> None:
        """An article that was fetched before the first one known here may have come with another text before: that one
        was scored. Twice as far where the log has that, so that little is read again; beyond the log, all there is."""
        fetched_ms = min((round(event.ingested_at.timestamp() * 1000) for event in events), default=None)
        if self._from_ms is None or fetched_ms is None or fetched_ms - CLOCKS_DIFFER_MS >= self._from_ms:
            return
        needed_ms = fetched_ms - CLOCKS_DIFFER_MS
        twice_ms = 2 * self._from_ms - self._home.clock.now_ms()
        self._begin(next((each for each in (min(needed_ms, twice_ms), needed_ms) if self._log_reaches(each)), None))

    def _log_reaches(self, instant_ms: int) -> bool:
        """Retention goes by arrival: while a shard keeps an older record, none has lost a younger one."""
        log, oldest = self._home.log, Position("TRIM_HORIZON")
        found = (first_record(log, RAW_STREAM, shard.shard_id, oldest) for shard in log.shards(RAW_STREAM))
        return any(record.arrival_ms <= instant_ms for record in found if record)

    def __call__(self, events: list[Event]) -> list[Event]:
        """The same events, in the same order."""
        names = list(dict.fromkeys(event.article_id for event in events))
        self._reach_back(events)
        self._read_on()
        texts = {name: self._texts[name] for name in names if name in self._texts}
        texts |= texts_of_items(self._home.items, [name for name in names if name not in texts])
        keys = {name: text_key(text) for name, text in texts.items()}
        scores = self._cache.get_many(self._model.version, list(set(keys.values()))) if self._cache else {}
        unread = {keys[name]: text for name, text in texts.items() if keys[name] not in scores}
        if unread:
            fresh = {
                key: (score.label, score.confidence_e4, score.polarity_e4)
                for key, score in zip(unread, self._model.score(list(unread.values())), strict=True)
            }
            if self._cache:
                self._cache.put_many(self._model.version, fresh)
            scores |= fresh
        self.unscored += sum(name not in keys for name in names)
        return [
            rescore(event, scores[keys[event.article_id]] if event.article_id in keys else None, self._model.version)
            for event in events
        ]

    def _read_on(self) -> None:
        for shard_id, iterator in self._iterators.items():
            while iterator:
                page = self._home.log.get_records(iterator)
                for record in page.records:
                    self._take(user_data(record.data))
                iterator = page.next_iterator
                self._iterators[shard_id] = iterator
                if page.behind_ms == 0:
                    break

    def _take(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            try:
                raw = _decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                continue  # the classifier quarantined it; no event speaks of it
            self._texts.setdefault(raw.article_id, model_text(raw.title, raw.snippet))
