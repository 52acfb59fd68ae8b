"""What is counted of an article in the read model, and how counts are kept by minute, hour and day."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from contracts.errors import BadEvent
from contracts.instants import date_of, parse_ms
from contracts.resolution import DAY_MS, HOUR_MS, MINUTE_MS

#: Widths that counters are kept at: any span is minutes up to a full hour, hours up to a full day, then days.
LEVELS_MS: Final = (MINUTE_MS, HOUR_MS, DAY_MS)
#: Keys of per-tag copies begin with this; they are the same article once more and are never counted.
COPY_PREFIX: Final = "~"


class Cell(NamedTuple):
    """One thing that is counted: `date`, `label`, `source`, `tag` or `ticker`, and its name."""

    dimension: str
    name: str


def cells_of(item: Mapping[str, Any]) -> tuple[int, tuple[Cell, ...]] | None:
    """When a read-model item was ingested (ms), and what it counts for; None for a tag's copy and for an item without a
    readable time."""
    if str(item.get("item_key", "")).startswith(COPY_PREFIX):
        return None
    try:
        ingested_ms = parse_ms(str(item["ingested_at"]))
    except (KeyError, BadEvent):
        return None
    cells = [
        Cell("date", date_of(ingested_ms)),
        Cell("label", str(item.get("sentiment"))),
        Cell("source", str(item.get("source_type"))),
        *(Cell("tag", str(tag)) for tag in sorted(set(item.get("matched_tags") or ()))),
        *(Cell("ticker", str(ticker)) for ticker in sorted(set(item.get("matched_tickers") or ()))),
    ]
    return ingested_ms, tuple(cells)


def spans_since(since_ms: int) -> list[tuple[int, int, int | None]]:
    """The pieces that `[minute of since_ms, ∞)` is made of: (width, first start, end of starts), each piece of the
    widest windows that fit."""
    start_ms = since_ms - since_ms % MINUTE_MS
    hour_ms = -(-start_ms // HOUR_MS) * HOUR_MS
    day_ms = -(-hour_ms // DAY_MS) * DAY_MS
    return [(MINUTE_MS, start_ms, hour_ms), (HOUR_MS, hour_ms, day_ms), (DAY_MS, day_ms, None)]


class Tally:
    """Counts by dimension and name."""

    def __init__(self) -> None:
        self.counts: dict[str, Counter[str]] = {}

    def add(self, cell: Cell, count: int) -> None:
        """Count a cell so many times more."""
        self.counts.setdefault(cell.dimension, Counter())[cell.name] += count

    def of(self, dimension: str) -> Counter[str]:
        """Counts by name; empty for what was never counted."""
        return self.counts.get(dimension, Counter())

    @property
    def total(self) -> int:
        """How many articles: each has one date."""
        return sum(self.of("date").values())
