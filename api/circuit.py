"""A circuit breaker: a dependency that keeps failing is left alone, and asked again now and then."""

import threading
from typing import Final

from contracts.clock import Clock

FAILURES_TO_OPEN: Final = 5
WITHIN_MS: Final = 5 * 60_000.0
PROBE_AFTER_MS: Final = 60_000.0


class Circuit:
    """Five failures within five minutes open it; then one caller a minute probes, until one succeeds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures: list[float] = []
        self._opened_ms: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether callers are kept away."""
        with self._lock:
            return self._opened_ms is not None

    def allows(self) -> bool:
        """Whether this caller may ask. While open, true for one caller a minute."""
        with self._lock:
            if self._opened_ms is None:
                return True
            now_ms = self._clock.monotonic_ms()
            if now_ms - self._opened_ms < PROBE_AFTER_MS:
                return False
            self._opened_ms = now_ms
            return True

    def succeeded(self) -> None:
        """The dependency answered: it is closed again."""
        with self._lock:
            self._failures.clear()
            self._opened_ms = None

    def failed(self) -> None:
        """The dependency did not answer."""
        with self._lock:
            now_ms = self._clock.monotonic_ms()
            self._failures = [at_ms for at_ms in self._failures if at_ms > now_ms - WITHIN_MS] + [now_ms]
            if len(self._failures) >= FAILURES_TO_OPEN:
                self._opened_ms = now_ms
