"""A source that was asked "in an hour", before the clock was set right, is asked at its pace again."""

from contracts.clock import ManualClock
from contracts.resolution import DAY_MS, HOUR_MS, MINUTE_MS
from producers.pace import Key, Limit, Pace
from tests.fakes.web import FakeSite, page
from tests.unit.producers.test_service import FEED, Polling, source


def test_after_the_clock_was_set_back_a_source_is_asked_at_once(site: FakeSite) -> None:
    polling = Polling(source("good", site.put("/good", page(FEED))))
    polling.clock.advance(HOUR_MS)
    assert polling.service.poll().polled == 1
    polling.clock.advance(-HOUR_MS)
    for service in (polling.service, polling.restart()):
        done = service.poll()
        polling.clock.advance(1)
        if done.polled:
            break
    assert done.polled == 1
    assert polling.service.poll().polled == 0


def test_two_processes_whose_clocks_differ_a_little_do_not_ask_twice(site: FakeSite) -> None:
    polling = Polling(source("good", site.put("/good", page(FEED))))
    polling.service.poll()
    polling.clock.advance(-MINUTE_MS // 2)
    assert polling.restart().poll().polled == 0


def test_calls_of_a_clock_that_was_ahead_hold_nobody_up() -> None:
    clock = ManualClock(10 * DAY_MS)
    pace, key = Pace(clock), Key("K", ("s" * 8,), (Limit(2, DAY_MS),))
    assert [pace.take(key), pace.take(key)] == [0, 0]
    assert pace.take(key) > 0
    clock.advance(-3 * DAY_MS)
    assert pace.take(key) == 0
