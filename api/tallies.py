"""Counting the articles of the read model: by label, source, tag, ticker and day, and how fast they come.

Where the store keeps counters they are read; elsewhere the read model is counted page by page, however many pages that
are. Both count from the minute in which a span begins, so they give the same numbers.
"""

import threading
from collections import Counter
from typing import Any, Final

from api.item_reads import ItemReads
from contracts.events import LABELS
from contracts.instants import date_of
from contracts.resolution import DAY_MS, HOUR_MS, MINUTE_MS
from contracts.tally import Cell, Tally, cells_of

CHUNK: Final = 1_000
TODAY_FRESH_MS: Final = 10_000.0
PAST_FRESH_MS: Final = 300_000.0
MAX_ROWS: Final = 100
TIMELINE_DAYS: Final = 7
#: The read model keeps seven days; a recount of everything looks at these.
KEPT_DAYS: Final = 9
_Minutes = Counter[tuple[int, Cell]]


class Tallies:
    """The counts. A recounted day is counted again after ten seconds (today) or five minutes (days before)."""

    def __init__(self, reads: ItemReads) -> None:
        self._reads = reads
        self._lock = threading.Lock()
        self._days: dict[str, tuple[float, _Minutes]] = {}

    def since(self, since_ms: int, now_ms: int, at_ms: float) -> Tally:
        """Counts of the articles ingested since the minute of an instant; `at_ms` is the monotonic time, for the age of
        what is kept. Blocking. Raises `Transient`."""
        kept = self._reads.tally(since_ms)
        return kept if kept is not None else self._recounted(since_ms, now_ms, at_ms)

    def _recounted(self, since_ms: int, now_ms: int, at_ms: float) -> Tally:
        tally = Tally()
        oldest_ms = now_ms - KEPT_DAYS * DAY_MS
        first_ms = max(since_ms - since_ms % MINUTE_MS, oldest_ms)
        with self._lock:
            self._days = {day: kept for day, kept in self._days.items() if day >= date_of(oldest_ms)}
            day_ms = first_ms - first_ms % DAY_MS
            while day_ms <= now_ms + DAY_MS:
                for (minute_ms, cell), count in self._day(date_of(day_ms), now_ms, at_ms).items():
                    if minute_ms >= first_ms:
                        tally.add(cell, count)
                day_ms += DAY_MS
        return tally

    def _day(self, day: str, now_ms: int, at_ms: float) -> _Minutes:
        kept = self._days.get(day)
        fresh_ms = PAST_FRESH_MS if day < date_of(now_ms) else TODAY_FRESH_MS
        if kept is not None and 0 <= at_ms - kept[0] < fresh_ms:
            return kept[1]
        minutes: _Minutes = Counter()
        key: str | None = None
        while chunk := self._reads.dashboard_day(day, key, CHUNK):
            for item in chunk:
                if counted := cells_of(item):
                    minutes.update((counted[0] - counted[0] % MINUTE_MS, cell) for cell in counted[1])
            key = chunk[-1]["item_key"]
        self._days[day] = (at_ms, minutes)
        return minutes


def _top(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:MAX_ROWS])


def metrics_of(inside: Tally, last_hour: int, last_day: int, hours: int, newest_at: str | None) -> dict[str, Any]:
    """The totals, distribution, tags, tickers and sources of a span, and how many an hour."""
    labels = inside.of("label")
    return {
        "hours": hours,
        "total": inside.total,
        "distribution": {label: labels[label] for label in LABELS},
        "by_tag": _top(inside.of("tag")),
        "by_ticker": _top(inside.of("ticker")),
        "by_source": _top(inside.of("source")),
        "rate_last_hour": last_hour,
        "rate_last_24h": round(last_day / 24, 2),
        "newest_ingested_at": newest_at,
    }


def read_metrics(tallies: Tallies, reads: ItemReads, hours: int, now_ms: int, at_ms: float) -> dict[str, Any]:
    """`/metrics`. Blocking. Raises `Transient`."""
    inside, hour, day = (tallies.since(now_ms - span * HOUR_MS, now_ms, at_ms) for span in (hours, 1, 24))
    newest_at = _newest(reads, now_ms, inside)
    return metrics_of(inside, hour.total, day.total, hours, newest_at)


def _newest(reads: ItemReads, now_ms: int, inside: Tally) -> str | None:
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
        "by_source": _top(tally.of("source")),
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
