"""`/generations`: what replays built, which one is live, and how two of them differ."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from api.answers import Comparison, Generations
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
