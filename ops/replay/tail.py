"""Scores of a run's model for events that came after its plan: the texts are in the newest raw articles."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from aggregation.event import Event
from consumers.classifier.text import model_text
from contracts.events import RAW_STREAM
from contracts.kinesis import user_data
from contracts.ports import Position
from contracts.resolution import HOUR_MS
from ops.replay.rescore import text_key, texts_of_items
from ops.replay.stitch import heads, stitched
from ops.replay.units import rescore
from stores.home import Home
from stores.sqlite_scores import SqliteScores

#: How long before the plan an article may have been published whose events came after it.
LOOK_BACK_MS: Final = HOUR_MS


class _Raw(msgspec.Struct, gc=False):
    article_id: str
    title: str
    snippet: str = ""


_decode: Final = msgspec.json.Decoder(_Raw).decode


class TailScores:
    """Re-scores events as the log gives them, in order of arrival; those without a text stay as they are."""

    def __init__(self, home: Home, model: str, since_ms: int | None, cache: SqliteScores | None) -> None:
        """Articles are looked for from an hour before `since_ms` (None: all, those of the lake too). Without a cache
        every text is scored again. Raises `ModelUnavailable`."""
        from consumers.classifier.models.registry import load

        self._home = home
        self._model: Any = load(model)
        self._cache = cache
        self._texts: dict[str, str] = {}
        tips = heads(home.log, RAW_STREAM) if since_ms is None else {}
        for piece in stitched(home, RAW_STREAM, tips) if since_ms is None else ():
            self._take(piece.lines)
        oldest = Position("TRIM_HORIZON" if since_ms is None else "AT_TIMESTAMP", str((since_ms or 0) - LOOK_BACK_MS))
        self._iterators: dict[str, str | None] = {
            shard.shard_id: home.log.iterator(
                RAW_STREAM,
                shard.shard_id,
                Position("AFTER_SEQUENCE_NUMBER", tips[shard.shard_id]) if shard.shard_id in tips else oldest,
            )
            for shard in home.log.shards(RAW_STREAM)
        }
        self.unscored = 0

    def __call__(self, events: list[Event]) -> list[Event]:
        """The same events, in the same order."""
        names = list(dict.fromkeys(event.article_id for event in events))
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
