"""Rounds of fetches: a bounded number at once, each in a thread of its own, and no round waits for long.

Sources that answered last time and all others are in different lanes, so that however many hang, the former go on.

A fetch that is not back when its round ends goes on, and a later round hands over what it brought. A name look-up can
hang for longer than any timeout of ours: who is not back after a minute is left behind (in a daemon thread that nobody
waits for, also not when the program stops), makes room for others, and is not asked again until it is back.
"""

import queue
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final, Generic, NamedTuple, TypeVar

from contracts.clock import Clock

#: Fetches at once of sources that answered last time, and of all others: those that hang have threads of their own.
MAX_PARALLEL: Final = {"answering": 8, "doubtful": 16}
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
    lane: str
    left_behind: bool


class FetchRound(Generic[Answer]):
    """Runs rounds; remembers who is not back yet. Rounds are run by one thread at a time."""

    def __init__(self, clock: Clock, round_ms: float = ROUND_MS, left_behind_ms: float = LEFT_BEHIND_MS) -> None:
        self._clock = clock
        self._round_ms = round_ms
        self._left_behind_ms = left_behind_ms
        self._lock = threading.Lock()
        self._todo: dict[str, dict[str, Callable[[], Answer]]] = {lane: {} for lane in MAX_PARALLEL}
        self._running: dict[str, _Running] = {}
        self._back: dict[str, _Running] = {}  # returned, not handed over yet
        self._threads = dict.fromkeys(MAX_PARALLEL, 0)
        self._results: queue.SimpleQueue[Done[Answer]] = queue.SimpleQueue()

    @property
    def busy(self) -> frozenset[str]:
        """Names that were asked and are not back: they are not to be asked again."""
        with self._lock:
            return frozenset().union(*self._todo.values(), self._running, self._back)

    @property
    def is_expecting(self) -> bool:
        """Whether somebody of an earlier round may still bring something."""
        with self._lock:
            waiting = any(self._todo.values()) or bool(self._back)
            return waiting or any(not each.left_behind for each in self._running.values())

    def run(
        self, fetches: Mapping[str, Callable[[], Answer]], answering: Collection[str] = ()
    ) -> Iterator[Done[Answer]]:
        """Begin these and hand over what comes in, from earlier rounds too, until all are back or the round is over.
        `answering`: the names of those that answered last time."""
        assert not fetches.keys() & self.busy, "asked twice at once"
        with self._lock:
            for name, fetch in fetches.items():
                self._todo["answering" if name in answering else "doubtful"][name] = fetch
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
        """As many threads in each lane as there is work for, up to its limit; who is left behind does not count."""
        for lane, limit in MAX_PARALLEL.items():
            with self._lock:
                more = max(0, min(limit - self._threads[lane], len(self._todo[lane])))
                self._threads[lane] += more
            for _ in range(more):
                threading.Thread(target=self._work, args=(lane,), name="fetch", daemon=True).start()

    def _work(self, lane: str) -> None:
        todo = self._todo[lane]
        while True:
            with self._lock:
                if not todo:
                    self._threads[lane] -= 1
                    return
                name = next(iter(todo))
                fetch = todo.pop(name)
                self._running[name] = _Running(self._clock.monotonic_ms(), lane, False)
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
                self._threads[self._running[name].lane] -= 1
        for name in late:
            yield Done(name, None, TimeoutError(f"no answer within {self._left_behind_ms / 1000:g} s"))
        if late:
            self._hire()
