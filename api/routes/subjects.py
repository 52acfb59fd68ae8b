"""`/subjects`: what there is to watch."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.answers import Subjects
from api.context import Services, Use
from api.respond import json_answer
from contracts.instants import iso_ms
from contracts.ports import BucketStore
from contracts.resolution import COARSEST, DAY_MS, HOUR_MS, window_start_ms

router = APIRouter(tags=["series"])
FRESH_MS = 2_000.0


def read_subjects(store: BucketStore, generation: str, now_ms: int) -> list[dict[str, Any]]:
    """Every subject with its articles of the last 24 hours, by whole hours, the busiest first. Raises `Transient`."""
    since_ms = window_start_ms(now_ms - DAY_MS, HOUR_MS) + HOUR_MS
    rows = []
    for subject in store.subjects(generation):
        hours = store.range(generation, subject, "1h", since_ms, now_ms + HOUR_MS)
        newest = hours[-1:] or store.range(generation, subject, COARSEST.name, limit=1, newest=True)
        rows.append(
            {
                "subject": subject,
                "count_24h": sum(hour.summary.count for hour in hours),
                "last_event_at": iso_ms(newest[-1].summary.close_ms) if newest else None,
            }
        )
    return sorted(rows, key=lambda row: (-row["count_24h"], row["subject"]))


async def known_subjects(services: Services) -> list[dict[str, Any]]:
    """`read_subjects`, at most two seconds old."""
    generation = await services.run("control", services.epoch.current)
    now_ms = services.clock.monotonic_ms()
    known = services.subjects
    if known is not None and known[0] == generation and now_ms - known[1] < FRESH_MS:
        return known[2]
    rows = await services.run("buckets", read_subjects, services.home.buckets, generation, services.clock.now_ms())
    services.subjects = (generation, now_ms, rows)
    return rows


@router.get("/subjects", response_model=Subjects, summary="What there is to watch")
async def subjects(request: Request, services: Use) -> Response:
    """The live subjects, the busiest of the last 24 hours first."""
    rows = await known_subjects(services)
    note = services.options.demo_note
    named = [row | {"name": services.names.get(row["subject"])} for row in rows]
    return json_answer(request, {"subjects": named, "demo": note is not None, "demo_note": note})
