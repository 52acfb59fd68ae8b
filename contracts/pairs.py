"""Two scans of buckets side by side."""

from collections.abc import Iterator

from contracts.bucket import Bucket


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
