"""Roll-up by replacement: a coarse bucket keeps one summary per child window, and an update *replaces* the child's.

It never adds. So applying anything twice changes nothing, at every level, and a crash between two writes is repaired
by the retry (laws 1 and 2).
"""

import itertools
from bisect import bisect_left
from typing import Final

from aggregation.summary import merge_all
from contracts.bucket import LANE_SEPARATOR, Bucket, BucketKey, FlatChildren, Summary
from contracts.resolution import BY_NAME, CHILD, FINEST, PARENT, RESOLUTIONS, WIDTH_MS, Resolution, window_start_ms

#: Finest first: (resolution, its parent), the order in which a cascade goes up and commits.
CASCADE: Final[tuple[tuple[Resolution, Resolution], ...]] = tuple(itertools.pairwise(RESOLUTIONS))


def replace(children: FlatChildren, updates: FlatChildren) -> FlatChildren:
    """Children with the updated ones replaced or inserted; both ascending; the same object when nothing differs.

    A child's set of events only grows, so of two summaries of one child the one that counts more is the newer. An
    update that counts no more than what is known is stale or equal (a reader that lost a race), and is left out.
    """
    for first in range(0, len(updates), 2):
        name, summary = update = updates[first : first + 2]
        at = 2 * bisect_left(children[::2], name)
        if at == len(children) or children[at] != name:
            children = children[:at] + update + children[at:]
        elif children[at + 1].count < summary.count:
            children = children[:at] + update + children[at + 2 :]
    return children


def summary_of(children: FlatChildren) -> Summary:
    """What a coarse bucket says: the merge of its children."""
    return children[1] if len(children) == 2 else merge_all(children[1::2])


def is_lane(key: BucketKey) -> bool:
    """True for a hot subject's lane bucket (`AAPL~3`, 1m), a child of the subject's own 1m bucket."""
    return LANE_SEPARATOR in key.subject


def parent_of(key: BucketKey) -> tuple[BucketKey, int] | None:
    """The bucket a bucket rolls up into, and the name it has among that bucket's children (window start, or lane
    number); None for 24h."""
    if is_lane(key):
        subject, _, lane = key.subject.partition(LANE_SEPARATOR)
        return BucketKey(subject, key.resolution, key.start_ms), int(lane)
    parent = PARENT.get(key.resolution)
    if parent is None:
        return None
    return BucketKey(key.subject, parent, window_start_ms(key.start_ms, WIDTH_MS[parent])), key.start_ms


def ancestors(key: BucketKey) -> list[BucketKey]:
    """Every bucket above one, finest first."""
    found: list[BucketKey] = []
    link = parent_of(key)
    while link:
        found.append(link[0])
        link = parent_of(link[0])
    return found


def past_ttl(key: BucketKey, now_ms: int) -> bool:
    """Whether a bucket's time to live is over: it may be gone, or go at any moment."""
    resolution = BY_NAME[key.resolution]
    return key.start_ms + resolution.width_ms + resolution.ttl_ms <= now_ms


def violation(bucket: Bucket, stored: dict[BucketKey, Bucket]) -> str | None:
    """Law 2 on one bucket with what is stored of its children: None, or what is wrong.

    A child that is gone (TTL) is no violation; its summary is all that is left of it.
    """
    if bucket.flat_children and summary_of(bucket.flat_children) != bucket.summary:
        return "its summary is not the merge of its children"
    for name, summary in bucket.children:
        child = stored.get(child_key(bucket, name))
        if child is not None and child.summary != summary:
            return f"child {child.key} holds {child.summary.count} events, its summary says {summary.count}"
    return None


def child_key(bucket: Bucket, name: int) -> BucketKey:
    """The key of a bucket's child by its name among the children."""
    if bucket.resolution == FINEST.name:
        return BucketKey(f"{bucket.subject}{LANE_SEPARATOR}{name}", bucket.resolution, bucket.start_ms)
    return BucketKey(bucket.subject, CHILD[bucket.resolution], name)
