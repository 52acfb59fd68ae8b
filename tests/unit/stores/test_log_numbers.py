"""Sequence numbers of the log's file: they name one record of one log, and outlive an upgrade."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from contracts.clock import ManualClock
from contracts.errors import BadRequest
from contracts.hashing import HASH_KEY_COUNT
from contracts.ports import Entry, Position
from stores.sqlite_log import SqliteEventLog

SHARD = "shardId-000000000000"


def opened(path: Path, clock: ManualClock) -> SqliteEventLog:
    log = SqliteEventLog(path, clock, "normal")
    log.create_stream("news", 1)
    return log


def numbers(log: SqliteEventLog, position: Position) -> list[str]:
    page = log.get_records(log.iterator("news", SHARD, position))
    return [record.sequence_number for record in page.records]


def without_marks(path: Path) -> None:
    """The file as the program before them left it."""
    with closing(sqlite3.connect(path)) as file:
        file.execute("ALTER TABLE shards DROP COLUMN marked_from")
        file.execute("PRAGMA user_version=1")


def test_records_from_before_the_marks_keep_their_numbers(tmp_path: Path) -> None:
    clock = ManualClock()
    log = opened(tmp_path / "log.db", clock)
    log.put_records("news", [Entry("a", b"1")] * 3)
    log.close()
    without_marks(tmp_path / "log.db")
    log = opened(tmp_path / "log.db", clock)
    put = [str(result.sequence_number) for result in log.put_records("news", [Entry("a", b"2")] * 2)]
    found = numbers(log, Position("TRIM_HORIZON"))
    assert found == [f"49{position:034d}{1:020d}" for position in range(3)] + put
    assert sorted(found, key=int) == found
    for at, number in enumerate(found):
        assert numbers(log, Position("AFTER_SEQUENCE_NUMBER", number)) == found[at + 1 :]
    # The program before still runs, and names by position alone what it writes and reads meanwhile.
    for position in (3, 4):
        assert numbers(log, Position("AFTER_SEQUENCE_NUMBER", f"49{position:034d}{1:020d}")) == found[position + 1 :]
    with pytest.raises(BadRequest, match="not of"):
        log.iterator("news", SHARD, Position("AFTER_SEQUENCE_NUMBER", f"49{5:034d}{1:020d}"))
    log.close()


def test_a_shard_that_was_empty_before_the_marks_takes_positions_alone_too(tmp_path: Path) -> None:
    clock = ManualClock()
    opened(tmp_path / "log.db", clock).close()
    without_marks(tmp_path / "log.db")
    log = opened(tmp_path / "log.db", clock)
    put = [str(result.sequence_number) for result in log.put_records("news", [Entry("a", b"1")] * 2)]
    assert numbers(log, Position("TRIM_HORIZON")) == put
    for position in (0, 1):
        assert numbers(log, Position("AFTER_SEQUENCE_NUMBER", f"49{position:034d}{1:020d}")) == put[position + 1 :]
    log.close()


def test_a_log_that_always_had_marks_takes_no_position_alone(tmp_path: Path) -> None:
    log = opened(tmp_path / "log.db", ManualClock())
    log.put_records("news", [Entry("a", b"1")])
    with pytest.raises(BadRequest, match="not of"):
        log.iterator("news", SHARD, Position("AFTER_SEQUENCE_NUMBER", f"49{0:034d}{1:020d}"))
    log.close()


def test_the_same_place_in_another_log_has_another_number(tmp_path: Path) -> None:
    """A later one, so that none lies among those the archiver has stored."""
    clock = ManualClock()
    logs = [opened(tmp_path / f"{name}.db", clock) for name in "ab"]
    for log in logs:
        log.put_records("news", [Entry("a", b"1")])
        clock.advance(1)
    (one,), (other,) = (numbers(log, Position("TRIM_HORIZON")) for log in logs)
    assert int(one) < int(other)
    with pytest.raises(BadRequest, match="not of"):
        logs[1].iterator("news", SHARD, Position("AT_SEQUENCE_NUMBER", one))
    for log in logs:
        log.close()


def test_arrivals_grow_from_parents_to_their_child_though_the_clock_goes_back(tmp_path: Path) -> None:
    clock = ManualClock(60_000)
    log = opened(tmp_path / "log.db", clock)
    left, right = log.split_shard("news", SHARD, HASH_KEY_COUNT // 2)
    log.put_records("news", [Entry("a", b"1", 0)])
    clock.advance(-30_000)
    child = log.merge_shards("news", left, right)
    log.put_records("news", [Entry("a", b"2", 0)])
    start = log.iterator("news", child, Position("TRIM_HORIZON"))
    assert log.get_records(start).records[0].arrival_ms >= 60_000
