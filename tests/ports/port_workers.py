"""What other processes do in the port suites. Started with `spawn`, so they know only their arguments."""

import itertools
from multiprocessing.connection import Connection
from pathlib import Path

from contracts.clock import SystemClock
from contracts.hashing import HASH_KEY_COUNT
from contracts.ports import Entry
from contracts.settings import Settings
from stores.data_dir import DataDir, UpLock
from stores.home import open_home
from tests.ports.bucket_values import bucket, change, write


def put_numbered(settings: Settings, writer: int, batches: int, size: int) -> None:
    """Puts `batches` × `size` records `writer:number` under keys that spread over the shards."""
    log = open_home(settings, SystemClock()).log
    for batch in range(batches):
        numbers = range(batch * size, (batch + 1) * size)
        log.put_records("news", [Entry(f"{writer}:{n % 8}", f"{writer}:{n}".encode()) for n in numbers])


def put_until_killed(settings: Settings, acknowledged: Path) -> None:
    """Puts for ever; writes the number of each acknowledged record to a file, unbuffered, after the put returned."""
    log = open_home(settings, SystemClock()).log
    with open(acknowledged, "ab", buffering=0) as file:
        for batch in itertools.count():
            numbers = range(batch * 5, batch * 5 + 5)
            results = log.put_records("news", [Entry(f"k{n}", b"%d" % n) for n in numbers])
            assert all(result.error_code is None for result in results)
            file.write(b"".join(b"%d\n" % n for n in numbers))


def reshard(settings: Settings, rounds: int) -> None:
    """Splits and merges the whole range again and again."""
    log = open_home(settings, SystemClock()).log
    for _ in range(rounds):
        (shard,) = [shard for shard in log.shards("news") if not shard.closed]
        left, right = log.split_shard("news", shard.shard_id, HASH_KEY_COUNT // 2)
        log.merge_shards("news", left, right)


def put_one(settings: Settings, data: bytes) -> None:
    open_home(settings, SystemClock()).log.put_records("news", [Entry("k", data)])


def commit_until_killed(settings: Settings, committed: Path) -> None:
    """Raises one bucket's rev for ever, each with its change; writes each rev to a file after the commit returned."""
    store = open_home(settings, SystemClock()).buckets
    with open(committed, "ab", buffering=0) as file:
        for rev in itertools.count(1):
            raised = bucket(rev=rev, seed=rev)
            assert not store.commit("live", [write(raised)], [change(raised)], "a")
            file.write(b"%d\n" % rev)


def hold_lock(folder: Path, ready: Connection) -> None:
    """Takes the data directory's lock and keeps it until it is killed."""
    lock = UpLock(DataDir(folder))
    ready.send("locked")
    ready.recv()
    lock.release()
