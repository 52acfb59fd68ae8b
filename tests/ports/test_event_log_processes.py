"""The EventLog port with several processes at once, and with processes that are killed."""

import multiprocessing
import time
from pathlib import Path

import pytest

from contracts.clock import SystemClock
from contracts.ports import EventLog, Position, Waking
from tests.ports.port_workers import put_numbered, put_one, put_until_killed, reshard
from tests.ports.test_event_log import assert_whole, put, read_all

#: Another process finds the embedded home only: moto lives in one.
pytestmark = pytest.mark.homes("embedded")
SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def log(installation) -> EventLog:
    installation.clock = SystemClock()
    log = installation.reopen().log
    log.create_stream("news", 1)
    return log


def follow(log: EventLog, workers) -> dict[str, list[bytes]]:
    """Reads every shard to its tip, in small pages, while the workers run and once more after; by shard."""
    iterators: dict[str, str | None] = {}
    seen: dict[str, list[bytes]] = {}
    last_round = False
    while True:
        alive = any(worker.is_alive() for worker in workers)
        for shard in log.shards("news"):
            if shard.shard_id not in iterators:
                iterators[shard.shard_id] = log.iterator("news", shard.shard_id, Position("TRIM_HORIZON"))
            iterator = iterators[shard.shard_id]
            while iterator is not None:
                page = log.get_records(iterator, 50)
                seen.setdefault(shard.shard_id, []).extend(record.data for record in page.records)
                iterator = iterators[shard.shard_id] = page.next_iterator
                if not page.records:
                    break
        if last_round:
            return seen
        last_round = not alive


def start(*calls):
    workers = [SPAWN.Process(target=target, args=args) for target, *args in calls]
    for worker in workers:
        worker.start()
    return workers


def finish(workers) -> None:
    for worker in workers:
        worker.join(30)
        assert worker.exitcode == 0


def assert_complete(seen: dict[str, list[bytes]], writers: int, count: int) -> None:
    """Every record once, and each writer's records of a shard in the order it put them."""
    everything = [data for records in seen.values() for data in records]
    assert len(everything) == len(set(everything)) == writers * count
    for records in seen.values():
        for writer in range(writers):
            numbers = [int(data.split(b":")[1]) for data in records if data.startswith(b"%d:" % writer)]
            assert numbers == sorted(numbers)


def test_two_writing_processes_and_a_reader_skip_nothing(installation, log):
    workers = start(*((put_numbered, installation.settings, writer, 120, 25) for writer in range(2)))
    seen = follow(log, workers)
    finish(workers)
    assert_complete(seen, writers=2, count=3_000)


def test_split_and_merge_under_load_lose_nothing(installation, log):
    workers = start(
        (put_numbered, installation.settings, 0, 150, 10),
        (reshard, installation.settings, 10),
    )
    seen = follow(log, workers)
    finish(workers)
    assert len(log.shards("news")) == 31
    assert_whole(log.shards("news"))
    assert_complete(seen, writers=1, count=1_500)


def test_a_writer_killed_mid_stream_loses_no_acknowledged_record(installation, log, tmp_path: Path):
    acknowledged = tmp_path / "acknowledged"
    for _ in range(2):
        acknowledged.touch()
        before = acknowledged.stat().st_size
        (worker,) = start((put_until_killed, installation.settings, acknowledged))
        while acknowledged.stat().st_size < before + 1_500:
            assert worker.is_alive()
            time.sleep(0.005)
        worker.kill()
        worker.join(30)
        stored = [data.decode() for data in read_all(installation.reopen().log, "news")]
        claimed = acknowledged.read_text().splitlines()
        assert set(claimed) <= set(stored)
        assert len(stored) % 5 == 0, "half a put is there"


def test_a_put_of_another_process_wakes_the_waiter(installation, log):
    assert isinstance(log, Waking)
    seen = log.seen()
    assert not log.wait(seen, 30), "woken by nothing"
    (worker,) = start((put_one, installation.settings, b"hello"))
    assert log.wait(seen, 20_000)
    finish([worker])
    assert read_all(log, "news") == [b"hello"]


def test_a_put_of_another_thread_between_look_and_wait_is_not_missed(log):
    seen = log.seen()
    put(log, "news", b"x")
    assert log.wait(seen, 20_000)
    assert not log.wait(log.seen(), 30)
