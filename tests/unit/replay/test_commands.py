"""The commands as typed, on both homes: answers on stdout, stable exit codes, nothing changed by looking."""

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from contracts.clock import ManualClock
from contracts.events import SCORED_STREAM
from contracts.generation import POINTER, live_generation
from contracts.settings import AggregatorSettings
from ops.cli import app
from ops.replay.run import Seen
from ops.replay.screen import watching
from ops.replay.stitch import heads
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
    assert shell.type("replay", "plan", "--model", "none-such", code=2) == ""
    assert shell.type("replay", "plan", "--start", "yesterday", code=2) == ""
    assert shell.type("replay", "rollback", code=2) == ""
    assert "cancelled" in shell.type("replay", "cancel", part["id"])
    assert shell.type("replay", "resume", part["id"], code=2) == ""
    assert shell.type("replay", "verify", part["id"], code=5) == ""


def test_a_generation_has_a_name_that_a_cursor_can_hold_and_nothing_else_has(shell: Shell) -> None:
    """The live one too may be empty yet; and the pointer is a document beside those of the generations."""
    put(shell.home, [scored(1, "AAPL", 1_766_310_000_000, 0.1)])
    for name in ("live", "g1", "r2", "v1.2", "my model", "x/y", "../../x", "x" * 65, ""):
        assert shell.type("replay", "run", "--generation", name, "--concurrency", "1", code=2) == ""
    assert shell.home.control.get(*POINTER).value is None
    assert shell.json("runs", "list")["runs"] == []
    run = shell.json("replay", "run", "--generation", "Try_1-b", "--concurrency", "1")
    assert run["generation"] == "Try_1-b"


def test_places_in_the_log_are_for_the_log(shell: Shell) -> None:
    put(shell.home, [scored(1, "AAPL", 1_766_310_000_000, 0.1)])
    shard, tip = next(iter(heads(shell.home.log, SCORED_STREAM).items()))
    for place in (("--from-time", "2025-12-21T00:00:00Z"), ("--from-position", f"{shard}={tip}")):
        for source in ((), ("--source", "lake")):
            assert shell.type("replay", "plan", *source, *place, code=2) == ""
        assert shell.json("replay", "plan", "--source", "log", *place)["records"]["total"] == 1
    unknown = ("--source", "log", "--from-position", "shardId-00000000000O=49000")
    assert shell.type("replay", "plan", *unknown, code=2) == ""


def test_a_plan_travels_as_a_document(shell: Shell, tmp_path: Path) -> None:
    put(shell.home, [scored(n, "AAPL", 1_766_310_000_000 + n * 60_000, 0.1) for n in range(5)])
    out = tmp_path / "plan.json"
    plan = shell.json("replay", "plan", "--out", str(out))
    run = shell.json("replay", "run", str(out), "--concurrency", "1", "--generation", "try-1")
    assert run["plan"] == plan["plan"]
    assert run["generation"] == "try-1"
    assert shell.type("replay", "run", str(out), "--generation", "try-1", code=5) == ""
    assert shell.type("replay", "run", str(out), "--model", "vader", code=2) == ""


def test_where_to_write_is_looked_at_before_the_work_and_the_tilde_is_known(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    put(shell.home, [scored(1, "AAPL", 1_766_310_000_000, 0.1)])
    shell.type("replay", "plan", "--out=~/plan.json")
    run = shell.json("replay", "run", "~/plan.json", "--concurrency", "1")
    shell.home.control.put("replay-run", "r1", run | {"state": "failed"})
    said = CliRunner().invoke(app, ["replay", "compare", "r1", "--out=~/out", "--data-dir", shell.settings.data_dir])
    assert "run r1 is failed: g2 is not whole" in said.stderr
    assert (tmp_path / "out" / "compare-g1-g2.html").is_file()
    (tmp_path / "file").touch()
    monkeypatch.setattr("ops.replay.compare.compare", lambda *given: 1 / 0)
    assert shell.type("replay", "compare", "r1", "--out", str(tmp_path / "file"), code=2) == ""
    assert shell.type("replay", "run", "x" * 300, code=2) == ""


def test_progress_reaches_a_pipe_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(pipe)))
    with watching(ManualClock(), as_json=True) as watch:
        watch(Seen("building", 1, 2, 3, "", 0, 0))
        assert json.loads(pipe.getvalue())["done"] == 1
