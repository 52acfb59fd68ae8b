"""How fast a run may go: never faster than it was told, and live traffic first.

Asked before every task. The live line counts as behind when its aggregator has left a record lying for more than two
seconds; then the run pauses, longer and longer, but does one task in every ten seconds so that it always ends. Lambda
keeps its checkpoints to itself, so on AWS a run gives way to nothing.
"""

import threading
from typing import Final

from contracts.clock import Clock
from contracts.errors import BadRequest
from contracts.log_reading import first_record
from contracts.ports import Position
from contracts.resolution import DAY_MS, HOUR_MS
from local.driver_checkpoint import KIND as CHECKPOINT_KIND
from local.driver_checkpoint import Checkpoints, foreign_checkpoint
from local.line import ITEMS_TABLE, LINE, Row
from stores.home import Home

#: Every serving process reports under this kind (api/fleet.py, whose import would cost this command half a second).
FLEET_KIND: Final = "stream-process"
AGGREGATOR: Final = next(row for row in LINE if row.name == "aggregator")
BEHIND_MS: Final = 2_000
LOOK_EVERY_MS: Final = 500
FIRST_PAUSE_MS: Final = 100
MAX_PAUSE_MS: Final = 1_600
MAX_WAIT_MS: Final = 10_000
#: A slower pace than the operating system can wait for is no pace.
MAX_SLEEP_MS: Final = 365 * DAY_MS


class Pace:
    """`rate`: records a second. `speed`: milliseconds of event time a millisecond, over all subjects together."""

    def __init__(self, home: Home, rate: float | None, speed: float | None) -> None:
        self._home = home
        self._clock: Clock = home.clock
        self._rate = rate
        self._speed = speed
        self._due_ms = self._clock.monotonic_ms()
        self._looked_ms = -float(LOOK_EVERY_MS)
        self._behind_ms = 0
        self.yielded = 0

    def before(self, records: int, hours: float) -> None:
        """Wait until what came before has had its time; then so many more records, or hours of event time, may begin.
        Time that was not used is not caught up: that would be faster than told."""
        self._sleep(self._due_ms - self._clock.monotonic_ms())
        self._give_way()
        takes_ms = 0.0
        if self._rate:
            takes_ms = 1000 * records / self._rate
        if self._speed:
            takes_ms = max(takes_ms, hours * HOUR_MS / self._speed)
        self._due_ms = max(self._due_ms, self._clock.monotonic_ms()) + takes_ms

    def end(self) -> None:
        """Wait until the last that began has had its time."""
        self._sleep(self._due_ms - self._clock.monotonic_ms())

    def _give_way(self) -> None:
        waited_ms, pause_ms = 0, FIRST_PAUSE_MS
        while waited_ms < MAX_WAIT_MS and self._live_behind_ms() > BEHIND_MS:
            self.yielded += 1
            self._sleep(pause_ms)
            waited_ms += pause_ms
            pause_ms = min(MAX_PAUSE_MS, pause_ms * 2)

    def _live_behind_ms(self) -> int:
        now_ms = self._clock.monotonic_ms()
        if now_ms - self._looked_ms >= LOOK_EVERY_MS:
            self._looked_ms = now_ms
            self._behind_ms = behind_ms(self._home, AGGREGATOR) if is_driven(self._home) else 0
        return self._behind_ms

    def _sleep(self, milliseconds: float) -> None:
        if milliseconds > 0:
            self._clock.wait(threading.Event(), min(milliseconds, MAX_SLEEP_MS))


def is_driven(home: Home) -> bool:
    """Whether a process runs the live line on these stores and keeps its checkpoints there: only then does a record
    left lying mean that it is behind."""
    aggregator = any(name.startswith("aggregator/") for name in home.control.list(CHECKPOINT_KIND))
    return aggregator and bool(home.control.list(FLEET_KIND))


def behind_ms(home: Home, row: Row) -> int:
    """How old the oldest record is that a mapping is not done with, at least 1 (its clock may have been ahead); 0: it
    is at the tip. Raises `Unusable` for a checkpoint that is not of these stores."""
    now_ms, checkpoints = home.clock.now_ms(), Checkpoints(home.control, row.name)
    arrivals: list[int] = []
    try:
        if row.stream == ITEMS_TABLE:
            for shard_id in home.items.stream_shards():
                changes = home.items.stream_read(shard_id, checkpoints.load(shard_id).sequence_number or "", 1)
                arrivals += [change.at_ms for change in changes]
        else:
            for shard in home.log.shards(row.stream):
                done_with = checkpoints.load(shard.shard_id).sequence_number
                start = Position("AFTER_SEQUENCE_NUMBER", done_with) if done_with else Position("TRIM_HORIZON")
                first = first_record(home.log, row.stream, shard.shard_id, start)
                arrivals += [first.arrival_ms] if first else []
    except BadRequest as error:
        raise foreign_checkpoint(row.name, error) from None
    return max(1, now_ms - min(arrivals)) if arrivals else 0
