"""What is counted of an article in the read model, and how counts are kept by minute, hour and day."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from contracts.bucket import E4
from contracts.errors import BadEvent
from contracts.instants import date_of, parse_ms
from contracts.resolution import DAY_MS, HOUR_MS, MINUTE_MS

#: Widths that counters are kept at: any span is minutes up to a full hour, hours up to a full day, then days.
LEVELS_MS: Final = (MINUTE_MS, HOUR_MS, DAY_MS)
#: What `cells_of` counts. Counters on DynamoDB are of one format: whoever changes `cells_of` raises this, or articles
#: would be taken out of counters they were never in.
CELLS_FORMAT: Final = 1
#: How long the read model keeps an article after its ingestion.
KEPT_MS: Final = 7 * DAY_MS
#: Keys of per-tag copies begin with this; they are the same article once more and are never counted.
COPY_PREFIX: Final = "~"
#: Polarity is counted in twenty bins of a tenth each; a bin's name is its lower edge in tenths, "-10" … "9".
SCORE_BIN_E4: Final = 1_000
SCORE_BINS: Final = tuple(str(tenth) for tenth in range(-10, 10))
#: Delays are counted in bins of these upper edges (ms, inclusive); what is longer goes to `LONGER`.
DELAY_EDGES_MS: Final = (
    *(10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000),
    *(minutes * MINUTE_MS for minutes in (1, 2, 5, 10, 20, 60, 120, 360, 1_440)),
)
LONGER: Final = "longer"
DELAY_BINS: Final = (*(str(edge_ms) for edge_ms in DELAY_EDGES_MS), LONGER)


class Cell(NamedTuple):
    """One thing that is counted: `date`, `label`, `source`, `model`, `score`, `arrival`, `scoring`, `tag` or `ticker`,
    and its name."""

    dimension: str
    name: str


def score_bin(polarity: Any) -> str:
    """The bin of a polarity in [−1, 1]."""
    return str(min(round(float(polarity) * E4) // SCORE_BIN_E4, 9))


def delay_bin(delay_ms: int) -> str:
    """The bin of a delay; one below zero (a source's clock is fast) is no delay."""
    return DELAY_BINS[bisect_left(DELAY_EDGES_MS, delay_ms)]


def _read_ms(value: object) -> int | None:
    try:
        return parse_ms(str(value))
    except BadEvent:
        return None


def cells_of(item: Mapping[str, Any]) -> tuple[int, tuple[Cell, ...]] | None:
    """When a read-model item was ingested (ms), and what it counts for; None for a tag's copy and for an item without a
    readable time."""
    if str(item.get("item_key", "")).startswith(COPY_PREFIX):
        return None
    ingested_ms = _read_ms(item.get("ingested_at"))
    if ingested_ms is None:
        return None
    cells = [
        Cell("date", date_of(ingested_ms)),
        Cell("label", str(item.get("sentiment"))),
        Cell("source", str(item.get("source_type"))),
        Cell("model", str(item.get("model_version"))),
        *(Cell("tag", str(tag)) for tag in sorted(set(item.get("matched_tags") or ()))),
        *(Cell("ticker", str(ticker)) for ticker in sorted(set(item.get("matched_tickers") or ()))),
    ]
    if item.get("polarity") is not None:
        cells.append(Cell("score", score_bin(item["polarity"])))
    published_ms = _read_ms((item.get("metadata") or {}).get("published_at"))
    if published_ms is not None:
        cells.append(Cell("arrival", delay_bin(ingested_ms - published_ms)))
    scored_ms = _read_ms(item.get("scored_at"))
    if scored_ms is not None:
        cells.append(Cell("scoring", delay_bin(scored_ms - ingested_ms)))
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
