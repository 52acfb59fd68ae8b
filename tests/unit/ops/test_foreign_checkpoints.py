"""A file of the data directory that was lost or restored alone: every command says so, and nothing goes on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from contracts.clock import ManualClock
from contracts.errors import Unusable
from contracts.events import RAW_STREAM
from contracts.ports import Entry
from contracts.settings import AggregatorSettings
from local.driver_checkpoint import Checkpoint, Checkpoints
from local.line import LINE, drivers_of
from ops.cli import app
from ops.doctor import examine
from ops.status import snapshot
from stores.home import Home, close_home, forget_homes, open_home
from stores.sqlite_items import STREAM_SHARD


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


@pytest.mark.parametrize(("name", "stage"), [("log.db", "classifier"), ("items.db", "read-model")])
def test_a_lost_file_is_told_with_its_remedy(settings: AggregatorSettings, name: str, stage: str) -> None:
    home = lost(settings, name)
    with pytest.raises(Unusable, match=f"checkpoint of {stage}"):
        drivers_of(home)
    for command in ("status", "drain"):
        done = CliRunner().invoke(app, [command, "--data-dir", settings.data_dir])
        assert (done.exit_code, done.stdout) == (1, "")
        assert "candlewick restore" in done.stderr
    (fault,) = [finding for finding in examine(settings) if finding.state == "fault"]
    assert fault.check == "stores"
    assert "candlewick restore" in fault.detail


def test_what_was_stamped_while_the_clock_was_ahead_counts_as_pending(settings: AggregatorSettings) -> None:
    clock = ManualClock()
    home = open_home(settings, clock)
    clock.advance(60_000)
    put(home, 1)
    clock.advance(-60_000)
    behind = {row["stage"]: row["behind_ms"] for row in snapshot(home, settings)["stages"]}
    assert behind == {row.name: int(row.stream != "scored-articles") for row in LINE}
