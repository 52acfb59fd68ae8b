"""`candlewick verify`: rebuild every bucket from the log in memory and compare with the store, byte for byte."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any, Final, NamedTuple

from aggregation.event import Event, decode
from aggregation.gather import gather
from aggregation.operator import EMPTY, Batch, step
from aggregation.rollup import child_key, violation
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
SECOND_LOOKS: Final = 5
SECOND_LOOK_MS: Final = 200
Progress = Callable[[int], None]


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
    home: Home, settings: AggregatorSettings, tips: Mapping[str, str], progress: Progress
) -> tuple[dict[BucketKey, Bucket], int]:
    """(all buckets, events counted) from the log alone up to its tips; what retention took from it comes from the
    lake."""
    found: dict[BucketKey, Bucket] = {}
    counted = _apply(found, _pieces(home, tips), settings, progress)
    return found, counted


def _apply(
    found: dict[BucketKey, Bucket],
    read: Iterable[tuple[Piece, Callable[[list[Event]], list[Event]]]],
    settings: AggregatorSettings,
    progress: Progress,
) -> int:
    counted = 0
    for piece, rescore in read:
        lines = list(piece.lines)
        gathered = gather(rescore(list(_events(lines))), settings.allowed_lateness_ms, settings.lanes)
        done = step(EMPTY, Batch(piece.segment.shard_id, gathered, found), 0)
        done.put_into(found)
        counted += done.counted
        progress(len(lines))
    return counted


def _pieces(home: Home, tips: Mapping[str, str]) -> Iterator[tuple[Piece, Callable[[list[Event]], list[Event]]]]:
    """The whole log in order, and what becomes of the scores: a generation that a replay built with another model has
    that model's up to the position where it was made live, and those of the log beyond it."""
    live = live_generation(home.control)
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


def verify(home: Home, settings: AggregatorSettings, progress: Progress = lambda records: None) -> Report:
    """Compare the live generation with a rebuild, and check law 2 on every stored bucket. Beside a running line too:
    what differs is looked at again with what the log holds by then."""
    generation = live_generation(home.control)
    tips = heads(home.log, SCORED_STREAM)
    expected, counted = rebuild(home, settings, tips, progress)
    digest = sha256()
    stored: dict[BucketKey, Bucket] = {}
    for bucket in home.buckets.scan(generation):
        stored[bucket.key] = bucket
        digest.update(content_bytes(bucket))
    faults = _faults({**stored, **expected}, stored, expected)
    for _ in range(SECOND_LOOKS if faults else 0):
        home.clock.wait(threading.Event(), SECOND_LOOK_MS)
        newer = heads(home.log, SCORED_STREAM)
        since = ((piece, _as_logged) for piece in log_after(home.log, SCORED_STREAM, tips, newer))
        counted += _apply(expected, since, settings, progress)
        tips = newer
        children = [child_key(stored[key], name) for key in faults if key in stored for name, _ in stored[key].children]
        stored |= home.buckets.get_many(generation, [*faults, *children])
        faults = _faults(faults, stored, expected)
        if not faults:
            break
    differences = [Difference(key.subject, key.resolution, iso_s(key.start_ms), fault) for key, fault in faults.items()]
    return Report(len(stored), counted, differences[:MAX_DIFFERENCES], len(differences), digest.hexdigest())


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
        return f"breaks law 2: {broken}"
    if should is None:
        return "is stored, but the log has no event for it"
    if content_bytes(bucket) != content_bytes(should):
        return f"differs from the log ({bucket.summary.count} events stored, {should.summary.count} in the log)"
    return None
