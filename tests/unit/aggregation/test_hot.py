"""Hot minutes and hot subjects: 200,000 events in one minute of one subject, parts, and lanes."""

import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregation.service import Aggregator
from contracts.bucket import (
    MEMBER_BYTES,
    BucketKey,
    ascending,
    content_bytes,
    in_both,
    pack_members,
    unpack_members,
)  # fmt: skip
from contracts.clock import ManualClock
from contracts.generation import FIRST_GENERATION
from contracts.hashing import member_hash, packed_hash
from contracts.kinesis import Chunk
from contracts.member_parts import HASH_BITS, PART_LIMIT_BYTES, join_parts, member_parts
from contracts.ports import Record
from contracts.settings import AggregatorSettings, Settings
from stores.home import Home, close_home, open_home
from tests import oracle
from tests.events import BASE_MS, scored, stream
from tests.fakes.kinesis import batch_of
from tests.ports import bucket_values

ITEM_LIMIT_BYTES = 400_000
HOT_EVENTS, HOT_BATCH = 200_000, 10_000


def records(documents: Sequence[dict[str, Any]], shard: str = "s0", first: int = 1) -> Iterator[Chunk]:
    found = [Record(str(at), "AAPL", json.dumps(each).encode(), BASE_MS) for at, each in enumerate(documents, first)]
    return batch_of("scored-articles", found, shard)


@pytest.fixture
def home(tmp_path: Path) -> Any:
    where = Settings(data_dir=str(tmp_path), synchronous="normal")
    yield open_home(where, ManualClock(BASE_MS + 60_000))
    close_home(where)


def aggregator(home: Home, lanes: int = 1) -> Aggregator:
    return Aggregator(home.buckets, home.control, home.lake, home.clock, AggregatorSettings(lanes=lanes))


# ---- members -----------------------------------------------------------------------------------------------------
Members = st.frozensets(st.integers(0, 100_000), max_size=300).map(
    lambda ids: frozenset(map(member_hash, map(str, ids)))
)


def part_of(member: int, count: int) -> int:
    """The number of the part that holds a member, among `count` parts (a power of two)."""
    assert count.bit_count() == 1, f"{count} parts are no power of two"
    return member >> (HASH_BITS - count.bit_length() + 1)


@settings(max_examples=100, deadline=None)
@given(Members, st.integers(4, 40).map(lambda n: n * MEMBER_BYTES))
def test_parts_join_to_the_whole_and_fit(members: frozenset[int], limit: int) -> None:
    packed = ascending(pack_members(members))
    parts = member_parts(packed, limit)
    assert join_parts(parts) == packed
    assert unpack_members(join_parts(parts)) == members
    assert all(len(part) <= limit for part in parts)
    assert len(parts) == 1 or len(packed) > limit
    for number, part in enumerate(parts):
        assert {part_of(member, len(parts)) for member in unpack_members(part)} <= {number}


@settings(max_examples=50, deadline=None)
@given(Members, Members)
def test_new_members_change_only_the_parts_they_fall_into(members: frozenset[int], new: frozenset[int]) -> None:
    before, after = [member_parts(ascending(pack_members(each)), 400) for each in (members, members | new)]
    if len(before) == len(after):
        changed = {number for number, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]}
        assert changed == {part_of(member, len(after)) for member in new - members}


@pytest.mark.parametrize("count", [0, 1, 50, 5_000])
def test_members_are_packed_and_put_in_order_however_many_they_are(count: int) -> None:
    rnd = random.Random(1)
    members = frozenset(rnd.getrandbits(64) for _ in range(count)) | {0, (1 << 64) - 1, 1 << 63}
    assert ascending(pack_members(members)) == b"".join(member.to_bytes(8, "big") for member in sorted(members))
    assert unpack_members(pack_members(members)) == members
    assert packed_hash("rss#1@AAPL") == pack_members([member_hash("rss#1@AAPL")])


#: Few values to a byte, so that a member's bytes are often found where no member begins.
Alike = st.lists(st.binary(min_size=MEMBER_BYTES, max_size=MEMBER_BYTES).map(lambda b: bytes(x & 1 for x in b)))


@settings(max_examples=300, deadline=None)
@given(st.one_of(Alike, Alike.map(lambda members: members[:1])), Alike)
def test_members_in_both_are_found_where_a_member_begins(members: list[bytes], others: list[bytes]) -> None:
    packed, among = b"".join(members), b"".join(others)
    assert in_both(packed, among) == unpack_members(packed) & unpack_members(among)


def test_a_member_across_the_border_of_two_is_none() -> None:
    one, other = bytes(7) + b"\1", b"\2" + bytes(7)
    assert not in_both(b"\1\2" + bytes(6), one + other + bytes(8))
    assert not in_both(one[1:] + other[:1], one + other)
    assert in_both(other, one + other) == unpack_members(other)


def test_a_bucket_is_its_content_in_whatever_order_its_members_came() -> None:
    one = bucket_values.bucket()
    other = msgspec.structs.replace(one, packed=pack_members(sorted(one.members, reverse=True)))
    assert (one.packed != other.packed, one == other) == (True, True)
    assert content_bytes(one) == content_bytes(other)
    assert one != msgspec.structs.replace(one, packed=one.packed[:-MEMBER_BYTES])
    assert one != msgspec.structs.replace(one, rev=2)
    assert one != one.key


def test_a_bucket_of_45_000_members_spills_instead_of_failing() -> None:
    members = frozenset(member_hash(f"hot#{number}@AAPL") for number in range(45_000))
    packed = ascending(pack_members(members))
    assert len(packed) == 360_000, "which leaves no room for the rest of the item, and none for more members"
    parts = member_parts(packed)
    assert len(parts) > 1
    assert max(map(len, parts)) <= PART_LIMIT_BYTES < ITEM_LIMIT_BYTES
    assert unpack_members(join_parts(parts)) == members


# ---- a hot minute ------------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_200_000_events_in_one_minute_are_exact(home: Home) -> None:
    rnd = random.Random(4)
    documents = [
        scored(number, "AAPL", BASE_MS + rnd.randrange(60_000), rnd.randint(-10_000, 10_000) / 10_000)
        for number in range(HOT_EVENTS)
    ]
    service, counted, duplicates = aggregator(home), 0, 0
    for first in range(0, HOT_EVENTS, HOT_BATCH):
        batch = documents[first : first + HOT_BATCH] + documents[max(0, first - 7) : first]
        done = service.process("s0", records(batch, first=first + 1), {})
        counted += done.step.counted
        duplicates += done.step.duplicates
    assert counted == HOT_EVENTS
    assert duplicates == 7 * (HOT_EVENTS // HOT_BATCH - 1)
    stored = {bucket.key: bucket for bucket in home.buckets.scan(FIRST_GENERATION)}
    assert {tuple(key): oracle.fields_of(bucket) for key, bucket in stored.items()} == oracle.buckets(documents)
    minute = stored[BucketKey("AAPL", "1m", BASE_MS)]
    assert minute.members == frozenset(member_hash(document["event_id"]) for document in documents)
    parts = member_parts(minute.packed)
    assert max(map(len, parts)) <= PART_LIMIT_BYTES
    again = aggregator(home).process("s0", records(rnd.sample(documents, 500)), {})
    assert (again.step.counted, again.step.writes) == (0, [])


# ---- lanes -------------------------------------------------------------------------------------------------------
def shards_of(documents: Sequence[dict[str, Any]], lanes: int, shard_count: int) -> dict[str, list[dict[str, Any]]]:
    """As the classifier partitions them: key `AAPL~3`, lane = hash of the event id; lanes over shards."""
    shards: dict[str, list[dict[str, Any]]] = {f"s{number}": [] for number in range(shard_count)}
    for document in documents:
        key = document["subject"]
        if lanes > 1:
            key += f"~{member_hash(document['event_id']) % lanes}"
        shards[f"s{member_hash(key) % shard_count}"].append(document)
    return shards


def candles(home: Home) -> dict[BucketKey, Any]:
    return {
        bucket.key: oracle.fields_of(bucket)
        for bucket in home.buckets.scan(FIRST_GENERATION)
        if "~" not in bucket.subject
    }


@pytest.mark.parametrize("lanes", [1, 4, 16])
def test_lanes_give_the_same_candles_with_two_writers_on_the_parents(home: Home, lanes: int) -> None:
    """Lane-partitioned shards, read by two processes in turns: each overwrites parents the other has cached."""
    documents = stream(3_000, seed=21)
    shards = shards_of(documents, lanes, 4)
    services = [aggregator(home, lanes), aggregator(home, lanes)]
    rnd = random.Random(lanes)
    places = dict.fromkeys(shards, 0)
    conflicts = 0
    while any(places[shard] < len(shards[shard]) for shard in shards):
        shard = rnd.choice([shard for shard in shards if places[shard] < len(shards[shard])])
        batch = shards[shard][places[shard] : places[shard] + rnd.choice((1, 20, 150))]
        done = services[rnd.random() < 0.5].process(shard, records(batch, shard, places[shard] + 1), {})
        conflicts += done.conflicts
        places[shard] += len(batch)
    right = oracle.buckets(documents)
    assert {tuple(key): fields for key, fields in candles(home).items()} == right
    assert conflicts > 0, "the two writers never met"


def test_lanes_leave_the_same_content_above_the_minute(tmp_path: Path) -> None:
    """Byte for byte: a coarse bucket does not show how many lanes there were."""
    contents = []
    for lanes in (1, 4, 16):
        where = Settings(data_dir=str(tmp_path / str(lanes)), synchronous="normal")
        home = open_home(where, ManualClock(BASE_MS))
        for shard, documents in shards_of(stream(1_000, seed=8), lanes, 3).items():
            aggregator(home, lanes).process(shard, records(documents, shard), {})
        contents.append([content_bytes(b) for b in home.buckets.scan(FIRST_GENERATION) if b.resolution != "1m"])
        close_home(where)
    assert contents[0] == contents[1] == contents[2]
