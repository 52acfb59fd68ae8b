"""Timers: what EventBridge schedules do on AWS, for the embedded home."""

import json
import logging
from dataclasses import dataclass
from typing import Any, NamedTuple

from contracts.clock import Clock
from contracts.errors import Unusable, bug_of, cause_of
from contracts.instants import iso_s
from local.driver_context import ACCOUNT, REGION, LambdaContext, request_id
from local.driver_status import Step, StepKind
from local.mappings import Handler

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Schedule:
    """A handler called every so often, and at once on start."""

    name: str
    handler: Handler
    every_ms: int

    def __post_init__(self) -> None:
        assert self.every_ms > 0, self.every_ms


class ScheduleStatus(NamedTuple):
    """Counters are since start; `error` is of the last firing, or why the schedule stopped."""

    name: str
    state: StepKind
    firings: int
    failures: int
    next_ms: int
    error: str | None


class ScheduleDriver:
    """Fires one schedule. Firings that were missed (a machine asleep, a slow handler) come down to one; a failed one is
    made good by the next, since the handlers of schedules resume where they stopped."""

    def __init__(self, schedule: Schedule, clock: Clock) -> None:
        self.schedule = schedule
        self._clock = clock
        self._next_ms = clock.now_ms()
        self._state: StepKind = "idle"
        self._firings = self._failures = 0
        self._error: str | None = None

    def step(self) -> Step:
        """Fire if it is time. Says when the next is due; `stopped` after our own bug."""
        now_ms = self._clock.now_ms()
        if self._state == "stopped":
            return Step("stopped")
        # After the clock was set back the next turn would be as far away as it was set.
        self._next_ms = min(self._next_ms, now_ms + self.schedule.every_ms)
        if now_ms < self._next_ms:
            return Step("window", self._next_ms)
        event = scheduled_event(self.schedule, now_ms)
        self._firings += 1
        try:
            self.schedule.handler(event, LambdaContext(self.schedule.name, event["id"]))
            self._error = None
        except (AssertionError, Unusable) as error:
            self._fail("schedule stopped", error)
            self._state = "stopped"
            return Step("stopped")
        except Exception as error:  # noqa: BLE001 — a failed firing: counted, shown, made good by the next
            self._fail("scheduled call failed", error)
        late_ms = self._clock.now_ms() - self._next_ms
        self._next_ms += (late_ms // self.schedule.every_ms + 1) * self.schedule.every_ms
        return Step("worked")

    def status(self) -> ScheduleStatus:
        """A snapshot; may be called from another thread."""
        return ScheduleStatus(
            self.schedule.name, self._state, self._firings, self._failures, self._next_ms, self._error
        )

    def _fail(self, message: str, error: Exception) -> None:
        self._failures += 1
        self._error = cause_of(error)
        cause = {"message": message, "schedule": self.schedule.name, "cause": self._error}
        log.warning(json.dumps(cause), exc_info=bug_of(error))


def scheduled_event(schedule: Schedule, now_ms: int) -> dict[str, Any]:
    """An EventBridge `Scheduled Event`."""
    return {
        "version": "0",
        "id": request_id("schedule", schedule.name, now_ms),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": iso_s(now_ms - now_ms % 1_000),
        "region": REGION,
        "resources": [f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{schedule.name}"],
        "detail": {},
    }
