"""The EventLog port: Kinesis Data Streams' semantics, on every home."""

import itertools
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.clock import ManualClock
from contracts.errors import BadRequest
from contracts.hashing import HASH_KEY_COUNT, hash_key
from contracts.ports import MAX_PUT_RECORDS, MAX_RECORD_BYTES, Entry, EventLog, Position, Record, Shard
from stores.sqlite_log import SqliteEventLog

HORIZON = Position("TRIM_HORIZON")


@pytest.fixture
def log(installation) -> EventLog:
    installation.home.log.create_stream("news", 1)
    return installation.home.log


def read(log: EventLog, stream: str, shard_id: str, position: Position = HORIZON, limit: int = 10_000):
    """Records from a position to the end of what is there, and whether the shard ended."""
    iterator: str | None = log.iterator(stream, shard_id, position)
    records: list[Record] = []
    while iterator is not None:
        page = log.get_records(iterator, limit)
        records += page.records
        iterator = page.next_iterator
        if not page.records and page.behind_ms == 0:
            break
    return records, iterator is None


def read_all(log: EventLog, stream: str) -> list[bytes]:
    """The data of every shard, parents before children."""
    return [record.data for shard in log.shards(stream) for record in read(log, stream, shard.shard_id)[0]]


def put(log: EventLog, stream: str, *data: bytes, key: str = "AAPL"):
    return log.put_records(stream, [Entry(key, each) for each in data])


def only(log: EventLog, stream: str = "news") -> str:
    (shard,) = log.shards(stream)
    return shard.shard_id


def sequences(log: EventLog, shard_id: str, stream: str = "news") -> list[int]:
    return [int(record.sequence_number) for record in read(log, stream, shard_id)[0]]


# ---- putting and reading ---------------------------------------------------------------------------------------
def test_records_come_back_in_the_order_they_were_put(log):
    data = [b"%d" % number for number in range(1_203)]
    for start in range(0, len(data), 400):
        put(log, "news", *data[start : start + 400])
    assert [record.data for record in read(log, "news", only(log), limit=17)[0]] == data


def test_results_name_the_records_as_they_are_read(log):
    results = put(log, "news", b"a", b"b", key="Zürich ✓")
    records, ended = read(log, "news", only(log))
    assert [result.sequence_number for result in results] == [record.sequence_number for record in records]
    assert {result.shard_id for result in results} == {only(log)}
    assert [record.partition_key for record in records] == ["Zürich ✓"] * 2
    assert not ended


def test_sequence_numbers_are_decimal_strings_that_grow(log):
    for _ in range(3):
        put(log, "news", *[b"x"] * 100)
    numbers = sequences(log, only(log))
    assert numbers == sorted(set(numbers))
    assert all(record.sequence_number.isdecimal() for record in read(log, "news", only(log))[0])


def test_a_put_is_there_after_a_restart(installation, log):
    put(log, "news", b"a", b"b")
    assert read_all(installation.reopen().log, "news") == [b"a", b"b"]


def test_an_iterator_at_the_tip_sees_what_comes_later(log):
    put(log, "news", b"a")
    first = log.get_records(log.iterator("news", only(log), HORIZON))
    empty = log.get_records(first.next_iterator)
    assert (empty.records, empty.behind_ms) == ([], 0)
    put(log, "news", b"b")
    assert [record.data for record in log.get_records(empty.next_iterator).records] == [b"b"]


def test_limits_of_one_page_hold(log):
    for _ in range(4):
        put(log, "news", *[b"x" * 1_000_000] * 5)
    page = log.get_records(log.iterator("news", only(log), HORIZON))
    assert 10 <= len(page.records) < 20
    assert page.behind_ms > 0
    assert len(log.get_records(log.iterator("news", only(log), HORIZON), 3).records) == 3


# ---- limits of a put -------------------------------------------------------------------------------------------
def test_more_than_500_records_are_refused(log):
    with pytest.raises(BadRequest):
        put(log, "news", *[b"x"] * (MAX_PUT_RECORDS + 1))
    assert read_all(log, "news") == []


def test_more_than_10_mib_are_refused(log):
    with pytest.raises(BadRequest):
        put(log, "news", *[b"x" * 1_000_000] * 11)
    assert read_all(log, "news") == []


def test_a_record_over_1_mib_fails_alone(log):
    size = MAX_RECORD_BYTES - len("AAPL")
    results = put(log, "news", b"before", b"x" * size, b"x" * (size + 1), b"after")
    assert [result.error_code is None for result in results] == [True, True, False, True]
    assert results[2].sequence_number is None
    assert [len(data) for data in read_all(log, "news")] == [6, size, 5]


@pytest.mark.parametrize("key", ["", "k" * 257, "\ud800"])
def test_a_bad_partition_key_is_refused(log, key):
    with pytest.raises(BadRequest):
        put(log, "news", b"x", key=key)


def test_unknown_streams_shards_and_positions_are_refused(log):
    put(log, "news", b"a")
    beyond = str(int(read(log, "news", only(log))[0][0].sequence_number) + 10**20)
    for call in (
        lambda: put(log, "elsewhere", b"x"),
        lambda: log.shards("elsewhere"),
        lambda: log.iterator("news", "shardId-000000000077", HORIZON),
        lambda: log.iterator("news", only(log), Position("AFTER_SEQUENCE_NUMBER", "17")),
        lambda: log.iterator("news", only(log), Position("AFTER_SEQUENCE_NUMBER", beyond)),
        lambda: log.iterator("news", only(log), Position("AT_TIMESTAMP", "yesterday")),
        lambda: log.get_records("no iterator"),
    ):
        with pytest.raises(BadRequest):
            call()


# ---- positions and time ----------------------------------------------------------------------------------------
def test_every_kind_of_position_starts_where_it_says(installation, log):
    clock, shard = installation.clock, only(log)
    stamps = []
    for name in (b"a", b"b", b"c"):
        stamps.append(clock.now_ms())
        put(log, "news", name)
        clock.advance(1_000)
    middle = read(log, "news", shard)[0][1].sequence_number

    def from_(kind, value=""):
        return b"".join(record.data for record in read(log, "news", shard, Position(kind, value))[0])

    assert from_("TRIM_HORIZON") == b"abc"
    assert from_("LATEST") == b""
    assert from_("AT_SEQUENCE_NUMBER", middle) == b"bc"
    assert from_("AFTER_SEQUENCE_NUMBER", middle) == b"c"
    assert from_("AT_TIMESTAMP", str(stamps[1])) == b"bc"
    assert from_("AT_TIMESTAMP", str(stamps[1] + 1)) == b"c"
    assert from_("AT_TIMESTAMP", str(stamps[2] + 1)) == b""
    assert from_("AT_TIMESTAMP", "0") == b"abc"
    latest = log.iterator("news", shard, Position("LATEST"))
    put(log, "news", b"d")
    assert [record.data for record in log.get_records(latest).records] == [b"d"]


def test_millis_behind_latest_is_zero_at_the_tip_only(installation, log):
    put(log, "news", b"a", b"b")
    installation.clock.advance(5_000)
    page = log.get_records(log.iterator("news", only(log), HORIZON), 1)
    assert page.behind_ms == 5_000
    assert log.get_records(page.next_iterator, 1).behind_ms == 0


def test_arrival_never_goes_back_when_the_clock_does(installation, log):
    put(log, "news", b"a")
    installation.clock.advance(-60_000)
    put(log, "news", b"b")
    arrivals = [record.arrival_ms for record in read(log, "news", only(log))[0]]
    assert arrivals == sorted(arrivals)


@pytest.mark.homes("embedded")
def test_trim_drops_what_arrived_before_and_nothing_else(installation, log):
    old = put(log, "news", b"a", b"b")
    installation.clock.advance(1_000)
    put(log, "news", b"c")
    assert log.trim("news", installation.clock.now_ms()) == 2
    assert log.trim("news", installation.clock.now_ms()) == 0
    assert read_all(log, "news") == [b"c"]
    position = Position("AFTER_SEQUENCE_NUMBER", old[0].sequence_number)
    assert [record.data for record in read(log, "news", only(log), position)[0]] == [b"c"]
    installation.clock.advance(1_000)
    assert log.trim("news", installation.clock.now_ms()) == 1
    put(log, "news", b"d")
    assert read_all(log, "news") == [b"d"]


@pytest.mark.homes("embedded")
def test_an_iterator_whose_records_were_trimmed_goes_on_with_what_is_kept(installation, log):
    put(log, "news", b"a", b"b")
    iterator = log.iterator("news", only(log), HORIZON)
    installation.clock.advance(1_000)
    log.trim("news", installation.clock.now_ms())
    page = log.get_records(iterator)
    assert (page.records, page.behind_ms) == ([], 0)
    put(log, "news", b"c")
    for each in (iterator, page.next_iterator):
        assert [record.data for record in log.get_records(each).records] == [b"c"]


# ---- shards ----------------------------------------------------------------------------------------------------
def test_creating_a_stream_again_changes_nothing(log):
    put(log, "news", b"a")
    log.create_stream("news", 4)
    assert len(log.shards("news")) == 1
    assert "news" in log.streams()
    with pytest.raises(BadRequest):
        log.create_stream("new s", 1)
    with pytest.raises(BadRequest):
        log.create_stream("none", 0)


def open_ranges(shards: list[Shard]) -> list[tuple[int, int]]:
    return sorted((shard.first_hash, shard.last_hash) for shard in shards if not shard.closed)


def assert_whole(shards: list[Shard]) -> None:
    """Open shards cover every hash key exactly once, and parents come before children."""
    ranges = open_ranges(shards)
    assert ranges[0][0] == 0
    assert ranges[-1][1] == HASH_KEY_COUNT - 1
    assert all(low[1] + 1 == high[0] for low, high in itertools.pairwise(ranges))
    seen: set[str] = set()
    for shard in shards:
        assert set(shard.parent_ids) <= seen
        seen.add(shard.shard_id)


def test_records_go_to_the_shard_of_their_md5_or_explicit_hash(log):
    log.create_stream("wide", 7)
    shards = {shard.shard_id: shard for shard in log.shards("wide")}
    assert_whole(list(shards.values()))
    keys = [f"key-{number}" for number in range(200)]
    results = log.put_records("wide", [Entry(key, b"x") for key in keys])
    for key, result in zip(keys, results, strict=True):
        assert shards[result.shard_id].first_hash <= hash_key(key) <= shards[result.shard_id].last_hash
    for edge in (0, HASH_KEY_COUNT - 1):
        (result,) = log.put_records("wide", [Entry("k", b"x", edge)])
        assert shards[result.shard_id].first_hash <= edge <= shards[result.shard_id].last_hash


def test_split_closes_the_parent_and_loses_nothing(log):
    parent = only(log)
    put(log, "news", b"old")
    left, right = log.split_shard("news", parent, HASH_KEY_COUNT // 3)
    shards = {shard.shard_id: shard for shard in log.shards("news")}
    assert_whole(list(shards.values()))
    assert shards[parent].closed
    assert shards[left].parent_ids == shards[right].parent_ids == (parent,)
    assert (shards[left].last_hash + 1, shards[right].first_hash) == (HASH_KEY_COUNT // 3,) * 2
    log.put_records("news", [Entry("k", b"left", 0), Entry("k", b"right", HASH_KEY_COUNT - 1)])
    records, ended = read(log, "news", parent)
    assert ([record.data for record in records], ended) == ([b"old"], True)
    assert [record.data for record in read(log, "news", left)[0]] == [b"left"]
    assert [record.data for record in read(log, "news", right)[0]] == [b"right"]


def test_merge_joins_two_ranges_and_loses_nothing(log):
    log.create_stream("two", 2)
    low, high = (shard.shard_id for shard in log.shards("two"))
    log.put_records("two", [Entry("k", b"low", 0), Entry("k", b"high", HASH_KEY_COUNT - 1)])
    child = log.merge_shards("two", high, low)
    assert_whole(log.shards("two"))
    put(log, "two", b"new")
    assert log.shards("two")[-1] == Shard(child, 0, HASH_KEY_COUNT - 1, (low, high), False)
    assert [read(log, "two", shard)[1] for shard in (low, high, child)] == [True, True, False]
    assert read_all(log, "two") == [b"low", b"high", b"new"]


def test_an_empty_closed_shard_ends_at_once(log):
    log.split_shard("news", only(log), 1 << 100)
    parent = log.shards("news")[0].shard_id
    assert read(log, "news", parent) == ([], True)


def test_sequence_numbers_grow_from_parent_to_child(log):
    parent = only(log)
    put(log, "news", b"a", b"b")
    left, right = log.split_shard("news", parent, HASH_KEY_COUNT // 2)
    log.put_records("news", [Entry("k", b"l", 0), Entry("k", b"r", HASH_KEY_COUNT - 1)] * 2)
    child = log.merge_shards("news", left, right)
    put(log, "news", b"c")
    for older, newer in ((parent, left), (parent, right), (left, child), (right, child)):
        assert sequences(log, older)[-1] < sequences(log, newer)[0]


def test_what_two_shards_become_goes_on_past_both(log):
    log.create_stream("two", 2)
    low, high = (shard.shard_id for shard in log.shards("two"))
    log.put_records("two", [Entry("k", b"l", 0)] * 5 + [Entry("k", b"h", HASH_KEY_COUNT - 1)])
    child = log.merge_shards("two", low, high)
    log.put_records("two", [Entry("k", b"c", 0)])
    for older in (low, high):
        assert sequences(log, older, "two")[-1] < sequences(log, child, "two")[0]


def test_impossible_reshardings_are_refused(log):
    log.create_stream("three", 3)
    first, middle, last = (shard.shard_id for shard in log.shards("three"))
    for call in (
        lambda: log.split_shard("three", first, 0),
        lambda: log.split_shard("three", first, HASH_KEY_COUNT - 1),
        lambda: log.split_shard("three", "shardId-9", 5),
        lambda: log.merge_shards("three", first, last),
        lambda: log.merge_shards("three", first, first),
    ):
        with pytest.raises(BadRequest):
            call()
    log.merge_shards("three", first, middle)
    with pytest.raises(BadRequest):
        log.split_shard("three", first, 5)
    assert_whole(log.shards("three"))


step = st.one_of(
    st.tuples(st.just("put"), st.lists(st.sampled_from(["AAPL", "MSFT", "tag:ai", "TSLA", "F"]), max_size=6)),
    st.tuples(st.just("split"), st.integers(0, 5), st.floats(0.01, 0.99)),
    st.tuples(st.just("merge"), st.integers(0, 5)),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(step, max_size=14))
def test_any_resharding_keeps_every_record_once_and_each_key_in_order(steps):
    with tempfile.TemporaryDirectory() as folder:
        log = SqliteEventLog(Path(folder, "log.db"), ManualClock(), "normal")
        log.create_stream("s", 1)
        put_by_key: dict[str, list[bytes]] = {}
        number = 0
        for kind, *rest in steps:
            open_shards = sorted((s for s in log.shards("s") if not s.closed), key=lambda shard: shard.first_hash)
            if kind == "put":
                for key in rest[0]:
                    number += 1
                    put_by_key.setdefault(key, []).append(b"%d" % number)
                    put(log, "s", b"%d" % number, key=key)
            elif kind == "split":
                shard = open_shards[rest[0] % len(open_shards)]
                width = shard.last_hash - shard.first_hash
                log.split_shard("s", shard.shard_id, shard.first_hash + max(1, int(width * rest[1])))
            elif len(open_shards) > 1:
                at = rest[0] % (len(open_shards) - 1)
                log.merge_shards("s", open_shards[at].shard_id, open_shards[at + 1].shard_id)
        assert_whole(log.shards("s"))
        read_by_key: dict[str, list[bytes]] = {}
        for shard in log.shards("s"):
            for record in read(log, "s", shard.shard_id, limit=3)[0]:
                read_by_key.setdefault(record.partition_key, []).append(record.data)
        assert read_by_key == put_by_key
        log.close()
