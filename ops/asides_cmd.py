"""`candlewick quarantine list|show` and `candlewick late list`: what did not count, and why (law 3)."""

import base64
import itertools
import sys
from typing import Annotated, Any

import typer

from contracts.aside import Kind
from ops.console import PARTIAL, plain_errors, put_json, say
from ops.home import DEFAULT_DATA_DIR, DataDir, home_of

MAX_SHOWN_PROBLEMS = 20

quarantine_app = typer.Typer(no_args_is_help=True)
late_app = typer.Typer(no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="One JSON document a line.")]
Limit = Annotated[int, typer.Option(min=1, help="At most so many.")]


def _asides(kind: Kind, data_dir: str) -> Any:
    from contracts.aside import list_asides

    return list_asides(home_of(data_dir)[0].lake, kind)


def _print_list(kind: Kind, data_dir: str, limit: int, as_json: bool) -> None:
    shown = total = 0
    for line in _asides(kind, data_dir):
        total += 1
        if shown >= limit:
            continue
        shown += 1
        if as_json:
            put_json(line)
        else:
            place = f"{line['stream']} {line['shard_id']} {line['sequence_number']}"
            sys.stdout.write(f"{line['arrived_at']}  {line['reason']:<18} {line['detail'][:160]}  [{place}]\n")
    say(f"{shown} of {total} shown" if total else "nothing was set aside")


@quarantine_app.command("list")
def quarantine_list(data_dir: DataDir = DEFAULT_DATA_DIR, limit: Limit = 50, as_json: Json = False) -> None:
    """Records set aside as bad: when, why, where."""
    with plain_errors():
        _print_list("quarantined", data_dir, limit, as_json)


@quarantine_app.command("show")
def quarantine_show(
    sequence_number: Annotated[str, typer.Argument(help="Sequence number as `list` prints it.")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """The bytes of a record that was set aside."""
    with plain_errors():
        for line in _asides("quarantined", data_dir):
            if line["sequence_number"] == sequence_number:
                sys.stdout.buffer.write(base64.b64decode(line["data"]) + b"\n")
                return
        say(f"candlewick: no quarantined record {sequence_number}; `candlewick quarantine list` shows them")
        raise typer.Exit(1)


@quarantine_app.command("redrive")
def quarantine_redrive(
    sequence_number: Annotated[str | None, typer.Argument(help="One record; all without.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only those set aside for this reason.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go back.")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Put records that are good now back on their stream; prints {"read","redriven","still_bad","kept_in_part"}."""
    with plain_errors():
        from ops.redrive import redrive

        shown = itertools.count(1)

        def problem(line: str) -> None:
            if next(shown) <= MAX_SHOWN_PROBLEMS:
                say(line)

        home, settings = home_of(data_dir)
        done = redrive(home, settings, sequence_number, reason, dry_run, problem)
        put_json(done._asdict())
        if done.still_bad or done.kept_in_part:
            raise typer.Exit(PARTIAL)


@late_app.command("list")
def late_list(data_dir: DataDir = DEFAULT_DATA_DIR, limit: Limit = 50, as_json: Json = False) -> None:
    """Events that came after the allowed lateness, or whose minute is gone."""
    with plain_errors():
        _print_list("late", data_dir, limit, as_json)
