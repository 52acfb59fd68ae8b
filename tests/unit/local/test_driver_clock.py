"""A clock that is set back: nothing waits for the time to come round again."""

from pathlib import Path

import pytest

from contracts.clock import ManualClock
from contracts.errors import Transient
from local.driver_schedule import Schedule, ScheduleDriver
from tests.unit.local.line import START_MS, Line

HOUR_MS = 3_600_000


@pytest.fixture
def line(tmp_path: Path):
    made = Line(tmp_path)
    yield made
    made.close()


def test_a_schedule_fires_within_its_pace_after_the_clock_was_set_back() -> None:
    clock, fired = ManualClock(START_MS), []
    driver = ScheduleDriver(Schedule("tick", lambda event, context: fired.append(clock.now_ms()), 1_000), clock)
    driver.step()
    clock.advance(-HOUR_MS)
    for _ in range(3):
        driver.step()
        clock.advance(1_000)
    assert len(fired) >= 3


def test_a_batch_that_gathers_is_handed_over_after_the_clock_was_set_back(line: Line) -> None:
    driver = line.driver(batching_window_ms=5_000)
    line.put("a")
    assert driver.step().kind == "batching"
    line.clock.advance(-HOUR_MS)
    driver.step()
    line.clock.advance(5_000)
    driver.step()
    assert line.batches == ["a"]


def test_a_failed_batch_is_tried_again_soon_after_the_clock_was_set_back(line: Line) -> None:
    outcomes = [Transient("store", "down"), None]

    def answer(event):
        if (error := outcomes.pop(0)) is not None:
            raise error

    line.answer = answer
    driver = line.driver(first_backoff_ms=1_000)
    line.put("a")
    assert driver.step().kind == "retry"
    line.clock.advance(-HOUR_MS)
    driver.step()
    assert line.batches == ["a", "a"]


def test_a_log_that_did_not_answer_is_asked_again_soon_after_the_clock_was_set_back(line: Line, monkeypatch) -> None:
    driver = line.driver(first_backoff_ms=1_000)
    line.put("a")
    with monkeypatch.context() as patched:
        patched.setattr(type(line.log), "shards", lambda self, stream: (_ for _ in ()).throw(Transient("log", "busy")))
        assert driver.step().kind == "retry"
    line.clock.advance(-HOUR_MS)
    driver.step()
    assert line.batches == ["a"]


def test_a_window_ends_within_its_width_after_the_clock_was_set_back(line: Line) -> None:
    driver = line.driver(tumbling_window_s=60)
    line.put("a")
    driver.step()
    line.clock.advance(-HOUR_MS)
    for _ in range(6):
        driver.step()
        line.put("b")
        line.clock.advance(61_000)
    assert [call["isFinalInvokeForWindow"] for call in line.calls].count(True) == 3, (
        "one in two of a width and its grace"
    )
    assert line.batches == [*"abbbbb"]


def test_an_open_window_of_a_later_clock_ends_within_its_width_after_a_restart(line: Line) -> None:
    line.driver(tumbling_window_s=60).step()
    line.put("a")
    line.driver(tumbling_window_s=60).step()
    line.clock.advance(-HOUR_MS)
    driver = line.driver(tumbling_window_s=60)
    driver.step()
    line.clock.advance(61_000)
    driver.step()
    assert [call["isFinalInvokeForWindow"] for call in line.calls] == [False, True]
