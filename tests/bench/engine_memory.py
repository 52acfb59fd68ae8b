"""What a member of a 1m bucket takes in memory: one hot minute against the same minute with one event."""

import tracemalloc
from typing import Final

import msgspec

from aggregation.event import Event
from aggregation.gather import gather
from aggregation.operator import EMPTY, Batch, step
from contracts.bucket import Bucket
from tests.events import BASE_MS, scored

MEMBERS: Final = 20_000


def bytes_per_member() -> float:
    """Bytes a member, its hash and its place in the set."""
    tracemalloc.start()
    one, many = _held(1), _held(MEMBERS)
    tracemalloc.stop()
    return (many - one) / (MEMBERS - 1)


def _held(count: int) -> int:
    """Bytes still held once the batch is forgotten and only its buckets are left."""
    before = tracemalloc.get_traced_memory()[0]
    buckets = _buckets(count)
    held = tracemalloc.get_traced_memory()[0] - before
    assert max(len(bucket.members) for bucket in buckets) == count
    return held


def _buckets(count: int) -> list[Bucket]:
    documents = [scored(number, "AAPL", BASE_MS + number % 60_000, 0.1) for number in range(count)]
    events = [msgspec.convert(document, Event) for document in documents]
    return list(step(EMPTY, Batch("s", gather(events), {}), BASE_MS).buckets)
