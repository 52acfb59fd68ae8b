"""Counting the articles of the read model: by label, source, tag, ticker and day, and how fast they come.

The store's counters are read. While they cannot be, or where an earlier version did not count, the read model is
counted page by page, however many pages that are. Both begin at a span's first minute, so they give the same numbers.
"""

from collections import Counter
from typing import Any, Final

from api.facts import CHUNK, Facts
from api.item_reads import ItemReads
from contracts.events import LABELS
from contracts.instants import date_of
from contracts.resolution import DAY_MS, HOUR_MS
from contracts.tally import Tally

MAX_ROWS: Final = 100
TIMELINE_DAYS: Final = 7


class Tallies:
    """The counts: the store's counters, or a recount."""

    def __init__(self, reads: ItemReads, facts: Facts) -> None:
        self._reads = reads
        self._facts = facts

    def since(self, since_ms: int, now_ms: int, at_ms: float) -> Tally:
        """Counts of the articles ingested since the minute of an instant; `at_ms` is the monotonic time, for the age of
        what is kept. Blocking. Raises `Transient`."""
        kept = self._reads.tally(since_ms)
        return kept if kept is not None else self._facts.tally(since_ms, now_ms, at_ms)


def top_of(counts: Counter[str]) -> dict[str, int]:
    """The most frequent names, the most frequent first."""
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:MAX_ROWS])


def metrics_of(inside: Tally, last_hour: int, last_day: int, hours: int, newest_at: str | None) -> dict[str, Any]:
    """The totals, distribution, tags, tickers and sources of a span, and how many an hour."""
    labels = inside.of("label")
    return {
        "hours": hours,
        "total": inside.total,
        "distribution": {label: labels[label] for label in LABELS},
        "by_tag": top_of(inside.of("tag")),
        "by_ticker": top_of(inside.of("ticker")),
        "by_source": top_of(inside.of("source")),
        "rate_last_hour": last_hour,
        "rate_last_24h": round(last_day / 24, 2),
        "newest_ingested_at": newest_at,
    }


def read_metrics(tallies: Tallies, reads: ItemReads, hours: int, now_ms: int, at_ms: float) -> dict[str, Any]:
    """`/metrics`. Blocking. Raises `Transient`."""
    inside, hour, day = (tallies.since(now_ms - span * HOUR_MS, now_ms, at_ms) for span in (hours, 1, 24))
    newest_at = _newest(reads, inside)
    return metrics_of(inside, hour.total, day.total, hours, newest_at)


def _newest(reads: ItemReads, inside: Tally) -> str | None:
    """`ingested_at` of the newest article inside: the newest of the newest day that has one."""
    for day in sorted((day for day, count in inside.of("date").items() if count), reverse=True):
        newest = reads.dashboard_day(day, None, 1)
        if newest:
            return str(newest[0]["ingested_at"])
    return None


def read_analytics(tallies: Tallies, reads: ItemReads, now_ms: int, at_ms: float) -> dict[str, Any]:
    """`/analytics` of the older pipeline: all records, by source and date, and a timeline of the last seven days.
    Blocking. Raises `Transient`."""
    tally = tallies.since(0, now_ms, at_ms)
    by_date = tally.of("date")
    ends = reads.ingestion_range() or _ends(reads, by_date)
    days = [date_of(now_ms - back * DAY_MS) for back in reversed(range(TIMELINE_DAYS))]
    return {
        "summary": {
            "total_records": tally.total,
            "total_sources": len(tally.of("source")),
            "oldest_record": ends[0] if ends else None,
            "newest_record": ends[1] if ends else None,
        },
        "by_source": top_of(tally.of("source")),
        "by_date": dict(sorted(by_date.items())),
        "timeline": [{"date": day, "count": by_date[day]} for day in days],
    }


def _ends(reads: ItemReads, by_date: Counter[str]) -> tuple[str, str] | None:
    """`ingested_at` of the oldest and the newest article, from the read model's days."""
    days = sorted(by_date)
    if not days:
        return None
    newest = reads.dashboard_day(days[-1], None, 1)
    oldest: list[Any] = []
    key: str | None = None
    while chunk := reads.dashboard_day(days[0], key, CHUNK):
        oldest, key = chunk[-1:], chunk[-1]["item_key"]
    return (str(oldest[0]["ingested_at"]), str(newest[0]["ingested_at"])) if oldest and newest else None
