"""The one module that reads the clock (a test in tests/house enforces it)."""

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Time as an argument: everything that needs the time is handed one of these, or a number."""

    def now_ms(self) -> int:
        """Wall-clock milliseconds UTC."""
        ...

    def monotonic_ms(self) -> float:
        """Milliseconds of a clock that never steps; only differences mean anything."""
        ...

    def wait(self, wake: threading.Event, timeout_ms: float) -> bool:
        """Sleep until `wake` is set or the time is over; true when it was set."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> float:
        return time.monotonic_ns() / 1e6

    def wait(self, wake: threading.Event, timeout_ms: float) -> bool:
        return wake.wait(max(0.0, timeout_ms) / 1000)


class ManualClock:
    """A clock for tests: it moves when told to, and waiting moves it."""

    def __init__(self, start_ms: int = 1_766_310_000_000) -> None:
        self.instant_ms = start_ms

    def now_ms(self) -> int:
        return self.instant_ms

    def monotonic_ms(self) -> float:
        return float(self.instant_ms)

    def wait(self, wake: threading.Event, timeout_ms: float) -> bool:
        self.instant_ms += max(0, round(timeout_ms))
        return wake.is_set()

    def advance(self, milliseconds: int) -> None:
        self.instant_ms += milliseconds
