"""Threads around drivers: one each, asleep until something is put or due."""

import json
import logging
import threading
from typing import Final, Protocol

from contracts.clock import Clock
from contracts.errors import Transient, bug_of, cause_of
from contracts.ports import Waking
from local.driver_status import Step

#: How long a runner sleeps at most; what was put by others wakes it long before.
MAX_SLEEP_MS: Final = 1_000
log = logging.getLogger(__name__)


class Steppable(Protocol):
    """A `MappingDriver` or a `ScheduleDriver`."""

    def step(self) -> Step: ...


class Runner:
    """Steps a driver in a thread of its own until it is stopped.

    `waking`: the store whose writes mean work (within 25 ms); None for schedules, which only time moves.
    """

    def __init__(self, name: str, driver: Steppable, clock: Clock, waking: Waking | None = None) -> None:
        self.name = name
        self.error: str | None = None
        self._driver = driver
        self._clock = clock
        self._waking = waking
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Once."""
        self._thread.start()

    def stop(self, timeout_ms: float = 10_000) -> bool:
        """Let the step under way end, then stop; false when it did not end in time. What it did is checkpointed, what
        it did not do will be done after the next start."""
        self._stopping.set()
        if self._waking is not None:
            self._waking.wake()
        if self._thread.ident is not None:
            self._thread.join(timeout_ms / 1_000)
        return not self._thread.is_alive()

    @property
    def running(self) -> bool:
        """False when it was never started, was stopped, or died of an error (then `error` says which)."""
        return self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    self._step_or_sleep()
                except Transient as error:
                    self.error = str(error)
                    self._clock.wait(self._stopping, MAX_SLEEP_MS)
        except Exception as error:  # our own bug ends this thread only: logged, shown in status and `/health`
            self.error = cause_of(error)
            message = json.dumps({"message": "runner died", "runner": self.name, "cause": self.error})
            log.critical(message, exc_info=bug_of(error))

    def _step_or_sleep(self) -> None:
        seen = self._waking.seen() if self._waking is not None else None
        step = self._driver.step()
        self.error = None
        if step.kind == "worked":
            return
        sleep_ms = MAX_SLEEP_MS if step.due_ms is None else min(MAX_SLEEP_MS, step.due_ms - self._clock.now_ms())
        if sleep_ms <= 0:
            return
        if self._waking is not None:
            self._waking.wait(seen, sleep_ms)
        else:
            self._clock.wait(self._stopping, sleep_ms)
