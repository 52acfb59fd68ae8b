"""The algebra of summaries: associative, commutative, and blind to the order of arrival.

Open is the minimum and close the maximum by (event time, event id); everything else is a sum, a maximum, a minimum or
a union of integers and names. So a summary is a function of the set of its events (law 1).
"""

from collections.abc import Sequence
from typing import Final

from contracts.bucket import Summary

_UNIONS: dict[tuple[tuple[str, ...], tuple[str, ...]], tuple[str, ...]] = {}
_MAX_UNIONS: Final = 10_000


def union(a: tuple[str, ...], b: tuple[str, ...]) -> tuple[str, ...]:
    """Sorted union of sorted names. There are few distinct ones, so each is made once and shared."""
    if a is b or a == b:
        return a
    found = _UNIONS.get((a, b))
    if found is None:
        if len(_UNIONS) >= _MAX_UNIONS:
            _UNIONS.clear()
        found = _UNIONS[a, b] = tuple(sorted({*a, *b}))
    return found


def merge(a: Summary, b: Summary) -> Summary:
    """The summary of the union of two disjoint sets of events."""
    opens_a = a.open_ms < b.open_ms or (a.open_ms == b.open_ms and a.open_id <= b.open_id)
    closes_a = a.close_ms > b.close_ms or (a.close_ms == b.close_ms and a.close_id >= b.close_id)
    o = a if opens_a else b
    c = a if closes_a else b
    return Summary(
        a.count + b.count, a.sum_e4 + b.sum_e4,
        a.high_e4 if a.high_e4 >= b.high_e4 else b.high_e4,
        a.low_e4 if a.low_e4 <= b.low_e4 else b.low_e4,
        o.open_e4, o.open_ms, o.open_id,
        c.close_e4, c.close_ms, c.close_id,
        a.positive + b.positive, a.neutral + b.neutral, a.negative + b.negative,
        union(a.sources, b.sources), union(a.model_versions, b.model_versions),
    )  # fmt: skip


def merge_all(summaries: Sequence[Summary]) -> Summary:
    """The summary of several disjoint sets, at least one."""
    total = summaries[0]
    for summary in summaries[1:]:
        total = merge(total, summary)
    return total
