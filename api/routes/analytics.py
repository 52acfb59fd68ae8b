"""`/analytics/facets`: articles counted along every dimension, each under the filters on the others."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.context import Services, Use
from api.facet_answers import Facets
from api.facets import Span, Wanted, count, facets_document, span_of
from api.params import INSTANT_SCHEMA, range_of
from api.respond import json_answer
from api.routes.items import Delay, Label, Model, Score, Source, bins_of, tag_of, ticker_of

router = APIRouter(tags=["records"])


def _facets_now(services: Services, span: Span, wanted: Wanted, hours: int) -> dict[str, object]:
    clock = services.clock
    counted = count(services.facts, services.reads, span, wanted, clock.now_ms(), clock.monotonic_ms())
    return facets_document(counted, span, hours)


@router.get("/analytics/facets", response_model=Facets, summary="Articles along every dimension")
async def facets(
    request: Request,
    services: Use,
    hours: Annotated[int, Query(ge=1, le=168, description="how far back, by ingestion")] = 24,
    label: Label = None,
    source: Source = None,
    model: Model = None,
    tag: Annotated[str | None, Query(description="watch tag", max_length=60)] = None,
    ticker: Annotated[str | None, Query(description="ticker", max_length=20)] = None,
    score: Score = None,
    arrival: Delay = None,
    scoring: Delay = None,
    start: Annotated[
        str | None, Query(description="oldest ingestion, inclusive", max_length=40, json_schema_extra=INSTANT_SCHEMA)
    ] = None,
    end: Annotated[
        str | None, Query(description="newest ingestion, exclusive", max_length=40, json_schema_extra=INSTANT_SCHEMA)
    ] = None,
) -> Response:
    """How many articles came when, by label, source, model, tag, ticker, polarity and delay, and which subject had news
    when. Each dimension is counted under the filters on the *other* dimensions; `total` under all of them.
    `whole_from`: there were too many to look at, and the counts begin there."""
    given = {
        "label": label,
        "source": source,
        "model": model,
        "tag": tag_of(tag) if tag is not None else None,
        "ticker": ticker_of(ticker) if ticker is not None else None,
    } | bins_of(score, arrival, scoring)
    start_ms, end_ms = range_of(start, end)
    span = span_of(hours, services.clock.now_ms())
    time_ms = None
    if start_ms is not None or end_ms is not None:
        time_ms = (start_ms if start_ms is not None else 0, end_ms if end_ms is not None else span.end_ms)
    wanted = Wanted({name: value for name, value in given.items() if value is not None}, time_ms)
    return json_answer(request, await services.run("items", _facets_now, services, span, wanted, hours))
