"""`/timeseries`: one series, several series, and the articles behind a bucket."""

import asyncio
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from api.answers import Articles, Series, SeriesList
from api.context import Services, Use
from api.drilldown import DEFAULT_LIMIT, articles_behind
from api.epoch import generation_of
from api.params import (
    INSTANT_SCHEMA,
    SUBJECT_SCHEMA,
    SUBJECTS_SCHEMA,
    ResolutionName,
    instant_of,
    range_of,
    resolution_of,
    subject_of,
    subjects_of,
)
from api.problems import HttpProblem
from api.respond import json_answer, large_answer, not_modified
from api.routes.generations import must_be_known
from api.series import MAX_LIMIT, Page, Question, View, ask, document_of, read_page
from api.series_cache import Key
from api.sse.cursor import id_of
from contracts.bucket import BucketKey
from contracts.errors import BadRequest
from contracts.resolution import WIDTH_MS

router = APIRouter(tags=["series"])

Subject = Annotated[
    str,
    Path(
        description="ticker (`AAPL`, `BRK.B`) or tag (`tag:ai-regulation`)",
        examples=["AAPL"],
        max_length=60,
        json_schema_extra=SUBJECT_SCHEMA,
    ),
]
Wanted = Annotated[ResolutionName, Query(description="candle width", examples=["5m"])]
Start = Annotated[
    str | None,
    Query(
        description="ISO-8601 with a zone, inclusive; without it: the newest buckets",
        examples=["2025-12-21T10:00:00Z"],
        json_schema_extra=INSTANT_SCHEMA,
    ),
]
End = Annotated[
    str | None,
    Query(
        description="ISO-8601 with a zone, exclusive",
        examples=["2025-12-21T12:00:00Z"],
        json_schema_extra=INSTANT_SCHEMA,
    ),
]
Limit = Annotated[int | None, Query(ge=1, le=MAX_LIMIT, description="buckets a page")]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before", max_length=2_000)]
Named = Annotated[
    str | None,
    Query(description="a generation that is not live, as a replay built it", pattern=r"^[A-Za-z0-9_\-]{1,64}$"),
]


class Found:
    """A question with its page as it is now."""

    def __init__(self, question: Question, generation: str, page: Page, hit: bool, now_ms: int) -> None:
        self.question = question
        self.generation = generation
        self.page = page
        self.hit = hit
        self.now_ms = now_ms
        self.view: View = page.view(question, generation, now_ms)

    def document(self, query_time_ms: float) -> dict[str, Any]:
        """The JSON-ready answer."""
        return document_of(self.view, self.page, self.question, self.generation, self.now_ms, self.hit, query_time_ms)


async def find(services: Services, question: Question, generation: str | None = None) -> Found:
    """Answer a question from the cache or the store, of the live generation or the one named. Raises `Transient`."""
    hub = services.hub
    if generation is None:
        generation = hub.generation if hub.healthy else await services.run("control", services.epoch.current)
    key = Key(generation, question.subject, question.resolution, question)
    page, hit = await services.cache.get(key, lambda: _load(services, generation, question))
    return Found(question, generation, page, hit, services.clock.now_ms())


async def _load(services: Services, generation: str, question: Question) -> Page:
    """Read the position first, then the buckets: the stream repeats a little rather than leaving a gap."""
    hub = services.hub
    buckets = services.home.buckets
    cursor = hub.cursor if hub.healthy else None
    now_ms = services.clock.now_ms()

    def read() -> Page:
        if cursor is not None:
            place = f"{generation}.{cursor}"
        else:
            epoch = services.epoch.identity()
            # It may be asked for by its name, or have gone just now.
            place = id_of(epoch if generation_of(epoch) == generation else generation, buckets.changes_head())
        page = read_page(buckets, generation, question, place)
        # Encoded here, in the store's thread, so that a long series does not hold up the streams.
        page.view(question, generation, now_ms)
        return page

    return await services.run("buckets", read)


@router.get("/timeseries/{subject}", response_model=Series, summary="One series")
async def timeseries(
    request: Request,
    services: Use,
    subject: Subject,
    resolution: Wanted,
    start: Start = None,
    end: End = None,
    limit: Limit = None,
    cursor: Cursor = None,
    generation: Named = None,
) -> Response:
    """Buckets of one subject at one resolution, ascending. Windows without articles are absent, never invented; the
    window that contains now is `partial_bucket`, never in `buckets`. Without `start` `next_cursor` leads to older ones,
    with it to newer. A page has as many as `limit` says, else 1,000 (1,440 at 1m); without `start` and `end` the newest
    1,440/288/144/168/112/120/120/90 (by resolution)."""
    began_ms = services.clock.monotonic_ms()
    start_ms, end_ms = range_of(start, end)
    question = ask(subject_of(subject), resolution, start_ms, end_ms, limit, cursor)
    if generation is not None:
        await must_be_known(services, generation)
    found = await find(services, question, generation)
    unchanged = not_modified(request, found.view.etag)
    if unchanged is not None:
        return unchanged
    return await large_answer(request, found.document(services.clock.monotonic_ms() - began_ms), found.view.etag)


@router.get("/timeseries", response_model=SeriesList, summary="Several series")
async def several(
    request: Request,
    services: Use,
    tickers: Annotated[
        str,
        Query(
            description="up to 20 subjects", examples=["AAPL,MSFT"], max_length=1_300, json_schema_extra=SUBJECTS_SCHEMA
        ),
    ],
    resolution: Wanted,
    start: Start = None,
    end: End = None,
    limit: Limit = None,
) -> Response:
    """Up to 20 series at one resolution, in the order asked for; each as `/timeseries/{subject}` has it."""
    began_ms = services.clock.monotonic_ms()
    start_ms, end_ms = range_of(start, end)
    questions = [ask(subject, resolution, start_ms, end_ms, limit, None) for subject in subjects_of(tickers)]
    found = await asyncio.gather(*(find(services, question) for question in questions))
    etag = f'W/"{"".join(each.view.etag[3:11] for each in found)}"'
    unchanged = not_modified(request, etag)
    if unchanged is not None:
        return unchanged
    elapsed_ms = services.clock.monotonic_ms() - began_ms
    documents = [msgspec.Raw(msgspec.json.encode(each.document(elapsed_ms))) for each in found]
    return await large_answer(request, {"series": documents}, etag)


@router.get("/timeseries/{subject}/{resolution}/{start}/articles", response_model=Articles, summary="Why this candle")
async def articles(
    request: Request,
    services: Use,
    subject: Subject,
    resolution: Annotated[ResolutionName, Path(description="candle width", examples=["5m"])],
    start: Annotated[
        str,
        Path(description="the bucket's start, ISO-8601 with a zone", max_length=40, json_schema_extra=INSTANT_SCHEMA),
    ],
    limit: Annotated[
        int, Query(ge=1, le=MAX_LIMIT, description="articles; those with a role always come")
    ] = DEFAULT_LIMIT,
) -> Response:
    """The articles behind a bucket in the order of (event time, event id), and who made open, high, low, close."""
    start_ms = instant_of(start, "start")
    width_ms = WIDTH_MS[resolution_of(resolution)]
    if start_ms % width_ms:
        raise BadRequest(f"start: {start} is no start of a {resolution} window; they are multiples of {width_ms} ms")
    key = BucketKey(subject_of(subject), resolution, start_ms)
    home = services.home
    generation = await services.run("control", services.epoch.current)
    found = await services.run(
        "items", articles_behind, home.buckets, home.items, generation, key, limit, services.clock.now_ms()
    )
    if found is None:
        raise HttpProblem(404, f"no bucket of {key.subject} at {resolution} starts at {start}")
    return json_answer(request, found)
