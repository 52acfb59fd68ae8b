"""Two generations bucket by bucket: equal, changed, only in one of them, and the ones that differ most."""

import heapq
import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any

from contracts.bucket import E4, Bucket
from contracts.documents import bucket_document
from contracts.pairs import distance_e4, pairs, same_content, without_lanes
from contracts.ports import BucketStore

MAX_BUCKETS = 200_000
WORST = 20


def compare(store: BucketStore, a: str, b: str, now_ms: int) -> dict[str, Any]:
    """The comparison, until 200,000 buckets of either are read (`complete` tells). Blocking. Raises `Transient`."""
    counts: Counter[str] = Counter()
    by_resolution: dict[str, Counter[str]] = {}
    worst: list[Any] = []
    read = [0, 0]
    scans = [without_lanes(_counting(store.scan(name), read, side)) for side, name in enumerate((a, b))]
    for here, there in pairs(*scans):
        if max(read) > MAX_BUCKETS:
            break  # what the other side has from here on is not missing, it was not asked for
        one = here or there
        assert one is not None
        verdict = _verdict(here, there)
        counts[verdict] += 1
        by_resolution.setdefault(one.resolution, Counter())[verdict] += 1
        if verdict == "changed" and here is not None and there is not None:
            entry = (distance_e4(here, there), tuple(here.key), here, there)
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
                "difference": difference_e4 / E4,
                "a": bucket_document(here, now_ms),
                "b": bucket_document(there, now_ms),
            }
            for difference_e4, _, here, there in sorted(worst, key=lambda entry: (-entry[0], entry[1]))
        ],
        "complete": max(read) <= MAX_BUCKETS,
    }


def _counting(buckets: Iterator[Bucket], read: list[int], side: int) -> Iterator[Bucket]:
    for bucket in itertools.islice(buckets, MAX_BUCKETS + 1):
        read[side] += 1
        if read[side] > MAX_BUCKETS:
            return
        yield bucket


def _verdict(here: Bucket | None, there: Bucket | None) -> str:
    if here is None:
        return "only_there"
    if there is None:
        return "only_here"
    return "equal" if same_content(here, there) else "changed"
