"""The buckets of a subject's days from nothing: what `step` would decide with an empty store, without what an empty
store makes pointless (looking for stored buckets, expired ones, open windows). Half the work; a test compares them.
"""

from typing import Final

from aggregation.gather import Gathered
from aggregation.operator import EMPTY, Batch, step
from aggregation.rollup import CASCADE, is_lane, summary_of
from contracts.bucket import Bucket, Summary, flat
from contracts.resolution import FINEST

_NOTHING: Final = b""


def fresh_buckets(gathered: Gathered, now_ms: int) -> list[Bucket]:
    """Every bucket of the events that count, finest first, each at its first revision."""
    if any(is_lane(key) for key in gathered.groups):
        return [write.bucket for write in step(EMPTY, Batch("replay", gathered, {}), now_ms).writes]
    name, width_ms = FINEST.name, FINEST.width_ms
    buckets = []
    level: dict[tuple[str, int], Summary] = {}
    for (subject, _, start_ms), group in gathered.groups.items():
        summary = level[subject, start_ms] = group.summary()
        members = group.packed()
        buckets.append(Bucket(subject, name, start_ms, summary, members, (), 1, now_ms, start_ms + width_ms > now_ms))
    for _fine, coarse in CASCADE:
        name, width_ms = coarse.name, coarse.width_ms
        above: dict[tuple[str, int], list[tuple[int, Summary]]] = {}
        for (subject, start_ms), summary in level.items():
            key = (subject, start_ms - start_ms % width_ms)
            children = above.get(key)
            if children is None:
                above[key] = [(start_ms, summary)]
            else:
                children.append((start_ms, summary))
        level = {}
        for (subject, start_ms), children in above.items():
            fixed = children[0] if len(children) == 1 else flat(sorted(children, key=_start))
            summary = level[subject, start_ms] = summary_of(fixed)
            buckets.append(
                Bucket(subject, name, start_ms, summary, _NOTHING, fixed, 1, now_ms, start_ms + width_ms > now_ms)
            )
    return buckets


def _start(child: tuple[int, Summary]) -> int:
    return child[0]
