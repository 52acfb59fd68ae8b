"""`/items`: scored articles from the read model, and one of them in full."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from starlette.convertors import Convertor, register_url_convertor
from starlette.responses import Response

from api.answers import Item, Items
from api.context import Use
from api.cursors import question_hash
from api.facet_answers import ItemCandles
from api.fed import candles_fed
from api.params import instant_or_none, subject_of
from api.problems import HttpProblem
from api.respond import json_answer
from api.walk import walk
from contracts.errors import BadRequest
from contracts.subjects import TAG_PREFIX, is_tag, is_ticker
from contracts.tally import DELAY_BINS, Cell, cells_of

router = APIRouter(tags=["items"])
MAX_LIMIT = 100
DEFAULT_LIMIT = 20


class _AnyText(Convertor[str]):
    """What a path ends with, whatever it is: ids of articles are chosen by their sources."""

    regex = r"[\s\S]+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("article", _AnyText())
Identity = Annotated[str, Path(description="article id", examples=["finnhub#9f86d081884c7d65"], max_length=300)]
Source = Annotated[str | None, Query(description="name of a source", pattern=r"^[a-z0-9][a-z0-9_\-]{0,39}$")]
Label = Annotated[Literal["positive", "neutral", "negative"] | None, Query(description="label")]
Score = Annotated[int | None, Query(ge=-10, le=9, description="lower edge of a bin of polarity, in tenths")]
Delay = Annotated[
    str | None,
    Query(description="upper edge of a bin in ms, or `longer`", pattern=r"^([0-9]{1,8}|longer)$", examples=["2000"]),
]
Model = Annotated[str | None, Query(description="version of the model that scored", max_length=200)]
SHOWN = (
    "source_id",
    "ingested_at",
    "source_type",
    "source_url",
    "text_snippet",
    "sentiment",
    "score",
    "polarity",
    "model_version",
    "scored_at",
    "raw_key",
    "metadata",
)


def item_document(item: dict[str, Any]) -> dict[str, Any]:
    """An item as JSON-ready values, with the attribute names of the store; sets become sorted lists."""
    document = {name: item.get(name) for name in SHOWN}
    for name in ("score", "polarity"):
        document[name] = float(item[name]) if item.get(name) is not None else None
    document["matched_tags"] = sorted(item.get("matched_tags") or ())
    document["matched_tickers"] = sorted(item.get("matched_tickers") or ())
    document["sources"] = [dict(each) for each in item.get("sources") or ()]
    return document


def tag_of(text: str) -> str:
    """A tag, with or without its prefix. Raises `BadRequest`."""
    tag = text.strip().removeprefix(TAG_PREFIX)
    if not is_tag(tag):
        raise BadRequest(f"tag: {text[:60]!r} is not a tag (lower-case letters, digits, hyphens; at most 50)")
    return tag


def ticker_of(text: str) -> str:
    """A ticker. Raises `BadRequest`, also for a tag."""
    ticker = subject_of(text)
    if not is_ticker(ticker):
        raise BadRequest("ticker: give tags as tag=")
    return ticker


def bins_of(score: int | None, arrival: str | None, scoring: str | None) -> dict[str, str]:
    """The bins asked for, by dimension (`contracts.tally`). Raises `BadRequest` for one that does not exist."""
    for name, text in (("arrival", arrival), ("scoring", scoring)):
        if text is not None and text not in DELAY_BINS:
            raise BadRequest(f"{name}: {text!r} is the upper edge of no bin", DELAY_BINS)
    given = {"score": str(score) if score is not None else None, "arrival": arrival, "scoring": scoring}
    return {name: text for name, text in given.items() if text is not None}


@router.get("/items", response_model=Items, summary="Scored articles")
async def items(
    request: Request,
    services: Use,
    tag: Annotated[str | None, Query(description="watch tag", max_length=60)] = None,
    ticker: Annotated[str | None, Query(description="ticker", max_length=20)] = None,
    sentiment: Label = None,
    source: Source = None,
    model: Model = None,
    score: Score = None,
    arrival: Delay = None,
    scoring: Delay = None,
    since: Annotated[str | None, Query(description="oldest ingestion, ISO-8601 with a zone", max_length=40)] = None,
    until: Annotated[
        str | None, Query(description="newest ingestion, exclusive, ISO-8601 with a zone", max_length=40)
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="articles a page")] = DEFAULT_LIMIT,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before", max_length=2_000)] = None,
) -> Response:
    """Scored articles, newest first by ingestion, all filters together. Under a rare filter a page may be short and
    still have a `next_cursor`: the search goes on there."""
    wanted_tag = tag_of(tag) if tag is not None else None
    wanted_ticker = ticker_of(ticker) if ticker is not None else None
    since_ms = instant_or_none(since, "since")
    until_ms = instant_or_none(until, "until")
    if since_ms is not None and until_ms is not None and since_ms > until_ms:
        raise BadRequest(f"since {since} is after until {until}; since is inclusive, until is exclusive")
    bins = bins_of(score, arrival, scoring)

    def in_bins(item: dict[str, Any]) -> bool:
        counted = cells_of(item | {"item_key": ""})
        return counted is not None and all(Cell(*each) in counted[1] for each in bins.items())

    def passes(item: dict[str, Any]) -> bool:
        return (
            (wanted_ticker is None or wanted_ticker in (item.get("matched_tickers") or ()))
            and (sentiment is None or item.get("sentiment") == sentiment)
            and (source is None or item.get("source_type") == source)
            and (model is None or item.get("model_version") == model)
            and (not bins or in_bins(item))
        )

    page = await services.run(
        "items",
        walk,
        services.reads,
        passes,
        limit,
        cursor,
        question_hash("items", wanted_tag, wanted_ticker, sentiment, source, model, bins, since_ms, until_ms),
        services.clock.now_ms(),
        since_ms,
        until_ms,
        wanted_tag,
    )
    documents = [item_document(item) for item in page.items]
    return json_answer(request, {"items": documents, "count": len(documents), "next_cursor": page.next_cursor})


@router.get("/items/{item_id:article}/candles", response_model=ItemCandles, summary="The candles an article fed")
async def item_candles(request: Request, services: Use, item_id: Identity) -> Response:
    """The article's candles of every subject at every resolution, whether it was counted in them, and which of their
    values it made. `counted` is null when the minute is no longer stored, or the article may still be on its way."""
    found = await services.run("items", services.home.items.get_primary, item_id)
    if found is None:
        raise HttpProblem(404, f"no article {item_id[:100]!r}")
    generation = await services.run("control", services.epoch.current)
    buckets, now_ms = services.home.buckets, services.clock.now_ms()
    return json_answer(request, await services.run("buckets", candles_fed, buckets, generation, found, now_ms))


@router.get("/items/{item_id:article}", response_model=Item, summary="One article")
async def item(request: Request, services: Use, item_id: Identity) -> Response:
    """One article (`#` in its id is written `%23`)."""
    found = await services.run("items", services.home.items.get_primary, item_id)
    if found is None:
        raise HttpProblem(404, f"no article {item_id[:100]!r}")
    return json_answer(request, item_document(found))
