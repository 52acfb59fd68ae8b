"""`candlewick verify`: rebuild every bucket from the log in memory and compare with the store, byte for byte."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any, Final, NamedTuple

from aggregation.event import Event, decode
from aggregation.gather import gather
from aggregation.handover import checkpoints_of, is_of
from aggregation.lanes import KIND as LANES
from aggregation.lanes import LATENESS
from aggregation.operator import EMPTY, Batch, step
from aggregation.rollup import child_key, past_ttl, violation
from contracts.bucket import NO_MEMBERS, Bucket, BucketKey, content_bytes
from contracts.errors import BadEvent, Unusable
from contracts.events import SCORED_STREAM
from contracts.generation import FIRST_GENERATION, POINTER, live_generation
from contracts.instants import iso_s
from contracts.sequence import end_of_record
from contracts.settings import AggregatorSettings
from local.driver_checkpoint import KIND as CHECKPOINT_KIND
from ops.asides import built_from, standing
from ops.replay.plan import load_plan
from ops.replay.runs import KIND as RUN_KIND
from ops.replay.runs import check_model, rescored_to
from ops.replay.stitch import Piece, heads, log_after, stitched
from ops.replay.tail import TailScores
from stores.home import Home

MAX_DIFFERENCES = 20
SECOND_LOOKS: Final = 5
SECOND_LOOK_MS: Final = 200
BROKEN: Final = "breaks law 2"
Progress = Callable[[int], None]


class Difference(NamedTuple):
    """One bucket that is not what the log says: missing, extra, different, or in breach of law 2."""

    subject: str
    resolution: str
    start: str
    fault: str


class Report(NamedTuple):
    """`digest` is over the content of every stored bucket in key order: equal digests, equal stores. `being_written`
    are buckets that were never seen equal, but something else at the last look than at the first, while the line went
    on, and in which nothing was seen to be lost or too many: ask when it is quieter."""

    buckets: int
    events: int
    differences: list[Difference]
    total_differences: int
    digest: str
    being_written: int = 0

    def as_json(self) -> dict[str, Any]:
        return self._asdict() | {"differences": [difference._asdict() for difference in self.differences]}


class _Rebuilt:
    """All buckets, from the log alone; what retention took from it comes from the lake. With TTLs an event may come
    when its minute is gone: the aggregator set it aside as expired, and it counts here neither, unless a replay has
    counted it since."""

    def __init__(self, home: Home, settings: AggregatorSettings, progress: Progress) -> None:
        self.buckets: dict[BucketKey, Bucket] = {}
        self.counted = 0
        self._home = home
        self._settings = settings
        self._progress = progress
        self._is_built_from = built_from(home)
        self._expired: Counter[str] = Counter()
        self._doubtful: dict[str, list[Event]] = {}
        settled = home.control.get(LANES, live_generation(home.control)).value
        self._lanes = int(settled["lanes"]) if settled else settings.lanes

    def add(self, read: Iterable[tuple[Piece, Callable[[list[Event]], list[Event]]]]) -> None:
        """More of the log, in its order."""
        if self._settings.expire:
            late = standing(self._home.lake, "late")
            expired = (line for line in late if line["reason"] == "expired" and not self._is_built_from(line))
            self._expired = Counter(line["event_key"] for line in expired)
        for piece, rescore in read:
            lines = list(piece.lines)
            self._count(piece.segment.shard_id, [each for each in rescore(list(_events(lines))) if self._is_sure(each)])
            self._progress(len(lines))
        # One that came more often than it was expired was counted, once.
        self._count("", [found[0] for name, found in self._doubtful.items() if len(found) > self._expired[name]])

    def _is_sure(self, event: Event) -> bool:
        name = f"{event.subject} {event.event_id}"
        if name in self._expired:
            self._doubtful.setdefault(name, []).append(event)
        return name not in self._expired

    def _count(self, shard_id: str, events: list[Event]) -> None:
        gathered = gather(events, self._settings.allowed_lateness_ms, self._lanes)
        done = step(EMPTY, Batch(shard_id, gathered, self.buckets), 0)
        done.put_into(self.buckets)
        self.counted += done.counted


def _pieces(home: Home, tips: Mapping[str, str]) -> Iterator[tuple[Piece, Callable[[list[Event]], list[Event]]]]:
    """The whole log in order, and what becomes of the scores: a generation that a replay built with another model has
    that model's up to the position where it was made live, and those of the log beyond it. Raises `Unusable` where the
    log has forgotten that position and an object of the lake lies across it."""
    pointer = home.control.get(*POINTER).value or {}
    live = pointer.get("generation", FIRST_GENERATION)
    run = next((run for run in home.control.list(RUN_KIND).values() if run["generation"] == live), None)
    until = rescored_to(run, pointer) if run else None
    if run is None or until is None:
        yield from ((piece, _as_logged) for piece in stitched(home, SCORED_STREAM, tips))
        return
    plan = load_plan(home, run["plan"])
    assert plan.model is not None, f"run {run['id']} re-scored without a model"
    check_model(plan)
    scores = TailScores(home, plan.model, None, None)
    planned = {segment.shard_id for segment in plan.segments}
    for piece in stitched(home, SCORED_STREAM, tips, until, 0):
        of = piece.segment
        border = until.get(of.shard_id)
        # An object names Kinesis' records, and nothing was made live in the middle of one.
        end = end_of_record(border) if border else ""
        if not border:  # a shard that was gone when it was made live, or that is younger
            yield piece, scores if of.shard_id in planned else _as_logged
        elif int(of.last) <= int(end):
            yield piece, scores
        elif int(of.first) > int(end):
            yield piece, _as_logged
        else:
            raise Unusable(
                f"{of.place} holds records from before and after {live} was made live with the scores of {plan.model}, "
                f"and the log has forgotten which are which; `candlewick replay verify {run['id']}` still checks what "
                "was built, and what a new replay makes can be verified again"
            )


def _as_logged(events: list[Event]) -> list[Event]:
    return events


def _events(lines: list[bytes]) -> Iterator[Event]:
    for line in lines:
        try:
            yield decode(line)
        except BadEvent:
            continue  # the aggregator quarantined it; `account` counts it


def verify(home: Home, settings: AggregatorSettings, progress: Progress = lambda records: None) -> Report:
    """Compare the live generation with a rebuild, and check law 2 on every stored bucket. Beside a running line too:
    what differs is looked at again with what the log holds by then. Buckets past their TTL, where that applies, may be
    there or not."""
    generation = live_generation(home.control)
    tips = heads(home.log, SCORED_STREAM)
    rebuilt = _Rebuilt(home, settings, progress)
    rebuilt.add(_pieces(home, tips))
    digest = sha256()
    stored: dict[BucketKey, Bucket] = {}
    for bucket in home.buckets.scan(generation):
        stored[bucket.key] = bucket
        digest.update(content_bytes(bucket))
    faults = _faults(_living(home, settings, {**stored, **rebuilt.buckets}), stored, rebuilt.buckets)
    first = _versions(faults, stored, rebuilt.buckets)
    due = {key: rebuilt.buckets.get(key) for key in faults}
    due_tips, past = tips, False
    done = checkpoints_of(home.control, CHECKPOINT_KIND, "aggregator")
    for _ in range(SECOND_LOOKS if faults else 0):
        home.clock.wait(threading.Event(), SECOND_LOOK_MS)
        newer = heads(home.log, SCORED_STREAM)
        rebuilt.add((piece, _as_logged) for piece in log_after(home.log, SCORED_STREAM, tips, newer))
        tips = newer
        past = _is_past(home, due_tips)  # first: what it is done with is stored
        children = [child_key(stored[key], name) for key in faults if key in stored for name, _ in stored[key].children]
        stored |= home.buckets.get_many(generation, [*faults, *children])
        faults = _faults(_living(home, settings, faults), stored, rebuilt.buckets)
        if not faults:
            break
    last = _versions(faults, stored, rebuilt.buckets)
    goes_on = not done or done != checkpoints_of(home.control, CHECKPOINT_KIND, "aggregator")
    moving = {key for key in faults if last[key] != first[key] and (goes_on or last[key][0] != first[key][0])}
    if moving:  # what is stored may be ahead of what was read
        newer = heads(home.log, SCORED_STREAM)
        rebuilt.add((piece, _as_logged) for piece in log_after(home.log, SCORED_STREAM, tips, newer))
    for key in list(moving):
        held, known = _members(stored.get(key)), _members(rebuilt.buckets.get(key))
        lost, extra = _members(due[key]) - held if past else NO_MEMBERS, held - known
        if lost or extra:
            moving.discard(key)
            faults[key] = f"lacks {len(lost)} events of the log and has {len(extra)} that are not in it"
    note = _changed_lateness(home, settings, generation)
    differences = [
        Difference(key.subject, key.resolution, iso_s(key.start_ms), fault + ("" if fault.startswith(BROKEN) else note))
        for key, fault in faults.items()
        if key not in moving
    ]
    shown, total = differences[:MAX_DIFFERENCES], len(differences)
    return Report(len(stored), rebuilt.counted, shown, total, digest.hexdigest(), len(moving))


def _members(bucket: Bucket | None) -> frozenset[int]:
    return bucket.members if bucket else NO_MEMBERS


def _is_past(home: Home, tips: Mapping[str, str]) -> bool:
    """Whether the aggregator is surely done with all up to these records. Where it keeps no checkpoints (on AWS) nobody
    can tell."""
    done = checkpoints_of(home.control, CHECKPOINT_KIND, "aggregator")
    return all(
        int(done.get(shard_id, -1)) >= int(tip) and is_of(home.log, SCORED_STREAM, shard_id, done[shard_id])
        for shard_id, tip in tips.items()
    )


def _changed_lateness(home: Home, settings: AggregatorSettings, generation: str) -> str:
    """What makes a generation differ though nothing is damaged."""
    then_ms, now_ms = (home.control.get(LANES, generation).value or {}).get(LATENESS), settings.allowed_lateness_ms
    if then_ms in (None, now_ms):
        return ""
    return (
        f"; the allowed lateness was {then_ms:,} ms when {generation} was begun and is {now_ms:,} now, so events "
        "between the two may be judged otherwise"
    )


def _versions(
    keys: Iterable[BucketKey], stored: Mapping[BucketKey, Bucket], expected: Mapping[BucketKey, Bucket]
) -> dict[BucketKey, tuple[int, int]]:
    """How far buckets have come, in the store and in the log."""
    return {
        key: (stored[key].rev if key in stored else 0, expected[key].summary.count if key in expected else 0)
        for key in keys
    }


def _living(home: Home, settings: AggregatorSettings, keys: Iterable[BucketKey]) -> list[BucketKey]:
    now_ms = home.clock.now_ms()
    return [key for key in keys if not (settings.expire and past_ttl(key, now_ms))]


def _faults(
    keys: Iterable[BucketKey], stored: dict[BucketKey, Bucket], expected: Mapping[BucketKey, Bucket]
) -> dict[BucketKey, str]:
    """What is wrong with which bucket."""
    found = {key: _fault(stored.get(key), expected.get(key), stored) for key in keys}
    return {key: fault for key, fault in found.items() if fault is not None}


def _fault(bucket: Bucket | None, should: Bucket | None, stored: dict[BucketKey, Bucket]) -> str | None:
    if bucket is None:
        return "is missing"
    broken = violation(bucket, stored)
    if broken:
        return f"{BROKEN}: {broken}"
    if should is None:
        return "is stored, but the log has no event for it"
    if content_bytes(bucket) != content_bytes(should):
        return f"differs from the log ({bucket.summary.count} events stored, {should.summary.count} in the log)"
    return None
