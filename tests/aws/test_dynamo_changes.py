"""The change log on DynamoDB: how little is read of a lane full of what is past its TTL and not deleted yet."""

from typing import Any

import pytest

from api.sse.cursor import Point
from api.sse.filters import make_filter
from api.sse.opening import Start, missed_changes
from api.sse.polling import Poll, _missed
from contracts.resolution import DAY_MS
from stores.bucket_codec import encode_change
from stores.dynamo import PASSING_REASONS, Table
from stores.dynamo_changes import _encode, _key, _lane_key
from tests.aws.conftest import World
from tests.aws.moto_aws import refusal
from tests.ports.bucket_values import START_MS, change

#: Changes of a lane: so many are past their TTL, so many are not.
EXPIRED, KEPT = 2_000, 40


@pytest.fixture
def table(world: World) -> Table:
    """A lane `a`, an item a change, but that the last of the expired ones has three and every tenth is deleted."""
    found = Table(world.aws.buckets._service, world.aws.buckets._changes._table.name)
    now_s, head = world.clock.now_ms() // 1000, EXPIRED + KEPT
    body = encode_change(change())
    rows = []
    for last in range(1, head + 1):
        count = 3 if last == EXPIRED else 1
        if EXPIRED - 3 < last < EXPIRED or last % 10 == 3:
            continue
        ttl = now_s - 1 if last <= EXPIRED else now_s + 9
        rest = {"body": {"B": _encode([body] * count)}, "count": {"N": str(count)}, "ttl": {"N": str(ttl)}}
        rows.append(_key("a", last) | rest)
    found.write_many([*rows, _lane_key("a") | {"head": {"N": str(head)}, "tail": {"N": "1"}}])
    return found


def read_items(world: World) -> list[dict[str, Any]]:
    """What queries will have answered with from now on."""
    items: list[dict[str, Any]] = []

    def note(service: str, operation: str, given: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        if operation == "Query":
            assert answer["ScannedCount"] == len(answer["Items"]), "what is filtered out is read, too"
            items.extend(answer["Items"])
        return answer

    world.faults.after.append(note)
    return items


def test_the_tail_of_a_lane_is_found_without_reading_what_is_expired(world: World, table: Table):
    items = read_items(world)
    assert world.aws.buckets.changes_tail() == {"a": EXPIRED + 1}
    assert len(items) <= 1 + 13
    assert not any("body" in item for item in items)
    items.clear()
    world.clock.advance(DAY_MS)
    assert world.aws.buckets.changes_tail() == {"a": EXPIRED + KEPT + 1}
    world.aws.buckets.commit("g1", [], [change(), change()], "a")
    assert world.aws.buckets.changes_tail() == {"a": EXPIRED + KEPT + 1}
    assert len(items) <= 2 * 14


def test_the_tail_of_a_young_lane_takes_one_question(world: World):
    for _ in range(5):
        world.aws.buckets.commit("g1", [], [change(), change()], "a")
    items = read_items(world)
    assert world.aws.buckets.changes_tail() == {"a": 1}
    assert len(items) == 2


def test_a_change_is_found_by_reading_that_alone(world: World, table: Table):
    items = read_items(world)
    for after, wanted in ((0, [1]), (EXPIRED - 2, [EXPIRED - 1, EXPIRED, EXPIRED + 1]), (EXPIRED + KEPT - 1, [2040])):
        items.clear()
        found = world.aws.buckets.changes_after({"a": after}, len(wanted))
        assert [stored.sequence for stored in found] == wanted
        assert len(items) <= 1 + len(wanted)


def test_a_poll_asks_for_the_lanes_twice_and_for_each_lane_that_moved_once(world: World, table: Table):
    head = EXPIRED + KEPT
    for behind in (0, 1, 7):
        world.faults.calls.clear()
        poll = Poll(Start(Point("g1", {"a": head - behind}), None), make_filter(None, ("1m",)), 500)
        _, reason, answer = _missed(world.aws.buckets, "g1", poll, world.clock.now_ms())
        assert answer is not None
        assert reason == "ok"
        assert world.faults.calls == {"Query": 3 if behind else 1}


def test_a_place_of_which_something_is_gone_is_not_gone_on_from(world: World, table: Table):
    store, head = world.aws.buckets, EXPIRED + KEPT
    for start, found in ((head, []), (head - 7, list(range(head - 6, head + 1))), (head - 8, None), (0, None)):
        missed = missed_changes(store, {"a": start}, {"a": head})
        assert (missed and [stored.sequence for stored in missed]) == found
    assert missed_changes(store, {"a": head + 1}, {"a": head}) is None
    table.write_many(deletes=[_key("a", head)])
    assert missed_changes(store, {"a": head - 1}, {"a": head}) is None
    assert missed_changes(store, {"a": head}, {"a": head}) == []


@pytest.mark.parametrize("reason", sorted(PASSING_REASONS - {"None"}))
def test_a_transaction_that_was_refused_for_now_is_tried_again(world: World, reason: str):
    refused = iter([True] * 3)

    def fault(service: str, operation: str, given: dict[str, Any]) -> Any:
        if operation == "TransactWriteItems" and next(refused, False):
            return refusal("TransactionCanceledException", CancellationReasons=[{"Code": reason}, {"Code": "None"}])
        return None

    world.faults.before.append(fault)
    world.aws.buckets.commit("g1", [], [change()], "a")
    assert [stored.sequence for stored in world.aws.buckets.changes_after({})] == [1]


def test_a_trim_leaves_what_is_written_meanwhile(world: World, monkeypatch: pytest.MonkeyPatch):
    store = world.aws.buckets
    store.commit("live", [], [change(written_ms=START_MS)], "a")
    lanes = store._changes._lanes

    def beside_a_writer() -> list[tuple[str, int, int]]:
        found = lanes()
        store.commit("live", [], [change(written_ms=START_MS + DAY_MS)], "a")
        return found

    monkeypatch.setattr(store._changes, "_lanes", beside_a_writer)
    assert store.trim_changes(START_MS + 1, START_MS + 2) == 1
    monkeypatch.undo()
    assert (store.changes_tail(), store.changes_head()) == ({"a": 2}, {"a": 2})
