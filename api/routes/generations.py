"""`/generations`: what replays built, which one is live, and how two of them differ."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api.auth import Admin
from api.compare import compare
from api.context import Services, Use
from api.problems import HttpProblem
from api.replay_answers import Comparison, Generations, Promoted
from api.respond import json_answer
from contracts.errors import BadRequest
from contracts.generation import AUDIT_KIND

#: Longer than a promote catches up or a comparison looks; what takes longer belongs on the command line.
PATIENCE_S: Final = 120.0
#: When to ask again while somebody else's comparison runs.
BUSY_RETRY_S: Final = 5
router = APIRouter(tags=["generations"])
NAME: Final = r"^[A-Za-z0-9_\-]{1,64}$"
Generation = Annotated[str, Path(description="name of a generation", examples=["g2"], pattern=NAME)]
Before = Annotated[str, Path(description="name of the generation to compare with", examples=["g1"], pattern=NAME)]


def known_generations(services: Services) -> list[dict[str, Any]]:
    """The live generation and those that replays recorded, as anybody may know them. Blocking. Raises `Transient`."""
    live = services.epoch.current()
    listed = services.home.control.list("generation").items()
    recorded = {name: discreet(value) for name, value in listed if name != "live"}
    names = sorted({live, *recorded})
    return [{"name": name, "live": name == live, "detail": recorded.get(name, {})} for name in names]


def discreet(run: dict[str, Any]) -> dict[str, Any]:
    """A run as anybody may know it: its error can name files and accounts, so only of what kind it was."""
    if not run.get("error"):
        return run
    return run | {"error": f"{run.get('error_kind', 'error')}: `candlewick runs show {run.get('id')}` says what it was"}


def swaps_of(services: Services) -> list[dict[str, Any]]:
    """When another generation went live, oldest first. Blocking. Raises `Transient`."""
    swaps = [
        each for each in services.home.control.list(AUDIT_KIND).values() if each["action"] in ("promote", "rollback")
    ]
    fields = ("at", "action", "generation", "previous", "reason")
    return [{name: each.get(name, "") for name in fields} for each in sorted(swaps, key=lambda each: str(each["at"]))]


def _generations(services: Services) -> dict[str, Any]:
    return {"generations": known_generations(services), "swaps": swaps_of(services)}


@router.get("/generations", response_model=Generations, summary="Replay results")
async def generations(request: Request, services: Use) -> Response:
    """The generations that are known, which one is live, and when another one went live."""
    return json_answer(request, await services.run("control", _generations, services))


async def act(services: Services, action: str, *arguments: Any) -> dict[str, Any]:
    """Have an administrator's wish done. Raises `HttpProblem` 409 where this process cannot, and what the action
    raises."""
    if action not in services.actions:
        raise HttpProblem(409, f"this process cannot {action}; use `candlewick replay {action}`")
    return await services.offload.within(PATIENCE_S, "control", services.actions[action], *arguments)


async def must_be_known(services: Services, name: str) -> None:
    """Raises `HttpProblem` 404 for a generation that nobody built."""
    known = await services.run("control", known_generations, services)
    if name not in {each["name"] for each in known}:
        raise HttpProblem(404, f"{name} is no known generation; GET /api/v2/generations lists them")


def _compare(services: Services, a: str, b: str) -> dict[str, Any] | None:
    known = {each["name"] for each in known_generations(services)}
    store = services.home.buckets
    for name in (a, b):
        if name not in known and not store.subjects(name):
            return None
    # Taken and given back by the thread: its caller may have gone away long before it is done.
    if not services.comparing.acquire(blocking=False):
        detail = f"another comparison is running; ask again in {BUSY_RETRY_S} s"
        raise HttpProblem(429, detail, {"Retry-After": str(BUSY_RETRY_S)}, retry_after=BUSY_RETRY_S)
    try:
        return compare(store, a, b, services.clock.now_ms())
    finally:
        services.comparing.release()


@router.get("/generations/{a}/compare/{b}", response_model=Comparison, summary="How two generations differ")
async def comparison(request: Request, services: Use, a: Before, b: Generation) -> Response:
    """Counts of equal and changed buckets, and the twenty that differ most. Large ones are compared by
    `candlewick replay compare`; `complete` tells whether all was looked at. One comparison at a time; 429: another one
    runs."""
    if a == b:
        raise BadRequest(f"b: {b} does not differ from itself; name another generation")
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
    await must_be_known(services, name)
    record = await act(services, "promote", name, wish.force, wish.reason)
    return json_answer(request, {each: record[each] for each in ("generation", "previous", "at", "forced", "reason")})


class RollbackWish(BaseModel):
    """Why to go back."""

    model_config = ConfigDict(extra="forbid")
    reason: str = Field("", max_length=500, description="kept in the audit record")


@router.post(
    "/generations/{name}/rollback", response_model=Promoted, summary="Go back from a generation", dependencies=[Admin]
)
async def rollback(request: Request, services: Use, name: Generation, wish: RollbackWish) -> Response:
    """Makes live again what was live before `name`, with all that arrived since (admin). Every open dashboard follows.
    409: `name` is not live (any more), or nothing was promoted."""
    await must_be_known(services, name)
    record = await act(services, "rollback", name, wish.reason)
    answer = {each: record[each] for each in ("generation", "previous", "at", "reason")}
    return json_answer(request, answer | {"forced": False})
