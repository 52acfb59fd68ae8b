"""Stages of training side by side, each in a process of its own with a single thread.

A product that is cut between threads is summed in an order that changes from run to run, and another model comes
of it. With one thread a stage writes the same bytes each time; the processor's cores take a stage each instead.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any

from contracts.errors import Unusable

__all__ = ["side_by_side", "single_thread"]


def side_by_side(stage: Callable[..., None], calls: Sequence[tuple[Any, ...]], jobs: int) -> None:
    """`stage(*call)` for each of `calls`, `jobs` at a time; what it makes it leaves in files.

    The first error of a stage is raised here, after the stages that had begun. Raises `Unusable` when a process was
    killed.
    """
    with ProcessPoolExecutor(jobs, get_context("spawn"), single_thread) as workers:
        running = [workers.submit(stage, *call) for call in calls]
        try:
            for future in running:
                future.result()
        except BrokenProcessPool as error:
            raise Unusable(
                "a process that trains was killed, most likely for want of memory (3 GB each); "
                "run the same command again, it goes on from its checkpoints (--jobs 1 needs half of the memory)"
            ) from error
        finally:
            workers.shutdown(wait=True, cancel_futures=True)


def single_thread() -> None:
    """This process computes on one thread from now on."""
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    torch.set_num_threads(1)
