"""Threads around drivers: woken by a put, stopped at once, never dying in silence. In real time, asserting none."""

import threading

import pytest

from contracts.clock import SystemClock
from local.driver_runner import Runner
from local.driver_schedule import Schedule, ScheduleDriver
from local.driver_status import Step
from tests.unit.local.line import names_of

PATIENCE_S = 20


@pytest.fixture
def started():
    runners: list[Runner] = []

    def start(*args) -> Runner:
        runner = Runner("test", *args)
        runners.append(runner)
        runner.start()
        return runner

    yield start
    for runner in runners:
        assert runner.stop()


def test_records_are_handled_as_they_are_put(line, started):
    handled: list[str] = []
    arrived = threading.Semaphore(0)

    def handler(event, context):
        handled.append(names_of(event))
        arrived.release()

    driver = line.driver(handler=handler)
    runner = started(driver, SystemClock(), line.log)
    for name in "abc":
        line.put(name)
        assert arrived.acquire(timeout=PATIENCE_S)
    assert "".join(handled) == "abc"
    assert runner.running
    assert runner.stop()
    assert not runner.running
    line.put("d")
    assert "".join(handled) == "abc"
    line.answer = lambda event: None
    driver = line.driver()
    driver.run_until_idle()
    assert line.batches == ["d"]
    line.assert_nothing_left(driver)


def test_a_schedule_runs_until_it_is_stopped(started):
    fired = threading.Semaphore(0)
    clock = SystemClock()
    runner = started(ScheduleDriver(Schedule("tick", lambda event, context: fired.release(), 5), clock), clock)
    for _ in range(3):
        assert fired.acquire(timeout=PATIENCE_S)
    assert runner.stop()


def test_a_runner_that_dies_says_why(started):
    class Broken:
        def step(self) -> Step:
            raise KeyError("our own bug")

    runner = started(Broken(), SystemClock())
    runner._thread.join(PATIENCE_S)
    assert not runner.running
    assert runner.error == "KeyError: 'our own bug'"


def test_a_runner_that_never_started_can_be_stopped():
    assert Runner("never", ScheduleDriver(Schedule("t", lambda *_: None, 1), SystemClock()), SystemClock()).stop()
