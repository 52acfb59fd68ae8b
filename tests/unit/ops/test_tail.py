"""How far `tail` looks back, and that it goes on."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from contracts.ports import StoredChange
from ops import tail as tail_module
from ops.cli import app
from ops.replay.promote import promote, rollback
from stores.home import Home, forget_homes
from stores.sqlite_buckets import SqliteBucketStore
from tests.events import BASE_MS, scored
from tests.unit.replay.kit import Live, compared, home_of, put, replayed, settings_of

EVENTS = 60
MAX_LOOK_BACK = 50


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A change an event, all in one lane; RARE is the subject of the 5th and the 20th."""
    home = home_of(tmp_path)
    for number in range(EVENTS):
        put(home, [scored(number, "RARE" if number in (5, 20) else "AAPL", BASE_MS + number, 0.1)])
        Live(home, settings_of(tmp_path)).all()
    yield home
    forget_homes()


@pytest.fixture
def reaches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many changes were asked for, call by call."""
    asked: list[int] = []
    changes_after = SqliteBucketStore.changes_after

    def noted(self: SqliteBucketStore, cursor: Mapping[str, int], limit: int = 1_000) -> list[StoredChange]:
        asked.append(limit)
        return changes_after(self, cursor, limit)

    monkeypatch.setattr(tail_module, "MAX_LOOK_BACK", MAX_LOOK_BACK)
    monkeypatch.setattr(SqliteBucketStore, "changes_after", noted)
    return asked


def shown(folder: Path, *arguments: str) -> tuple[list[str], str]:
    done = CliRunner().invoke(app, ["tail", *arguments, "--no-follow", "--json", "--data-dir", str(folder)])
    assert done.exit_code == 0, done.output
    return [json.loads(line)["ticker"] for line in done.stdout.splitlines()], done.stderr


@pytest.mark.parametrize("history", [2, 6, 40, 1_000_000_000])
def test_it_looks_further_and_further_back_and_not_beyond_the_limit(
    home: Home, tmp_path: Path, reaches: list[int], history: int
) -> None:
    lanes = len(home.buckets.changes_head())
    found, said = shown(tmp_path, "RARE", "-n", str(history))
    assert found == ["RARE"]
    assert "further back" in said
    assert reaches == sorted(set(reaches))
    assert reaches[-1] == MAX_LOOK_BACK * lanes


def test_what_there_is_is_found_within_the_limit(home: Home, tmp_path: Path, reaches: list[int]) -> None:
    assert shown(tmp_path, "-n", "30") == (["AAPL"] * 30, "")


def test_what_was_counted_before_a_swap_is_shown_after_it(tmp_path: Path) -> None:
    """And an id that two subjects share is an event of each."""
    home, settings = home_of(tmp_path), settings_of(tmp_path)
    event = scored(1, "AAPL", BASE_MS, 0.1)
    put(home, [event, event | {"subject": "MSFT"}, scored(2, "AAPL", BASE_MS + 1, 0.2)])
    live = Live(home, settings)
    live.all()
    run = replayed(home, settings)
    compared(home, run)
    promote(home, settings, run["id"])
    assert sorted(shown(tmp_path, "-n", "10")[0]) == ["AAPL", "AAPL", "MSFT"]
    put(home, [scored(3, "MSFT", BASE_MS + 2, 0.2)])
    live.all()
    rollback(home, settings)
    assert sorted(shown(tmp_path, "-n", "10")[0]) == ["AAPL", "AAPL", "MSFT", "MSFT"], "each once"
    forget_homes()


def test_it_goes_on_with_what_comes_until_it_is_stopped(
    home: Home, tmp_path: Path, reaches: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    coming = iter(["AAPL", "RARE"])
    read = SqliteBucketStore.changes_after

    def at_most_ten(self: SqliteBucketStore, *asked: Any) -> list[StoredChange]:
        """It would read the same for ever if it did not go on from where it was."""
        assert len(reaches) < 10
        return read(self, *asked)

    def wait(self: SqliteBucketStore, seen: object, timeout_ms: float) -> bool:
        """Nothing to show: one event more, and at last Ctrl-C."""
        subject = next(coming, None)
        if subject is None:
            raise KeyboardInterrupt
        put(home, [scored(EVENTS, subject, BASE_MS + EVENTS, 0.1)])
        Live(home, settings_of(tmp_path)).all()
        return True

    monkeypatch.setattr(SqliteBucketStore, "wait", wait)
    monkeypatch.setattr(SqliteBucketStore, "changes_after", at_most_ten)
    done = CliRunner().invoke(app, ["tail", "RARE", "-n", "1", "--json", "--data-dir", str(tmp_path)])
    assert done.exit_code == 0, done.output
    told = [json.loads(line)["event_id"] for line in done.stdout.splitlines()]
    assert told == [f"test#{20:016x}@RARE", f"test#{EVENTS:016x}@RARE"]
