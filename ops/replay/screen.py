"""What a replay shows while it works: a bar on stderr for a terminal, JSON lines on stdout with `--json`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

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
        TextColumn("{task.description:<9}"),
        BarColumn(bar_width=30),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f} {task.fields[unit]}"),
        TextColumn("{task.fields[rate]:,.0f} records/s"),
        TextColumn("{task.fields[reached]}"),
        TextColumn("{task.fields[waits]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield _bar(clock, progress)


_UNITS: Final = {"reading": "parts", "scoring": "articles", "building": "units"}


def _bar(clock: Clock, progress: Progress) -> Watch:
    tasks: dict[str, tuple[TaskID, float]] = {}

    def watch(seen: Seen) -> None:
        now_ms = clock.monotonic_ms()
        if seen.stage not in tasks:
            added = progress.add_task(
                seen.stage, total=seen.total, unit=_UNITS[seen.stage], rate=0.0, reached="", waits=""
            )
            tasks[seen.stage] = (added, now_ms)
        task, began_ms = tasks[seen.stage]
        rate = seen.records / max(0.001, (now_ms - began_ms) / 1000)
        waits = f"{seen.throttles} throttled " if seen.throttles else ""
        waits += f"{seen.yielded} × gave way" if seen.yielded else ""
        progress.update(task, completed=seen.done, rate=rate, reached=seen.event_time, waits=waits)

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

    return watch
