"""The aggregator's shell: loads what a batch touches, lets `step` decide, commits, and sets aside what may not count.

Nothing is acknowledged before its last write. The order of a commit is 1m first, then up; a lost guard means somebody
else wrote: everything is read again and decided again, which is free of harm because roll-up replaces (law 1).
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from aggregation.changes import MAX_CHANGE_EVENTS, changes_of
from aggregation.event import Event, decode, decode_all
from aggregation.gather import Gathered, gather_chunks, in_lanes
from aggregation.group import Group, Single, newest_of_subjects
from aggregation.instant_table import instant_ms
from aggregation.lanes import Lanes
from aggregation.operator import EMPTY, Batch, Limits, State, Step, keys_needed, step
from aggregation.rollup import ancestors
from aggregation.verdict import SetAside
from aggregation.warm import Warm
from aggregation.watermark import NEVER_MS, ShardProgress
from contracts.aside import Aside, Kind, aside_of, digest_key, put_asides
from contracts.bucket import Bucket, BucketKey
from contracts.clock import Clock
from contracts.errors import BadEvent, Conflict, Transient
from contracts.generation import live_generation
from contracts.kinesis import Chunk, StreamRecord
from contracts.ports import BucketStore, ControlStore, Lake
from contracts.resolution import HOUR_MS, MINUTE_MS, window_start_ms
from contracts.settings import AggregatorSettings

MAX_COMMIT_ATTEMPTS = 20
PROGRESS_EVERY_MS = 1_000
#: A shard that had nothing for so long may be closed; one that was not is read up again.
FORGET_AFTER_MS = HOUR_MS


class Processed(NamedTuple):
    """One batch made durable: what was decided, the records that were no events, how often a guard was lost. (`events`
    come first so that they go last, see `Gathered`.)"""

    events: Sequence[Event]
    step: Step
    bad: list[Aside]
    conflicts: int

    def counts(self) -> dict[str, int]:
        """For logs and metrics. Counted + duplicates + too late + quarantined = records read."""
        return {
            "counted": self.step.counted,
            "duplicates": self.step.duplicates,
            "too_late": len(self.step.too_late),
            "quarantined": len(self.step.quarantined) + len(self.bad),
            "written": len(self.step.changed),
            "conflicts": self.conflicts,
            "revised": len(self.step.revised),
            "finals": len(self.step.finals),
        }


class Aggregator:
    """One per process; keeps the buckets it wrote last, guarded by their `rev`, so a warm process reads little."""

    def __init__(
        self, buckets: BucketStore, control: ControlStore, lake: Lake, clock: Clock, settings: AggregatorSettings
    ) -> None:
        self._buckets = buckets
        self._control = control
        self._lake = lake
        self._clock = clock
        self._settings = settings
        self._limits = Limits(settings.out_of_orderness_ms, settings.idle_after_ms, settings.expire)
        self._lanes = Lanes(control, settings.lanes, settings.allowed_lateness_ms)
        self._warm: dict[str, Warm] = {}
        self._states: dict[str, State] = {}
        self._doubtful: dict[str, bool] = {}  # by shard: whether the next batch is to be told whole
        self._published: dict[str, tuple[float, int]] = {}  # when (monotonic), and the watermark

    def process(self, shard_id: str, batch: Iterable[Chunk], window: dict[str, Any]) -> Processed:
        """Apply one batch of a shard and make it durable. Raises `Transient`; then nothing may be acknowledged."""
        decoding = _Decoding(batch)
        gathered = gather_chunks(decoding.chunks(), self._settings.allowed_lateness_ms)
        decided, conflicts = self._commit(shard_id, gathered, window)
        asides = decoding.asides(gathered, decided)
        if asides:
            put_asides(self._lake, sorted(asides, key=lambda aside: (int(aside.sequence_number), aside.part)))
        self._remember(shard_id, decided.state)
        return Processed(gathered.events, decided, decoding.bad, conflicts)

    def finish(self, shard_id: str, window: dict[str, Any]) -> None:
        """A tumbling window is over: publish what is known of the shard's progress. Raises `Transient`."""
        self._state(shard_id, window)
        self._publish_progress(shard_id)

    def window_state(self, shard_id: str) -> dict[str, Any]:
        """What travels in the Lambda window state: watermark and progress only, so losing it costs nothing. Empty while
        nothing is known of a shard."""
        state = self._states.get(shard_id)
        if state is None:
            return {}
        progress = state.shards.get(shard_id, ShardProgress())
        return {
            "watermark_ms": state.watermark_ms,
            "newest_event_ms": progress.newest_event_ms,
            "last_record_ms": progress.last_record_ms,
        }

    def _commit(self, shard_id: str, gathered: Gathered, window: dict[str, Any]) -> tuple[Step, int]:
        doubtful = self._doubtful.get(shard_id, True)
        found_some = False
        # What the attempt before may have written, although it lost a guard above it, and in which generation.
        before: dict[BucketKey, Single | Group] = {}
        lost_in, written = "", 0
        for attempt in range(MAX_COMMIT_ATTEMPTS):
            generation = live_generation(self._control)
            warm = self._warm_of(shard_id, generation)
            batch = Batch(shard_id, in_lanes(gathered, self._lanes.of(generation)), warm)
            read = self._load(generation, batch.gathered, warm)
            now_ms = self._clock.now_ms()
            decided = step(self._state(shard_id, window), batch, now_ms, self._limits)
            written = written + _no_longer_new(before, decided) if generation == lost_in else 0
            before = {}
            # Another process may have died over the batch before it told of it, or this one failed half-way: so may it
            # be with the first one of a shard, with one that is found in part, and with the next, its other half. All
            # of it is told.
            found_some = found_some or _had_some(read, batch.gathered, decided)
            told = _held(batch.gathered, decided) if doubtful or found_some else decided.added
            if appeared(self._buckets, generation, decided, warm):
                warm.clear()
                continue
            news = newest_of_subjects(told, MAX_CHANGE_EVENTS)
            changes = changes_of(generation, decided.buckets, news, now_ms)
            lost = set(self._buckets.commit(generation, decided.writes, changes, shard_id))
            if not lost:
                decided.put_into(warm)
                warm.tidy(decided.state.watermark_ms)
                self._doubtful[shard_id] = found_some
                if written:
                    counted, duplicates = decided.counted + written, decided.duplicates - written
                    decided = decided._replace(counted=counted, duplicates=duplicates)
                return decided, attempt
            lost_in, before = generation, {key: group for key, group in decided.added.items() if key not in lost}
            warm.clear()
        raise Transient("bucket store", f"{MAX_COMMIT_ATTEMPTS} commits in a row lost against other writers")

    def _warm_of(self, shard_id: str, generation: str) -> Warm:
        """What this process wrote last for a shard: one owner, so nobody clears it under another's feet."""
        warm = self._warm.get(shard_id)
        if warm is None or warm.generation != generation:
            warm = self._warm[shard_id] = Warm(generation)
        return warm

    def _load(self, generation: str, gathered: Gathered, warm: Warm) -> Mapping[BucketKey, Bucket]:
        """Read what a batch needs and is not at hand; answers what was read. Where a bucket is, so is all above it:
        they were put there together, and the finer ends first. Were it not so, a guard would fail, or what seems
        expired be found by `appeared`; then everything is read again."""
        needed = keys_needed(gathered.groups, warm)
        read = self._buckets.get_many(generation, needed) if needed else {}
        warm.update(read)
        return read

    def _state(self, shard_id: str, window: dict[str, Any]) -> State:
        """What this process knows of a shard, or what was published of it; and what comes with the window, as another
        process may have handled what came between."""
        mine = self.window_state(shard_id) or self._control.get("watermark", shard_id).value or {}
        newest_ms, last_ms, held_ms = (
            max(int(part.get(name, NEVER_MS)) for part in (mine, window))
            for name in ("newest_event_ms", "last_record_ms", "watermark_ms")
        )
        known = self._states.get(shard_id, EMPTY)
        state = State({shard_id: ShardProgress(newest_ms, last_ms)}, held_ms, known.open)
        self._states[shard_id] = state
        return state

    def _remember(self, shard_id: str, state: State) -> None:
        self._states[shard_id] = state
        now_ms = self._clock.monotonic_ms()
        saved_ms, watermark_ms = self._published.get(shard_id, (-PROGRESS_EVERY_MS, NEVER_MS))
        if now_ms - saved_ms >= PROGRESS_EVERY_MS or state.watermark_ms - watermark_ms > MINUTE_MS:
            self._publish_progress(shard_id)
            self._published[shard_id] = (now_ms, state.watermark_ms)
            self._forget_closed(now_ms)

    def _forget_closed(self, now_ms: float) -> None:
        for shard_id, (at_ms, _) in list(self._published.items()):
            if now_ms - at_ms > FORGET_AFTER_MS:
                for known in (self._warm, self._states, self._doubtful, self._published):
                    known.pop(shard_id, None)

    def _publish_progress(self, shard_id: str) -> None:
        """At most once a second, but for a leap of more than a minute and the end of a window. A second invocation of
        the shard, in another process, may have got further: what is published never goes back (law 5). A lost race is
        left to the next publication."""
        mine = self.window_state(shard_id)
        saved = self._control.get("watermark", shard_id)
        known = saved.value or mine
        latest = {name: max(number, int(known.get(name, number))) for name, number in mine.items()}
        if latest != saved.value:
            with suppress(Conflict):
                self._control.put("watermark", shard_id, latest, saved.version)


def _had_some(read: Iterable[BucketKey], gathered: Gathered, decided: Step) -> bool:
    """Whether a minute just read had events of the batch already."""
    groups, added = gathered.groups, decided.added
    return added is not groups and any(key in groups and added.get(key) is not groups[key] for key in read)


def _no_longer_new(before: Mapping[BucketKey, Single | Group], decided: Step) -> int:
    """How many events of an attempt that lost a guard were written by it all the same: they are there now."""
    added = decided.added
    return sum(group.count - (added[key].count if key in added else 0) for key, group in before.items())


def _held(gathered: Gathered, decided: Step) -> Mapping[BucketKey, Single | Group]:
    """All groups of a batch but those that expired."""
    if not decided.expired:
        return gathered.groups
    return {key: group for key, group in gathered.groups.items() if key not in decided.expired}


def appeared(buckets: BucketStore, generation: str, decided: Step, stored: Mapping[BucketKey, Bucket]) -> bool:
    """True when a bucket that seemed expired is there after all: a store without snapshots may answer with the parent
    of after, and the minute of before, another writer's commit. Of a new lane the minute above it counts."""
    unseen = [each for key in decided.expired for each in (key, *ancestors(key)) if each not in stored]
    return bool(unseen) and bool(buckets.get_many(generation, unseen))


def _aside(record: StreamRecord, aside: SetAside, kind: Kind) -> Aside:
    return aside_of(kind, record, aside.reason, aside.detail, f"{aside.event.subject} {aside.event.event_id}")


def _again(events: Iterable[Event], too_late: Sequence[SetAside]) -> list[SetAside]:
    """What came again in the batch in which it is expired. It is set aside as often as it came: what came more often
    than that was counted, in the eyes of whoever counts."""
    expired = {_identity(aside.event): aside for aside in too_late if aside.reason == "expired"}
    if not expired:
        return []
    told = {id(aside.event) for aside in too_late}
    same = ((event, expired.get(_identity(event))) for event in events if id(event) not in told)
    return [aside._replace(event=event) for event, aside in same if aside is not None]


def _identity(event: Event) -> tuple[str, str, int]:
    return event.subject, event.event_id, window_start_ms(instant_ms(event.event_time), MINUTE_MS)


class _Decoding:
    """A batch's records decoded a chunk at a time: the records that are events in `places`, in order, those that are
    not in `bad`."""

    def __init__(self, batch: Iterable[Chunk]) -> None:
        self._batch = batch
        self.places: list[Iterable[StreamRecord]] = []
        self.bad: list[Aside] = []

    def chunks(self) -> Iterator[list[Event]]:
        """Decodes; to be gone through once."""
        for chunk in self._batch:
            payloads = chunk.payloads()
            events = None if payloads is None else decode_all(payloads)
            if events is None:
                events = self._one_by_one(chunk)
            else:
                self.places.append(chunk)
            yield events

    def asides(self, gathered: Gathered, decided: Step) -> list[Aside]:
        """Everything that may not count, with its record."""
        if not decided.too_late and not decided.quarantined:
            return self.bad
        places = dict(zip(map(id, gathered.events), itertools.chain.from_iterable(self.places), strict=True))
        too_late = [*decided.too_late, *_again(gathered.events, decided.too_late)]
        late = [_aside(places[id(aside.event)], aside, "late") for aside in too_late]
        return self.bad + late + [_aside(places[id(each.event)], each, "quarantined") for each in decided.quarantined]

    def _one_by_one(self, records: Iterable[StreamRecord]) -> list[Event]:
        events: list[Event] = []
        places: list[StreamRecord] = []
        for record in records:
            try:
                if record.error is not None:
                    raise record.error
                events.append(decode(record.data))
            except BadEvent as error:
                self.bad.append(aside_of("quarantined", record, error.reason, error.detail, digest_key(record.data)))
                continue
            places.append(record)
        self.places.append(places)
        return events
