"""Rounds of fetches: a bounded number at once, each in a thread of its own, and no round waits for long.

A fetch that is not back when its round ends goes on, and a later round hands over what it brought. A name look-up can
hang for longer than any timeout of ours: who is not back after a minute is left behind (in a daemon thread that nobody
waits for, also not when the program stops), makes room for others, and is not asked again until it is back.
"""

import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Generic, NamedTuple, TypeVar

from contracts.clock import Clock

MAX_PARALLEL: Final = 8
ROUND_MS: Final = 60_000.0
LEFT_BEHIND_MS: Final = 60_000.0

Answer = TypeVar("Answer")


class Done(NamedTuple, Generic[Answer]):
    """What became of one fetch: an answer, or an error (`TimeoutError`: left behind)."""

    name: str
    answer: Answer | None
    error: BaseException | None


class _Running(NamedTuple):
    started_ms: float
    left_behind: bool


class FetchRound(Generic[Answer]):
    """Runs rounds; remembers who is not back yet. Rounds are run by one thread at a time."""

    def __init__(self, clock: Clock, round_ms: float = ROUND_MS, left_behind_ms: float = LEFT_BEHIND_MS) -> None:
        self._clock = clock
        self._round_ms = round_ms
        self._left_behind_ms = left_behind_ms
        self._lock = threading.Lock()
        self._todo: dict[str, Callable[[], Answer]] = {}
        self._running: dict[str, _Running] = {}
        self._back: dict[str, _Running] = {}  # returned, not handed over yet
        self._threads = 0
        self._results: queue.SimpleQueue[Done[Answer]] = queue.SimpleQueue()

    @property
    def busy(self) -> frozenset[str]:
        """Names that were asked and are not back: they are not to be asked again."""
        with self._lock:
            return frozenset(self._todo) | frozenset(self._running) | frozenset(self._back)

    @property
    def is_expecting(self) -> bool:
        """Whether somebody of an earlier round may still bring something."""
        with self._lock:
            return bool(self._todo or self._back) or any(not each.left_behind for each in self._running.values())

    def run(self, fetches: Mapping[str, Callable[[], Answer]]) -> Iterator[Done[Answer]]:
        """Begin these, in order, and hand over what comes in, from earlier rounds too, until all are back or the round
        is over."""
        assert not fetches.keys() & self.busy, "asked twice at once"
        with self._lock:
            self._todo |= fetches
        self._hire()
        end_ms = self._clock.monotonic_ms() + self._round_ms
        while self.is_expecting:
            try:
                done = self._results.get(timeout=max(0.0, end_ms - self._clock.monotonic_ms()) / 1000)
            except queue.Empty:
                break
            with self._lock:
                was = self._back.pop(done.name)
            if done.error is None or not was.left_behind:
                yield done
        yield from self._leave_behind()

    def _hire(self) -> None:
        """As many threads as there is work for, at most eight that are not left behind."""
        with self._lock:
            more = max(0, min(MAX_PARALLEL - self._threads, len(self._todo)))
            self._threads += more
        for _ in range(more):
            threading.Thread(target=self._work, name="fetch", daemon=True).start()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._todo:
                    self._threads -= 1
                    return
                name = next(iter(self._todo))
                fetch = self._todo.pop(name)
                self._running[name] = _Running(self._clock.monotonic_ms(), False)
            answer, error = None, None
            try:
                answer = fetch()
            except BaseException as raised:  # noqa: BLE001  # handed to the caller, who tells faults from bugs
                error = raised
            with self._lock:
                was = self._back[name] = self._running.pop(name)
            self._results.put(Done(name, answer, error))
            if was.left_behind:
                return  # another thread has its place

    def _leave_behind(self) -> Iterator[Done[Answer]]:
        now_ms = self._clock.monotonic_ms()
        with self._lock:
            late = [
                name
                for name, each in self._running.items()
                if not each.left_behind and now_ms - each.started_ms >= self._left_behind_ms
            ]
            for name in late:
                self._running[name] = self._running[name]._replace(left_behind=True)
            self._threads -= len(late)
        for name in late:
            yield Done(name, None, TimeoutError(f"no answer within {self._left_behind_ms / 1000:g} s"))
        if late:
            self._hire()
