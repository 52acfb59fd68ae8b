"""A giant minute past its TTL: DynamoDB deletes items in any order, and a bucket may outlive a part of its members."""

import json
import random

import msgspec
import pytest

from aggregation.service import Aggregator
from contracts.bucket import Bucket, pack_members
from contracts.errors import Transient
from contracts.ports import Record
from contracts.resolution import BY_NAME
from contracts.settings import AggregatorSettings
from stores.dynamo_bucket_item import bucket_row
from tests.aws.conftest import World
from tests.events import scored
from tests.fakes.kinesis import batch_of
from tests.fakes.stores import FakeLake
from tests.ports.bucket_values import START_MS, bucket, write

TTL_MS = BY_NAME["1m"].width_ms + BY_NAME["1m"].ttl_ms


def parted() -> Bucket:
    rnd = random.Random(5)
    return msgspec.structs.replace(bucket(), packed=pack_members([rnd.getrandbits(64) for _ in range(20_000)]))


def lose_a_part(world: World, stored: Bucket) -> None:
    key = {name: bucket_row(stored)[1][0][name] for name in ("PK", "SK")}
    world.aws.buckets._table("g1").delete(key)


def test_parts_are_kept_for_days_longer_than_their_bucket():
    row, parts = bucket_row(parted())
    assert parts
    assert {int(part["ttl"]["N"]) - int(row["ttl"]["N"]) for part in parts} == {7 * 86_400}


def test_a_part_that_is_missing_before_the_end_is_told(world: World):
    world.aws.buckets.commit("g1", [write(parted())])
    lose_a_part(world, parted())
    with pytest.raises(Transient, match="parts of its members"):
        world.again().buckets.get_many("g1", [parted().key])


def test_a_bucket_past_its_ttl_without_one_of_its_parts_is_gone(world: World):
    whole = bucket(subject="MSFT")
    world.aws.buckets.commit("g1", [write(parted()), write(whole)])
    lose_a_part(world, parted())
    world.clock.instant_ms = START_MS + TTL_MS
    store = world.again().buckets
    assert store.get_many("g1", [parted().key, whole.key]) == {whole.key: whole}
    assert list(store.scan("g1")) == [whole]
    assert store.commit("g1", [write(parted())]) == [parted().key]


def test_a_batch_that_meets_one_goes_on(world: World):
    world.aws.buckets.commit("g1", [write(parted())])
    lose_a_part(world, parted())
    world.clock.instant_ms = START_MS + TTL_MS
    home, now_ms = world.again(), world.clock.now_ms()
    aggregator = Aggregator(home.buckets, home.control, FakeLake(), world.clock, AggregatorSettings(expire=True))
    documents = [scored(1, "AAPL", START_MS + 5, 0.5), scored(2, "AAPL", now_ms, 0.5)]
    records = [Record(str(n), "AAPL", json.dumps(each).encode(), now_ms) for n, each in enumerate(documents)]
    done = aggregator.process("s0", batch_of("scored-articles", records, "s0"), {})
    assert (done.step.counted, [aside.reason for aside in done.step.too_late]) == (1, ["expired"])
