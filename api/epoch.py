"""Which generation is live, and since when we know it."""

import threading

from contracts.clock import Clock
from contracts.errors import Transient
from contracts.generation import live_generation
from contracts.ports import ControlStore

KNOWN_FOR_MS = 1_000


class Epoch:
    """The live generation, asked of the store at most once a second; shared by all threads of the process."""

    def __init__(self, control: ControlStore, clock: Clock) -> None:
        self._control = control
        self._clock = clock
        self._lock = threading.Lock()
        self._name: str | None = None
        self._checked_ms = 0.0

    def current(self) -> str:
        """The live generation, at most a second old; the last one known while the control store is down.

        Raises `Transient` when none was ever known.
        """
        with self._lock:
            now = self._clock.monotonic_ms()
            if self._name is not None and 0 <= now - self._checked_ms < KNOWN_FOR_MS:
                return self._name
            try:
                self._name = live_generation(self._control)
            except Transient:
                if self._name is None:
                    raise
            self._checked_ms = now
            return self._name

    @property
    def known(self) -> str | None:
        """The name as last read, without asking the store."""
        return self._name

    def refresh(self) -> str:
        """Ask the store now. Raises `Transient`."""
        with self._lock:
            self._checked_ms = self._clock.monotonic_ms()
            self._name = live_generation(self._control)
            return self._name
