"""`candlewick verify`: rebuild every bucket from the log in memory and compare with the store, byte for byte."""

from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any, NamedTuple

from aggregation.event import Event, decode
from aggregation.gather import gather
from aggregation.operator import EMPTY, Batch, step
from aggregation.rollup import violation
from contracts.bucket import Bucket, BucketKey, content_bytes
from contracts.errors import BadEvent
from contracts.events import SCORED_STREAM
from contracts.generation import live_generation
from contracts.instants import iso_s
from contracts.settings import AggregatorSettings
from ops.replay.plan import load_plan
from ops.replay.runs import KIND as RUN_KIND
from ops.replay.stitch import Piece, Start, heads, log_after, pieces
from ops.replay.tail import TailScores
from stores.home import Home

MAX_DIFFERENCES = 20


class Difference(NamedTuple):
    """One bucket that is not what the log says: missing, extra, different, or in breach of law 2."""

    subject: str
    resolution: str
    start: str
    fault: str


class Report(NamedTuple):
    """`digest` is over the content of every stored bucket in key order: equal digests, equal stores."""

    buckets: int
    events: int
    differences: list[Difference]
    total_differences: int
    digest: str

    def as_json(self) -> dict[str, Any]:
        return self._asdict() | {"differences": [difference._asdict() for difference in self.differences]}


def rebuild(
    home: Home, settings: AggregatorSettings, progress: Callable[[int], None] = lambda records: None
) -> tuple[dict[BucketKey, Bucket], int]:
    """(all buckets, events counted) from the log alone; what retention took from it comes from the lake."""
    stored: dict[BucketKey, Bucket] = {}
    counted = 0
    for piece, rescore in _pieces(home):
        lines = list(piece.lines)
        events = rescore(list(_events(lines)))
        gathered = gather(events, settings.allowed_lateness_ms, settings.lanes)
        done = step(EMPTY, Batch(piece.segment.shard_id, gathered, stored), 0)
        stored.update((write.bucket.key, write.bucket) for write in done.writes)
        counted += done.counted
        progress(len(lines))
    return stored, counted


def _pieces(home: Home) -> Iterator[tuple[Piece, Callable[[list[Event]], list[Event]]]]:
    """The whole log in order, and what becomes of the scores: a generation that a replay built with another model has
    that model's up to the position where it was made live, and those of the log beyond it."""
    live = live_generation(home.control)
    tips = heads(home.log, SCORED_STREAM)
    run = next((run for run in home.control.list(RUN_KIND).values() if run["generation"] == live), {})
    until = run.get("rescored_to")
    if until is None:
        yield from ((piece, _as_logged) for piece in pieces(home, "auto", SCORED_STREAM, tips, Start()))
        return
    plan = load_plan(home, run["plan"])
    assert plan.model is not None, f"run {run['id']} re-scored without a model"
    scores = TailScores(home, plan.model, None, None)
    yield from ((piece, scores) for piece in pieces(home, "auto", SCORED_STREAM, until, Start()))
    yield from ((piece, _as_logged) for piece in log_after(home.log, SCORED_STREAM, until, tips))


def _as_logged(events: list[Event]) -> list[Event]:
    return events


def _events(lines: list[bytes]) -> Iterator[Event]:
    for line in lines:
        try:
            yield decode(line)
        except BadEvent:
            continue  # the aggregator quarantined it; `account` counts it


def verify(home: Home, settings: AggregatorSettings, progress: Callable[[int], None] = lambda records: None) -> Report:
    """Compare the live generation with a rebuild, and check law 2 on every stored bucket."""
    expected, counted = rebuild(home, settings, progress)
    digest = sha256()
    differences: list[Difference] = []
    stored: dict[BucketKey, Bucket] = {}
    for bucket in home.buckets.scan(live_generation(home.control)):
        stored[bucket.key] = bucket
        content = content_bytes(bucket)
        digest.update(content)
        should = expected.pop(bucket.key, None)
        if should is None:
            differences.append(_difference(bucket.key, "is stored, but the log has no event for it"))
        elif content != content_bytes(should):
            counts = f"{bucket.summary.count} events stored, {should.summary.count} in the log"
            differences.append(_difference(bucket.key, f"differs from the log ({counts})"))
    differences += [_difference(key, "is missing") for key in expected]
    for bucket in stored.values():
        fault = violation(bucket, stored)
        if fault:
            differences.append(_difference(bucket.key, f"breaks law 2: {fault}"))
    return Report(len(stored), counted, differences[:MAX_DIFFERENCES], len(differences), digest.hexdigest())


def _difference(key: BucketKey, fault: str) -> Difference:
    return Difference(key.subject, key.resolution, iso_s(key.start_ms), fault)
