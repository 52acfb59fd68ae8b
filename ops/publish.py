"""`candlewick publish`: a file's events onto the stream."""

import sys
from typing import Any, get_args

from contracts.errors import BadRequest
from contracts.settings import AggregatorSettings
from ops.console import say
from ops.progress import counter
from producers.publish import Kind, Publication, Report, parse_speed
from stores.home import Home

MAX_SHOWN_PROBLEMS = 20


def publish_command(
    opened: tuple[Home, AggregatorSettings],
    path: str,
    kind: str | None,
    speed: str,
    backfill: bool,
    mappings: list[str],
    source: str,
) -> dict[str, Any]:
    """Publish a file; every rejected line is one line on stderr (the first 20) and is kept in the lake."""
    home, settings = opened
    if kind is not None and kind not in get_args(Kind):
        raise BadRequest(f"--as {kind!r}", get_args(Kind))
    columns = dict(_pair(mapping) for mapping in mappings)
    shown = 0

    def problem(line: str) -> None:
        nonlocal shown
        shown += 1
        if shown <= MAX_SHOWN_PROBLEMS:
            say(line)
        elif shown == MAX_SHOWN_PROBLEMS + 1:
            say("… further rejected lines: `candlewick quarantine list`")

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
            kind=kind,  # type: ignore[arg-type]
            speed=parse_speed(speed),
            backfill=backfill,
            lanes=settings.lanes,
            columns=columns,
            source=source,
            on_problem=problem,
            on_progress=progress,
        )
        report = publication.run(path, sys.stdin.buffer)
    return report._asdict()


def _pair(mapping: str) -> tuple[str, str]:
    ours, separator, theirs = mapping.partition("=")
    if not separator or not ours or not theirs:
        raise BadRequest(f"--map {mapping!r} is not ours=theirs, such as --map title=headline")
    return ours, theirs
