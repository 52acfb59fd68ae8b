"""Clocks for tests whose threads wait: `ManualClock` moves when waited on, so a thread that waits would race ahead."""

from contracts.clock import SystemClock


class SteadyClock(SystemClock):
    """A wall clock that stands where it is put, beside a real monotonic one: threads really sleep."""

    def __init__(self, instant_ms: int) -> None:
        self.instant_ms = instant_ms

    def now_ms(self) -> int:
        return self.instant_ms
