"""Two generations' buckets side by side, and what tells a pair apart."""

from collections.abc import Iterator

from contracts.bucket import LANE_SEPARATOR, Bucket
from contracts.resolution import FINEST


def pairs(here: Iterator[Bucket], there: Iterator[Bucket]) -> Iterator[tuple[Bucket | None, Bucket | None]]:
    """Two scans in key order, each bucket with its counterpart or None."""
    one, other = next(here, None), next(there, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one.key < other.key):
            yield one, None
            one = next(here, None)
        elif one is None or other.key < one.key:
            yield None, other
            other = next(there, None)
        else:
            yield one, other
            one, other = next(here, None), next(there, None)


def without_lanes(buckets: Iterator[Bucket]) -> Iterator[Bucket]:
    """Lanes are how a bucket is written, not what it says."""
    return (bucket for bucket in buckets if LANE_SEPARATOR not in bucket.subject)


def same_content(here: Bucket, there: Bucket) -> bool:
    """Equal in all that `content_bytes` encodes, without encoding it; of a minute that is spread over lanes, in what
    it says."""
    if here.resolution == FINEST.name and (here.children or there.children):
        return here.summary == there.summary
    return here.summary == there.summary and here.members == there.members and here.children == there.children


def distance_e4(here: Bucket, there: Bucket) -> int:
    """The largest difference of open, high, low and close, in 1/10,000."""
    a, b = here.summary, there.summary
    return max(
        abs(a.open_e4 - b.open_e4), abs(a.high_e4 - b.high_e4), abs(a.low_e4 - b.low_e4), abs(a.close_e4 - b.close_e4)
    )
