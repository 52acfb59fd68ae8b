"""`/generations`: what replays built, which one is live, and how two of them differ."""

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api.auth import Admin
from api.compare import compare
from api.context import Services, TooSlow, Use
from api.problems import HttpProblem
from api.replay_answers import Comparison, Generations, Promoted
from api.respond import json_answer
from contracts.errors import BadRequest, Unusable
from contracts.generation import AUDIT_KIND

#: Longer than a promote catches up or a comparison looks; what takes longer belongs on the command line.
PATIENCE_S: Final = 120.0
#: When to look how a wish ended that takes longer.
SLOW_RETRY_S: Final = 60
#: When to ask again while somebody else's comparison runs.
BUSY_RETRY_S: Final = 5
router = APIRouter(tags=["generations"])
NAME: Final = r"^[A-Za-z0-9_\-]{1,64}$"
Generation = Annotated[str, Path(description="name of a generation", examples=["g2"], pattern=NAME)]
Before = Annotated[str, Path(description="name of the generation to compare with", examples=["g1"], pattern=NAME)]


def known_generations(services: Services) -> list[dict[str, Any]]:
    """The live generation, those that were live and those that replays recorded, as anybody may know them. Blocking.
    Raises `Transient`."""
    live = services.epoch.current()
    listed = services.home.control.list("generation").items()
    recorded = {name: discreet(value) for name, value in listed if name != "live"}
    # The first one was built by no replay, so nothing but the swap away from it tells of it.
    left = {str(swap["previous"]) for swap in swaps_of(services) if swap["previous"]}
    names = sorted({live, *recorded, *left})
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
    """Have an administrator's wish done. Raises `HttpProblem` (409 where it cannot be, 503 when it takes longer) and
    what the action raises."""
    if action not in services.actions:
        raise HttpProblem(409, f"this process cannot {action}; use `candlewick replay {action}`")
    try:
        return await services.offload.within(PATIENCE_S, "control", _done, services.actions[action], *arguments)
    except TooSlow:
        shown = "runs" if action == "compare" else "generations"
        detail = (
            f"the {action} takes longer than {PATIENCE_S:g} s and goes on; GET /api/v2/{shown} shows it when done; a"
            " refusal is in the log"
        )
        raise HttpProblem(503, detail, {"Retry-After": str(SLOW_RETRY_S)}, retry_after=SLOW_RETRY_S) from None


def _done(action: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """An action's answer. What is unusable is told in full: the administrator is who can mend it."""
    try:
        return action(*arguments)
    except Unusable as error:
        raise HttpProblem(409, str(error)) from error


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
    runs; 409: the buckets are on AWS, where all of them are too many to read for one answer."""
    if a == b:
        raise BadRequest(f"b: {b} does not differ from itself; name another generation")
    if services.options.home == "aws":
        raise HttpProblem(409, f"this process cannot compare; use `candlewick replay compare {a} {b}`")
    found = await services.run("buckets", _compare, services, a, b)
    if found is None:
        raise HttpProblem(404, f"{a} or {b} is no known generation; GET /api/v2/generations lists them")
    return json_answer(request, found)


class SwapWish(BaseModel):
    """How to make another generation live. Without `force` a promote wants the run compared with the live generation,
    inside the thresholds, and a rollback leaves out nothing that arrived since and has expired."""

    model_config = ConfigDict(extra="forbid")
    force: bool = False
    reason: str = Field("", max_length=500, description="kept in the audit record; needed with `force`")


@router.post(
    "/generations/{name}/promote", response_model=Promoted, summary="Make a generation live", dependencies=[Admin]
)
async def promote(request: Request, services: Use, name: Generation, wish: SwapWish) -> Response:
    """Catches up with what arrived since its run was planned, and swaps (admin). Every open dashboard follows.
    409: it may not go live yet, or another one did first; 400: it cannot (`detail` says why)."""
    await must_be_known(services, name)
    return json_answer(request, await _swap(services, "promote", name, wish))


@router.post(
    "/generations/{name}/rollback", response_model=Promoted, summary="Go back from a generation", dependencies=[Admin]
)
async def rollback(request: Request, services: Use, name: Generation, wish: SwapWish) -> Response:
    """Makes live again what was live before `name`, with all that arrived since (admin). Every open dashboard follows.
    409: `name` is not live (any more); 400: nothing was promoted, or the way back would leave something out."""
    await must_be_known(services, name)
    return json_answer(request, await _swap(services, "rollback", name, wish))


async def _swap(services: Services, action: str, name: str, wish: SwapWish) -> dict[str, Any]:
    record = await act(services, action, name, wish.force, wish.reason)
    return {each: record[each] for each in ("generation", "previous", "at", "forced", "reason")}
