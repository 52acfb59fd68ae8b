"""One reader of the change log per process, in its own thread; another asks which generation is live."""

import logging
import threading
from collections.abc import Callable
from typing import Any

from api.epoch import Epoch
from api.logs import Failing
from api.sse.cursor import Vector, advanced
from contracts.clock import Clock
from contracts.ports import BucketStore, StoredChange

BATCH = 1_000
DOWN_PAUSE_MS = 250.0
EPOCH_EVERY_S = 1.0
#: Longest sleep in a store that wakes its readers.
WAKE_EVERY_MS = 250.0
#: Batches handed to the event loop and not yet taken; more would only move the queue.
MAX_HANDED_OVER = 4


class Poller:
    """Reads changes past a vector and hands them over. A store that is down is asked again, four times a second, and so
    is one that answers what we do not understand: it may be mended, and a reader that gave up would not see it.

    `on_changes(changes)`, `on_epoch(epoch)` and `on_health(up)` are called in the poller's threads. A store that offers
    `seen()` and `wait(seen, timeout_ms)` wakes the poller; any other is read every `every_ms`.
    """

    def __init__(
        self,
        store: BucketStore,
        epoch: Epoch,
        clock: Clock,
        every_ms: int,
        on_changes: Callable[[list[StoredChange]], None],
        on_epoch: Callable[[str], None],
        on_health: Callable[[bool], None],
    ) -> None:
        self._store = store
        self._epoch = epoch
        self._clock = clock
        self._every_ms = every_ms
        self._on_changes = on_changes
        self._on_epoch = on_epoch
        self._on_health = on_health
        self._stop = threading.Event()
        self._room = threading.Semaphore(MAX_HANDED_OVER)
        self._threads: list[threading.Thread] = []
        self._vector: Vector = {}
        self.last_read_ms = float("-inf")

    def start(self, vector: Vector) -> None:
        """Read on from a position that was read just now."""
        self._vector = dict(vector)
        self.last_read_ms = self._clock.monotonic_ms()
        for name, target in (("change-poller", self._run), ("epoch-reader", self._ask_epoch)):
            self._threads.append(threading.Thread(target=target, name=name, daemon=True))
            self._threads[-1].start()

    def stop(self) -> None:
        """Stop reading; returns when the reader is gone or after two seconds. Nobody waits for who asks a store that
        does not answer."""
        self._stop.set()
        self._room.release()
        wake = getattr(self._store, "wake", None)
        if wake is not None:
            wake()
        for thread in self._threads[:1]:
            thread.join(2.0)

    def taken(self) -> None:
        """The event loop took a batch."""
        self._room.release()

    def _run(self) -> None:
        try:
            self._read_on()
        finally:
            # Nothing is read any more, and everybody shall see it.
            self._on_health(False)

    def _ask_epoch(self) -> None:
        """A control store that is slow holds up no change."""
        failing = Failing(logging.WARNING, "which generation is live cannot be read")
        while not self._stop.is_set():
            try:
                self._on_epoch(self._epoch.refresh())
                failing.went_well()
            except Exception as error:  # noqa: BLE001 — logged, and asked again: until then the last answer holds
                failing.failed(error)
            self._stop.wait(EPOCH_EVERY_S)

    def _read_on(self) -> None:
        failing = Failing(logging.ERROR, "change log cannot be read")
        while not self._stop.is_set():
            try:
                self._turn()
            except Exception as error:  # noqa: BLE001 — logged, shown as a store that is down, and tried again
                failing.failed(error)
            else:
                failing.went_well()
                continue
            self._on_health(False)
            self._clock.wait(self._stop, DOWN_PAUSE_MS)

    def _turn(self) -> None:
        """Read once and hand over what was found; the place moves, and the reader is well, when that is done."""
        seen = self._seen()
        changes = self._store.changes_after(self._vector, BATCH)
        read_ms = self._clock.monotonic_ms()
        if changes and not self._hand_over(changes):
            return
        self._vector = advanced(self._vector, changes)
        self.last_read_ms = read_ms
        self._on_health(True)
        if not changes:
            self._pause(seen)

    def _hand_over(self, changes: list[StoredChange]) -> bool:
        """False when the reader is to stop."""
        self._room.acquire()
        if self._stop.is_set():
            return False
        try:
            self._on_changes(changes)
        except BaseException:
            self._room.release()
            raise
        return True

    def _seen(self) -> Any:
        seen = getattr(self._store, "seen", None)
        return seen() if seen is not None else None

    def _pause(self, seen: Any) -> None:
        wait = getattr(self._store, "wait", None)
        if wait is None:
            self._clock.wait(self._stop, self._every_ms)
        else:
            wait(seen, WAKE_EVERY_MS)
