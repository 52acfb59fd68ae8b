"""Run documents: what a replay is, how far it came, and who works on it.

States: running → completed → live → retired (another generation was promoted or rolled back to), or interrupted and
failed (both resumable), or cancelled.
"""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from contracts.errors import BadRequest, Conflict
from contracts.generation import AUDIT_KIND, RUN_KIND
from contracts.instants import iso_ms
from contracts.ports import ControlStore
from contracts.settings import Settings
from ops.replay.plan import Plan
from stores.home import Home

KIND: Final = RUN_KIND
#: What the API shows of generations (`api/routes/generations.py` reads this kind).
GENERATION_KIND: Final = "generation"
ORPHAN_TRIES: Final = 100
ORPHAN_PAUSE_S: Final = 0.1
RESUMABLE: Final = ("running", "interrupted", "failed")


def create_run(home: Home, plan: Plan, name: str | None = None) -> dict[str, Any]:
    """A new run of a plan with a generation of its own: `r1` builds `g2`, and so on. Raises `Conflict` for a name in
    use."""
    while True:
        known = home.control.list(KIND)
        number = 1 + max((int(run[1:]) for run in known if run[1:].isdecimal()), default=0)
        generation = name or f"g{number + 1}"
        if home.buckets.subjects(generation) or any(run["generation"] == generation for run in known.values()):
            raise Conflict(f"generation {generation} exists already; give another --generation")
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


def get_run(control: ControlStore, name: str) -> dict[str, Any]:
    """A run by its id or its generation. Raises `BadRequest` naming the known ones."""
    known = control.list(KIND)
    for run in known.values():
        if name in (run["id"], run["generation"]):
            return run
    raise BadRequest(f"no run {name!r}", tuple(known) or ("none yet: `candlewick replay run`",))


def update_run(control: ControlStore, run: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Store changed fields; the holder of the run's lock is its only writer."""
    run = run | fields
    control.put(KIND, run["id"], run)
    tell_generation(control, run)
    return run


def tell_generation(control: ControlStore, run: dict[str, Any]) -> None:
    """What everybody may know of a generation, under its name."""
    control.put(GENERATION_KIND, run["generation"], {name: run.get(name) for name in _SHOWN})


_SHOWN: Final = (
    "id", "plan", "state", "model", "planned_at", "created_at", "finished_at", "units_done", "units_total", "counts",
    "flips", "seconds", "digest", "promoted_at", "previous", "retired_at", "error",
)  # fmt: skip


def audit_record(home: Home, action: str, **fields: Any) -> dict[str, Any]:
    """Who does what, when and why; `file_audit` keeps it."""
    return {"at": iso_ms(home.clock.now_ms()), "action": action, "by": f"process {os.getpid()}", **fields}


def file_audit(home: Home, record: dict[str, Any]) -> None:
    """Keep a record for good. Names sort by time; the same record again is the same document."""
    home.control.put(AUDIT_KIND, f"{record['at']} {record['action']} {record['generation']}", record)


def run_folder(settings: Settings, run_id: str) -> Path:
    """Working files of a run; everything in it can be made again."""
    return Path(settings.data_dir).expanduser().absolute() / "replay" / run_id


@contextmanager
def exclusive(settings: Settings, name: str) -> Iterator[int]:
    """One process at a time on this machine; the operating system frees it when the process (and those it handed the
    descriptor) ends. Raises `Conflict` naming the holder."""
    path = Path(settings.data_dir).expanduser().absolute() / "replay" / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _take(descriptor, name)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _take(descriptor: int, name: str) -> None:
    """Lock it. The workers of a killed process hold its lock until they notice, at most a task later: that is waited
    for; a holder that lives is not."""
    for _ in range(ORPHAN_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            if not holder.isdecimal() or _lives(int(holder)):
                break
            threading.Event().wait(ORPHAN_PAUSE_S)
    raise Conflict(f"process {holder or 'unknown'} is working on {name}; wait for it or stop it")


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
