"""`replay run|resume|cancel`: execute a plan into a generation of its own, to the end, however often it is interrupted.

Stages: spool (the records sorted by subject and day), score (only with a model), build (units). Each stage does what is
missing; so `resume` is the same code as `run`.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Final, NamedTuple

from aggregation.lanes import Lanes
from contracts.clock import Clock
from contracts.errors import BadRequest, CandlewickError, Conflict
from contracts.generation import live_generation
from contracts.instants import iso_ms
from contracts.settings import AggregatorSettings
from ops.replay.lock import Turn, exclusive
from ops.replay.pace import Pace
from ops.replay.plan import Plan, load_plan, tasks_of
from ops.replay.pool import Alone, Pool, Workers
from ops.replay.promote import taking_turns
from ops.replay.rescore import BATCH, open_cache, rescore_articles
from ops.replay.runs import (
    RESUMABLE,
    audit_record,
    check_model,
    create_run,
    file_audit,
    get_run,
    run_folder,
    update_run,
    working_name,
)
from ops.replay.spool import Spool, parts_of
from ops.replay.units import SCORE_BINS, UnitStates, add_up, digest_of, task_name
from ops.replay.work import TASK_RECORDS, Work
from stores.home import Home
from stores.sqlite_scores import SqliteScores

#: Below so many records the other processes would take longer to start than they save.
ALONE_RECORDS: Final = 60_000
MAX_WORKERS: Final = 8
UPDATE_EVERY_MS: Final = 1_000


class Drive(NamedTuple):
    """How to go about it. `rate` in records a second, `speed` in event time per time, `concurrency` in processes
    (None: as many as this machine has cores)."""

    rate: float | None = None
    speed: float | None = None
    concurrency: int | None = None


class Seen(NamedTuple):
    """Progress: the stage, units or parts done of a total, records so far, the event time reached, and waits."""

    stage: str
    done: int
    total: int
    records: int
    event_time: str
    throttles: int
    yielded: int


Watch = Callable[[Seen], None]


def start_run(
    home: Home, settings: AggregatorSettings, plan: Plan, drive: Drive, watch: Watch, generation: str | None = None
) -> dict[str, Any]:
    """A new run of a plan, to its end; returns the run's document. Raises what stopped it; the document tells too."""
    run = create_run(home, plan, generation)
    file_audit(home, audit_record(home, "run", run=run["id"], generation=run["generation"], plan=plan.hash))
    return execute(home, settings, run["id"], drive, watch)


def execute(home: Home, settings: AggregatorSettings, run_id: str, drive: Drive, watch: Watch) -> dict[str, Any]:
    """Do what is missing of a run. Raises `Conflict` while another process is at it or, by now, may be,
    `BadRequest` for a run that cannot be resumed, `Altered` when the sources are not what was planned,
    `KeyboardInterrupt` with the run's id."""
    with exclusive(home, settings, working_name(get_run(home.control, run_id))) as turn:
        run = get_run(home.control, run_id)
        if run["state"] == "completed":
            UnitStates(home.control, run_id).drop()
            return run
        if run["state"] not in RESUMABLE:
            raise BadRequest(f"run {run_id} is {run['state']}; only {', '.join(RESUMABLE)} can be resumed")
        try:
            run = update_run(
                home.control, run, state="running", error=None, error_kind=None, started_at=iso_ms(home.clock.now_ms())
            )
            plan = load_plan(home, run["plan"])
            check_model(plan)
            if Lanes(home.control, plan.lanes, plan.allowed_lateness_ms).of(run["generation"]) != plan.lanes:
                raise Conflict(f"{run['generation']} was begun with other lanes than planned; plan and run again")
            return _Execution(home, settings, plan, run, drive, watch, turn).to_the_end()
        except KeyboardInterrupt:
            _note_end(home, turn, run, state="interrupted")
            raise KeyboardInterrupt(run_id) from None
        except (CandlewickError, OSError) as error:
            _note_end(home, turn, run, state="failed", error=str(error), error_kind=type(error).__name__)
            raise


def _note_end(home: Home, turn: Turn, run: dict[str, Any], **fields: Any) -> None:
    with suppress(Conflict):  # another process has taken it further, or may be at it
        turn.check()
        update_run(home.control, run, **fields)


def cancel_run(home: Home, settings: AggregatorSettings, name: str) -> dict[str, Any]:
    """Drop a run's generation and working files. Raises `Conflict` for the live one, while it is worked on, and while
    something is promoted or rolled back to."""
    with taking_turns(home, settings):
        run = get_run(home.control, name)
        if run["generation"] == live_generation(home.control):
            raise Conflict(f"{run['generation']} is live; roll back first")
        with exclusive(home, settings, working_name(run)):
            run = update_run(home.control, get_run(home.control, run["id"]), state="cancelled")
            dropped = home.buckets.drop_generation(run["generation"])
            UnitStates(home.control, run["id"]).drop()
            for folder in (
                working_name(run),
                f"{working_name(run)}-verify",
                run["id"],
            ):  # the last as it once was called
                shutil.rmtree(run_folder(settings, folder), ignore_errors=True)
            file_audit(home, audit_record(home, "cancel", run=run["id"], generation=run["generation"]))
            return update_run(home.control, run, dropped_buckets=run.get("dropped_buckets", 0) + dropped)


class _Execution:
    """One try at a run."""

    def __init__(
        self,
        home: Home,
        settings: AggregatorSettings,
        plan: Plan,
        run: dict[str, Any],
        drive: Drive,
        watch: Watch,
        turn: Turn,
    ) -> None:
        self._home = home
        self._settings = settings
        self._plan = plan
        self._run = run
        self._turn = turn
        self._watch = watch
        self._folder = run_folder(settings, working_name(run))
        self._clock: Clock = home.clock
        self._states = UnitStates(home.control, run["id"])
        self._parts = parts_of(plan.segments)
        self._tasks = {task_name(task): task for task in tasks_of(plan, TASK_RECORDS)}
        self._pace = Pace(home, drive.rate, drive.speed)
        self._unpaced = not (drive.rate or drive.speed)
        self._found_done: frozenset[str] = frozenset()
        self._throttles = 0
        self._updated_ms = self._began_ms = self._clock.monotonic_ms()
        self._pool = self._open_pool(drive.concurrency, turn.descriptor)

    def _open_pool(self, concurrency: int | None, descriptor: int) -> Pool:
        records = self._plan.census.records
        wanted = concurrency or (1 if records < ALONE_RECORDS else os.cpu_count() or 1)
        count = min(wanted, MAX_WORKERS)
        run_id, generation = self._run["id"], self._run["generation"]
        self._folder.mkdir(parents=True, exist_ok=True)
        if count == 1:
            return Alone(Work(self._home, self._settings, self._plan, run_id, generation, self._folder))
        return Workers(count, self._settings, self._plan.hash, run_id, generation, self._folder, descriptor)

    def to_the_end(self) -> dict[str, Any]:
        """All stages; the run's document."""
        try:
            self._found_done = frozenset(self._states.done())
            if len(self._found_done) < len(self._tasks):
                self._spool()
                rescored = self._score() if self._plan.model is not None else None
                self._build(self._found_done)
                if rescored is not None:
                    self._run = update_run(self._home.control, self._run, rescored=rescored)
        finally:
            self._pool.close()
        return self._finish()

    def _spool(self) -> None:
        missing = Spool(self._folder).missing(len(self._parts))
        done, records = len(self._parts) - len(missing), 0
        for _task, answer in self._pool.each(self._unread(missing)):
            done += 1
            records += answer["records"]
            self._show(Seen("reading", done, len(self._parts), records, "", 0, 0))

    def _unread(self, missing: list[int]) -> Iterator[dict[str, Any]]:
        """Reading has its pace too: the live readers of a Kinesis shard share what it gives a second."""
        for number in missing:
            self._pace.before(sum(one.records or 0 for one in self._parts[number]), 0)
            self._turn.check()
            yield {"spool": number}
        self._pace.end()

    def _score(self) -> dict[str, Any]:
        spool = Spool(self._folder)
        wanted = spool.articles()
        cache = open_cache(self._folder.parent)
        articles = SqliteScores(self._folder / "articles.db")
        done = 0

        def score(texts: Any) -> list[Any]:
            size = max(1, BATCH // 8)
            pieces = [list(texts[at : at + size]) for at in range(0, len(texts), size)]
            answers: dict[int, list[Any]] = {}
            for task, answer in self._pool.each({"score": piece, "number": at} for at, piece in enumerate(pieces)):
                answers[task["number"]] = [tuple(each) for each in answer["scores"]]
            return [each for at in range(len(pieces)) for each in answers[at]]

        def progress(count: int) -> None:
            nonlocal done
            done += count
            self._show(Seen("scoring", done, len(wanted), done, "", 0, 0))

        try:
            assert self._plan.model_version is not None
            found = rescore_articles(
                self._home, wanted, self._plan.model_version, score, cache, articles, spool.ids_of, progress
            )
        finally:
            cache.close()
            articles.close()
        return found._asdict()

    def _build(self, done: frozenset[str]) -> None:
        finished = sum(_units(task) for name, task in self._tasks.items() if name in done)
        records = 0
        for task, answer in self._pool.each(self._due(done)):
            finished += answer["units"]
            records += answer["records"]
            self._throttles += answer["throttles"]
            reached = self._tasks[task["build"]][-1].day
            self._show(
                Seen("building", finished, self._plan.units, records, reached, self._throttles, self._pace.yielded)
            )
            self._note(finished)

    def _due(self, done: frozenset[str]) -> Iterator[dict[str, Any]]:
        subjects = self._plan.census.subjects
        for name, task in self._tasks.items():
            if name not in done:
                self._pace.before(sum(group.records for group in task), _units(task) / subjects)
                self._turn.check()
                yield {"build": name}
        self._pace.end()

    def _show(self, seen: Seen) -> None:
        self._watch(seen)
        self._turn.check()

    def _note(self, units_done: int) -> None:
        now_ms = self._clock.monotonic_ms()
        if now_ms - self._updated_ms >= UPDATE_EVERY_MS:
            self._updated_ms = now_ms
            self._run = update_run(self._home.control, self._run, units_done=units_done)

    def _finish(self) -> dict[str, Any]:
        tallies = self._states.done()
        self._turn.check()
        # Raises `Conflict` where another process has finished it, which forgets what the tasks came to.
        self._run = update_run(self._home.control, self._run, units_done=self._plan.units)
        assert tallies.keys() == self._tasks.keys(), "a task was neither done nor missing"
        total = add_up(tallies.values())
        mine = sum(tally.counted for name, tally in tallies.items() if name not in self._found_done)
        seconds = (self._clock.monotonic_ms() - self._began_ms) / 1000
        shutil.rmtree(self._folder, ignore_errors=True)  # first: nobody looks for files of a completed run
        self._run = update_run(
            self._home.control,
            self._run,
            state="completed",
            finished_at=iso_ms(self._clock.now_ms()),
            units_done=self._plan.units,
            counts={
                "counted": total.counted,
                "duplicates": total.duplicates,
                "too_late": self._plan.census.too_late,
                "quarantined": self._plan.census.quarantined,
                "buckets": total.buckets,
                "unscored": total.unscored,
            },
            flips=total.flips,
            scores={"bins": SCORE_BINS, "before": total.before, "after": total.after},
            digest=digest_of(total.digests),
            seconds=round(seconds, 3),
            events_per_second=round(mine / max(seconds, 0.001)),
            measured=self._unpaced and not self._found_done and self._plan.model is None,
            throttles=self._throttles,
            yielded=self._pace.yielded,
            reached=self._plan.tips,
        )
        self._states.drop()
        return self._run


def _units(task: Any) -> int:
    return sum(len(group.hours) for group in task)
