"""`candlewick replay …`: plan, run, resume, cancel, compare, promote, rollback, verify."""

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from ops.console import DIFFERENT, INTERRUPTED, plain_errors, put_json, say
from ops.home import DEFAULT_DATA_DIR, DataDir, Json, expanded, home_of

app = typer.Typer(no_args_is_help=True)


def _number(value: float | None) -> float | None:
    """Nothing is more than `nan`, nor less: a limit it is would never be met."""
    if value is not None and math.isnan(value):
        raise typer.BadParameter("nan is no limit")
    return value


Sources = Annotated[
    list[str] | None,
    typer.Option("--source", help="auto (default) log lake failed quarantine file:PATH; repeatable."),
]
Start = Annotated[str | None, typer.Option(help="Only events at or after, ISO-8601 with Z.")]
End = Annotated[str | None, typer.Option(help="Only events before.")]
Subjects = Annotated[list[str] | None, typer.Option("--subject", help="Only these; repeatable.")]
Without = Annotated[
    list[str] | None, typer.Option("--without-source", help="Leave out the news of this source; repeatable.")
]
ModelName = Annotated[str | None, typer.Option("--model", help="Score again with this model (`models list`).")]
LogFrom = Annotated[str | None, typer.Option("--from-time", help="Log: only what arrived at or after.")]
LogAt = Annotated[
    list[str] | None, typer.Option("--from-position", help="Log: SHARD=SEQUENCE_NUMBER to begin at; repeatable.")
]
Rate = Annotated[float | None, typer.Option(min=0.001, callback=_number, help="At most so many records a second.")]
Speed = Annotated[str, typer.Option(help="`max`, or a multiple of event time such as `3600x`.")]
Concurrency = Annotated[int | None, typer.Option(min=1, max=8, help="Worker processes; unset: one a core.")]
Run = Annotated[str, typer.Argument(help="A run (r1) or the generation it builds.")]


@app.command("plan")
def plan_command(
    source: Sources = None,
    model: ModelName = None,
    start: Start = None,
    end: End = None,
    subject: Subjects = None,
    without_source: Without = None,
    from_time: LogFrom = None,
    from_position: LogAt = None,
    out: Annotated[str | None, typer.Option(help="Also write the plan's document here.")] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: Json = False,
) -> None:
    """What a replay would read, write and cost; changes nothing. `run HASH` executes exactly this."""
    with plain_errors():
        from ops.replay.plan import outlook

        home, settings = home_of(data_dir)
        wish = _wish(source, start, end, subject, model, from_time, from_position, without_source)
        plan = _planned(home, settings, wish, out)
        found = outlook(home, plan)
        put_json(found) if as_json else _print_plan(found)


def _wish(
    source: list[str] | None,
    start: str | None,
    end: str | None,
    subject: list[str] | None,
    model: str | None,
    from_time: str | None,
    from_position: list[str] | None,
    without_source: list[str] | None,
) -> Any:
    from contracts.errors import BadRequest
    from ops.replay.plan import wish_of

    if (from_time or from_position) and "log" not in (source or []):
        raise BadRequest("--from-time and --from-position say where in the log to begin: they need --source log")
    return wish_of(source or [], start, end, subject or [], model, from_time, from_position or [], without_source or [])


def _planned(home: Any, settings: Any, wish: Any, out: str | None = None) -> Any:
    import msgspec

    from contracts.errors import BadRequest
    from contracts.events import SCORED_STREAM
    from ops.progress import counter
    from ops.replay.plan import make_plan, save_plan

    known = {shard.shard_id for shard in home.log.shards(SCORED_STREAM)} if wish.log_positions else set()
    if unknown := sorted(set(wish.log_positions) - known):
        raise BadRequest(f"--from-position: the log has no shard {', '.join(unknown)}", tuple(sorted(known)))
    place = expanded(out) if out else None
    with counter("planning", "records") as advance:
        plan = make_plan(home, settings, wish, advance)
    plan = save_plan(home, plan)
    if place:
        place.write_bytes(msgspec.json.encode(plan) + b"\n")
    return plan


def _print_plan(found: dict[str, Any]) -> None:
    records, lake = found["records"], found["only_in_lake"]
    by_kind = ", ".join(f"{count:,} from {kind}" for kind, count in records.items() if kind != "total")
    refused = f"{found['duplicates']:,} duplicates, {found['too_late']:,} too late, {found['quarantined']:,} bad"
    rows = (
        ("plan", f"{found['plan']}   (candlewick replay run {found['plan'][:8]})"),
        ("reads", f"{records['total']:,} records: {by_kind}"),
        ("counts", f"{found['events']:,} events of {found['articles']:,} articles; {refused}"),
        ("from", f"{found['first_event_at']} to {found['last_event_at']}"),
        ("subjects", f"{found['subjects']:,} in {found['units']:,} work units (subject and hour)"),
        (
            "writes",
            f"{found['buckets']['total']:,} buckets: {found['write_units']:,} write units, ${found['cost_usd']}",
        ),
        ("only lake", f"{lake['records']:,} records in {lake['objects']:,} objects ({len(lake['days'])} days)"),
        ("model", found["model"] or "none: scores stay as they are, only the windows are rebuilt"),
        ("expected", f"{found['expected_seconds']:,} s"),
    )
    sys.stdout.writelines(f"{name:<10} {text}\n" for name, text in rows)
    if not found["complete"]:
        sys.stdout.write("           leaves something out: its result can be compared, and promoted only by --force\n")


@app.command("run")
def run_command(
    plan: Annotated[
        str | None, typer.Argument(help="Hash (or its beginning) or file of a plan; unset: plan now.")
    ] = None,
    source: Sources = None,
    model: ModelName = None,
    start: Start = None,
    end: End = None,
    subject: Subjects = None,
    without_source: Without = None,
    from_time: LogFrom = None,
    from_position: LogAt = None,
    generation: Annotated[
        str | None, typer.Option(help="Name of the new generation: letters, digits, _ and -, at most 64.")
    ] = None,
    rate: Rate = None,
    speed: Speed = "max",
    concurrency: Concurrency = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: Json = False,
) -> None:
    """Execute a plan into a new generation; nothing that is live is touched. Interrupted: `resume`."""
    with plain_errors():
        from contracts.errors import BadRequest
        from ops.replay.plan import load_plan, save_plan
        from ops.replay.run import start_run
        from ops.replay.screen import watching

        home, settings = home_of(data_dir)
        wished = (source, start, end, subject, model, from_time, from_position, without_source)
        if plan is not None and any(wished):
            raise BadRequest("a plan is given, so it says what to read: leave the planning options out")
        chosen = _planned(home, settings, _wish(*wished)) if plan is None else save_plan(home, load_plan(home, plan))
        with _resumable(), watching(home.clock, as_json) as watch:
            done = start_run(home, settings, chosen, _drive(rate, speed, concurrency), watch, generation)
        _print_run(done, as_json)


@app.command("resume")
def resume_command(
    run: Run,
    rate: Rate = None,
    speed: Speed = "max",
    concurrency: Concurrency = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: Json = False,
) -> None:
    """Go on with a run that was interrupted, killed or failed; repeats only what is missing."""
    with plain_errors():
        from ops.replay.run import execute
        from ops.replay.runs import get_run
        from ops.replay.screen import watching

        home, settings = home_of(data_dir)
        with _resumable(), watching(home.clock, as_json) as watch:
            found = get_run(home.control, run)
            done = execute(home, settings, found["id"], _drive(rate, speed, concurrency), watch)
        _print_run(done, as_json)


@contextmanager
def _resumable() -> Iterator[None]:
    """Ctrl-C is no loss: say which run to resume."""
    try:
        yield
    except KeyboardInterrupt as stopped:
        if not stopped.args:
            raise  # before the run began
        say(f"candlewick: interrupted; `candlewick replay resume {stopped.args[0]}` goes on where it stopped")
        raise typer.Exit(INTERRUPTED) from None


def _drive(rate: float | None, speed: str, concurrency: int | None) -> Any:
    from ops.replay.run import Drive
    from producers.publish import parse_speed

    return Drive(rate, parse_speed(speed), concurrency)


def _print_run(run: dict[str, Any], as_json: bool) -> None:
    if as_json:
        put_json({"event": "done", **run})
        return
    counts = run["counts"]
    sys.stdout.write(
        f"run {run['id']} built generation {run['generation']}: {counts['counted']:,} events in {counts['buckets']:,} "
        f"buckets, {run['seconds']} s ({run['events_per_second']:,} events/s)\ndigest {run['digest']}\n"
        f"next: candlewick replay compare {run['id']}\n"
    )
    if counts["unscored"]:
        say(f"{counts['unscored']:,} events kept their score: no text of their article is kept")


@app.command("cancel")
def cancel_command(run: Run, data_dir: DataDir = DEFAULT_DATA_DIR, as_json: Json = False) -> None:
    """Drop a run and the generation it built."""
    with plain_errors():
        from ops.replay.run import cancel_run

        home, settings = home_of(data_dir)
        done = cancel_run(home, settings, run)
        if as_json:
            put_json(done)
        else:
            sys.stdout.write(f"run {done['id']} cancelled, {done['dropped_buckets']:,} buckets dropped\n")


@app.command("verify")
def verify_command(run: Run, data_dir: DataDir = DEFAULT_DATA_DIR, as_json: Json = False) -> None:
    """Build a run again without writing and compare digests. Exit 6 if they differ."""
    with plain_errors():
        from ops.progress import counter
        from ops.replay.verify_run import verify_run

        home, settings = home_of(data_dir)
        with counter("rebuilding", "records") as advance:
            found = verify_run(home, settings, run, advance)
        if as_json:
            put_json(found)
        else:
            stored = found["stored"] or f"not compared: {found['not_compared']}"
            sys.stdout.write(
                f"{'ok' if found['ok'] else 'DIFFERENT'}: plan {found['plan']}\nrecorded {found['recorded']}\n"
                f"rebuilt  {found['rebuilt']}\nstored   {stored}\n"
            )
        if not found["ok"]:
            raise typer.Exit(DIFFERENT)


@app.command("compare")
def compare_command(
    a: Annotated[str, typer.Argument(help="Generation or run; with one argument: compared with the live one.")],
    b: Annotated[str | None, typer.Argument(help="The other one, usually the new one.")] = None,
    max_diffs: Annotated[int | None, typer.Option(min=1, help="Stop after so many differences.")] = None,
    max_time: Annotated[float | None, typer.Option(min=0, callback=_number, help="Stop after so many seconds.")] = None,
    max_lost: Annotated[
        float, typer.Option(min=0, callback=_number, help="Share of buckets and of events that may be missing in B.")
    ] = 0.0,
    max_flips: Annotated[float, typer.Option(min=0, callback=_number, help="Share of labels that may differ.")] = 0.25,
    max_close_change: Annotated[
        float, typer.Option(min=0, callback=_number, help="Mean absolute change of close.")
    ] = 0.25,
    max_psi: Annotated[
        float, typer.Option(min=0, callback=_number, help="Population stability index of the scores.")
    ] = 0.25,
    out: Annotated[str | None, typer.Option(help="Folder of the HTML and JSON report.")] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: Json = False,
) -> None:
    """How two generations differ; report as HTML and JSON. Exit 6 outside the thresholds."""
    with plain_errors():
        from contracts.generation import live_generation
        from ops.progress import counter
        from ops.replay.compare import Bounds, Limits, compare
        from ops.replay.report import write_report
        from ops.replay.runs import FINISHED, all_runs

        home, settings = home_of(data_dir)
        names = (a, b) if b is not None else (live_generation(home.control), a)
        here, there = (_generation(home, name) for name in names)
        folder = _folder(out or str(Path(settings.data_dir) / "replay"), "--out " if out else "")
        with counter("comparing", "buckets") as advance:
            report = compare(
                home,
                here,
                there,
                Bounds(max_diffs, max_time),
                Limits(max_lost, max_flips, max_close_change, max_psi),
                advance,
                settings.expire,
            )
        html, _document = write_report(report, folder)
        put_json(report) if as_json else _print_compare(report)
        say(f"report: {html}")
        for run in all_runs(home.control).values():
            if run["generation"] in (here, there) and run["state"] not in FINISHED:
                say(f"run {run['id']} is {run['state']}: {run['generation']} is not whole")
        if report["breaches"]:
            raise typer.Exit(DIFFERENT)


def _folder(name: str, option: str) -> Path:
    """A folder to write to, before anything is worked out. Raises `BadRequest` where it cannot be one."""
    from contracts.errors import BadRequest

    folder = expanded(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadRequest(f"{option}{name}: {error.strerror}") from None
    return folder


def _generation(home: Any, name: str) -> str:
    """A generation by its own name or its run's. Raises `BadRequest` naming the known ones."""
    from contracts.errors import BadRequest
    from contracts.generation import live_generation
    from ops.replay.runs import KIND

    runs = home.control.list(KIND)
    if name in runs:
        return str(runs[name]["generation"])
    known = {live_generation(home.control), *(str(run["generation"]) for run in runs.values())}
    if name not in known and not home.buckets.subjects(name):
        raise BadRequest(f"no run or generation {name!r}", tuple(sorted(known | set(runs))))
    return name


def _print_compare(report: dict[str, Any]) -> None:
    out = sys.stdout.write
    out(f"{report['a']} → {report['b']}{'' if report['complete'] else '   (stopped before the end)'}\n")
    names = ("equal", "changed", "only_a", "only_b", "newer")
    out(f"{'':<6}" + "".join(f"{name.replace('_', ' '):>12}" for name in names) + f"{'Δ close':>12}\n")
    for resolution, row in report["by_resolution"].items():
        figures = "".join(f"{row[name]:>12,}" for name in names)
        out(f"{resolution:<6}{figures}{row['mean_abs_close_change']:>12.4f}\n")
    flips = report["label_flips"]
    out(f"labels flipped {flips['events']:,} ({flips['share']:.2%}{'' if flips['exact'] else ', at least'})")
    out(f"   mean |Δ close| {report['mean_abs_close_change']:.4f}   PSI {report['psi']['value']:.4f}\n")
    for breach in report["breaches"]:
        out(f"outside: {breach}\n")


@app.command("promote")
def promote_command(
    run: Run,
    force: Annotated[bool, typer.Option("--force", help="Without a compare inside the thresholds.")] = False,
    reason: Annotated[str, typer.Option(help="Kept in the audit record; needed with --force.")] = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: Json = False,
) -> None:
    """Make a run's generation live, with all that arrived since. Exit 5 when it may not or another came first."""
    with plain_errors():
        from ops.replay.promote import promote

        home, settings = home_of(data_dir)
        record = promote(home, settings, run, force, reason, say)
        put_json(record) if as_json else sys.stdout.write(
            f"{record['generation']} is live (was {record['previous']})\n"
        )


@app.command("rollback")
def rollback_command(
    only_from: Annotated[
        str | None, typer.Argument(metavar="[FROM]", help="Only while this run or generation is live.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Without events past their time to live.")] = False,
    reason: Annotated[str, typer.Option(help="Kept in the audit record; needed with --force.")] = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: Json = False,
) -> None:
    """Make the generation live again that was live before, with everything that arrived since. Exit 5 when FROM is not
    live (any more)."""
    with plain_errors():
        from ops.replay.promote import rollback

        home, settings = home_of(data_dir)
        leaving = None if only_from is None else _generation(home, only_from)
        record = rollback(home, settings, reason, say, leaving, force)
        put_json(record) if as_json else sys.stdout.write(
            f"{record['generation']} is live (was {record['previous']})\n"
        )
