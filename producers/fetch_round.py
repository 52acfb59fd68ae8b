"""One round of fetches: a bounded number at once, each in a thread of its own, and an end to waiting.

A name look-up can hang for longer than any timeout of ours. Whoever is not back when the round ends is left behind (a
daemon thread that nobody waits for, also not when the program stops) and is not asked again until it is back.
"""

import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Generic, NamedTuple, TypeVar

from contracts.clock import Clock

MAX_PARALLEL: Final = 8
ROUND_MS: Final = 60_000.0

Answer = TypeVar("Answer")


class Done(NamedTuple, Generic[Answer]):
    """What became of one fetch: an answer, or an error (`TimeoutError`: left behind)."""

    name: str
    answer: Answer | None
    error: BaseException | None


class FetchRound(Generic[Answer]):
    """Runs rounds; remembers who was left behind."""

    def __init__(self, clock: Clock, round_ms: float = ROUND_MS) -> None:
        self._clock = clock
        self._round_ms = round_ms
        self._lock = threading.Lock()
        self._busy: set[str] = set()

    @property
    def busy(self) -> frozenset[str]:
        """Names left behind by earlier rounds and still not back."""
        with self._lock:
            return frozenset(self._busy)

    def run(self, fetches: Mapping[str, Callable[[], Answer]]) -> Iterator[Done[Answer]]:
        """Each fetch's outcome as it comes in. A fetch that was not begun when the round ended has none."""
        todo: queue.SimpleQueue[str] = queue.SimpleQueue()
        results: queue.SimpleQueue[Done[Answer]] = queue.SimpleQueue()
        over = threading.Event()
        for name in fetches:
            todo.put(name)

        def work() -> None:
            while not over.is_set():
                try:
                    name = todo.get_nowait()
                except queue.Empty:
                    return
                with self._lock:
                    self._busy.add(name)
                answer, error = None, None
                try:
                    answer = fetches[name]()
                except BaseException as raised:  # noqa: BLE001  # handed to the caller, who tells faults from bugs
                    error = raised
                with self._lock:
                    self._busy.discard(name)
                results.put(Done(name, answer, error))

        for _ in range(min(MAX_PARALLEL, len(fetches))):
            threading.Thread(target=work, name="fetch", daemon=True).start()
        waiting = set(fetches)
        end_ms = self._clock.monotonic_ms() + self._round_ms
        while waiting:
            try:
                done = results.get(timeout=max(0.0, end_ms - self._clock.monotonic_ms()) / 1000)
            except queue.Empty:
                break
            waiting.discard(done.name)
            yield done
        over.set()
        for name in sorted(waiting & self.busy):
            yield Done(name, None, TimeoutError(f"no answer within {self._round_ms / 1000:.0f} s"))
