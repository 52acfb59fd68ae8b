"""`candlewick publish`: a file's events onto the stream."""

import sys
from pathlib import Path
from typing import Any, NamedTuple, cast, get_args

from contracts.errors import BadRequest
from contracts.settings import AggregatorSettings
from ops.console import say
from ops.progress import counter
from producers.publish import FIELDS, Kind, Publication, Report, parse_speed
from stores.home import Home

MAX_SHOWN_PROBLEMS = 20


class Asked(NamedTuple):
    """What the command line asks for."""

    path: str
    kind: Kind | None
    speed: float | None
    backfill: bool
    columns: dict[str, str]
    source: str


def asked(path: str, kind: str | None, speed: str, backfill: bool, mappings: list[str], source: str) -> Asked:
    """The arguments as they are meant. Raises `BadRequest`: before anything is made or opened for them."""
    if path != "-" and not Path(path).exists():
        raise BadRequest(f"{path}: No such file or directory")
    if kind is not None and kind not in get_args(Kind):
        raise BadRequest(f"--as {kind!r}", get_args(Kind))
    of_kind = cast(Kind | None, kind)
    fields = FIELDS[of_kind] if of_kind else tuple(dict.fromkeys([*FIELDS["raw"], *FIELDS["scored"]]))
    columns = dict(_pair(mapping, fields) for mapping in mappings)
    return Asked(path, of_kind, parse_speed(speed), backfill, columns, source)


def publish_command(opened: tuple[Home, AggregatorSettings], asked: Asked) -> dict[str, Any]:
    """Publish a file; every rejected line is one line on stderr (the first 20) and is kept in the lake."""
    home, settings = opened
    shown = 0

    def problem(line: str) -> None:
        nonlocal shown
        shown += 1
        if shown <= MAX_SHOWN_PROBLEMS:
            say(line)
        elif shown == MAX_SHOWN_PROBLEMS + 1:
            say("… further rejected lines: `candlewick quarantine list --limit 1000`")

    with counter("publishing", "events") as advance:
        done = 0

        def progress(report: Report) -> None:
            nonlocal done
            advance(report.read - done)
            done = report.read

        publication = Publication(
            home.log,
            home.lake,
            home.clock,
            kind=asked.kind,
            speed=asked.speed,
            backfill=asked.backfill,
            lanes=settings.lanes,
            columns=asked.columns,
            source=asked.source,
            on_problem=problem,
            on_progress=progress,
        )
        report = publication.run(asked.path, sys.stdin.buffer)
    return report._asdict()


def _pair(mapping: str, fields: tuple[str, ...]) -> tuple[str, str]:
    ours, separator, theirs = mapping.partition("=")
    if not separator or not ours or not theirs:
        raise BadRequest(f"--map {mapping!r} is not ours=theirs, such as --map title=headline")
    if ours not in fields:
        raise BadRequest(f"--map {mapping!r}: no field {ours!r}", fields)
    return ours, theirs
