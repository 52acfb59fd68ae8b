"""The right to drive the line on the AWS home, whose stores several machines can reach: one lease for the whole line,
renewed in a thread. On one machine the data directory's lock does this, and needs no renewing.
"""

import json
import logging
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from contracts.clock import Clock
from contracts.errors import Conflict, Transient
from contracts.settings import Settings
from local.driver_lease import Lease
from local.driver_runner import Runner
from local.driver_schedule import Schedule, ScheduleDriver
from stores.home import Home

LEASE_MS: Final = 30_000
#: What a renewal under way may still take at the end; one that takes longer is left behind.
STOP_MS: Final = 1_000
NAME: Final = "line"
log = logging.getLogger(__name__)


class Renewal:
    """The handler of the lease's schedule. A process that lost the line (it slept past its time, and another took over)
    ends itself: two drivers would do the same work twice. So does one that was refused for `LEASE_MS`, since it would
    not be told; until then every failure is tried again. A store that is away is away for the others too."""

    def __init__(self, lease: Lease, clock: Clock) -> None:
        self._lease = lease
        self._clock = clock
        self._refused_since_ms: float | None = None

    def __call__(self, event: dict[str, Any], context: Any) -> None:
        """Raises `Transient` for the schedule to log, and to call again."""
        now_ms = self._clock.monotonic_ms()
        since_ms, self._refused_since_ms = self._refused_since_ms, None
        try:
            self._lease.renew()
        except Conflict as error:
            _end("the line was taken over; stopping", error)
        except Transient:
            raise
        except Exception as error:
            self._refused_since_ms = now_ms if since_ms is None else since_ms
            if now_ms - self._refused_since_ms >= LEASE_MS:
                _end("the right to drive the line cannot be renewed; stopping", error)
            raise Transient("lease", f"{type(error).__name__}: {error}") from error


def _end(message: str, error: Exception) -> None:
    log.critical(json.dumps({"message": message, "cause": str(error)}))
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def line_lease(home: Home, settings: Settings) -> Iterator[None]:
    """Hold it meanwhile. Raises `InUse` naming the holder."""
    if settings.home != "aws":
        yield
        return
    lease = Lease(home.control, NAME, f"{socket.gethostname()} process {os.getpid()}", LEASE_MS, home.clock)
    schedule = Schedule("lease", Renewal(lease, home.clock), LEASE_MS // 3)
    runner = Runner("lease", ScheduleDriver(schedule, home.clock), home.clock)
    runner.start()
    try:
        yield
    finally:
        runner.stop(STOP_MS)
        lease.release()
