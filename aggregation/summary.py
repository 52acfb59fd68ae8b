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
    return merge_all((a, b))


def merge_all(summaries: Sequence[Summary]) -> Summary:
    """The summary of the union of several disjoint sets of events, at least one."""
    opens = closes = first = summaries[0]
    count, sum_e4, high_e4, low_e4 = first.count, first.sum_e4, first.high_e4, first.low_e4
    positive, neutral, negative = first.positive, first.neutral, first.negative
    sources, model_versions = first.sources, first.model_versions
    for each in summaries[1:]:
        count += each.count
        sum_e4 += each.sum_e4
        if each.high_e4 > high_e4:
            high_e4 = each.high_e4
        if each.low_e4 < low_e4:
            low_e4 = each.low_e4
        if each.open_ms < opens.open_ms or (each.open_ms == opens.open_ms and each.open_id < opens.open_id):
            opens = each
        if each.close_ms > closes.close_ms or (each.close_ms == closes.close_ms and each.close_id > closes.close_id):
            closes = each
        positive += each.positive
        neutral += each.neutral
        negative += each.negative
        if each.sources is not sources:
            sources = union(sources, each.sources)
        if each.model_versions is not model_versions:
            model_versions = union(model_versions, each.model_versions)
    return Summary(
        count, sum_e4, high_e4, low_e4,
        opens.open_e4, opens.open_ms, opens.open_id,
        closes.close_e4, closes.close_ms, closes.close_id,
        positive, neutral, negative, sources, model_versions,
    )  # fmt: skip
