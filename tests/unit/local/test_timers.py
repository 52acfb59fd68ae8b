"""The timers of the running line do what their names say."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from aggregation import finalizer as finalizer_module
from contracts.clock import ManualClock
from contracts.generation import POINTER
from contracts.ports import Tallying
from contracts.resolution import HOUR_MS, MINUTE_MS
from contracts.settings import to_env
from local.driver_schedule import ScheduleDriver
from local.retention import KEEP_MINUTES_MS, forget_old
from local.runner import Line
from stores.home import Home, forget_homes, open_home
from tests.events import BASE_MS, scored
from tests.ports.item_values import dashboard_item
from tests.unit.aggregation.test_finalizer import ELSEWHERE, unsettled
from tests.unit.replay.kit import Live, fields, put, settings_of


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    settings = settings_of(tmp_path)
    for name, value in to_env(settings).items():
        monkeypatch.setenv(name, value)
    finalizer_module.finalizer.cache_clear()
    yield open_home(settings, ManualClock(BASE_MS))
    finalizer_module.finalizer.cache_clear()
    forget_homes()


def timers(home: Home, demo: bool = False, sources: bool = False) -> dict[str, ScheduleDriver]:
    return {timer.schedule.name: timer for timer in Line(home, demo, sources)._timers}


def fire(timer: ScheduleDriver) -> None:
    assert timer.step().kind == "worked"
    assert (timer.status().firings, timer.status().error) == (1, None)


def test_which_there_are_and_how_often_they_fire(home: Home) -> None:
    always = {"finalizer": 5 * MINUTE_MS, "trim": HOUR_MS, "head": MINUTE_MS}
    every_ms = {name: timer.schedule.every_ms for name, timer in timers(home).items()}
    assert every_ms == always
    every_ms = {name: timer.schedule.every_ms for name, timer in timers(home, demo=True, sources=True).items()}
    assert every_ms == always | {"producers": 1_000, "demo": 500}


def test_the_finaliser_marks_what_has_ended(home: Home, tmp_path: Path) -> None:
    put(home, [scored(1, "AAPL", BASE_MS, 0.5)])
    Live(home, settings_of(tmp_path)).all()
    home.clock.advance(2 * MINUTE_MS)  # type: ignore[attr-defined]
    fire(timers(home)["finalizer"])
    (minute,) = home.buckets.range("g1", "AAPL", "1m")
    assert not minute.is_partial


def test_the_finaliser_settles_a_swap_that_was_cut_short(home: Home) -> None:
    put(home, [scored(1, "AAPL", BASE_MS, 0.5)])
    unsettled(home, ELSEWHERE)
    fire(timers(home)["finalizer"])
    pointer = home.control.get(*POINTER).value
    assert pointer is not None
    assert pointer["settled"]
    assert len(fields(home, "g2")) == 8


def test_old_counters_by_minute_are_forgotten_and_young_ones_kept(home: Home) -> None:
    """Asked after, the store has none left to forget before the limit."""
    assert isinstance(home.items, Tallying)
    now_ms = home.clock.now_ms()
    for number, at_ms in enumerate((now_ms - KEEP_MINUTES_MS - 2 * HOUR_MS, now_ms - KEEP_MINUTES_MS + 2 * HOUR_MS)):
        home.items.put_dashboard(dashboard_item(number, at_ms))
    forget_old(home)
    assert home.items.forget_minutes(now_ms - KEEP_MINUTES_MS) == 0
    assert home.items.forget_minutes(now_ms) > 0
