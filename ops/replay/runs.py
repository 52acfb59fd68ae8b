"""Run documents: what a replay is and how far it came.

States: running → completed → live → retired (another generation was promoted or rolled back to), or interrupted and
failed (both resumable), or cancelled.
"""

import itertools
import os
import re
from pathlib import Path
from typing import Any, Final

from contracts.errors import BadRequest, Conflict, Unusable
from contracts.generation import AUDIT_KIND, FIRST_GENERATION, POINTER, RUN_KIND, live_generation
from contracts.instants import iso_ms
from contracts.ports import ControlStore
from contracts.settings import Settings
from ops.replay.plan import Plan
from stores.home import Home

KIND: Final = RUN_KIND
#: What the API shows of generations (`api/routes/generations.py` reads this kind).
GENERATION_KIND: Final = "generation"
#: What a cursor of the API can name.
NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_RUN_ID: Final = re.compile(r"r\d+")
RESUMABLE: Final = ("running", "interrupted", "failed")
FINISHED: Final = ("completed", "live", "retired")


def create_run(home: Home, plan: Plan, name: str | None = None) -> dict[str, Any]:
    """A new run of a plan with a generation of its own: `r1` builds `g2`, or the next free number. Raises `Conflict`
    for a name in use, `BadRequest` for one that none may have."""
    if name is not None:
        _check_name(home, name)
    while True:
        known = home.control.list(KIND)
        number = 1 + max((int(run[1:]) for run in known if run[1:].isdecimal()), default=0)
        taken = {run["generation"] for run in known.values()}
        wanted = [name] if name else (f"g{free}" for free in itertools.count(number + 1))
        generation = next((each for each in wanted if each not in taken and not _has_buckets(home, each)), None)
        if generation is None:
            raise Conflict(f"generation {name} exists already; give another --generation")
        run: dict[str, Any] = {
            "id": f"r{number}",
            "plan": plan.hash,
            "generation": generation,
            "state": "running",
            "model": plan.model_version,
            "planned_at": plan.created_at,
            "created_at": iso_ms(home.clock.now_ms()),
            "units_total": plan.units,
            "units_done": 0,
        }
        try:
            home.control.put(KIND, run["id"], run, expected_version=0)
        except Conflict:
            continue
        tell_generation(home.control, run)
        return run


def _has_buckets(home: Home, generation: str) -> bool:
    """Also of a run that was killed before its first day was whole."""
    return bool(home.buckets.subjects(generation)) or next(iter(home.buckets.scan(generation)), None) is not None


def _check_name(home: Home, name: str) -> None:
    """Neither a run's id, nor the pointer's document, nor what is live or was first."""
    taken = {POINTER[1], FIRST_GENERATION, live_generation(home.control)}
    if NAME.fullmatch(name) is None or _RUN_ID.fullmatch(name) or name in taken:
        allowed = f"{NAME.pattern}, but no run's id (r1) and none of {', '.join(sorted(taken))}"
        raise BadRequest(f"a generation cannot be called {name!r}", (allowed,))


def all_runs(control: ControlStore) -> dict[str, dict[str, Any]]:
    """Runs by id. Which one is live the pointer says: a swap that was cut short is in no run's document yet."""
    runs, live = control.list(KIND), live_generation(control)
    for run in runs.values():
        if run["generation"] == live:
            run["state"] = "live"
        elif run["state"] == "live":
            run["state"] = "retired"
    return runs


def get_run(control: ControlStore, name: str) -> dict[str, Any]:
    """A run by its id or its generation. Raises `BadRequest` naming the known ones."""
    known = all_runs(control)
    for run in known.values():
        if name in (run["id"], run["generation"]):
            return run
    raise BadRequest(f"no run {name!r}", tuple(known) or ("none yet: `candlewick replay run`",))


def rescored_to(run: dict[str, Any], pointer: dict[str, Any]) -> dict[str, str] | None:
    """Up to the first swap a re-scored generation has its model's scores; from then on those of the log. The place of
    that swap, which the pointer alone knows when the swap was cut short; None while nothing is re-scored or live."""
    if run.get("rescored_to") or not run.get("model") or pointer.get("generation") != run["generation"]:
        return run.get("rescored_to")
    return pointer.get("handover")


def update_run(control: ControlStore, run: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Store changed fields. Raises `Conflict` when another process has put the run into another state meanwhile."""
    stored, version = control.get(KIND, run["id"])
    if stored is None or stored["state"] != run["state"]:
        raise Conflict(f"run {run['id']} is {(stored or {}).get('state', 'gone')} by now: another process is at it")
    stored |= fields
    control.put(KIND, run["id"], stored, expected_version=version)
    tell_generation(control, stored)
    return stored


def tell_generation(control: ControlStore, run: dict[str, Any]) -> None:
    """What everybody may know of a generation, under its name."""
    control.put(GENERATION_KIND, run["generation"], {name: run.get(name) for name in _SHOWN})


_SHOWN: Final = (
    "id", "plan", "state", "model", "planned_at", "created_at", "finished_at", "units_done", "units_total", "counts",
    "flips", "seconds", "digest", "promoted_at", "previous", "retired_at", "error", "error_kind",
)  # fmt: skip


def check_model(plan: Plan) -> None:
    """The model that was planned, or nothing: another version would make other buckets. Raises `Unusable`."""
    if plan.model is None:
        return
    from consumers.classifier.models.registry import load

    version = load(plan.model).version
    if version != plan.model_version:
        raise Unusable(f"the plan is for model {plan.model_version}, {plan.model} is {version} here; plan again")


def audit_record(home: Home, action: str, **fields: Any) -> dict[str, Any]:
    """Who does what, when and why; `file_audit` keeps it."""
    return {"at": iso_ms(home.clock.now_ms()), "action": action, "by": f"process {os.getpid()}", **fields}


def file_audit(home: Home, record: dict[str, Any]) -> None:
    """Keep a record for good. Names sort by time; the same record again is the same document."""
    home.control.put(AUDIT_KIND, f"{record['at']} {record['action']} {record['generation']}", record)


def working_name(run: dict[str, Any]) -> str:
    """What a run's working files go by. Stages that share a data directory count their runs from r1 each."""
    return f"{run['id']}-{run['plan']}"


def run_folder(settings: Settings, name: str) -> Path:
    """Working files under a name; everything in it can be made again."""
    return Path(settings.data_dir).expanduser().absolute() / "replay" / name
