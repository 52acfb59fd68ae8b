"""Where a run has its working files: in the data directory as its caller names it, apart from every other run's."""

import shutil
from pathlib import Path

import pytest

from contracts.settings import AggregatorSettings
from ops.replay.pool import ROOT
from ops.replay.run import Drive, cancel_run, execute, start_run
from ops.replay.runs import run_folder, working_name
from stores.home import Home, forget_homes
from tests import oracle
from tests.events import BASE_MS, scored, stream
from tests.unit.replay.kit import Seen, fields, home_of, ignore, planned, put, replayed, settings_of

ALONE = Drive(concurrency=1)


def interrupted(home: Home, settings: AggregatorSettings) -> None:
    """A run that has read everything and built nothing."""

    def stop(seen: Seen) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start_run(home, settings, planned(home, settings), ALONE, stop)


def test_workers_open_a_relative_data_directory_where_their_caller_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    relative = Path("data-of-a-test-with-workers")
    home, settings = home_of(relative), settings_of(relative)
    events = stream(1_000, seed=1, hours=20)
    put(home, events)
    try:
        alone = replayed(home, settings)
        together = replayed(home, settings, Drive(concurrency=2))
        assert together["digest"] == alone["digest"]
        assert fields(home, together["generation"]) == oracle.buckets(events)
        assert not (ROOT / relative).exists()
    finally:
        forget_homes()
        shutil.rmtree(ROOT / relative, ignore_errors=True)


def test_working_files_of_another_stage_are_not_taken_for_ones_own(tmp_path: Path) -> None:
    """Each stage counts its runs from r1, and stages may share a data directory."""
    for name, polarity in (("dev", 0.9), ("prod", -0.9)):
        home = home_of(tmp_path / name)
        put(home, [scored(n, "AAPL", BASE_MS + n * 60_000, polarity) for n in range(3)])
        settings = settings_of(tmp_path / name)
        if name == "dev":
            interrupted(home, settings)
        else:
            shutil.copytree(tmp_path / "dev" / "replay", tmp_path / "prod" / "replay")
            built = fields(home, replayed(home, settings)["generation"])
            assert {row["close"] for row in built.values()} == {-9_000}
    forget_homes()


def test_working_files_of_an_interrupted_run_are_gone_when_it_is_done_or_cancelled(
    home: Home, settings: AggregatorSettings
) -> None:
    put(home, stream(200, seed=2))
    folder = Path(settings.data_dir) / "replay"
    for end in (lambda: execute(home, settings, "r1", ALONE, ignore), lambda: cancel_run(home, settings, "r2")):
        interrupted(home, settings)
        assert [path for path in folder.iterdir() if path.is_dir()]
        end()
        assert [path for path in folder.iterdir() if path.is_dir()] == []


def test_working_files_under_their_old_name_go_with_the_run(home: Home, settings: AggregatorSettings) -> None:
    put(home, stream(50, seed=2))
    old = run_folder(settings, replayed(home, settings)["id"])
    old.mkdir()
    cancel_run(home, settings, "r1")
    assert not old.exists()


def test_what_a_killed_verify_left_goes_with_the_run_and_a_second_cancel_drops_nothing_more(
    home: Home, settings: AggregatorSettings
) -> None:
    put(home, stream(200, seed=3))
    run = replayed(home, settings)
    left = run_folder(settings, f"{working_name(run)}-verify")
    left.mkdir()
    dropped = cancel_run(home, settings, "r1")["dropped_buckets"]
    assert not left.exists()
    assert cancel_run(home, settings, "r1")["dropped_buckets"] == dropped > 0
