"""`candlewick up` on a machine whose clock jumps and whose disk is slow, as a file says while it runs.

The program is the real one. Only the one module that reads the clock, and the one that opens a database, are wrapped:
`CANDLEWICK_FAULTS` names a JSON file, `{"clock_ms": 3600000, "store_ms": 5000}`, looked at every 50 ms.
`{"file_bytes": n}` is the size no file may outgrow (RLIMIT_FSIZE), the full disk of a user who may not mount one.
"""

import json
import os
import resource
import threading
import time
from pathlib import Path
from typing import Any

LOOK_EVERY_S = 0.05
NONE = {"clock_ms": 0, "store_ms": 0, "file_bytes": resource.RLIM_INFINITY}


class Faults:
    """What is wrong at the moment."""

    def __init__(self, path: Path) -> None:
        self.now: dict[str, Any] = dict(NONE)
        self._path = path
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        while True:
            if self._path.exists():
                self.now = NONE | json.loads(self._path.read_text())
                hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
                resource.setrlimit(resource.RLIMIT_FSIZE, (self.now["file_bytes"], hard))
            time.sleep(LOOK_EVERY_S)


def jumping_clock(faults: Faults) -> None:
    from contracts.clock import SystemClock

    true_ms = SystemClock.now_ms
    SystemClock.now_ms = lambda self: true_ms(self) + faults.now["clock_ms"]  # type: ignore[method-assign]


def slow_stores(faults: Faults) -> None:
    """Every transaction waits, reading or writing."""
    from stores.sqlite_connection import Database

    read, reading, write = Database.read, Database.reading, Database.write

    def late(method: Any) -> Any:
        def slow(self: Any, *arguments: Any) -> Any:
            time.sleep(faults.now["store_ms"] / 1000)
            return method(self, *arguments)

        return slow

    Database.read, Database.reading, Database.write = late(read), late(reading), late(write)  # type: ignore[method-assign]


if __name__ == "__main__":
    given = Faults(Path(os.environ["CANDLEWICK_FAULTS"]))
    jumping_clock(given)
    slow_stores(given)
    from ops.cli import main

    main()
