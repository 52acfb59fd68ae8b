"""The commands as typed, on both homes: answers on stdout, stable exit codes, nothing changed by looking."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from contracts.clock import ManualClock
from contracts.generation import live_generation
from contracts.settings import AggregatorSettings
from ops.cli import app
from stores.home import Home, forget_homes
from tests import oracle
from tests.events import scored, stream
from tests.ports.conftest import HOMES
from tests.unit.replay.kit import Live, fields, put


class Shell:
    """Types commands at a home."""

    def __init__(self, home: Home, settings: AggregatorSettings, clock: ManualClock) -> None:
        self.home = home
        self.clock = clock
        self.settings = settings
        self.live = Live(home, settings)

    def type(self, *words: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, [*words, "--data-dir", self.settings.data_dir])
        assert done.exit_code == code, f"{words}: {done.exit_code}\n{done.output}"
        return done.stdout

    def json(self, *words: str, code: int = 0) -> Any:
        return json.loads(self.type(*words, "--json", code=code).splitlines()[-1])


@pytest.fixture(params=sorted(HOMES))
def shell(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    with HOMES[request.param](tmp_path) as installed:
        settings = AggregatorSettings(**installed.settings.model_dump() | {"data_dir": str(tmp_path / "data")})
        if request.param == "aws":
            monkeypatch.setenv("CANDLEWICK_HOME", "aws")
            monkeypatch.setenv("CANDLEWICK_LAKE_BUCKET", "lake")
        yield Shell(installed.home, settings, installed.clock)
        forget_homes()


def test_the_story_as_typed(shell: Shell) -> None:
    events = stream(25, seed=31, hours=1)
    put(shell.home, events)
    shell.live.all()
    shell.clock.advance(1_000)
    plan = shell.json("replay", "plan")
    assert live_generation(shell.home.control) == "g1"
    assert shell.json("runs", "list") == {"live": "g1", "runs": []}, "a plan is no run"
    shown = shell.type("replay", "plan")
    assert plan["plan"] in shown
    assert "write units" in shown
    lines = [
        json.loads(line)
        for line in shell.type("replay", "run", plan["plan"], "--json", "--concurrency", "1").splitlines()
    ]
    assert [line["event"] for line in lines[:-1]] == ["progress"] * (len(lines) - 1)
    run = lines[-1]
    assert run["event"] == "done"
    assert fields(shell.home, run["generation"]) == oracle.buckets(events)
    assert shell.type("replay", "promote", run["id"], code=5) == ""
    assert shell.json("replay", "compare", run["id"])["counts"]["changed"] == 0
    assert shell.json("replay", "promote", run["id"])["generation"] == run["generation"]
    assert shell.json("runs", "list")["live"] == run["generation"]
    found = shell.json("runs", "show", run["id"])
    assert sorted(record["action"] for record in found["audit"]) == ["promote", "run"]
    shown = shell.type("runs", "show", run["id"])
    assert "0 changed" in shown
    assert "inside all thresholds" in shown
    assert "{" not in shown, "for people"
    assert shell.json("replay", "verify", run["id"])["ok"]
    assert "g1 is live" in shell.type("replay", "rollback", "--reason", "drill")
    assert fields(shell.home) == oracle.buckets(events)
    assert "r1" in shell.type("runs", "list")


def test_exit_codes_say_what_happened(shell: Shell) -> None:
    put(shell.home, [scored(n, "AAPL", 1_766_310_000_000 + n * 60_000, 0.1) for n in range(5)])
    put(shell.home, [scored(9, "MSFT", 1_766_310_000_000, 0.1)])
    shell.live.all()
    shell.clock.advance(1_000)
    part = shell.json("replay", "run", "--subject", "AAPL", "--concurrency", "1")
    report = shell.json("replay", "compare", "g1", part["generation"], code=6)
    assert report["counts"]["only_a"] == 8
    assert shell.json("replay", "compare", part["id"], "--max-diffs", "1", code=6)["complete"] is False
    assert shell.type("replay", "promote", part["id"], "--force", code=2) == ""
    assert shell.type("replay", "resume", "r7", code=2) == ""
    assert shell.type("replay", "run", "nonsense", code=2) == ""
    assert shell.type("replay", "plan", "--source", "nowhere", code=2) == ""
    assert shell.type("replay", "plan", "--model", "none-such", code=1) == ""
    assert shell.type("replay", "plan", "--start", "yesterday", code=2) == ""
    assert shell.type("replay", "rollback", code=2) == ""
    assert "cancelled" in shell.type("replay", "cancel", part["id"])
    assert shell.type("replay", "resume", part["id"], code=2) == ""


def test_a_plan_travels_as_a_document(shell: Shell, tmp_path: Path) -> None:
    put(shell.home, [scored(n, "AAPL", 1_766_310_000_000 + n * 60_000, 0.1) for n in range(5)])
    out = tmp_path / "plan.json"
    plan = shell.json("replay", "plan", "--out", str(out))
    run = shell.json("replay", "run", str(out), "--concurrency", "1", "--generation", "try-1")
    assert run["plan"] == plan["plan"]
    assert run["generation"] == "try-1"
    assert shell.type("replay", "run", str(out), "--generation", "try-1", code=5) == ""
    assert shell.type("replay", "run", str(out), "--model", "vader", code=2) == ""
