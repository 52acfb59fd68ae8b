"""`/runs`: replays, how far each came, and how what it built differs from what is live."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from api.auth import Admin
from api.context import Services, Use
from api.problems import HttpProblem
from api.replay_answers import CompareReport, RunDetail, Runs
from api.respond import json_answer
from api.routes.generations import act, discreet
from contracts.generation import AUDIT_KIND, COMPARE_KIND, RUN_KIND

router = APIRouter(tags=["generations"])
Identity = Annotated[
    str,
    Path(description="a run (`r1`) or the generation it builds", examples=["r1"], pattern=r"^[A-Za-z0-9_\-]{1,64}$"),
]


def _all(services: Services) -> dict[str, Any]:
    runs = _told(services)
    newest_first = sorted(runs, key=lambda run: (run["created_at"], run["id"]), reverse=True)
    return {"live": services.epoch.current(), "runs": newest_first}


def _told(services: Services) -> list[dict[str, Any]]:
    """Every run, as anybody may know it. Which is live the pointer says: a swap that was cut short is in no run's
    document yet. Blocking."""
    live = services.epoch.current()
    runs = list(services.home.control.list(RUN_KIND).values())
    for run in runs:
        if run["generation"] == live:
            run["state"] = "live"
        elif run["state"] == "live":
            run["state"] = "retired"
    return [discreet(run) for run in runs]


@router.get("/runs", response_model=Runs, summary="Replay runs")
async def runs(request: Request, services: Use) -> Response:
    """The replay runs and how far each came (`units_done` of `units_total`), newest first."""
    return json_answer(request, await services.run("control", _all, services))


def _one(services: Services, identity: str) -> dict[str, Any] | None:
    """A run with its last compare and its audit records. Blocking. Raises `Transient`."""
    control = services.home.control
    run = next((run for run in _told(services) if identity in (run["id"], run["generation"])), None)
    if run is None:
        return None
    audit = [each for _, each in sorted(control.list(AUDIT_KIND).items()) if each["generation"] == run["generation"]]
    compared = control.get(COMPARE_KIND, run["id"]).value
    return run | {"live": services.epoch.current(), "compare": compared, "audit": audit}


async def _known(services: Services, identity: str) -> dict[str, Any]:
    run = await services.run("control", _one, services, identity)
    if run is None:
        raise HttpProblem(404, f"no run {identity}; GET /api/v2/runs lists them")
    return run


@router.get("/runs/{identity}", response_model=RunDetail, summary="One replay run")
async def run(request: Request, services: Use, identity: Identity) -> Response:
    """Counts, label flips, digest, error; the last compare, and what was done with the generation."""
    return json_answer(request, await _known(services, identity))


@router.post(
    "/runs/{identity}/compare", response_model=CompareReport, summary="Compare a run with what is live",
    dependencies=[Admin],
)  # fmt: skip
async def compare_run(request: Request, services: Use, identity: Identity) -> Response:
    """Compares the run's generation with the live one and keeps the answer, which `promote` asks for (admin)."""
    found = await _known(services, identity)
    return json_answer(request, await act(services, "compare", found["generation"]))
