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

from contracts.errors import Conflict
from contracts.settings import Settings
from local.driver_lease import Lease
from local.driver_runner import Runner
from local.driver_schedule import Schedule, ScheduleDriver
from stores.home import Home

LEASE_MS: Final = 30_000
NAME: Final = "line"
log = logging.getLogger(__name__)


@contextmanager
def line_lease(home: Home, settings: Settings) -> Iterator[None]:
    """Hold it meanwhile. Raises `Unusable` naming the holder. A process that lost it (it slept past its time, and
    another took over) ends itself: two drivers would do the same work twice."""
    if settings.home != "aws":
        yield
        return
    lease = Lease(home.control, NAME, f"{socket.gethostname()} process {os.getpid()}", LEASE_MS, home.clock)

    def renew(event: dict[str, Any], context: Any) -> None:
        try:
            lease.renew()
        except Conflict as error:
            log.critical(json.dumps({"message": "the line was taken over; stopping", "cause": str(error)}))
            os.kill(os.getpid(), signal.SIGTERM)

    runner = Runner("lease", ScheduleDriver(Schedule("lease", renew, LEASE_MS // 3), home.clock), home.clock)
    runner.start()
    try:
        yield
    finally:
        runner.stop()
        lease.release()
