"""What is old is dropped a little at a time, so that writers get between."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contracts.clock import ManualClock
from contracts.ports import Change, ControlWrite
from contracts.resolution import MINUTE_MS
from stores import sqlite_buckets, sqlite_connection, sqlite_items
from stores.sqlite_buckets import MAX_INTEGER, SqliteBucketStore
from stores.sqlite_control import SqliteControlStore
from stores.sqlite_items import STREAM_SHARD, SqliteItemStore
from tests.ports.bucket_values import START_MS, bucket, write

OLD, KEPT = 25, 5


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (sqlite_buckets, sqlite_connection, sqlite_items):
        monkeypatch.setattr(module, "DROP_CHUNK", 10)


def transactions(store: Any, action: Callable[[], int]) -> tuple[int, int]:
    """What the action says, and how many transactions it took."""
    before = store.seen().commits
    found = action()
    return found, store.seen().commits - before


def test_changes_go_lane_by_lane_a_chunk_a_transaction(tmp_path: Path) -> None:
    store = SqliteBucketStore(tmp_path / "buckets.db", "normal")
    changes = [Change("g1", "AAPL", (), (), 0, written_ms) for written_ms in (*range(OLD), *range(100, 100 + KEPT))]
    for lane in ("a", "b"):
        store.commit("g1", [], changes, lane)
    try:
        assert transactions(store, lambda: store.trim_changes(5)) == (2 * 5, 2)
        assert transactions(store, lambda: store.trim_changes(100)) == (2 * 20, 6)
        assert store.changes_tail() == {"a": OLD + 1, "b": OLD + 1}
        assert store.changes_head() == {"a": OLD + KEPT, "b": OLD + KEPT}
        assert [stored.sequence for stored in store.changes_after({"b": 99})] == [26, 27, 28, 29, 30]
        assert transactions(store, lambda: store.trim_changes(1_000)) == (2 * KEPT, 2)
        assert store.changes_tail() == {"a": OLD + KEPT + 1, "b": OLD + KEPT + 1}
    finally:
        store.close()


def test_changes_written_meanwhile_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqliteBucketStore(tmp_path / "buckets.db", "normal")
    store.commit("g1", [], [Change("g1", "AAPL", (), (), 0, 1)] * OLD, "a")
    read = store._database.read

    def beside_a_writer(*query: Any) -> Any:
        found = read(*query)
        store.commit("g1", [], [Change("g1", "AAPL", (), (), 0, 1_000)], "a")
        return found

    monkeypatch.setattr(store._database, "read", beside_a_writer)
    try:
        assert store.trim_changes(2, 3) == OLD
        monkeypatch.undo()
        assert (store.changes_tail(), store.changes_head()) == ({"a": OLD + 1}, {"a": OLD + 1})
    finally:
        store.close()


def test_a_trim_that_ends_midway_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqliteBucketStore(tmp_path / "buckets.db", "normal")
    store.commit("g1", [], [Change("g1", "AAPL", (), (), 0, 1)] * OLD, "a")
    with sqlite3.connect(tmp_path / "buckets.db") as behind_its_back:
        behind_its_back.execute(
            "CREATE TRIGGER full BEFORE DELETE ON changes WHEN OLD.sequence = 15 BEGIN SELECT RAISE (ABORT, 'no'); END"
        )
    try:
        with pytest.raises(AssertionError):
            store.trim_changes(2)
        assert store.changes_tail() == {"a": 11}
        assert store.changes_after({})[0].sequence == 11
    finally:
        store.close()


def test_entries_of_the_item_stream_go_a_chunk_a_transaction(tmp_path: Path) -> None:
    clock = ManualClock()
    store = SqliteItemStore(tmp_path / "items.db", clock, "normal")
    for number in range(OLD + KEPT):
        if number == OLD:
            clock.advance(1_000)
        store.put_primary({"source_id": str(number)})
    now_ms = clock.now_ms()
    numbers = [change.sequence_number for change in store.stream_read(STREAM_SHARD, "")]
    try:
        assert transactions(store, lambda: store.trim_stream(now_ms, ""))[0] == 0
        assert transactions(store, lambda: store.trim_stream(now_ms, numbers[6])) == (7, 1)
        assert transactions(store, lambda: store.trim_stream(now_ms, numbers[-1])) == (OLD - 7, 2)
        assert [change.sequence_number for change in store.stream_read(STREAM_SHARD, "")] == numbers[OLD:]
        assert transactions(store, lambda: store.trim_stream(now_ms + 1, numbers[-1])) == (KEPT, 1)
        assert transactions(store, lambda: store.trim_stream(now_ms + 1, numbers[-1]))[0] == 0
    finally:
        store.close()


def test_what_was_stamped_while_the_clock_was_ahead_holds_nothing_up(tmp_path: Path) -> None:
    clock = ManualClock()
    items = SqliteItemStore(tmp_path / "items.db", clock, "normal")
    buckets = SqliteBucketStore(tmp_path / "buckets.db", "normal")
    try:
        for number, ahead_ms in enumerate((0, 1_000_000, 1_000_000, 0, 0)):
            now_ms = clock.now_ms()
            buckets.commit("g1", [], [Change("g1", "AAPL", (), (), 0, now_ms + ahead_ms)], "a")
            clock.advance(ahead_ms)
            items.put_primary({"source_id": str(number)})
            clock.advance(1 - ahead_ms)
        read_through = items.stream_read(STREAM_SHARD, "")[-1].sequence_number
        assert items.trim_stream(now_ms, read_through) == 4
        assert buckets.trim_changes(now_ms, clock.now_ms()) == 4
        assert buckets.changes_tail() == {"a": 5}
    finally:
        items.close()
        buckets.close()


def test_expired_documents_and_counters_go_a_chunk_a_transaction(tmp_path: Path) -> None:
    clock = ManualClock()
    control = SqliteControlStore(tmp_path / "control.db", clock, "normal")
    items = SqliteItemStore(tmp_path / "items.db", clock, "normal")
    try:
        control.put_many("story", {str(number): ControlWrite({}, None, number) for number in range(OLD + KEPT)})
        before = control._database.seen().commits
        assert control.sweep(OLD) == OLD
        assert control._database.seen().commits - before == 3
        assert control.sweep(OLD) == 0
        with sqlite3.connect(tmp_path / "items.db") as file:
            rows = [(60_000, 0, "source", str(number), 1) for number in range(OLD)] + [(3_600_000, 0, "source", "a", 1)]
            file.executemany("INSERT INTO tallies VALUES (?, ?, ?, ?, ?)", rows)
        assert transactions(items, lambda: items.forget_minutes(1)) == (OLD, 3)
    finally:
        control.close()
        items.close()


def test_buckets_go_a_chunk_a_transaction_and_nothing_for_what_has_none(tmp_path: Path) -> None:
    store = SqliteBucketStore(tmp_path / "buckets.db", "normal")
    for generation, subject in (("g1", "AAPL"), ("g1", "MSFT"), ("g2", "AAPL")):
        minutes = [bucket(subject, at=number) for number in range(OLD)]
        days = [bucket(subject, "24h")]
        store.commit(generation, [write(each) for each in minutes + days])
    try:
        assert transactions(store, lambda: store.drop_before({"1m": START_MS, "5m": MAX_INTEGER})) == (0, 0)
        last_ms = START_MS + (OLD - 1) * MINUTE_MS
        assert transactions(store, lambda: store.drop_before({"1m": last_ms})) == (3 * (OLD - 1), 9)
        assert transactions(store, lambda: store.drop_before({"1m": last_ms + 1})) == (3, 3)
        assert [each.key.resolution for each in store.scan("g1")] == ["24h", "24h"]
        assert transactions(store, lambda: store.drop_generation("g2")) == (1, 1)
    finally:
        store.close()
