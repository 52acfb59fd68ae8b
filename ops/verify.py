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
from ops.log_reader import pages
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
    """(all buckets, events counted) from the log alone."""
    stored: dict[BucketKey, Bucket] = {}
    counted = 0
    for shard_id, page in pages(home.log, SCORED_STREAM):
        events = list(_events(page))
        gathered = gather(events, settings.allowed_lateness_ms, settings.lanes)
        done = step(EMPTY, Batch(shard_id, gathered, stored), 0)
        stored.update((write.bucket.key, write.bucket) for write in done.writes)
        counted += done.counted
        progress(len(page))
    return stored, counted


def _events(page: list[Any]) -> Iterator[Event]:
    for record in page:
        try:
            yield decode(record.data)
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
