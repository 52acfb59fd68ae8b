"""Raw articles in, scored events and items out.

The order of effects within a batch is what makes a crash harmless: bad records to the lake, claims, scores, events
on the stream, items last. An item is the mark "seen"; until it is there, a retry does all of it again, and claims,
event ids and members make the repetition invisible. When a store fails, everything before the failed record is
finished and the batch is handed back from that record on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Final, NamedTuple

import msgspec

from consumers.classifier.emit import emit
from consumers.classifier.items import primary_item
from consumers.classifier.models.registry import Model, Score
from consumers.classifier.stories import Claim, Claimant, claim_all, claimant_of, documents, links, mark, marked
from consumers.classifier.subjects import Symbols, subjects_of
from consumers.classifier.text import clean, model_text
from contracts.aside import Aside, aside_of, digest_key, put_asides
from contracts.bucket import E4, LANE_SEPARATOR
from contracts.clock import Clock
from contracts.errors import BadEvent, Transient
from contracts.events import (
    SCORED_SCHEMA,
    SCORED_STREAM,
    RawArticle,
    ScoredEvent,
    check_raw_times,
    decode_raw,
    encode_scored,
)
from contracts.hashing import member_hash
from contracts.identity import event_id
from contracts.instants import iso_ms
from contracts.kinesis import StreamRecord
from contracts.ports import ControlStore, Entry, EventLog, Item, ItemStore, Lake, Versioned
from contracts.resolution import DAY_MS
from contracts.trouble import tell
from contracts.watched import watched_subjects


class _Identity(msgspec.Struct):
    article_id: Annotated[str, msgspec.Meta(min_length=3, max_length=200)]


_identity_decoder: Final = msgspec.json.Decoder(_Identity)


class Outcome(NamedTuple):
    """What became of a batch. `retry_from`: the record from which on the batch must come again (None: all done).
    Counts are of this call; a retry counts again what it does again."""

    retry_from: StreamRecord | None
    counts: dict[str, int]


@dataclass(slots=True)
class _Work:
    """One article on its way through the batch; `position` is its record's place in it."""

    position: int
    record: StreamRecord
    article: RawArticle
    text: str
    claim: Claim | None = None
    score: Score | None = None
    scored_at: str = ""
    entries: list[Entry] = field(default_factory=list)


class _Batch:
    """Works still going on, and how far the batch is good: the first failed record ends it."""

    def __init__(self, records: Sequence[StreamRecord]) -> None:
        self.records = records
        self.good = len(records)
        self.works: list[_Work] = []
        self.known: list[tuple[int, Item]] = []
        self.counts = dict.fromkeys(("received", "scored", "duplicates", "events", "quarantined"), 0)

    def fail(self, position: int) -> None:
        """The record at `position` cannot be finished now: neither it nor anything after it goes on."""
        self.good = min(self.good, position)
        self.works = [work for work in self.works if work.position < self.good]

    def outcome(self) -> Outcome:
        return Outcome(self.records[self.good] if self.good < len(self.records) else None, self.counts)


class ClassifierService:
    """The classifier over its ports. Safe to call from several threads, one batch each."""

    def __init__(
        self,
        *,
        log: EventLog,
        items: ItemStore,
        control: ControlStore,
        lake: Lake,
        clock: Clock,
        model: Model,
        symbols: Symbols,
        lanes: int = 1,
        lateness_ms: int = DAY_MS,
    ) -> None:
        """`lateness_ms`: how late an event may come and still count."""
        self._log = log
        self._items = items
        self._control = control
        self._lake = lake
        self._clock = clock
        self._model = model
        self._symbols = symbols
        self._lanes = lanes
        self._lateness_ms = lateness_ms

    def process(self, records: Sequence[StreamRecord]) -> Outcome:
        """Classify one batch of a shard. A store that fails shows in the outcome; a model that fails raises."""
        batch = _Batch(records)
        batch.counts["received"] = len(records)
        self._decode(batch)
        if not batch.works:
            return batch.outcome()
        try:
            self._drop_known(batch)
            watched = watched_subjects(self._control)
        except Transient as error:
            tell(error)
            batch.fail(0)
            return batch.outcome()
        self._claim(batch, watched)
        self._score(batch)
        self._emit(batch)
        self._store(batch)
        return batch.outcome()

    def _decode(self, batch: _Batch) -> None:
        asides: list[Aside] = []
        first_bad = len(batch.records)
        for position, record in enumerate(batch.records):
            try:
                if record.error:
                    raise record.error
                article = decode_raw(record.data)
                check_raw_times(article.published_ms, article.ingested_ms)
            except BadEvent as error:
                first_bad = min(first_bad, position)
                asides.append(aside_of("quarantined", record, error.reason, error.detail, _event_key(record.data)))
                continue
            batch.works.append(_Work(position, record, article, model_text(article.title, article.snippet)))
        try:
            put_asides(self._lake, asides)
        except Transient as error:
            tell(error)
            batch.fail(first_bad)
        else:
            batch.counts["quarantined"] += len(asides)

    def _drop_known(self, batch: _Batch) -> None:
        """A re-fetch of an article that has its item or its mark, or that is in the batch already, emits nothing."""
        stored = self._items.get_primaries([work.article.article_id for work in batch.works])
        others = [identity for work in batch.works if (identity := work.article.article_id) not in stored]
        seen = {*stored, *marked(self._control, others)}
        fresh = []
        for work in batch.works:
            identity = work.article.article_id
            if identity in seen:
                batch.counts["duplicates"] += 1
                if item := stored.pop(identity, None):
                    batch.known.append((work.position, item))
                continue
            seen.add(identity)
            fresh.append(work)
        batch.works = fresh

    def _claim(self, batch: _Batch, watched: Sequence[str]) -> None:
        claimants = [self._claimant(work.article, watched) for work in batch.works]
        claims = claim_all(self._control, claimants, self._clock.now_ms(), self._lateness_ms)
        for work, claimed in zip(list(batch.works), claims, strict=True):
            work.claim = claimed
            if claimed is None:
                batch.fail(work.position)
                return

    def _claimant(self, article: RawArticle, watched: Sequence[str]) -> Claimant:
        text = f"{clean(article.title)}\n{clean(article.snippet)}"
        subjects = subjects_of(article.source, article.tickers, article.tags, text, watched, self._symbols)
        return claimant_of(article, subjects)

    def _score(self, batch: _Batch) -> None:
        """One inference for all articles that will have an item; another source's copy is never scored."""
        needed = [work for work in batch.works if not _claimed(work).is_copy]
        if not needed:
            return
        scores = self._model.score([work.text for work in needed])
        scored_at = iso_ms(self._clock.now_ms())
        for work, score in zip(needed, scores, strict=True):
            work.score, work.scored_at = score, scored_at
            work.entries = [self._entry(work, subject, score) for subject in _claimed(work).owned]

    def _entry(self, work: _Work, subject: str, score: Score) -> Entry:
        claimed = _claimed(work)
        identity = event_id(work.article.article_id, subject)
        event = ScoredEvent(
            schema=SCORED_SCHEMA,
            event_id=identity,
            article_id=work.article.article_id,
            subject=subject,
            source=work.article.source,
            event_time=iso_ms(claimed.published_ms),
            ingested_at=iso_ms(claimed.ingested_ms),
            scored_at=work.scored_at,
            label=score.label,  # type: ignore[arg-type]  # the registry's Score holds one of LABELS as text
            confidence=score.confidence_e4 / E4,
            polarity=score.polarity_e4 / E4,
            model_version=self._model.version,
        )
        lane = f"{LANE_SEPARATOR}{member_hash(identity) % self._lanes}" if self._lanes > 1 else ""
        return Entry(subject + lane, encode_scored(event))

    def _emit(self, batch: _Batch) -> None:
        entries = [entry for work in batch.works for entry in work.entries]
        done = emit(self._log, self._clock, SCORED_STREAM, entries)
        batch.counts["events"] += done
        if done == len(entries):
            return
        for work in batch.works:
            done -= len(work.entries)
            if done < 0:
                batch.fail(work.position)
                return

    def _store(self, batch: _Batch) -> None:
        """The items, and the story's sources on its first article's item.

        Whoever comes second of {first item is put, other source is claimed} sees both and adds the source: the
        first looks at the claim after its put, the other adds to the item after its claim. Either, when it crashed
        between the two, does it on its retry, when it is known.
        """
        scored = [work for work in batch.works if work.score is not None]
        if scored:
            try:
                self._items.put_primaries([self._item(work, work.score) for work in scored if work.score is not None])
            except Transient as error:
                tell(error)
                batch.fail(scored[0].position)
        keys = [item["story_key"] for _, item in batch.known] + [_claimed(work).story_key for work in batch.works]
        try:
            stories = documents(self._control, list(dict.fromkeys(keys)))
        except Transient as error:
            tell(error)
            batch.fail(min([at for at, _ in batch.known] + [work.position for work in batch.works]))
            return
        for position, item in batch.known:
            self._link(batch, position, stories[item["story_key"]], item["source_id"])
        for work in list(batch.works):
            if not self._link(batch, work.position, stories[_claimed(work).story_key], work.article.article_id):
                return
            if _claimed(work).is_copy and not self._mark(batch, work):
                return
            batch.counts["duplicates" if _claimed(work).is_copy else "scored"] += 1

    def _link(self, batch: _Batch, position: int, stories: Versioned, article_id: str) -> bool:
        """Add to the item of the story's first article what is missing there; false when a store failed."""
        try:
            first_id, sources = links(stories, article_id)
            for source in sources:
                self._items.add_source(first_id, source)
        except Transient as error:
            tell(error)
            batch.fail(position)
            return False
        return True

    def _mark(self, batch: _Batch, work: _Work) -> bool:
        """A copy gets no item, so its mark says that it was seen; false when a store failed."""
        try:
            mark(self._control, work.article.article_id, _claimed(work).first_id, self._clock.now_ms())
        except Transient as error:
            tell(error)
            batch.fail(work.position)
            return False
        return True

    def _item(self, work: _Work, score: Score) -> Item:
        claimed = _claimed(work)
        return primary_item(
            work.article,
            work.record,
            claimed.owned,
            claimed.story_key,
            score,
            self._model.version,
            claimed.published_ms,
            work.scored_at,
        )


def _claimed(work: _Work) -> Claim:
    assert work.claim is not None, f"{work.article.article_id} was never claimed"
    return work.claim


def _event_key(data: bytes) -> str:
    """The article's id when that much can be read, else the digest of the bytes."""
    try:
        return _identity_decoder.decode(data).article_id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return digest_key(data)
