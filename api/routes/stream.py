"""`/stream` (server-sent events), its polling twin `/changes`, and `/stream/status`."""

from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response
from xxhash import xxh3_64_hexdigest

from api.answers import Changes, StreamStatus
from api.context import Services, Use
from api.params import INSTANT_SCHEMA, RESOLUTIONS_SCHEMA, SUBJECTS_SCHEMA, instant_or_none, resolutions_of, subjects_of
from api.problems import HttpProblem
from api.rate import address_of
from api.respond import json_answer, large_answer, not_modified
from api.sse.connections import RETRY_AFTER_S
from api.sse.cursor import MAX_CHARACTERS
from api.sse.filters import Filter, make_filter
from api.sse.opening import MAX_REPLAY_EVENTS, Start, check_until, start_of
from api.sse.polling import Poll, poll_memory, poll_store
from api.sse.stream import EventStream, Handover

router = APIRouter(tags=["stream"])

Tickers = Annotated[
    str | None,
    Query(
        description="subjects; without it: all live ones",
        examples=["AAPL,MSFT"],
        max_length=1_300,
        json_schema_extra=SUBJECTS_SCHEMA,
    ),
]
Resolutions = Annotated[
    str, Query(description="candle widths", examples=["1m,5m"], max_length=100, json_schema_extra=RESOLUTIONS_SCHEMA)
]
Cursor = Annotated[str | None, Query(description="an event id or a cursor to go on from", max_length=MAX_CHARACTERS)]
Since = Annotated[
    str | None,
    Query(description="go on from what was written at this instant", max_length=40, json_schema_extra=INSTANT_SCHEMA),
]
Until = Annotated[
    str | None, Query(description="end the stream at this instant", max_length=40, json_schema_extra=INSTANT_SCHEMA)
]
#: What a route that streams answers with, for the OpenAPI document.
EVENT_STREAM: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "events"},
    204: {"description": "`until` is past, and who comes back has heard all there is"},
}
LastEventId = Annotated[str | None, Header(description="sent by clients that reconnect", max_length=MAX_CHARACTERS)]


def wanted_of(tickers: str | None, resolutions: str) -> Filter:
    """The filter asked for. Raises `BadRequest`."""
    return make_filter(subjects_of(tickers) if tickers is not None else None, resolutions_of(resolutions))


def place_of(
    cursor: str | None, since: str | None, until: str | None = None, last_event_id: str | None = None
) -> tuple[Start, int | None]:
    """Where a stream begins, and the instant in milliseconds at which it ends. Raises `BadRequest`."""
    since_ms, until_ms = instant_or_none(since, "since"), instant_or_none(until, "until")
    check_until(until_ms, since_ms)
    return start_of(last_event_id, cursor, since_ms), until_ms


async def open_stream(
    services: Services,
    address: str,
    wanted: Filter,
    start: Start,
    until_ms: int | None,
    configuration: tuple[str, str] | None = None,
    edited_ms: int | None = None,
) -> Response:
    """A place among the connections for a caller at `address` and the first events; 204 for who comes back and has
    heard all there is until an `until` in the past: that keeps a browser from asking again. `configuration`: the watch
    list it follows, edited last at `edited_ms`. Raises `HttpProblem` (503 at the cap, 429 when the address has its
    share), `Transient` when the store is needed and down."""
    connections = services.connections
    if not services.live:
        raise HttpProblem(501, "this process answers in one piece and cannot stream; poll /api/v2/changes")
    if not connections.reserve(address):
        raise _refusal(services, address)
    over = until_ms is not None and services.clock.now_ms() >= until_ms
    try:
        await connections.ensure_started()
        opening = await services.opener.open(start, wanted, until_ms, None if over else edited_ms)
    except BaseException:
        connections.release(address)
        raise
    if over and start.again and opening.resumed and not opening.parts(wanted):
        connections.release(address)
        return Response(status_code=204, headers={"Cache-Control": "no-store"})
    return Handover(EventStream(connections, wanted, opening, until_ms, configuration, over, address))


def _refusal(services: Services, address: str) -> HttpProblem:
    """Why a stream gets no place."""
    connections, options = services.connections, services.options
    if connections.draining:
        return HttpProblem(503, "this process is going away", {"Retry-After": "1"}, retry_after=1)
    status, most = 503, options.max_connections
    reason = f"all {most} stream connections are taken"
    if connections.has_its_share(address):
        status, most = 429, options.streams_per_address or 0
        reason = f"this address has {most} streams open, as many as one may"
    return HttpProblem(
        status,
        f"{reason}; try again in {RETRY_AFTER_S} s, or poll /changes",
        {"Retry-After": str(RETRY_AFTER_S)},
        max_connections=most,
        retry_after=RETRY_AFTER_S,
    )


@router.get(
    "/stream",
    summary="Live events",
    response_class=Response,
    responses=EVENT_STREAM,
)
async def stream(
    request: Request,
    services: Use,
    tickers: Tickers = None,
    resolutions: Resolutions = "1m",
    cursor: Cursor = None,
    since: Since = None,
    until: Until = None,
    last_event_id: LastEventId = None,
) -> Response:
    """Server-sent events: `hello`, then `snapshot` or what was missed, then `bucket_update`, `partial_bucket`,
    `new_item`, `sentiment_update`, `metrics`, `heartbeat`, `bye`. See docs/formats.md."""
    wanted = wanted_of(tickers, resolutions)
    start, until_ms = place_of(cursor, since, until, last_event_id)
    address = address_of(request.scope, services.options.trusted_hops)
    return await open_stream(services, address, wanted, start, until_ms)


@router.get("/changes", response_model=Changes, summary="Live events, polled")
async def changes(
    request: Request,
    services: Use,
    tickers: Tickers = None,
    resolutions: Resolutions = "1m",
    cursor: Cursor = None,
    since: Since = None,
    limit: Annotated[int, Query(ge=1, le=MAX_REPLAY_EVENTS, description="events an answer")] = MAX_REPLAY_EVENTS,
) -> Response:
    """What `/stream` would have sent since the cursor, with the same ids. `more`: ask again at once."""
    start, _ = place_of(cursor, since)
    poll, hub = Poll(start, wanted_of(tickers, resolutions), limit), services.hub
    answer = None
    if services.live:
        await services.connections.ensure_started()
        hub.polled()
        answer = poll_memory(hub, poll)
    if answer is None:
        known = hub.healthy
        epoch = hub.epoch if known else await services.run("control", services.epoch.identity)
        store, now_ms = services.home.buckets, services.clock.now_ms()
        answer = await poll_store(services.run, store, epoch, poll, now_ms, services.opener if known else None)
    body = msgspec.json.encode(answer)
    etag = f'W/"{xxh3_64_hexdigest(body)}"'
    return not_modified(request, etag) or await large_answer(request, msgspec.Raw(body), etag)


@router.get("/stream/status", response_model=StreamStatus, summary="Open streams")
async def stream_status(request: Request, services: Use) -> Response:
    """How many streams are open, in every process of the fleet."""
    return json_answer(request, await services.run("control", services.fleet.everybody, services.live))
