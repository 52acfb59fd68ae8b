"""Buckets and changes for the BucketStore's suite."""

import random

from contracts.bucket import Bucket, BucketKey, BucketWrite, Summary, flat, pack_members
from contracts.ports import Change, NewEvent
from contracts.resolution import WIDTH_MS

START_MS = 1_766_275_200_000


def summary(seed: int) -> Summary:
    number = random.Random(seed)
    values = sorted(number.randint(-10_000, 10_000) for _ in range(4))
    first, last = f"rss#{seed:016x}@AAPL", f"rss#{seed + 1:016x}@AAPL"
    sources = tuple(sorted(number.sample(["rss", "finnhub", "tiingo", "日本"], number.randint(1, 3))))
    return Summary(
        4, sum(values), values[3], values[0], values[1], START_MS + seed, first, values[2], START_MS + seed + 1, last,
        1, 2, 1, sources, ("minilm-news-1",),
    )  # fmt: skip


def bucket(
    subject: str = "AAPL", resolution: str = "1m", at: int = 0, rev: int = 1, seed: int = 0, partial: bool = False
) -> Bucket:
    """The bucket of the `at`-th window; a 1m bucket has members, the others have children."""
    number = random.Random(seed)
    fine = resolution == "1m"
    start_ms = START_MS + at * WIDTH_MS[resolution]
    return Bucket(
        BucketKey(subject, resolution, start_ms),
        summary(seed),
        pack_members([number.getrandbits(64) for _ in range(5)]) if fine else b"",
        () if fine else flat((start_ms + child * 60_000, summary(seed + child)) for child in range(3)),
        rev,
        START_MS + rev * 1_000,
        partial,
    )


def seen(stored: Bucket) -> Bucket:
    """What range reads and changes show of a bucket: no members, no children."""
    return Bucket(
        stored.key, stored.summary, b"", (), stored.rev,
        stored.last_updated_ms, stored.is_partial,
    )  # fmt: skip


def write(stored: Bucket) -> BucketWrite:
    """The write that raises the bucket to its `rev`."""
    return BucketWrite(stored, stored.rev - 1)


def change(*buckets: Bucket, generation: str = "live", written_ms: int = START_MS, subject: str = "AAPL") -> Change:
    event = NewEvent("rss#1@AAPL", "rss#1", "2025-12-21T00:00:00.000Z", "rss", "negative", -5_000)
    return Change(generation, subject, tuple(map(seen, buckets)), (event,), written_ms - 5, written_ms)
