"""`/subjects`: what there is to watch."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.answers import Subjects
from api.context import Services, Use
from api.pieces import in_pieces
from api.respond import json_answer
from api.shared import Shared
from contracts.instants import iso_ms
from contracts.ports import BucketStore
from contracts.resolution import COARSEST, DAY_MS, HOUR_MS, window_start_ms

router = APIRouter(tags=["series"])
FRESH_MS = 2_000.0


def read_rows(store: BucketStore, generation: str, now_ms: int, subjects: Sequence[str]) -> list[dict[str, Any]]:
    """Some subjects with their articles of the last 24 hours, by whole hours. Blocking. Raises `Transient`."""
    since_ms = window_start_ms(now_ms - DAY_MS, HOUR_MS) + HOUR_MS
    rows = []
    for subject in subjects:
        hours = store.range(generation, subject, "1h", since_ms, now_ms + HOUR_MS)
        newest = hours[-1:] or store.range(generation, subject, COARSEST.name, limit=1, newest=True)
        rows.append(
            {
                "subject": subject,
                "count_24h": sum(hour.summary.count for hour in hours),
                "last_event_at": iso_ms(newest[-1].summary.close_ms) if newest else None,
            }
        )
    return rows


async def read_subjects(services: Services, generation: str) -> list[dict[str, Any]]:
    """Every subject, the busiest first. Raises `Transient`."""
    store = services.home.buckets
    subjects = await services.run("buckets", store.subjects, generation)
    read = partial(read_rows, store, generation, services.clock.now_ms())
    rows = [row async for piece in in_pieces(services.run, "buckets", read, subjects) for row in piece]
    return sorted(rows, key=lambda row: (-row["count_24h"], row["subject"]))


async def known_subjects(services: Services) -> list[dict[str, Any]]:
    """`read_subjects`, at most two seconds old."""
    generation = await services.run("control", services.epoch.current)
    if services.subjects is None or services.subjects[0] != generation:
        services.subjects = (generation, Shared(services.clock, FRESH_MS))
    return await services.subjects[1].get(partial(read_subjects, services, generation))


@router.get("/subjects", response_model=Subjects, summary="What there is to watch")
async def subjects(request: Request, services: Use) -> Response:
    """The live subjects, the busiest of the last 24 hours first."""
    rows = await known_subjects(services)
    note = services.options.demo_note
    named = [row | {"name": services.names.get(row["subject"])} for row in rows]
    return json_answer(request, {"subjects": named, "demo": note is not None, "demo_note": note})
