"""`candlewick quarantine list|show|redrive` and `candlewick late list`: what did not count, and why (law 3)."""

import base64
import heapq
import itertools
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from contracts.errors import BadRequest
from ops.console import PARTIAL, plain_errors, printable, put_json, say
from ops.home import DEFAULT_DATA_DIR, MAX_LIMIT, AlwaysJson, DataDir, JsonLines, home_of

if TYPE_CHECKING:
    from contracts.aside import Kind

MAX_SHOWN_PROBLEMS = 20

quarantine_app = typer.Typer(no_args_is_help=True)
late_app = typer.Typer(no_args_is_help=True)
Limit = Annotated[int, typer.Option(min=1, max=MAX_LIMIT, help="At most so many, the newest.")]


def _print_list(kind: "Kind", data_dir: str, limit: int, as_json: bool) -> None:
    from ops.asides import end_partial, standing

    damaged: list[str] = []
    total = itertools.count()
    lines = standing(home_of(data_dir)[0].lake, kind, damaged.append)
    newest = heapq.nlargest(limit, ((line["arrived_at"], next(total), line) for line in lines))
    for _, _, line in reversed(newest):
        if as_json:
            put_json(line)
        else:
            place = f"{line['stream']} {line['shard_id']} {line['sequence_number']}"
            detail = printable(line["detail"][:160])
            sys.stdout.write(f"{line['arrived_at']}  {line['reason']:<18} {detail}  [{printable(place)}]\n")
    say(f"{len(newest)} of {next(total)} shown" if newest or damaged else "nothing was set aside")
    end_partial(damaged)


@quarantine_app.command("list")
def quarantine_list(data_dir: DataDir = DEFAULT_DATA_DIR, limit: Limit = 50, as_json: JsonLines = False) -> None:
    """Records set aside as bad: when, why, where."""
    with plain_errors():
        _print_list("quarantined", data_dir, limit, as_json)


@quarantine_app.command("show")
def quarantine_show(
    sequence_number: Annotated[str, typer.Argument(help="Sequence number as `list` prints it.")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: JsonLines = False,
) -> None:
    """The bytes of a record that was set aside, whether it went back or not; of all that share the number, as those of
    one aggregate do. A screen gets one line each, without what it would take for commands. Exit 3 where an object that
    may hold more of them is damaged."""
    with plain_errors():
        from contracts.aside import list_asides
        from ops.asides import end_partial

        damaged: list[str] = []
        lines = list_asides(home_of(data_dir)[0].lake, "quarantined", damaged.append)
        found = [line for line in lines if line["sequence_number"] == sequence_number]
        for line in found:
            put_json(line) if as_json else _put_bytes(base64.b64decode(line["data"]))
        end_partial(damaged)  # it may hold more of them
        if not found:
            raise BadRequest(f"no quarantined record {sequence_number!r}; `candlewick quarantine list` shows them")


def _put_bytes(data: bytes) -> None:
    if sys.stdout.isatty():
        sys.stdout.write(printable(data.decode(errors="replace")) + "\n")
    else:
        sys.stdout.buffer.write(data + b"\n")


@quarantine_app.command("redrive")
def quarantine_redrive(
    sequence_number: Annotated[str | None, typer.Argument(help="One record; all without.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only those set aside for this reason.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go back.")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: AlwaysJson = False,
) -> None:
    """Put records that are good now back on their stream; prints how many of those read went back, and why others did
    not. Exit 3 when some did not."""
    with plain_errors():
        from ops.asides import end_partial
        from ops.redrive import redrive

        shown = itertools.count(1)

        def problem(line: str) -> None:
            if next(shown) <= MAX_SHOWN_PROBLEMS:
                say(line)

        home, settings = home_of(data_dir)
        done = redrive(home, settings, sequence_number, reason, dry_run, problem)
        put_json(done._asdict())
        if done.of_files:
            say(f"{done.of_files} are rejected lines of files and stay: mend the file and publish the file again")
        if done.of_sources:
            say(f"{done.of_sources} are rejected rows of sources and stay: `candlewick sources test NAME` asks again")
        end_partial(done.damaged)
        if done.redriven < done.read:
            raise typer.Exit(PARTIAL)


@late_app.command("list")
def late_list(data_dir: DataDir = DEFAULT_DATA_DIR, limit: Limit = 50, as_json: JsonLines = False) -> None:
    """Events that came after the allowed lateness, or whose minute is gone."""
    with plain_errors():
        _print_list("late", data_dir, limit, as_json)
