"""Counting articles along every dimension at once, for the analytics page: when they came, how they were labelled and
scored, by source, model, tag and ticker, how late they were, and which subject had news when.

**Cross-filter.** Each dimension is counted under the filters on all *other* dimensions, so that the alternatives to
what was chosen stay visible. Without a filter the store's maintained counters are read; with one, or without counters,
the articles' facts are looked at, newest first, up to a bound that the answer tells.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from api.facts import Fact, Facts
from api.item_reads import ItemReads
from api.tallies import top_of
from contracts.events import LABELS
from contracts.instants import iso_ms, iso_s
from contracts.resolution import HOUR_MS, RESOLUTIONS, window_start_ms
from contracts.subjects import TAG_PREFIX
from contracts.tally import DELAY_BINS, DELAY_EDGES_MS, SCORE_BINS, Tally

#: What can be filtered by name; the ingestion time is one dimension more.
NAMED: Final = ("label", "source", "model", "tag", "ticker", "score", "arrival", "scoring")
TIME: Final = "time"
MAX_WINDOWS: Final = 64
MAX_SUBJECTS: Final = 12
#: Filtered counts look at no more articles than this (rounded up to a day's).
MAX_LOOKED_AT: Final = 200_000


class Span(NamedTuple):
    """`[start_ms, end_ms)` in windows of one resolution."""

    resolution: str
    width_ms: int
    start_ms: int
    end_ms: int

    @property
    def starts(self) -> range:
        """The windows' starts."""
        return range(self.start_ms, self.end_ms, self.width_ms)


class Wanted(NamedTuple):
    """The filters: a name by dimension, and a range `[start, end)` of ingestion."""

    names: Mapping[str, str]
    time_ms: tuple[int, int] | None

    @property
    def is_empty(self) -> bool:
        """Nothing is filtered."""
        return not self.names and self.time_ms is None


class Counted:
    """The counts of a span."""

    def __init__(self) -> None:
        self.total = 0
        #: Articles by window and label, under all filters but the time's.
        self.windows: dict[int, Counter[str]] = {}
        #: Articles by name, under all filters but the dimension's own.
        self.facets: dict[str, Counter[str]] = {name: Counter() for name in NAMED}
        #: Articles by window of a subject, under all filters but those on subjects and time.
        self.coverage: dict[str, Counter[int]] = {}
        #: From when on the counts are whole; None: the whole span.
        self.whole_from_ms: int | None = None


def span_of(hours: int, now_ms: int) -> Span:
    """The last hours in the finest windows of which there are not too many; whole windows, so the first may reach back
    a little further."""
    for row in RESOLUTIONS:
        start_ms = window_start_ms(now_ms - hours * HOUR_MS, row.width_ms)
        end_ms = window_start_ms(now_ms, row.width_ms) + row.width_ms
        if (end_ms - start_ms) // row.width_ms <= MAX_WINDOWS:
            return Span(row.name, row.width_ms, start_ms, end_ms)
    raise AssertionError(f"{hours} hours do not fit into {MAX_WINDOWS} windows of any resolution")


def count(facts: Facts, reads: ItemReads, span: Span, wanted: Wanted, now_ms: int, at_ms: float) -> Counted:
    """The counts of a span. Blocking. Raises `Transient`."""
    if wanted.is_empty:
        kept = reads.tally_windows(span.width_ms, span.start_ms, span.end_ms)
        if kept is not None:
            return _from_counters(kept)
    return _from_facts(facts, span, wanted, now_ms, at_ms)


def _subject(dimension: str, name: str) -> str:
    return TAG_PREFIX + name if dimension == "tag" else name


def _from_counters(kept: dict[int, Tally]) -> Counted:
    found = Counted()
    for start_ms, tally in kept.items():
        found.total += tally.total
        found.windows[start_ms] = tally.of("label")
        for dimension in NAMED:
            found.facets[dimension].update(tally.of(dimension))
        for dimension in ("tag", "ticker"):
            for name, articles in tally.of(dimension).items():
                found.coverage.setdefault(_subject(dimension, name), Counter())[start_ms] += articles
    return found


def _from_facts(facts: Facts, span: Span, wanted: Wanted, now_ms: int, at_ms: float) -> Counted:
    found = Counted()
    looked_at = 0
    for day_ms, articles in facts.newest_first(span.start_ms, now_ms, at_ms):
        for fact in articles:
            if fact.ingested_ms < span.end_ms:
                _add(found, fact, span, wanted)
        looked_at += len(articles)
        if looked_at >= MAX_LOOKED_AT and day_ms > span.start_ms:
            found.whole_from_ms = day_ms
            break
    return found


def _add(found: Counted, fact: Fact, span: Span, wanted: Wanted) -> None:
    names: dict[str, list[str]] = {}
    for dimension, name in fact.cells:
        names.setdefault(dimension, []).append(name)
    failing = {each for each, name in wanted.names.items() if name not in names.get(each, ())}
    if wanted.time_ms is not None and not wanted.time_ms[0] <= fact.ingested_ms < wanted.time_ms[1]:
        failing.add(TIME)
    window_ms = window_start_ms(fact.ingested_ms, span.width_ms)
    if not failing:
        found.total += 1
        for dimension in NAMED:
            found.facets[dimension].update(names.get(dimension, ()))
    elif len(failing) == 1 and TIME not in failing:
        (own,) = failing
        found.facets[own].update(names.get(own, ()))
    if failing <= {TIME}:
        found.windows.setdefault(window_ms, Counter()).update(names.get("label", ()))
    if failing <= {TIME, "tag", "ticker"}:
        for dimension in ("tag", "ticker"):
            for name in names.get(dimension, ()):
                found.coverage.setdefault(_subject(dimension, name), Counter())[window_ms] += 1


def facets_document(found: Counted, span: Span, hours: int) -> dict[str, Any]:
    """The answer, JSON-ready."""
    facets = found.facets
    coverage = sorted(found.coverage.items(), key=lambda pair: (-pair[1].total(), pair[0]))[:MAX_SUBJECTS]
    return {
        "hours": hours,
        "resolution": span.resolution,
        "start": iso_s(span.start_ms),
        "end": iso_s(span.end_ms),
        "total": found.total,
        "whole_from": iso_ms(found.whole_from_ms) if found.whole_from_ms is not None else None,
        "windows": [
            {"start": iso_s(at_ms), "end": iso_s(at_ms + span.width_ms)}
            | {label: found.windows.get(at_ms, Counter())[label] for label in LABELS}
            for at_ms in span.starts
        ],
        "labels": {label: facets["label"][label] for label in LABELS},
        "sources": _rows(facets["source"]),
        "models": _rows(facets["model"]),
        "tags": _rows(facets["tag"]),
        "tickers": _rows(facets["ticker"]),
        "scores": [facets["score"][name] for name in SCORE_BINS],
        "arrival": _delays(facets["arrival"]),
        "scoring": _delays(facets["scoring"]),
        "coverage": [
            {"subject": subject, "counts": [windows[at_ms] for at_ms in span.starts]} for subject, windows in coverage
        ],
    }


def _rows(counts: Counter[str]) -> list[dict[str, Any]]:
    return [{"name": name, "count": articles} for name, articles in top_of(counts).items()]


def _delays(counts: Counter[str]) -> dict[str, Any]:
    """Counts by bin, and percentiles as the upper edge of the bin they fall into (null: longer than all edges,
    or nothing was counted)."""
    total = counts.total()
    return {
        "edges_ms": list(DELAY_EDGES_MS),
        "counts": [counts[name] for name in DELAY_BINS],
        "count": total,
        "p50_ms": _percentile(counts, total, 0.50),
        "p95_ms": _percentile(counts, total, 0.95),
    }


def _percentile(counts: Counter[str], total: int, share: float) -> int | None:
    seen = 0
    for edge_ms, name in zip(DELAY_EDGES_MS, DELAY_BINS, strict=False):
        seen += counts[name]
        if total and seen >= share * total:
            return edge_ms
    return None
