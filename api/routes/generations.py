"""`/generations`: what replays built, which one is live, and how two of them differ."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api.answers import Comparison, Generations, Promoted
from api.auth import Admin
from api.compare import compare
from api.context import Services, Use
from api.problems import HttpProblem
from api.respond import json_answer

router = APIRouter(tags=["generations"])
Generation = Annotated[str, Path(description="name of a generation", pattern=r"^[A-Za-z0-9_\-]{1,64}$")]


def known_generations(services: Services) -> list[dict[str, Any]]:
    """The live generation and those that replays recorded. Blocking. Raises `Transient`."""
    live = services.epoch.current()
    recorded = {name: value for name, value in services.home.control.list("generation").items() if name != "live"}
    names = sorted({live, *recorded})
    return [{"name": name, "live": name == live, "detail": recorded.get(name, {})} for name in names]


@router.get("/generations", response_model=Generations, summary="Replay results")
async def generations(request: Request, services: Use) -> Response:
    """The generations that are known, and which one is live."""
    return json_answer(request, {"generations": await services.run("control", known_generations, services)})


def _compare(services: Services, a: str, b: str) -> dict[str, Any] | None:
    known = {each["name"] for each in known_generations(services)}
    store = services.home.buckets
    for name in (a, b):
        if name not in known and not store.subjects(name):
            return None
    return compare(store, a, b, services.clock.now_ms())


@router.get("/generations/{a}/compare/{b}", response_model=Comparison, summary="How two generations differ")
async def comparison(request: Request, services: Use, a: Generation, b: Generation) -> Response:
    """Counts of equal and changed buckets, and the twenty that differ most. Large ones are compared by
    `candlewick replay compare`; `complete` tells whether all was looked at."""
    found = await services.run("buckets", _compare, services, a, b)
    if found is None:
        raise HttpProblem(404, f"{a} or {b} is no known generation; GET /api/v2/generations lists them")
    return json_answer(request, found)


class PromoteWish(BaseModel):
    """How to promote. Without `force` the run must be compared with the live generation inside the thresholds."""

    model_config = ConfigDict(extra="forbid")
    force: bool = False
    reason: str = Field("", max_length=500, description="kept in the audit record; needed with `force`")


@router.post(
    "/generations/{name}/promote", response_model=Promoted, summary="Make a generation live", dependencies=[Admin]
)
async def promote(request: Request, services: Use, name: Generation, wish: PromoteWish) -> Response:
    """Catches up with what arrived since its run was planned, and swaps (admin). Every open dashboard follows.
    409: it may not go live yet, or another one did first."""
    known = await services.run("control", known_generations, services)
    if name not in {each["name"] for each in known}:
        raise HttpProblem(404, f"{name} is no known generation; GET /api/v2/generations lists them")
    if services.promote is None:
        raise HttpProblem(409, "this process cannot promote; use `candlewick replay promote`")
    record = await services.run("control", services.promote, name, wish.force, wish.reason)
    return json_answer(request, {each: record[each] for each in ("generation", "previous", "at", "forced", "reason")})
