"""What is old is dropped a little at a time, so that writers get between."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contracts.clock import ManualClock
from contracts.ports import Change
from stores import sqlite_buckets, sqlite_items
from stores.sqlite_buckets import SqliteBucketStore
from stores.sqlite_items import STREAM_SHARD, SqliteItemStore

OLD, KEPT = 25, 5


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (sqlite_buckets, sqlite_items):
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
    try:
        assert transactions(store, lambda: store.trim_stream(now_ms, ""))[0] == 0
        assert transactions(store, lambda: store.trim_stream(now_ms, "7")) == (7, 1)
        assert transactions(store, lambda: store.trim_stream(now_ms, "999")) == (OLD - 7, 2)
        assert [int(change.sequence_number) for change in store.stream_read(STREAM_SHARD, "")] == [26, 27, 28, 29, 30]
        assert transactions(store, lambda: store.trim_stream(now_ms + 1, "999")) == (KEPT, 1)
        assert transactions(store, lambda: store.trim_stream(now_ms + 1, "999"))[0] == 0
    finally:
        store.close()
