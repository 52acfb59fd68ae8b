"""What Kinesis does and SQLite does not: aggregates, partial refusals, expiring iterators, maps that go stale."""

import hashlib
import itertools
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.hashing import HASH_KEY_COUNT, hash_key
from contracts.kinesis import AGGREGATE_MAGIC, records_of
from contracts.ports import Entry, Position, Record
from local.driver_source import KinesisSource
from stores.kinesis import KinesisEventLog
from stores.kinesis_aggregate import MAX_AGGREGATE_BYTES, aggregate, pack
from tests.aws.conftest import World
from tests.aws.moto_aws import refusal

STREAM = "news"
SUBJECTS = [f"S{number}" for number in range(200)]


@pytest.fixture
def log(world: World) -> KinesisEventLog:
    world.aws.log.create_stream(STREAM, 3)
    return world.aws.log


def read_all(log: KinesisEventLog, limit: int = 1_000) -> dict[str, list[Record]]:
    """User records by shard, parents before children."""
    found: dict[str, list[Record]] = {}
    for shard in log.shards(STREAM):
        iterator: str | None = log.iterator(STREAM, shard.shard_id, Position("TRIM_HORIZON"))
        records = found.setdefault(shard.shard_id, [])
        while iterator is not None:
            page = log.get_records(iterator, limit)
            assert len(page.records) <= limit
            records += page.records
            iterator = page.next_iterator
            if not page.records and page.behind_ms == 0:
                break
    return found


def entries(count: int, seed: int = 1) -> list[Entry]:
    rnd = random.Random(seed)
    return [Entry(rnd.choice(SUBJECTS), b"%d:%d" % (seed, number) + b"x" * 200) for number in range(count)]


# ---- aggregates ------------------------------------------------------------------------------------------------
def test_each_key_stays_on_its_own_shard_and_in_order_however_much_is_aggregated(world: World, log: KinesisEventLog):
    sent = entries(500)
    results = log.put_records(STREAM, sent)
    assert world.faults.calls["PutRecords"] == 1
    shards = {shard.shard_id: shard for shard in log.shards(STREAM)}
    found = read_all(log, 70)
    for shard_id, records in found.items():
        for record in records:
            assert shards[shard_id].first_hash <= hash_key(record.partition_key) <= shards[shard_id].last_hash
    by_key = lambda pairs: {k: [d for key, d in pairs if key == k] for k, _ in pairs}  # noqa: E731
    read = [(record.partition_key, record.data) for records in found.values() for record in records]
    assert by_key(read) == by_key([(entry.partition_key, entry.data) for entry in sent])
    places = {(shard_id, record.sequence_number): record.data for shard_id in found for record in found[shard_id]}
    for entry, result in zip(sent, results, strict=True):
        assert places[result.shard_id, result.sequence_number] == entry.data


def test_few_kinesis_records_carry_many_entries(log: KinesisEventLog):
    sent = entries(500)
    targets = [log.shards(STREAM)[0]] * 500
    packed = pack(sent, targets)
    assert sorted(index for each in packed for index in each.indexes) == list(range(500))
    assert len(packed) <= 4
    assert all(len(each.data) <= MAX_AGGREGATE_BYTES for each in packed)


def test_the_handlers_see_the_same_records_whether_lambda_or_the_driver_reads(world: World, log: KinesisEventLog):
    """Lambda hands over aggregates as they are; the driver hands over what the log has opened."""
    log.put_records(STREAM, entries(60))
    source = KinesisSource(log, STREAM)
    for shard_id, opened in read_all(log).items():
        kinesis = world.aws.log._kinesis.client
        iterator = kinesis.get_shard_iterator(
            StreamName="dev-news", ShardId=shard_id, ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        raw = [
            Record(
                r["SequenceNumber"],
                r["PartitionKey"],
                r["Data"],
                round(r["ApproximateArrivalTimestamp"].timestamp() * 1000),
            )
            for r in kinesis.get_records(ShardIterator=iterator)["Records"]
        ]
        by_lambda = records_of({"Records": [source.event_record(shard_id, record) for record in raw]})
        by_driver = records_of({"Records": [source.event_record(shard_id, record) for record in opened]})
        assert len(raw) < len(by_lambda)
        assert [(r.partition_key, r.data) for r in by_lambda] == [(r.partition_key, r.data) for r in by_driver]


def poisons() -> list[bytes]:
    whole = aggregate([Entry("A", b"1"), Entry("A", b"2")])
    flipped = bytearray(whole)
    flipped[len(AGGREGATE_MAGIC) + 2] ^= 0xFF
    junk = b"\x07not protobuf"
    return [
        bytes(flipped),
        whole[:-1],
        AGGREGATE_MAGIC,
        AGGREGATE_MAGIC + junk + hashlib.md5(junk, usedforsecurity=False).digest(),
        AGGREGATE_MAGIC + hashlib.md5(b"", usedforsecurity=False).digest(),
    ]


@pytest.mark.parametrize("poison", poisons())
def test_a_poisoned_aggregate_is_one_bad_record_and_its_neighbours_live(log: KinesisEventLog, poison: bytes):
    for data in (b"before", poison, b"after"):
        log.put_records(STREAM, [Entry("AAPL", data)])
    (records,) = (found for found in read_all(log).values() if found)
    assert [record.data for record in records] == [b"before", poison, b"after"]
    source = KinesisSource(log, STREAM)
    users = records_of({"Records": [source.event_record("shardId-0", record) for record in records]})
    assert [user.error.reason if user.error else None for user in users] == [None, "corrupt_aggregate", None]


# ---- refusals ----------------------------------------------------------------------------------------------------
class HotShards:
    """Refuses some records of each PutRecords and lets the others through, by calling the client itself for those."""

    def __init__(self, client: Any, share: float, seed: int) -> None:
        self._plain, self._share, self._random = client.put_records, share, random.Random(seed)
        self.refused = 0

    def put_records(self, StreamName: str, Records: list[dict[str, Any]]) -> dict[str, Any]:
        kept = [self._random.random() >= self._share for _ in Records]
        chosen = [record for record, keep in zip(Records, kept, strict=True) if keep]
        stored = iter(self._plain(StreamName=StreamName, Records=chosen)["Records"] if chosen else [])
        self.refused += kept.count(False)
        answers = [
            next(stored) if keep else {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "hot"}
            for keep in kept
        ]
        return {"FailedRecordCount": kept.count(False), "Records": answers}


def test_entries_refused_one_by_one_are_put_again_and_nothing_twice(log: KinesisEventLog, monkeypatch):
    client = log._kinesis.client
    hot = HotShards(client, 0.3, 7)
    monkeypatch.setattr(client, "put_records", hot.put_records)
    sent = [each for seed in range(6) for each in entries(300, seed)]
    results = [result for seed in range(6) for result in log.put_records(STREAM, sent[seed * 300 : seed * 300 + 300])]
    stored = [record.data for records in read_all(log).values() for record in records]
    put = [entry.data for entry, result in zip(sent, results, strict=True) if result.error_code is None]
    assert hot.refused > 5
    assert sorted(stored) == sorted(put)
    assert len(put) == len(sent)


def test_what_stays_refused_is_said_so_and_not_stored(log: KinesisEventLog, monkeypatch):
    client = log._kinesis.client
    monkeypatch.setattr(client, "put_records", HotShards(client, 1.0, 1).put_records)
    results = log.put_records(STREAM, entries(5))
    assert {result.error_code for result in results} == {"ProvisionedThroughputExceededException"}
    assert not any(read_all(log).values())


def test_a_throttled_call_is_tried_again(world: World, log: KinesisEventLog):
    throttled = iter([True, True, False])
    world.faults.before.append(
        lambda service, operation, given: (
            refusal("LimitExceededException")
            if operation in ("PutRecords", "GetRecords") and next(throttled, False)
            else None
        )
    )
    log.put_records(STREAM, [Entry("A", b"1")])
    assert [record.data for records in read_all(log).values() for record in records] == [b"1"]


# ---- iterators ---------------------------------------------------------------------------------------------------
def test_an_expired_iterator_is_made_again_from_the_place_even_inside_an_aggregate(world: World, log: KinesisEventLog):
    sent = [Entry("AAPL", b"%d" % number) for number in range(50)]
    shard_id = str(log.put_records(STREAM, sent)[0].shard_id)
    page = log.get_records(log.iterator(STREAM, shard_id, Position("TRIM_HORIZON")), 20)
    world.clock.advance(3_600_000)
    rest = log.get_records(str(page.next_iterator), 100)
    assert [record.data for record in page.records + rest.records] == [entry.data for entry in sent]
    world.clock.advance(3_600_000)
    log.put_records(STREAM, [Entry("AAPL", b"later")])
    assert [record.data for record in log.get_records(str(rest.next_iterator)).records] == [b"later"]


@pytest.mark.parametrize("kind", ["AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"])
def test_any_user_record_of_an_aggregate_is_a_place_for_another_process(world: World, log: KinesisEventLog, kind):
    results = log.put_records(STREAM, [Entry("AAPL", b"%d" % number) for number in range(8)])
    shard_id = str(results[0].shard_id)
    for at, result in enumerate(results):
        other = world.again().log
        place = other.iterator(STREAM, shard_id, Position(kind, str(result.sequence_number)))
        first = at + (kind == "AFTER_SEQUENCE_NUMBER")
        assert [record.data for record in other.get_records(place).records] == [b"%d" % n for n in range(first, 8)]


def test_latest_holds_its_place_when_its_iterator_expires(world: World, log: KinesisEventLog):
    log.put_records(STREAM, [Entry("AAPL", b"old")])
    shard_id = next(shard for shard, records in read_all(log).items() if records)
    world.clock.advance(10)
    latest = log.iterator(STREAM, shard_id, Position("LATEST"))
    world.clock.advance(400_000)
    log.put_records(STREAM, [Entry("AAPL", b"new")])
    assert [record.data for record in log.get_records(latest).records] == [b"new"]


@pytest.mark.parametrize("crossed", [1, 20])
def test_empty_answers_before_the_tip_are_not_the_tip(world: World, log: KinesisEventLog, crossed: int):
    """Kinesis may answer without records although there are some further on; `MillisBehindLatest` tells."""
    shard_id = str(log.put_records(STREAM, [Entry("AAPL", b"1")])[0].shard_id)
    empty = iter(range(crossed))

    def twist(service: str, operation: str, request: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        if operation != "GetRecords" or next(empty, None) is None:
            return answer
        return {"Records": [], "NextShardIterator": request["ShardIterator"], "MillisBehindLatest": 5_000}

    world.faults.after.append(twist)
    start_ms = world.clock.now_ms()
    page = log.get_records(log.iterator(STREAM, shard_id, Position("TRIM_HORIZON")), 1)
    assert [record.data for record in page.records] == [b"1"]
    assert world.clock.now_ms() - start_ms >= crossed * 200, "a shard is read five times a second at most"


def test_the_record_after_a_place_is_found_by_who_asks_for_one(log: KinesisEventLog):
    """Who opens a place is given the record at it once more, since it may be an aggregate."""
    first = log.put_records(STREAM, [Entry("AAPL", b"1")])[0]
    log.put_records(STREAM, [Entry("AAPL", b"2")])
    place = log.iterator(STREAM, str(first.shard_id), Position("AFTER_SEQUENCE_NUMBER", first.sequence_number))
    assert [record.data for record in log.get_records(place, 1).records] == [b"2"]


# ---- resharding --------------------------------------------------------------------------------------------------
def test_a_writer_whose_map_went_stale_puts_misplaced_entries_again_and_each_is_read_once(world: World, log):
    log.put_records(STREAM, entries(30, 1))  # the writer has learnt the map
    other = world.again().log
    middle = other.shards(STREAM)[1]
    other.split_shard(STREAM, middle.shard_id, (middle.first_hash + middle.last_hash) // 2)
    log.put_records(STREAM, entries(300, 2))
    other.merge_shards(STREAM, other.shards(STREAM)[0].shard_id, other.shards(STREAM)[3].shard_id)
    log.put_records(STREAM, entries(300, 3))
    shards = {shard.shard_id: shard for shard in log.shards(STREAM)}
    found = read_all(log)
    read = [record.data for records in found.values() for record in records]
    assert sorted(read) == sorted(entry.data for seed, n in ((1, 30), (2, 300), (3, 300)) for entry in entries(n, seed))
    for shard_id, records in found.items():
        assert all(
            shards[shard_id].first_hash <= hash_key(r.partition_key) <= shards[shard_id].last_hash for r in records
        )


step = st.one_of(
    st.tuples(st.just("put"), st.integers(1, 40)),
    st.tuples(st.just("split"), st.integers(0, 5), st.floats(0.01, 0.99)),
    st.tuples(st.just("merge"), st.integers(0, 5)),
)
stream_names = itertools.count()


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(step, max_size=8), st.booleans())
def test_any_resharding_keeps_every_record_once_and_each_key_in_order(world: World, steps, by_another_process):
    log = world.aws.log
    name = f"s{next(stream_names)}"
    log.create_stream(name, 1)
    resharder = world.again().log if by_another_process else log
    put: dict[str, list[bytes]] = {}
    number = itertools.count()
    for kind, *rest in steps:
        open_shards = sorted((s for s in resharder.shards(name) if not s.closed), key=lambda shard: shard.first_hash)
        if kind == "put":
            batch = [Entry(SUBJECTS[n % 7], b"%d" % next(number)) for n in range(rest[0])]
            for entry in batch:
                put.setdefault(entry.partition_key, []).append(entry.data)
            assert all(result.error_code is None for result in log.put_records(name, batch))
        elif kind == "split":
            shard = open_shards[rest[0] % len(open_shards)]
            at = shard.first_hash + max(2, int((shard.last_hash - shard.first_hash) * rest[1]))
            resharder.split_shard(name, shard.shard_id, at)
        elif len(open_shards) > 1:
            at = rest[0] % (len(open_shards) - 1)
            resharder.merge_shards(name, open_shards[at].shard_id, open_shards[at + 1].shard_id)
    read: dict[str, list[bytes]] = {}
    for shard in log.shards(name):
        place: str | None = log.iterator(name, shard.shard_id, Position("TRIM_HORIZON"))
        while place is not None:
            page = log.get_records(place, 7)
            for record in page.records:
                read.setdefault(record.partition_key, []).append(record.data)
            place = page.next_iterator
            if not page.records and page.behind_ms == 0:
                break
    assert read == put


def test_hash_keys_at_the_edges_reach_their_shard(log: KinesisEventLog):
    shards = sorted(log.shards(STREAM), key=lambda shard: shard.first_hash)
    for shard in shards:
        for edge in (shard.first_hash, shard.last_hash):
            results = log.put_records(STREAM, [Entry("a", b"1", edge), Entry("b", b"2", edge)])
            assert {result.shard_id for result in results} == {shard.shard_id}
    assert shards[-1].last_hash == HASH_KEY_COUNT - 1
    assert all(len(records) == 4 for records in read_all(log).values())
