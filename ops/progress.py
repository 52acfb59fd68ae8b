"""Progress on stderr: a counter with a rate, shown only to a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn


@contextmanager
def counter(title: str, unit: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Yields a function that adds to the count."""
    columns = (
        TextColumn(title),
        BarColumn(bar_width=30),
        TextColumn("{task.completed:,.0f} " + unit),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(title, total=total)
        yield lambda count: progress.advance(task, count)
