"""The stages of `up`: one that stopped for good is told of, and all are told to stop at once."""

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from api.routes.health import line_row
from contracts.errors import BadRequest, Unusable
from contracts.resolution import HOUR_MS
from contracts.settings import AggregatorSettings
from local.driver_runner import Runner
from local.driver_schedule import Schedule
from local.runner import Line, _listen, run_up
from stores.data_dir import DataDir, UpLock
from stores.home import Home, forget_homes, open_home

FOREVER_S = 20


def until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + FOREVER_S
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.005)


class Stopping(Line):
    """One timer meets a damaged file, the other goes on."""

    def _schedules(self, sources: bool) -> list[Schedule]:
        def broken(event: dict[str, Any], context: Any) -> None:
            raise Unusable("control.db is damaged")

        return [Schedule("producers", broken, HOUR_MS), Schedule("trim", lambda event, context: None, HOUR_MS)]


@pytest.fixture
def home(tmp_path: Path) -> Any:
    yield open_home(AggregatorSettings(data_dir=str(tmp_path), synchronous="normal"))
    forget_homes()


def test_a_timer_that_stopped_for_good_is_a_fault(home: Home) -> None:
    line = Stopping(home, demo=False, sources=True)
    line.start()
    try:
        until(lambda: all(timer["firings"] for timer in line.status()["timers"]))
        until(lambda: line.status()["faults"] != [])
        assert line.status()["faults"] == [{"stage": "producers", "error": "Unusable: control.db is damaged"}]
        row = line_row(SimpleNamespace(status=line.status))  # type: ignore[arg-type]
        assert (row["status"], row["detail"]) == ("down", "producers: Unusable: control.db is damaged")
    finally:
        line.stop()


def test_all_stages_are_told_to_stop_before_any_is_waited_for(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    line = Stopping(home, demo=False, sources=False)
    told: list[str] = []
    plain = Runner.stop

    def stop(self: Runner, timeout_ms: float = 0) -> bool:
        told.append(self.name)
        if timeout_ms:
            assert len(set(told)) == 7
        return plain(self, timeout_ms)

    monkeypatch.setattr(Runner, "stop", stop)
    line.start()
    line.stop()
    assert len(told) == 14


@pytest.mark.parametrize("host", ["", "a..é", "a\0b", "é" * 70])
def test_a_host_that_is_no_address_is_named(host: str) -> None:
    with pytest.raises(BadRequest, match="is no address"):
        _listen(host, 0).close()


def test_on_an_endpoint_the_data_directory_is_nobodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `up` drives there is not in the folder: another `up` may drive that."""

    def opening(settings: AggregatorSettings, env: Any) -> Home:
        raise Unusable(f"opens the home {settings.home}")

    monkeypatch.setattr("local.runner.open_home", opening)
    monkeypatch.setattr("local.runner.apply_settings", lambda settings: None)
    with UpLock(DataDir(tmp_path)):
        for endpoint, said in (("http://127.0.0.1:4566", "opens the home aws"), (None, "in use")):
            with pytest.raises(Unusable, match=said):
                run_up(str(tmp_path), "127.0.0.1", 0, False, False, endpoint, False)
