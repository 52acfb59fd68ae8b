"""Tables of generations that come and go while somebody else is at them."""

import random
from typing import Any

import msgspec
import pytest

from contracts.bucket import pack_members
from contracts.errors import Transient
from stores.dynamo_tables import MAX_LOOKS
from tests.aws.conftest import World
from tests.aws.moto_aws import refusal
from tests.ports.bucket_values import bucket, write

GONE = "ResourceNotFoundException"


def from_the(number: int, operation: str, code: str = GONE, last: int = 1_000) -> Any:
    """Refuses a call of an operation, from the n-th one on, to the last that is to be refused."""
    calls = 0

    def fault(service: str, called: str, given: dict[str, Any]) -> Any:
        nonlocal calls
        calls += called == operation
        return refusal(code) if called == operation and number <= calls <= last else None

    return fault


def test_a_generation_dropped_while_it_is_scanned_ends_there(world: World):
    store = world.aws.buckets
    store.commit("g1", [write(bucket(subject=subject)) for subject in ("AAPL", "MSFT")])
    found = store.scan("g1")
    assert next(found).subject == "AAPL"
    assert world.again().buckets.drop_generation("g1") == 2
    assert list(found) == []


def test_a_generation_dropped_between_a_bucket_and_its_parts_is_gone(world: World):
    number = random.Random(5)
    giant = msgspec.structs.replace(bucket(), packed=pack_members([number.getrandbits(64) for _ in range(60_000)]))
    world.aws.buckets.commit("g1", [write(giant)])
    store = world.again().buckets
    world.faults.before.append(from_the(2, "BatchGetItem"))
    assert store.get_many("g1", [giant.key]) == {}


def test_a_generation_that_is_dropped_again_and_again_is_transient_to_its_writer(world: World):
    world.faults.before.append(from_the(1, "PutItem"))
    with pytest.raises(Transient):
        world.aws.buckets.commit("g1", [write(bucket())])


def test_a_table_that_never_serves_is_transient(world: World):
    def never(service: str, operation: str, given: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        if operation == "DescribeTable":
            answer["Table"]["TableStatus"] = "CREATING"
        return answer

    world.faults.after.append(never)
    with pytest.raises(Transient, match="not ACTIVE"):
        world.aws.buckets.commit("new", [write(bucket())])
    assert world.faults.calls["DescribeTable"] >= MAX_LOOKS


def test_a_table_just_made_that_is_not_known_everywhere_yet_is_waited_for(world: World):
    world.faults.before.append(from_the(1, "DescribeTable", last=3))
    assert world.aws.buckets.commit("new", [write(bucket())]) == []


def test_a_table_that_goes_slowly_is_waited_for_on_our_clock(world: World):
    store = world.aws.buckets
    store.commit("g1", [write(bucket())])
    began_ms, described = world.clock.monotonic_ms(), world.faults.calls["DescribeTable"]

    def going(service: str, operation: str, given: dict[str, Any]) -> Any:
        looks = world.faults.calls["DescribeTable"] - described
        if operation != "DescribeTable" or looks > 5:
            return None
        return refusal("ThrottlingException") if looks == 2 else (200, {"Table": {"TableStatus": "DELETING"}})

    world.faults.before.append(going)
    assert store.drop_generation("g1") == 1
    assert world.faults.calls["DescribeTable"] == described + 6
    assert world.clock.monotonic_ms() > began_ms
    assert store.drop_generation("g1") == 0


def test_a_generation_somebody_else_drops_first_is_dropped(world: World):
    store = world.aws.buckets
    store.commit("g1", [write(bucket())])
    world.faults.before.append(from_the(1, "DeleteTable"))
    world.faults.before.append(from_the(1, "DescribeTable"))
    assert store.drop_generation("g1") == 1
