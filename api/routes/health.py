"""`/health` (this process), `/ready` (its dependencies), `/status` (the line)."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.answers import Check, Health, Status
from api.context import Services, Use
from api.logs import note
from api.problems import problem
from api.respond import json_answer
from api.routes.sources import source_rows
from api.sse.hub import Ingest
from contracts.errors import Transient
from contracts.instants import iso_ms

router = APIRouter(tags=["operations"])
bare = APIRouter(include_in_schema=False)
#: A probe that takes longer is a dependency that is down, for whoever asks.
PROBE_S = 2.0
#: Anybody may ask, and a store's own words name accounts, roles and files.
NO_ANSWER = "it does not answer; the log says why"


def version_of_package() -> str:
    """The installed version; `0` when run from a folder that was never installed."""
    try:
        return version("candlewick")
    except PackageNotFoundError:
        return "0"


def _down(name: str, error: Transient) -> dict[str, Any]:
    note(logging.WARNING, "a probe failed", dependency=name, cause=str(error))
    return {"name": name, "status": "down", "detail": NO_ANSWER}


async def _dependencies(services: Services) -> list[dict[str, Any]]:
    home = services.home
    probes: dict[str, Callable[[], object]] = {
        "buckets": home.buckets.changes_head,
        "control": lambda: home.control.get("generation", "live"),
        "items": lambda: home.items.get_primary("health#probe"),
    }

    async def check(name: str, probe: Callable[[], object]) -> dict[str, Any]:
        try:
            await services.offload.within(PROBE_S, name, probe)
        except Transient as error:
            return _down(name, error)
        return {"name": name, "status": "up", "detail": None}

    return list(await asyncio.gather(*(check(name, probe) for name, probe in probes.items())))


async def checks(services: Services) -> list[dict[str, Any]]:
    """One row per dependency: a cheap read of each, at most a second old."""
    rows = list(await services.probed.get(lambda: _dependencies(services)))
    if services.live:
        following = services.hub.healthy
        detail = None if following else "the change log is not being read"
        rows.append({"name": "stream", "status": "up" if following else "down", "detail": detail})
    return rows


def line_row(services: Services) -> dict[str, Any]:
    """Whether a stage of this process has stopped for good: what is read still is, but nothing new is counted."""
    assert services.status is not None
    status = services.status()
    stopped = {fault["stage"]: fault["error"] or "it is not running" for fault in status.get("faults", ())}
    for stage in status.get("stages", ()):
        if stage["state"] == "stopped":
            errors = [shard["error"] for shard in stage["shards"] if shard["state"] == "stopped"]
            stopped[stage["name"]] = next(filter(None, errors), "stopped")
    detail = "; ".join(f"{name}: {error}" for name, error in stopped.items())
    return {"name": "line", "status": "down" if stopped else "up", "detail": detail or None}


async def _line(services: Services) -> dict[str, Any]:
    try:
        return await services.offload.within(PROBE_S, "line", line_row, services)
    except Transient as error:
        return _down("line", error)


@router.get("/health", response_model=Health, summary="Is this process alive")
@bare.get("/health")
async def health(services: Use) -> Response:
    """Always 200 while the process serves; `degraded` with the dependency that is down."""
    rows = await checks(services)
    if services.status is not None:
        rows.append(await services.line_probed.get(lambda: _line(services)))
    up = all(row["status"] == "up" for row in rows)
    document = Health(
        status="ok" if up else "degraded", checks=[Check(**row) for row in rows], version=version_of_package()
    )
    return Response(document.model_dump_json(), media_type="application/json", headers={"Cache-Control": "no-store"})


@router.get("/ready", response_model=Health, summary="Can it serve")
@bare.get("/ready")
async def ready(request: Request, services: Use) -> Response:
    """200 once every dependency answers, else 503 naming the first that does not."""
    rows = await checks(services)
    down = [row for row in rows if row["status"] == "down"]
    if services.connections.draining:
        return problem(503, "this process is going away", request.url.path, {"Retry-After": "1"}, retry_after=1)
    if down:
        return problem(
            503,
            f"{down[0]['name']} is down: {down[0]['detail']}",
            request.url.path,
            {"Retry-After": "1"},
            dependency=down[0]["name"],
            retry_after=1,
            checks=rows,
        )
    document = {"status": "ok", "checks": rows, "version": version_of_package()}
    return json_answer(request, document)


def _watermarks(services: Services) -> list[dict[str, Any]]:
    rows = []
    for shard, value in services.home.control.list("watermark").items():
        at_ms = int(value.get("watermark_ms", -1))
        newest_ms = int(value.get("newest_event_ms", -1))
        rows.append(
            {
                "shard": shard,
                "at": iso_ms(at_ms) if at_ms > 0 else None,
                "newest_event_at": iso_ms(newest_ms) if newest_ms > 0 else None,
            }
        )
    return rows


async def _newest(services: Services) -> Ingest | None:
    """Asked of the log; None while it is away, which is no reason to tell nothing else."""
    with suppress(Transient):
        _, _, newest = await services.run("buckets", services.hub.read_head)
        return newest
    return None


@router.get("/status", response_model=Status, summary="How the line is doing")
async def status(request: Request, services: Use) -> Response:
    """Sources, counts, lag and watermarks; what other stages of the process report is merged in."""
    hub = services.hub
    newest = hub.newest if services.live else await _newest(services)
    document: dict[str, Any] = {
        "sources": await services.run("control", source_rows, services.home.control),
        "counts": {"articles": await services.run("items", services.home.items.count_primary)},
        "lag_ms": max(0, newest.written_ms - newest.origin_ms) if newest else None,
        "newest_ingest_at": iso_ms(newest.origin_ms) if newest else None,
        "watermarks": await services.run("control", _watermarks, services),
        "demo": services.options.demo_note is not None,
        "demo_note": services.options.demo_note,
        "generation": await services.run("control", services.epoch.current),
        "connections": len(services.connections.open),
        "read_model": "primary" if services.reads.from_primary else "table",
    }
    if services.status is not None:
        extra = await services.run("status", services.status)
        counts = document["counts"] | extra.get("counts", {})
        document = document | extra | {"counts": counts}
    return json_answer(request, document)
