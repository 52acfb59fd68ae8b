"""Schedules: EventBridge's event, on time, once for however many were missed, and failing without stopping."""

import pytest

from contracts.clock import ManualClock
from contracts.errors import Transient, Unusable
from local.driver_schedule import Schedule, ScheduleDriver

START_MS = 1_766_309_400_123


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START_MS)


def test_the_event_is_eventbridges(clock):
    events = []
    driver = ScheduleDriver(Schedule("fetch", lambda event, _: events.append(event), 60_000), clock)
    assert driver.step().kind == "worked"
    assert events[0].pop("id")
    assert events == [
        {
            "version": "0",
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": "000000000000",
            "time": "2025-12-21T09:30:00Z",
            "region": "us-east-1",
            "resources": ["arn:aws:events:us-east-1:000000000000:rule/fetch"],
            "detail": {},
        }
    ]


def test_it_fires_on_its_grid_and_once_for_all_that_was_missed(clock):
    fired = []
    schedule = Schedule("tick", lambda event, context: fired.append(clock.now_ms() - START_MS), 10_000)
    driver = ScheduleDriver(schedule, clock)
    while clock.now_ms() < START_MS + 25_000:
        driver.step()
        clock.advance(1_000)
    clock.advance(40_000)
    driver.step()
    assert driver.step() == ("window", START_MS + 70_000)
    assert fired == [0, 10_000, 20_000, 65_000]


def test_a_failed_call_is_counted_and_made_good_by_the_next(clock):
    outcomes = [Transient("rss", "down"), ValueError("odd"), None]

    def handler(event, context):
        if error := outcomes.pop(0):
            raise error

    driver = ScheduleDriver(Schedule("tick", handler, 1_000), clock)
    for failures, error in ((1, "rss: down"), (2, "ValueError"), (2, None)):
        assert driver.step().kind == "worked"
        status = driver.status()
        assert status.failures == failures
        assert (error is None) == (status.error is None)
        assert error is None or error in status.error
        clock.advance(1_000)


@pytest.mark.parametrize("error", [AssertionError("our own bug"), Unusable("no disk")])
def test_our_own_bug_stops_the_schedule(clock, error):
    def handler(event, context):
        raise error

    driver = ScheduleDriver(Schedule("tick", handler, 1_000), clock)
    for _ in range(2):
        assert driver.step().kind == "stopped"
        clock.advance(5_000)
    status = driver.status()
    assert (status.state, status.firings) == ("stopped", 1)
    assert str(error) in status.error
