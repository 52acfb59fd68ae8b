"""Counting the articles of the read model: by label, source, tag, ticker and day, and how fast they come."""

from collections import Counter
from typing import Any, NamedTuple

from contracts.errors import BadEvent
from contracts.events import LABELS
from contracts.instants import date_of, iso_ms, parse_ms
from contracts.ports import Item, ItemStore
from contracts.resolution import DAY_MS, HOUR_MS

MAX_PER_DAY = 50_000
CHUNK = 1_000
TODAY_FRESH_MS = 10_000.0
PAST_FRESH_MS = 300_000.0
MAX_ROWS = 100
TIMELINE_DAYS = 7


class Counted(NamedTuple):
    """What is counted of one article."""

    ingested_ms: int
    label: str
    source: str
    tags: tuple[str, ...]
    tickers: tuple[str, ...]


def _counted(item: Item) -> Counted | None:
    try:
        ingested_ms = parse_ms(str(item["ingested_at"]))
    except BadEvent:
        return None
    return Counted(
        ingested_ms,
        str(item.get("sentiment")),
        str(item.get("source_type")),
        tuple(item.get("matched_tags") or ()),
        tuple(item.get("matched_tickers") or ()),
    )


class Tallies:
    """The articles of the last days, read again after ten seconds (today) or five minutes (days before)."""

    def __init__(self, store: ItemStore) -> None:
        self._store = store
        self._days: dict[str, tuple[float, list[Counted]]] = {}

    def since(self, since_ms: int, now_ms: int, at_ms: float) -> list[Counted]:
        """Articles ingested at or after an instant; `at_ms` is the monotonic time, for the age of what is kept.
        Blocking. Raises `Transient`."""
        found: list[Counted] = []
        day_ms = since_ms - since_ms % DAY_MS
        self._days = {day: kept for day, kept in self._days.items() if day >= date_of(now_ms - 9 * DAY_MS)}
        while day_ms <= now_ms + DAY_MS:
            rows = self._day(date_of(day_ms), now_ms, at_ms)
            found += [row for row in rows if row.ingested_ms >= since_ms]
            day_ms += DAY_MS
        return found

    def _day(self, day: str, now_ms: int, at_ms: float) -> list[Counted]:
        kept = self._days.get(day)
        fresh_ms = PAST_FRESH_MS if day < date_of(now_ms) else TODAY_FRESH_MS
        if kept is not None and 0 <= at_ms - kept[0] < fresh_ms:
            return kept[1]
        rows: list[Counted] = []
        key: str | None = None
        while len(rows) < MAX_PER_DAY:
            chunk = self._store.dashboard_day(day, key, CHUNK)
            rows += [row for item in chunk if (row := _counted(item)) is not None]
            if len(chunk) < CHUNK:
                break
            key = chunk[-1]["item_key"]
        self._days[day] = (at_ms, rows)
        return rows


def _top(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:MAX_ROWS])


def metrics_of(rows: list[Counted], hours: int, now_ms: int) -> dict[str, Any]:
    """Totals, distribution, by tag and source, and the rate of the last hour and day. `rows` reach back far enough
    for both the hours asked for and a day."""
    inside = [row for row in rows if row.ingested_ms >= now_ms - hours * HOUR_MS]
    labels = Counter(row.label for row in inside)
    last_hour = sum(row.ingested_ms >= now_ms - HOUR_MS for row in rows)
    last_day = sum(row.ingested_ms >= now_ms - DAY_MS for row in rows)
    newest_ms = max((row.ingested_ms for row in inside), default=None)
    return {
        "hours": hours,
        "total": len(inside),
        "distribution": {label: labels.get(label, 0) for label in LABELS},
        "by_tag": _top(Counter(tag for row in inside for tag in row.tags)),
        "by_ticker": _top(Counter(ticker for row in inside for ticker in row.tickers)),
        "by_source": _top(Counter(row.source for row in inside)),
        "rate_last_hour": last_hour,
        "rate_last_24h": round(last_day / 24, 2),
        "newest_ingested_at": iso_ms(newest_ms) if newest_ms is not None else None,
    }


def analytics_of(rows: list[Counted], total: int, now_ms: int) -> dict[str, Any]:
    """The curated-records analytics: all records, by source and date, and a timeline of the last seven days."""
    by_date = Counter(date_of(row.ingested_ms) for row in rows)
    days = [date_of(now_ms - back * DAY_MS) for back in reversed(range(TIMELINE_DAYS))]
    return {
        "totalRecords": total,
        "bySource": _top(Counter(row.source for row in rows)),
        "byDate": dict(sorted(by_date.items())),
        "timeline": [{"date": day, "count": by_date.get(day, 0)} for day in days],
    }
