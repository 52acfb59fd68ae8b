"""A row whose bytes are not what was written is said to be damaged, never a stranger's error."""

import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.bucket import Bucket, BucketKey, BucketWrite, Summary
from contracts.clock import ManualClock
from contracts.errors import Unusable
from contracts.ports import Change
from stores.item_codec import decode_item, encode_item
from stores.sqlite_buckets import SqliteBucketStore
from stores.sqlite_control import SqliteControlStore
from stores.sqlite_items import STREAM_SHARD, SqliteItemStore

KEY = BucketKey("AAPL", "1m", 1_766_310_000_000)
SUMMARY = Summary(1, 100, 100, 100, 100, 0, "a", 100, 0, "a", 1, 0, 0, ("rss",), ("m1",))
BUCKET = Bucket(KEY, SUMMARY, b"", (), 1, 0, False)


@pytest.mark.parametrize("bytes_", [b"\xff\x00", b"", bytes.fromhex("9fa2fffe")])
def test_a_damaged_summary_and_a_damaged_change(tmp_path: Path, bytes_: bytes) -> None:
    store = SqliteBucketStore(tmp_path / "buckets.db", "normal")
    try:
        store.commit("g1", [BucketWrite(BUCKET, 0)], [Change("g1", "AAPL", (BUCKET,), (), 1, 1)], "shard-1")
        with sqlite3.connect(tmp_path / "buckets.db") as behind_its_back:
            behind_its_back.execute("UPDATE buckets SET summary = ?", (bytes_,))
            behind_its_back.execute("UPDATE changes SET body = ?", (bytes_,))
        for read in (
            lambda: store.get_many("g1", [KEY]),
            lambda: list(store.scan("g1")),
            lambda: store.changes_after({}),
        ):
            with pytest.raises(Unusable, match="damaged"):
                read()
    finally:
        store.close()


def test_members_cut_off_in_the_middle_of_one(tmp_path: Path) -> None:
    store = SqliteBucketStore(tmp_path / "buckets.db", "normal")
    try:
        store.commit("g1", [BucketWrite(BUCKET, 0)])
        with sqlite3.connect(tmp_path / "buckets.db") as behind_its_back:
            behind_its_back.execute("UPDATE buckets SET members = ?", (b"123456789",))
        with pytest.raises(Unusable, match="9 bytes of members"):
            store.get_many("g1", [KEY])
    finally:
        store.close()


@pytest.mark.parametrize("bytes_", [b'{"\xff', b'{"a":"\xff"}', b"", b"[]", b"7"])
def test_a_damaged_document(tmp_path: Path, bytes_: bytes) -> None:
    with closing(SqliteControlStore(tmp_path / "control.db", ManualClock(), "normal")) as store:
        store.put("generation", "live", {"generation": "g1"})
        with sqlite3.connect(tmp_path / "control.db") as behind_its_back:
            behind_its_back.execute("UPDATE documents SET value = ?", (bytes_,))
        for read in (lambda: store.get("generation", "live"), lambda: store.list("generation")):
            with pytest.raises(Unusable, match=r"generation live.*control\.db.*damaged.*repair\.md"):
                read()
        store.put("generation", "live", {"generation": "g2"})
        assert store.get("generation", "live").value == {"generation": "g2"}


def _reads(store: SqliteItemStore) -> list[Callable[[], object]]:
    return [
        lambda: store.get_primary("a#1"),
        lambda: store.by_subject("AAPL", 0, 1 << 60, 5),
        lambda: list(store.scan_primary()),
        lambda: store.stream_read(STREAM_SHARD, ""),
        lambda: store.dashboard_day("2025-12-21", None, 5),
        lambda: store.remove_primary("a#1"),
    ]


@pytest.mark.parametrize("bytes_", [b"\xff\x01\xc1", b"", b"\x81\xa1\xff\x01", b"\x81\xa1a\xd4\x09\x00"])
def test_a_damaged_article(tmp_path: Path, bytes_: bytes) -> None:
    metadata = {"published_at": "2025-12-21T10:00:00Z"}
    with closing(SqliteItemStore(tmp_path / "items.db", ManualClock(), "normal")) as store:
        store.put_primary({"source_id": "a#1", "metadata": metadata, "matched_tickers": ["AAPL"]})
        store.put_dashboard([{"day_partition": "2025-12-21", "item_key": "2025-12-21T10:00:00.000Z#a#1"}])
        with sqlite3.connect(tmp_path / "items.db") as behind_its_back:
            for change in ("items SET body", "stream SET new", "dashboard SET body"):
                behind_its_back.execute(f"UPDATE {change} = ?", (bytes_,))
        for read in _reads(store):
            with pytest.raises(Unusable, match=r"items\.db.*damaged.*repair\.md"):
                read()


@given(st.data())
def test_whatever_byte_of_an_article_changed_it_is_an_article_or_damaged(data: st.DataObject) -> None:
    body = bytearray(encode_item({"a": {"x", "y"}, "b": Decimal("0.123456789012345678901"), "c": [1, -2.5, None, "z"]}))
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with suppress(Unusable):
        assert isinstance(decode_item(bytes(body)), dict)
