"""What a replay shows while it works: a bar on stderr for a terminal, JSON lines on stdout with `--json`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from contracts.clock import Clock
from ops.console import put_json
from ops.replay.run import Seen, Watch

LINE_EVERY_MS: Final = 500


@contextmanager
def watching(clock: Clock, as_json: bool) -> Iterator[Watch]:
    """Yields the function that is told of progress."""
    if as_json:
        yield _json_lines(clock)
        return
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:<8}"),
        BarColumn(bar_width=20),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f} {task.fields[unit]}"),
        TextColumn("{task.fields[told]}"),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("{task.fields[time]}"),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield _bar(clock, progress)


#: Stage → (what its bar counts, what its rate is of).
_UNITS: Final = {
    "reading": ("parts", "records"),
    "scoring": ("articles", "articles"),
    "building": ("units", "records"),
}


def _bar(clock: Clock, progress: Progress) -> Watch:
    tasks: dict[str, TaskID] = {}
    began_ms = told_ms = clock.monotonic_ms()

    def watch(seen: Seen) -> None:
        nonlocal began_ms, told_ms
        unit, counted = _UNITS[seen.stage]
        if seen.stage not in tasks:
            # A stage begins where the one before it had its last word, not when it first has something to say.
            began_ms = told_ms
            tasks[seen.stage] = progress.add_task(seen.stage, total=seen.total, unit=unit, told="", time="")
        told_ms = clock.monotonic_ms()
        rate = seen.records / max(0.001, (told_ms - began_ms) / 1000)
        waits = ((seen.throttles, "throttled"), (seen.yielded, "× gave way"))
        told = [f"{rate:,.0f} {counted}/s", seen.event_time, *(f"{count:,} {name}" for count, name in waits if count)]
        progress.update(
            tasks[seen.stage],
            completed=seen.done,
            told=" · ".join(part for part in told if part),
            time="taken" if seen.done == seen.total else "left",
        )

    return watch


def _json_lines(clock: Clock) -> Watch:
    last_ms = -float(LINE_EVERY_MS)
    stage = ""

    def watch(seen: Seen) -> None:
        nonlocal last_ms, stage
        now_ms = clock.monotonic_ms()
        if seen.stage != stage or seen.done == seen.total or now_ms - last_ms >= LINE_EVERY_MS:
            last_ms, stage = now_ms, seen.stage
            put_json({"event": "progress", **seen._asdict()})
            sys.stdout.flush()

    return watch
