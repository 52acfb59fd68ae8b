"""Two generations bucket by bucket: equal, changed, only in one of them, and the ones that differ most."""

import heapq
import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any

from contracts.bucket import E4, Bucket, content_bytes
from contracts.documents import bucket_document
from contracts.pairs import pairs
from contracts.ports import BucketStore

MAX_BUCKETS = 200_000
WORST = 20


def compare(store: BucketStore, a: str, b: str, now_ms: int) -> dict[str, Any]:
    """The comparison, over at most 200,000 buckets of each (`complete` tells). Blocking. Raises `Transient`."""
    counts: Counter[str] = Counter()
    by_resolution: dict[str, Counter[str]] = {}
    worst: list[Any] = []
    read = [0, 0]
    for here, there in pairs(_counting(store.scan(a), read, 0), _counting(store.scan(b), read, 1)):
        one = here or there
        assert one is not None
        verdict = _verdict(here, there)
        counts[verdict] += 1
        by_resolution.setdefault(one.resolution, Counter())[verdict] += 1
        if verdict == "changed" and here is not None and there is not None:
            entry = (_distance_e4(here, there), tuple(here.key), here, there)
            if len(worst) < WORST:
                heapq.heappush(worst, entry)
            else:
                heapq.heappushpop(worst, entry)
    names = ("equal", "changed", "only_here", "only_there")
    return {
        "a": a,
        "b": b,
        "counts": {name: counts[name] for name in names},
        "by_resolution": {
            resolution: {name: tally[name] for name in names} for resolution, tally in by_resolution.items()
        },
        "worst": [
            {
                "ticker": here.subject,
                "resolution": here.resolution,
                "difference": distance_e4 / E4,
                "a": bucket_document(here, now_ms),
                "b": bucket_document(there, now_ms),
            }
            for distance_e4, _, here, there in sorted(worst, key=lambda entry: (-entry[0], entry[1]))
        ],
        "complete": max(read) <= MAX_BUCKETS,
    }


def _counting(buckets: Iterator[Bucket], read: list[int], side: int) -> Iterator[Bucket]:
    for bucket in itertools.islice(buckets, MAX_BUCKETS + 1):
        read[side] += 1
        if read[side] > MAX_BUCKETS:
            return
        if "~" not in bucket.subject:
            yield bucket


def _verdict(here: Bucket | None, there: Bucket | None) -> str:
    if here is None:
        return "only_there"
    if there is None:
        return "only_here"
    return "equal" if content_bytes(here) == content_bytes(there) else "changed"


def _distance_e4(here: Bucket, there: Bucket) -> int:
    """The largest difference of open, high, low and close."""
    a, b = here.summary, there.summary
    return max(
        abs(a.open_e4 - b.open_e4),
        abs(a.high_e4 - b.high_e4),
        abs(a.low_e4 - b.low_e4),
        abs(a.close_e4 - b.close_e4),
    )
