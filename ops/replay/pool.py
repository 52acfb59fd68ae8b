"""Workers of a run: this process alone, or several processes that take tasks in turn."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

import msgspec

from contracts.errors import Unusable
from contracts.settings import AggregatorSettings
from ops.replay.work import Work
from ops.replay.worker import raise_again

ROOT = Path(__file__).resolve().parents[2]


class Pool(Protocol):
    """Does tasks in any order; answers as they come."""

    def each(self, tasks: Iterable[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """(task, answer) of every task; a task is taken from `tasks` when a worker is free. Raises what a task did."""
        ...

    def close(self) -> None: ...


class Alone:
    """No other process: what small replays need."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def each(self, tasks: Iterable[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        for task in tasks:
            yield task, self._work.do(task)

    def close(self) -> None:
        pass


class Workers:
    """Several processes. They hold the run's lock too (`descriptor`), so that nobody resumes a run beside an orphan."""

    def __init__(
        self,
        count: int,
        settings: AggregatorSettings,
        plan: str,
        run: str,
        generation: str,
        folder: Path,
        descriptor: int,
    ) -> None:
        first = msgspec.json.encode(
            {
                "settings": settings.model_dump(),
                "plan": plan,
                "run": run,
                "generation": generation,
                "folder": str(folder),
            }
        )
        # In the caller's folder, where relative paths mean the same; -P: its files are no modules of ours. Each in a
        # group of its own, so that Ctrl-C reaches the parent alone, which ends them in order.
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-P", "-m", "ops.replay.worker"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=(descriptor,),
                env=os.environ | {"PYTHONPATH": path}, process_group=0,
            )
            for _ in range(count)
        ]  # fmt: skip
        for process in self._processes:
            _send(process, first)

    def each(self, tasks: Iterable[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        given: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
        free: SimpleQueue[tuple[dict[str, Any] | None, dict[str, Any] | BaseException]] = SimpleQueue()
        threads = [
            threading.Thread(target=_serve, args=(process, given, free), daemon=True) for process in self._processes
        ]
        for thread in threads:
            thread.start()
        source = iter(tasks)
        busy = 0
        try:
            for _ in self._processes:
                busy += _give(source, given)
            while busy:
                task, answer = free.get()
                busy -= 1
                if isinstance(answer, BaseException):
                    raise answer
                raise_again(answer)
                assert task is not None
                busy += _give(source, given)
                yield task, answer
        finally:
            for _ in threads:
                given.put(None)

    def close(self) -> None:
        """Let every worker finish its task and end."""
        for process in self._processes:
            if process.stdin is not None:
                with suppress(BrokenPipeError):  # it ended on its own, and what it was sent last was never taken
                    process.stdin.close()
        for process in self._processes:
            process.wait()


def _give(source: Iterator[dict[str, Any]], given: "SimpleQueue[dict[str, Any] | None]") -> int:
    task = next(source, None)
    if task is None:
        return 0
    given.put(task)
    return 1


def _serve(process: Any, given: Any, free: Any) -> None:
    """A thread a worker: pass tasks on, wait for the answers."""
    while (task := given.get()) is not None:
        try:
            _send(process, msgspec.json.encode(task))
            line = process.stdout.readline()
        except (OSError, ValueError):
            line = b""
        if not line:
            free.put((task, Unusable(f"a worker process ended ({process.wait()}); `candlewick replay resume` goes on")))
            return
        free.put((task, msgspec.json.decode(line)))


def _send(process: Any, line: bytes) -> None:
    process.stdin.write(line + b"\n")
    process.stdin.flush()
