"""Progress on stderr: a counter with the time taken, shown only to a terminal."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from stat import S_ISREG

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn


@contextmanager
def counter(title: str, unit: str, beside: bool = True) -> Iterator[Callable[[int], None]]:
    """Yields a function that adds to the count. `beside`: whether the terminal is free for it."""
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


def output_is_file() -> bool:
    """Whether standard output is a file. What reads a pipe (`less`) may well write to the terminal itself."""
    try:
        return S_ISREG(os.fstat(sys.stdout.fileno()).st_mode)
    except OSError:  # it has no descriptor
        return False
