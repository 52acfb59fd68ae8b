"""The stages of `up`: one that stopped for good is told of, and all are told to stop at once."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.request import Request, urlopen

import pytest

from api.routes.health import line_row
from contracts.errors import BadRequest, Unusable
from contracts.generation import RUN_KIND
from contracts.resolution import HOUR_MS
from contracts.settings import AggregatorSettings
from local.driver_runner import Runner
from local.driver_schedule import Schedule
from local.runner import Line, _listen, run_up
from stores.data_dir import DataDir, UpLock
from stores.home import Home, forget_homes, open_home
from tests.house.source_tree import ROOT
from tests.unit.api.kit import RUN

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
        assert line.status()["faults"] == [{"stage": "producers", "error": "control.db is damaged"}]
        row = line_row(SimpleNamespace(status=line.status))  # type: ignore[arg-type]
        assert (row["status"], row["detail"]) == ("down", "producers: control.db is damaged")
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


def test_stages_that_hang_are_waited_for_together(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each would else have its four seconds, one after the other, of the five the process has."""
    line = Stopping(home, demo=False, sources=True)
    waited: list[float] = []

    def stop(runner: Runner, timeout_ms: float = 0) -> bool:
        waited.append(timeout_ms)
        home.clock.wait(threading.Event(), timeout_ms)
        return False

    monkeypatch.setattr(Runner, "stop", stop)
    line.stop(within_ms=40)
    assert len([each for each in waited if each]) <= 2
    assert sum(waited) <= 80


UP = """
import sys, threading
from local.runner import run_up

def endless(home, settings, *arguments):
    sys.stderr.write("comparing\\n")
    sys.stderr.flush()
    threading.Event().wait()

run_up(sys.argv[1], "127.0.0.1", 0, False, False, None, True, {"compare": endless})
"""


def test_a_call_that_never_ends_does_not_keep_the_process(tmp_path: Path) -> None:
    control = open_home(AggregatorSettings(data_dir=str(tmp_path))).control
    control.put(RUN_KIND, "r1", RUN)
    forget_homes()
    env = {**os.environ, "CANDLEWICK_ADMIN_KEY": "the-key", "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", UP, str(tmp_path)], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            url = json.loads(process.stdout.readline())["url"]
            asked = threading.Thread(target=_ask, args=(f"{url}/api/v2/runs/r1/compare",), daemon=True)
            asked.start()
            assert process.stderr.readline() == "comparing\n"
            process.send_signal(signal.SIGTERM)
            assert process.wait(FOREVER_S * 3) == 0
            assert "calls still under way" in process.stderr.read()
        finally:
            process.kill()


def _ask(url: str) -> None:
    with suppress(OSError, HTTPException):  # the process ends before it answers
        urlopen(Request(url, b"{}", {"X-Admin-Key": "the-key", "Content-Type": "application/json"}), timeout=100)


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
