"""`candlewick cost`: the model for a load, and the tables of docs/cost.md."""

import sys
from pathlib import Path
from typing import Any, Final

from contracts.errors import BadRequest
from ops.cost import (
    BUDGET_USD,
    WATCHERS_A_TASK,
    Line,
    Load,
    cheaper_on_fargate,
    documents_figure,
    estimate,
    stream_usd,
    total_usd,
    units_per_bucket_batch,
)
from ops.made_page import replaced

PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "cost.md"
#: Most open streams a stage lets in (`infra/stages.py`; a test compares): what they cost when always all are open.
STREAM_CAPS: Final[dict[str, int]] = {"dev": 10, "preprod": 10, "prod": 50}
#: No load is larger; of infinitely many nobody knows the price.
MOST: Final = 10**12
#: More companies than all exchanges list; the counters are sized ticker by ticker.
MOST_TICKERS: Final = 100_000
#: The loads docs/cost.md shows.
LOADS: Final[dict[str, Load]] = {
    "quiet: 6 articles/h, nobody watching": Load(articles_per_hour=6, viewers=0),
    "default: 60 articles/h, 2 watching": Load(),
    "busy: 600 articles/h, 20 watching": Load(articles_per_hour=600, viewers=20, stream="fargate"),
    "default with three replicas": Load(replicas=3),
    "default with DAX": Load(dax=True),
}


def as_json(load: Load) -> dict[str, Any]:
    """The whole answer."""
    lines = estimate(load)
    return {
        "load": load._asdict(),
        "lines": [line._asdict() | {"usd": round(line.usd, 4)} for line in lines],
        "usd_a_month": total_usd(lines),
        "budget_usd": BUDGET_USD,
        "documents": documents_figure(load.tickers),
    }


def print_cost(load: Load) -> None:
    """For a person: dearest first, and what of the budget is left."""
    lines = estimate(load)
    out = sys.stdout.write
    for line in lines:
        out(f"{line.usd:8.2f}  {line.name:<26} {line.quantity:>14,.0f} {line.unit:<14} {line.why}\n")
    total = total_usd(lines)
    out(f"{total:8.2f}  a month; {BUDGET_USD - total:+.2f} of the budget of {BUDGET_USD:.0f} left\n")


def load_of(stream: str, **given: Any) -> Load:
    """The load the options describe. Raises `BadRequest`."""
    if stream not in ("lambda", "fargate", "poll"):
        raise BadRequest(f"--stream {stream!r}", ("lambda", "fargate", "poll"))
    if not all(0 <= value <= MOST for value in given.values()):
        raise BadRequest(f"loads are numbers from 0 to {MOST:,}")
    if given.get("tickers", 0) > MOST_TICKERS:
        raise BadRequest(f"--tickers is at most {MOST_TICKERS:,}")
    return Load(stream=stream, **given)  # type: ignore[arg-type]


def page(text: str) -> str:
    """docs/cost.md with its tables computed anew."""
    figure = documents_figure()
    documents = [f"| {name} | {value:,.2f} |" for name, value in figure.items()]
    loads = [f"| {name} | {total_usd(estimate(load)):.2f} |" for name, load in LOADS.items()]
    default = [_row(line) for line in estimate(Load())]
    each = total_usd(estimate(Load(viewers=1))) - total_usd(estimate(Load(viewers=0)))
    caps = [f"| {stage} | {cap} | {cap * each:.2f} |" for stage, cap in STREAM_CAPS.items()]
    return replaced(
        text,
        {
            "documents": ["| | |", "|---|---|", *documents],
            "loads": ["| load | USD a month |", "|---|---|", *loads],
            "default": ["| position | USD a month | how much | why |", "|---|---|---|---|", *default],
            "caps": ["| stage | open streams at most | USD a month when all always are |", "|---|---|---|", *caps],
            "streams": [
                f"A stream that is open all the time holds a function all the time, {stream_usd('lambda', 1):.2f} a"
                f" month each; from {cheaper_on_fargate()} on Fargate is cheaper, {stream_usd('fargate', 1):.2f}, and"
                f" {stream_usd('fargate', WATCHERS_A_TASK):.2f} for {WATCHERS_A_TASK:,}. A page that polls, since there"
                f" is no room for its stream, costs"
                f" {_polling_usd():.2f}."
            ],
            "units": [f"One batch on one subject writes 8 buckets and takes {units_per_bucket_batch()} write units."],
        },
    )


def _polling_usd() -> float:
    """What one page a month costs by its polls alone."""
    loads = (Load(viewers=viewers, requests_per_viewer_hour=0, stream="poll") for viewers in (1, 0))
    one, none = (total_usd(estimate(load)) for load in loads)
    return one - none


def _row(line: Line) -> str:
    return f"| {line.name} | {line.usd:.2f} | {line.quantity:,.0f} {line.unit} | {line.why} |"


def main() -> None:
    """`python -m ops.cost_cmd` writes the page's tables."""
    PAGE.write_text(page(PAGE.read_text()))


if __name__ == "__main__":
    main()
