"""`/records` and `/analytics`: the curated-records API of the older pipeline, over the same articles."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.answers import Analytics, Metrics, Record, Records
from api.context import Services, Use
from api.cursors import question_hash
from api.problems import HttpProblem
from api.respond import json_answer
from api.routes.items import DEFAULT_LIMIT, MAX_LIMIT, Identity
from api.tallies import read_analytics, read_metrics
from api.walk import walk
from contracts.errors import BadRequest

router = APIRouter(tags=["records"])
#: Clients of the older pipeline send what they leave out as empty.
SourceOrEmpty = Annotated[
    str | None, Query(description="name of a source; empty: all", pattern=r"^([a-z0-9][a-z0-9_\-]{0,39})?$")
]
LastKey = Annotated[
    str | None, Query(description="`lastKey` of the page before; empty: the first page", max_length=2_000)
]


def record_document(item: dict[str, Any]) -> dict[str, Any]:
    """An article under the older names. `fingerprint` is the hash in its id: the same page gives the same one."""
    metadata = item.get("metadata") or {}
    return {
        "id": item["source_id"],
        "source": item.get("source_type"),
        "captured_at": item.get("ingested_at"),
        "fingerprint": str(item["source_id"]).rpartition("#")[2],
        "raw_s3_key": item.get("raw_key"),
        "title": metadata.get("title"),
        "body": item.get("text_snippet"),
        "processed_at": item.get("scored_at") or item.get("ingested_at"),
    }


@router.get("/records", response_model=Records, summary="Curated records")
async def records(
    request: Request,
    services: Use,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="articles a page")] = DEFAULT_LIMIT,
    source: SourceOrEmpty = None,
    lastKey: LastKey = None,
) -> Response:
    """Records, newest first; `lastKey` is null on the last page."""
    try:
        page = await services.run(
            "items",
            walk,
            services.reads,
            lambda item: not source or item.get("source_type") == source,
            limit,
            lastKey or None,
            question_hash("records", source or None),
            services.clock.now_ms(),
        )
    except BadRequest as error:
        raise BadRequest(f"lastKey: {str(error).removeprefix('cursor: ')}") from None  # its name here
    documents = [record_document(item) for item in page.items]
    return json_answer(request, {"records": documents, "count": len(documents), "lastKey": page.next_cursor})


@router.get("/records/{item_id:article}", response_model=Record, summary="One record")
async def record(request: Request, services: Use, item_id: Identity) -> Response:
    """One record (`#` in its id is written `%23`)."""
    found = await services.run("items", services.home.items.get_primary, item_id)
    if found is None:
        # `error` and `id` are what clients of the older pipeline look for.
        raise HttpProblem(404, f"no record {item_id[:100]!r}", error="Record not found", id=item_id)
    return json_answer(request, record_document(found))


def analytics_now(services: Services) -> dict[str, Any]:
    """`/analytics`. Blocking. Raises `Transient`."""
    clock = services.clock
    return read_analytics(services.tallies, services.reads, clock.now_ms(), clock.monotonic_ms())


@router.get("/analytics", response_model=Analytics, summary="Counts of records")
async def analytics(request: Request, services: Use) -> Response:
    """All records by source and date, and the last seven days; from counters that are kept with every record."""
    return json_answer(request, await services.run("items", analytics_now, services))


def metrics_now(services: Services, hours: int) -> dict[str, Any]:
    """`/metrics`. Blocking. Raises `Transient`."""
    clock = services.clock
    return read_metrics(services.tallies, services.reads, hours, clock.now_ms(), clock.monotonic_ms())


@router.get("/metrics", response_model=Metrics, summary="Counts of articles")
async def metrics(
    request: Request,
    services: Use,
    hours: Annotated[int, Query(ge=1, le=168, description="how far back")] = 24,
) -> Response:
    """Articles of the last hours: total, label mix, by tag, ticker and source, and how many an hour."""
    return json_answer(request, await services.run("items", metrics_now, services, hours))
