"""A row whose bytes are not what was written is said to be damaged, never a stranger's error."""

import sqlite3
from pathlib import Path

import pytest

from contracts.bucket import Bucket, BucketKey, BucketWrite, Summary
from contracts.errors import Unusable
from contracts.ports import Change
from stores.sqlite_buckets import SqliteBucketStore

KEY = BucketKey("AAPL", "1m", 1_766_310_000_000)
SUMMARY = Summary(1, 100, 100, 100, 100, 0, "a", 100, 0, "a", 1, 0, 0, ("rss",), ("m1",))
BUCKET = Bucket(*KEY, SUMMARY, b"", (), 1, 0, False)


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
