"""`drain` beside a running `up` or another `drain`: it waits, says what it is waiting for, and does what is left."""

import errno
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

import local.line as line_module
from contracts.clock import ManualClock
from contracts.errors import Unusable
from contracts.events import RAW_STREAM, SCORED_STREAM
from contracts.ports import Entry, ItemChange, Position
from contracts.resolution import DAY_MS
from contracts.settings import AggregatorSettings
from local.drain import _heads, drain_all, pending
from local.driver import run_until_idle
from local.driver_checkpoint import Checkpoint, Checkpoints
from local.line import ITEMS_TABLE, LINE, apply_settings, drivers_of
from stores.data_dir import DataDir, UpLock
from stores.home import Home, close_home, open_home


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """Handlers read their settings from it, so `drain` writes them there."""
    with mock.patch.dict(os.environ):
        yield


def test_a_mapping_that_does_not_move_is_named(tmp_path: Path) -> None:
    settings, clock = AggregatorSettings(data_dir=str(tmp_path), synchronous="normal"), ManualClock()
    home = open_home(settings, clock)
    owner = UpLock(DataDir(tmp_path))
    home.log.put_records(SCORED_STREAM, [Entry("AAPL", b"{}")])
    began_ms, said = clock.now_ms(), []

    def say(line: str) -> None:
        said.append((clock.now_ms() - began_ms, line))
        if len(said) == 2:
            owner.release()

    drain_all(home, settings, say)
    assert "waiting for it" in said[0][1]
    after_ms, line = said[1]
    assert "aggregator has not moved for 10 s" in line
    assert 10_000 <= after_ms < 12_000
    assert not pending(home), "what the owner left undone"
    with UpLock(DataDir(tmp_path)):
        close_home(settings)


def test_progress_counts_every_record_of_every_stage(tmp_path: Path) -> None:
    settings = AggregatorSettings(data_dir=str(tmp_path), synchronous="normal")
    home = open_home(settings, ManualClock())
    home.log.put_records(SCORED_STREAM, [Entry("AAPL", b"{}")] * 7)
    told: list[int] = []
    drain_all(home, settings, lambda line: None, told.append)
    assert sum(told) == 14, "the aggregator's and the archiver's"
    close_home(settings)


def test_an_owner_that_ends_when_all_is_done_is_no_trouble(tmp_path: Path) -> None:
    settings, clock = AggregatorSettings(data_dir=str(tmp_path), synchronous="normal"), ManualClock()
    home = open_home(settings, clock)
    owner = UpLock(DataDir(tmp_path))
    home.log.put_records(SCORED_STREAM, [Entry("AAPL", b"{}")])
    said = []

    def say(line: str) -> None:
        said.append(line)
        apply_settings(settings)
        run_until_idle(drivers_of(home), clock, final=True)
        owner.release()

    drain_all(home, settings, say)
    assert len(said) == 1
    assert not pending(home)
    close_home(settings)


class FedOwner(ManualClock):
    """Whenever it is waited on, every stage comes to the end of its stream, and one more article arrives."""

    home: Home
    polls = 0

    def wait(self, wake: threading.Event, timeout_ms: float) -> bool:
        self.polls += 1
        assert self.polls < 20, "waited for what came meanwhile"
        for row in LINE[1:]:
            self.finish(row.name, row.stream)
        self.finish("classifier", RAW_STREAM)
        self.home.log.put_records(SCORED_STREAM, [Entry("AAPL", b"{}")])
        self.home.items.put_primary({"source_id": f"item {self.polls}"})
        self.home.log.put_records(RAW_STREAM, [Entry("x", b"{}")])
        return super().wait(wake, timeout_ms)

    def finish(self, name: str, stream: str) -> None:
        for shard_id, sequence_numbers in self.records(stream).items():
            if sequence_numbers:
                Checkpoints(self.home.control, name).save(shard_id, Checkpoint(sequence_numbers[-1]))

    def records(self, stream: str) -> dict[str, list[str]]:
        log, items = self.home.log, self.home.items
        if stream == ITEMS_TABLE:
            return {
                shard: [each.sequence_number for each in items.stream_read(shard, "")]
                for shard in items.stream_shards()
            }
        pages = {
            shard.shard_id: log.get_records(log.iterator(stream, shard.shard_id, Position("TRIM_HORIZON")))
            for shard in log.shards(stream)
        }
        return {shard_id: [each.sequence_number for each in page.records] for shard_id, page in pages.items()}


def test_beside_an_owner_it_waits_for_what_was_there_and_not_for_what_comes(tmp_path: Path) -> None:
    settings, clock = AggregatorSettings(data_dir=str(tmp_path), synchronous="normal"), FedOwner()
    home = clock.home = open_home(settings, clock)
    home.log.put_records(RAW_STREAM, [Entry("x", b"{}")])
    with UpLock(DataDir(tmp_path)):
        drain_all(home, settings, lambda line: None)
    assert pending(home), "what came meanwhile"
    ((shard_id, scored),) = [(shard_id, found) for shard_id, found in clock.records(SCORED_STREAM).items() if found]
    for name in ("aggregator", "archiver-scored"):
        done_with = Checkpoints(home.control, name).load(shard_id).sequence_number
        assert done_with in scored, "the event of the article that was there"
    close_home(settings)


def test_it_forgets_what_is_old_as_up_does(tmp_path: Path) -> None:
    settings, clock = AggregatorSettings(data_dir=str(tmp_path), synchronous="normal"), ManualClock()
    home = open_home(settings, clock)
    home.control.put("story", "x", {}, expires_ms=clock.now_ms() + 1)
    clock.advance(2 * DAY_MS)
    drain_all(home, settings, lambda line: None)
    assert home.control.put("story", "x", {}, expected_version=0) == 1, "not even its version is kept"
    close_home(settings)


def test_records_that_the_log_has_lost_are_not_waited_for(tmp_path: Path) -> None:
    """The aggregator has read them, the archiver never will."""
    settings, clock = AggregatorSettings(data_dir=str(tmp_path), synchronous="normal"), ManualClock()
    home = open_home(settings, clock)
    (put,) = home.log.put_records(SCORED_STREAM, [Entry("AAPL", b"{}")])
    assert put.shard_id
    Checkpoints(home.control, "aggregator").save(put.shard_id, Checkpoint(put.sequence_number))
    assert pending(home), "the archiver has not"
    clock.advance(2 * DAY_MS)
    home.log.trim(SCORED_STREAM, clock.now_ms())
    assert not pending(home)
    close_home(settings)


def test_a_closed_shard_that_is_done_with_is_not_waited_for(tmp_path: Path) -> None:
    settings, clock = AggregatorSettings(data_dir=str(tmp_path), synchronous="normal"), ManualClock()
    home = open_home(settings, clock)
    (put,) = home.log.put_records(SCORED_STREAM, [Entry("AAPL", b"{}")])
    assert put.shard_id
    for row in LINE:
        Checkpoints(home.control, row.name).save(put.shard_id, Checkpoint(done=True))
    assert not pending(home)
    close_home(settings)


class Losing(ManualClock):
    """The log loses its records while they are waited for."""

    home: Home

    def wait(self, wake: threading.Event, timeout_ms: float) -> bool:
        self.home.log.trim(SCORED_STREAM, self.now_ms() + 1)
        return super().wait(wake, timeout_ms)


def test_records_that_the_log_loses_meanwhile_are_not_waited_for(tmp_path: Path) -> None:
    settings, clock, said = AggregatorSettings(data_dir=str(tmp_path), synchronous="normal"), Losing(), []
    home = clock.home = open_home(settings, clock)
    home.log.put_records(SCORED_STREAM, [Entry("AAPL", b"{}")])
    with UpLock(DataDir(tmp_path)):
        drain_all(home, settings, said.append)
    assert len(said) == 1
    close_home(settings)


class CutPages:
    """Changes 1 to 1,000 of articles; a page ends at 1 MB, however many were asked for."""

    def stream_shards(self) -> dict[str, tuple[str, ...]]:
        return {"shard": ()}

    def stream_read(self, shard_id: str, after: str, limit: int = 100) -> list[ItemChange]:
        first = int(after or 0) + 1
        return [ItemChange(str(number), "INSERT", {}, None, 1) for number in range(first, min(first + 300, 1_001))]


def test_a_short_page_of_changes_is_not_the_last(tmp_path: Path) -> None:
    settings, clock = AggregatorSettings(data_dir=str(tmp_path), synchronous="normal"), ManualClock()
    home = replace(open_home(settings, clock), items=CutPages())
    assert [head for (row, _), head in _heads(home).items() if row.stream == ITEMS_TABLE] == ["1000"]
    close_home(settings)


def test_on_a_deployed_stage_nothing_is_processed(tmp_path: Path) -> None:
    """Lambda does that; and a checkpoint written here would say for ever how far this process came."""
    settings = AggregatorSettings(home="aws", lake_bucket="lake", data_dir=str(tmp_path / "data"))
    nothing: Any = None
    said: list[str] = []
    drain_all(nothing, settings, said.append)
    assert len(said) == 1
    assert "Lambda" in said[0]
    assert not (tmp_path / "data").exists()


def test_a_folder_that_cannot_be_locked_is_not_taken_for_one_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(file: object, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    settings = AggregatorSettings(data_dir=str(tmp_path), synchronous="normal")
    home = open_home(settings, ManualClock())
    home.log.put_records(SCORED_STREAM, [Entry("AAPL", b"{}")])
    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(Unusable, match="cannot be locked"):
        drain_all(home, settings, lambda line: None)
    close_home(settings)


def test_a_stage_that_stopped_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its records wait for the next run, and nothing in the sums need show it."""
    settings, clock = AggregatorSettings(data_dir=str(tmp_path), synchronous="normal"), ManualClock()
    home = open_home(settings, clock)
    home.log.put_records(SCORED_STREAM, [Entry("AAPL", b"{}")])
    plain = line_module.entry_point

    def broken(event: dict[str, Any], context: Any) -> dict[str, Any]:
        raise AssertionError("a bug of ours")

    monkeypatch.setattr(line_module, "entry_point", lambda name: broken if "archiver" in name else plain(name))
    with pytest.raises(Unusable, match=r"stopped before the end: archiver-scored: .*a bug of ours"):
        drain_all(home, settings, lambda told: None)
    close_home(settings)
