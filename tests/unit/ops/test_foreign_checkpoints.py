"""A file of the data directory that was lost or restored alone: every command says so, and nothing goes on."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from unittest import mock

import pytest
from typer.testing import CliRunner

from aggregation.lanes import KIND as LANES_KIND
from contracts.clock import ManualClock
from contracts.errors import Unusable
from contracts.events import RAW_STREAM
from contracts.generation import HEAD, POINTER, live_generation
from contracts.ports import Entry
from contracts.settings import AggregatorSettings
from local.drain import drain_all
from local.driver_checkpoint import KIND as CHECKPOINT_KIND
from local.driver_checkpoint import Checkpoint, Checkpoints
from local.foreign_control import note_head
from local.line import LINE, drivers_of
from local.runner import Line
from ops.cli import app
from ops.doctor import examine
from ops.replay.promote import promote, rollback
from ops.replay.run import cancel_run
from ops.status import snapshot
from stores.home import Home, close_home, forget_homes, open_home
from stores.sqlite_buckets import SqliteBucketStore
from stores.sqlite_items import STREAM_SHARD
from tests.events import BASE_MS, scored
from tests.unit.replay.kit import Live, compared, replayed
from tests.unit.replay.kit import put as put_scored


@pytest.fixture
def settings(tmp_path: Path) -> AggregatorSettings:
    return AggregatorSettings(data_dir=str(tmp_path / "data"))  # type: ignore[call-arg]


@pytest.fixture(autouse=True)
def _nothing_stays_open() -> Iterator[None]:
    yield
    forget_homes()


def put(home: Home, count: int) -> None:
    home.log.put_records(RAW_STREAM, [Entry("a", b"{}")] * count)
    home.items.put_primaries([{"source_id": f"{home.clock.now_ms()}#{number}"} for number in range(count)])


def lost(settings: AggregatorSettings, name: str) -> Home:
    """A line that has read five records of each stream, without the file that held them and with seven new ones."""
    clock = ManualClock()
    home = open_home(settings, clock)
    put(home, 5)
    item = home.items.stream_read(STREAM_SHARD, "")[-1].sequence_number
    Checkpoints(home.control, "read-model").save(STREAM_SHARD, Checkpoint(item))
    (shard,) = home.log.shards(RAW_STREAM)
    place = home.log.put_records(RAW_STREAM, [Entry("a", b"{}")])[0].sequence_number
    Checkpoints(home.control, "classifier").save(shard.shard_id, Checkpoint(place))
    close_home(settings)
    for file in Path(settings.data_dir).glob(f"{name}*"):
        file.unlink()
    clock.advance(1_000)
    home = open_home(settings, clock)
    put(home, 7)
    return home


def refused_everywhere(home: Home, settings: AggregatorSettings, said: str, remedy: str = "candlewick restore") -> None:
    with pytest.raises(Unusable, match=said):
        drivers_of(home)
    for command in ("status", "drain"):
        done = CliRunner().invoke(app, [command, "--data-dir", settings.data_dir])
        assert (done.exit_code, done.stdout) == (1, "")
        assert remedy in done.stderr
    (fault,) = [finding for finding in examine(settings) if finding.state == "fault"]
    assert fault.check == "stores"
    assert remedy in fault.detail


@pytest.mark.parametrize(("name", "stage"), [("log.db", "classifier"), ("items.db", "read-model")])
def test_a_lost_file_is_told_with_its_remedy(settings: AggregatorSettings, name: str, stage: str) -> None:
    refused_everywhere(lost(settings, name), settings, f"checkpoint of {stage}")


def count(home: Home, settings: AggregatorSettings, number: int) -> None:
    put_scored(home, [scored(number, "AAPL", BASE_MS + number * 60_000, 0.3)])
    Live(home, settings).all()


def control_of(settings: AggregatorSettings, copied: str) -> Home:
    """A home on which g2 was promoted and rolled back from, with the control.db of before (`copied`: before what)."""
    folder, home = Path(settings.data_dir), open_home(settings)

    def copy(before: str) -> Home:
        close_home(settings)
        shutil.copyfile(folder / "control.db", folder / f"before the {before}")
        return open_home(settings)

    count(home, settings, 1)
    home = copy("run")
    run = replayed(home, settings)
    compared(home, run)
    home = copy("promote")
    promote(home, settings, run["id"])
    home = copy("rollback")
    rollback(home, settings)
    close_home(settings)
    (folder / "control.db").unlink()
    if copied != "nothing":
        shutil.copyfile(folder / f"before the {copied}", folder / "control.db")
    return open_home(settings)


@pytest.mark.parametrize(
    ("copied", "live", "said"),
    [
        ("nothing", "g1", "candles of g1, g2, of which control.db does not know"),
        ("promote", "g1", "when another generation went live"),
        ("rollback", "g2", "when another generation went live"),
    ],
)
def test_a_control_that_was_lost_or_is_older_is_told(
    settings: AggregatorSettings, copied: str, live: str, said: str
) -> None:
    home = control_of(settings, copied)
    assert live_generation(home.control) == live
    refused_everywhere(home, settings, said)
    with pytest.raises(Unusable, match=r"move buckets\.db away .* docs/howto/repair\.md"):
        drivers_of(home)


def test_buckets_that_are_older_than_the_rest_are_told(settings: AggregatorSettings) -> None:
    """What was counted since would be missing for ever: the checkpoints say that it is done with."""
    folder, home = Path(settings.data_dir), open_home(settings)
    count(home, settings, 1)
    close_home(settings)
    shutil.copyfile(folder / "buckets.db", folder / "old")
    home = open_home(settings)
    count(home, settings, 2)
    note_head(home)
    assert drivers_of(home)
    close_home(settings)
    shutil.copyfile(folder / "old", folder / "buckets.db")
    home = open_home(settings)
    refused_everywhere(home, settings, "older than control.db", remedy="move it away")
    close_home(settings)
    (folder / "buckets.db").unlink()
    home = open_home(settings)
    refused_everywhere(home, settings, "buckets.db is gone", remedy="build it again: docs/howto/repair.md")
    run = replayed(home, settings)
    refused_everywhere(home, settings, "buckets.db is gone", remedy="build it again")
    promote(home, settings, run["id"], force=True, reason="buckets.db was lost")
    assert drivers_of(home), "another file was built again"
    note_head(home)
    count(home, settings, 3)
    note_head(home)
    assert drivers_of(home)


def test_whoever_drives_the_line_notes_how_far_it_came(settings: AggregatorSettings) -> None:
    home = open_home(settings)
    put_scored(home, [scored(1, "AAPL", BASE_MS, 0.3)])
    with mock.patch.dict(os.environ):
        drain_all(home, settings, lambda line: None)
    drained = home.control.get(*HEAD).value
    assert drained
    assert drained["head"] == home.buckets.changes_head() != {}
    line = Line(home, demo=False, sources=False)
    count(home, settings, 2)
    line.stop()
    assert home.control.get(*HEAD).value != drained
    assert "head" in [timer["name"] for timer in line.status()["timers"]]


def test_candles_of_a_run_begun_since_the_backup_harm_nobody(settings: AggregatorSettings, tmp_path: Path) -> None:
    """Nobody reads them, and no run takes their name; also when it was killed before its first day was whole."""
    folder, home = Path(settings.data_dir), open_home(settings)
    count(home, settings, 1)
    close_home(settings)
    shutil.copytree(folder, tmp_path / "backup")
    home = open_home(settings)
    run = replayed(home, settings)
    close_home(settings)
    for file in ("log.db", "items.db", "control.db"):
        shutil.copyfile(tmp_path / "backup" / file, folder / file)
    with closing(sqlite3.connect(folder / "buckets.db")) as file, file:
        file.execute("DELETE FROM buckets WHERE generation = ? AND resolution = '24h'", (run["generation"],))
    home = open_home(settings)
    assert drivers_of(home)
    count(home, settings, 2)
    assert replayed(home, settings)["generation"] not in (run["generation"], "g1")


def test_a_directory_of_the_program_before_is_taken_over(settings: AggregatorSettings) -> None:
    """Its buckets.db has no note of a swap, and gets one with the next."""
    home = open_home(settings)
    count(home, settings, 1)
    run = replayed(home, settings)
    compared(home, run)
    promote(home, settings, run["id"])
    close_home(settings)
    with closing(sqlite3.connect(Path(settings.data_dir) / "buckets.db")) as file, file:
        file.execute("DROP TABLE swap")
        file.execute("DROP TABLE log")
        file.execute("PRAGMA user_version=1")
    home = open_home(settings)
    assert drivers_of(home)
    rollback(home, settings)
    assert isinstance(home.buckets, SqliteBucketStore)
    assert home.buckets.noted_swap() == home.control.get(*POINTER).version


def test_what_was_live_and_what_was_dropped_is_not_foreign(settings: AggregatorSettings) -> None:
    home = open_home(settings)
    count(home, settings, 1)
    for number in (2, 3):
        run = replayed(home, settings)
        assert drivers_of(home)
        compared(home, run)
        promote(home, settings, run["id"])
        count(home, settings, number)
        assert drivers_of(home)
    rollback(home, settings)
    cancel_run(home, settings, run["id"])
    assert drivers_of(home)


@pytest.mark.parametrize("lacking", [CHECKPOINT_KIND, LANES_KIND])
def test_a_first_batch_cut_short_and_an_older_program_are_no_loss(settings: AggregatorSettings, lacking: str) -> None:
    """The one has written candles and no checkpoint yet, the other did not note down how it writes them."""
    home = open_home(settings)
    put(home, 1)
    assert drivers_of(home), "nobody has read yet what was published"
    count(home, settings, 1)
    assert home.control.list(lacking)
    for name in home.control.list(lacking):
        home.control.delete(lacking, name)
    assert drivers_of(home)


def test_what_was_stamped_while_the_clock_was_ahead_counts_as_pending(settings: AggregatorSettings) -> None:
    clock = ManualClock()
    home = open_home(settings, clock)
    clock.advance(60_000)
    put(home, 1)
    clock.advance(-60_000)
    behind = {row["stage"]: row["behind_ms"] for row in snapshot(home, settings)["stages"]}
    assert behind == {row.name: int(row.stream != "scored-articles") for row in LINE}
