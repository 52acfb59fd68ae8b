"""Progress on stderr: a counter with the time taken, shown only to a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn


@contextmanager
def counter(title: str, unit: str, beside: bool = True) -> Iterator[Callable[[int], None]]:
    """Yields a function that adds to the count. Not shown unless the terminal is free `beside` it."""
    columns = (
        TextColumn(title),
        BarColumn(bar_width=30),
        TextColumn("{task.completed:,.0f} " + unit),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not (beside and console.is_terminal)) as progress:
        task = progress.add_task(title, total=None)
        yield lambda count: progress.advance(task, count)
