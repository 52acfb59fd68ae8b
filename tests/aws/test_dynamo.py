"""What DynamoDB does and SQLite does not: throttling, leftovers of batches, lost answers, TTL that deletes days late,
tables that are missing.
"""

import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from contracts.bucket import BucketKey, BucketWrite, pack_members
from contracts.errors import Conflict, Transient, Unusable
from contracts.ports import Versioned
from contracts.resolution import DAY_MS
from stores.dynamo_bucket_item import bucket_of, bucket_row
from stores.dynamo_items import DynamoItemStore
from stores.dynamo_values import plain, typed
from tests.aws.conftest import World
from tests.aws.moto_aws import refusal
from tests.ports.bucket_values import START_MS, bucket, change, write

THROTTLED = "ProvisionedThroughputExceededException"


def refuse(operations: set[str], share: float, code: str = THROTTLED, seed: int = 3) -> Callable[..., Any]:
    """Refuses a share of the calls of some operations."""
    rnd = random.Random(seed)

    def fault(service: str, operation: str, given: dict[str, Any]) -> Any:
        return refusal(code) if operation in operations and rnd.random() < share else None

    return fault


# ---- throttling --------------------------------------------------------------------------------------------------
def test_throttled_writes_and_reads_are_tried_again(world: World):
    world.faults.before.append(refuse({"PutItem", "BatchGetItem", "TransactWriteItems", "Query", "UpdateItem"}, 0.4))
    store, control = world.aws.buckets, world.aws.control
    for rev in range(1, 6):
        assert store.commit("g1", [write(bucket(rev=rev, seed=rev))], [change(bucket(rev=rev))], "a") == []
    assert store.get_many("g1", [bucket().key]) == {bucket().key: bucket(rev=5, seed=5)}
    assert [each.sequence for each in store.changes_after({})] == [1, 2, 3, 4, 5]
    assert [control.put("k", "n", {"n": n}, n) for n in range(5)] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("code", [THROTTLED, "InternalServerError", "RequestLimitExceeded"])
def test_throttling_that_does_not_end_is_transient(world: World, code: str):
    world.faults.before.append(refuse({"PutItem"}, 1.0, code))
    with pytest.raises(Transient):
        world.aws.buckets.commit("g1", [write(bucket())])
    assert world.faults.calls["PutItem"] == 8


def leave_half(kind: str, name: str) -> Callable[..., Any]:
    """Leaves every second request of a batch unprocessed."""

    def twist(service: str, operation: str, given: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        left = world_left.pop(operation, None)
        if left:
            answer[name] = left
        return answer

    world_left: dict[str, Any] = {}

    def fault(service: str, operation: str, given: dict[str, Any]) -> None:
        if operation == kind:
            for table, request in given["RequestItems"].items():
                listed = request.get("Keys") if isinstance(request, dict) else request
                if len(listed) > 1:
                    kept = listed[len(listed) // 2 :]
                    world_left[operation] = {table: {"Keys": kept} if isinstance(request, dict) else kept}

    twist.watch = fault  # type: ignore[attr-defined]
    return twist


def test_unprocessed_items_and_keys_are_asked_for_again(world: World):
    """DynamoDB does what it left only when asked again; here it does it all and says it left half, so that the next
    request names them: what counts is that the store asks until nothing is left."""
    for kind, name in (("BatchWriteItem", "UnprocessedItems"), ("BatchGetItem", "UnprocessedKeys")):
        twist = leave_half(kind, name)
        world.faults.before.append(twist.watch)  # type: ignore[attr-defined]
        world.faults.after.append(twist)
    items = [{"source_id": f"rss#{n}", "ingested_at": "2025-12-21T10:00:00.000Z", "n": n} for n in range(40)]
    world.aws.items.put_primaries(items)
    written = world.faults.calls["BatchWriteItem"]
    assert written >= 2 + 4 + 3  # 25 and 15, halved until one is left
    assert world.aws.items.get_primaries([item["source_id"] for item in items]) == {i["source_id"]: i for i in items}


# ---- guards ------------------------------------------------------------------------------------------------------
def test_a_refusal_hands_over_what_is_stored_so_nobody_reads_again(world: World):
    store = world.aws.buckets
    store.commit("g1", [write(bucket(rev=1, seed=1))])
    assert store.commit("g1", [BucketWrite(bucket(rev=1, seed=9), 0)]) == [bucket().key]
    before = world.faults.calls.get("BatchGetItem", 0)
    assert store.get_many("g1", [bucket().key]) == {bucket().key: bucket(rev=1, seed=1)}
    assert world.faults.calls.get("BatchGetItem", 0) == before
    store.get_many("g1", [bucket().key])
    assert world.faults.calls["BatchGetItem"] == before + 1, "handed over once only"


def lose_answers(operation: str, every: int) -> Callable[..., Any]:
    """The write happens, and its answer gets lost."""
    count = 0

    def twist(service: str, called: str, given: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        nonlocal count
        if called == operation:
            count += 1
            if count % every == 0:
                raise ConnectionError("the answer got lost")
        return answer

    return twist


@pytest.mark.parametrize("operation", ["PutItem", "TransactWriteItems", "UpdateItem"])
def test_a_write_whose_answer_got_lost_is_known_as_our_own(world: World, operation: str, monkeypatch):
    from botocore.exceptions import ConnectionClosedError

    service = world.aws.buckets._service
    twist = lose_answers(operation, 2)
    world.faults.after.append(twist)
    plain_once = service._once

    def once(*arguments: Any) -> Any:
        try:
            return plain_once(*arguments)
        except ConnectionError:
            raise service.translated(ConnectionClosedError(endpoint_url="dynamodb")) from None

    monkeypatch.setattr(service, "_once", once)
    store, control = world.aws.buckets, world.aws.control
    for rev in range(1, 7):
        assert store.commit("g1", [write(bucket(rev=rev, seed=rev))], [change(bucket(rev=rev))], "a") == []
        assert control.put("k", "n", {"n": rev}, rev - 1) == rev
    assert [each.sequence for each in store.changes_after({})] == [1, 2, 3, 4, 5, 6]
    with pytest.raises(Conflict):
        control.put("k", "n", {"n": 9}, 3)


def test_a_lost_guard_leaves_no_parent_ahead_of_its_child(world: World):
    store = world.aws.buckets
    store.commit("g1", [write(bucket(rev=1, seed=1))])
    minute, five = BucketWrite(bucket(rev=1, seed=2), 0), write(bucket(resolution="5m"))
    assert store.commit("g1", [minute, five], [change(bucket())], "a") == [bucket().key]
    assert store.get_many("g1", [five.bucket.key]) == {}
    assert store.changes_after({}) == []


def test_two_writers_of_a_lane_number_without_gaps(world: World):
    one, two = world.aws.buckets, world.again().buckets
    for turn in range(4):
        for store in (one, two):
            store.commit("g1", [], [change(subject=f"S{turn}"), change(subject="T")], "lane")
    assert [each.sequence for each in one.changes_after({})] == list(range(1, 17))
    assert one.changes_head() == two.changes_head() == {"lane": 16}


def test_changes_too_many_for_one_item_are_spread_over_several(world: World):
    long = bucket(subject="A" * 9)
    changes = [change(*[long] * 400, subject=f"S{n}") for n in range(6)]
    world.aws.buckets.commit("g1", [], changes, "a")
    assert [each.change for each in world.aws.buckets.changes_after({"a": 2})] == changes[2:]
    assert world.faults.calls["TransactWriteItems"] > 1


# ---- items of many bytes -----------------------------------------------------------------------------------------
def test_a_minute_of_a_hundred_thousand_members_is_stored_in_parts_that_are_written_once(world: World):
    rnd = random.Random(5)
    members = frozenset(rnd.getrandbits(64) for _ in range(100_000))
    giant = msgspec.structs.replace(bucket(seed=4), packed=pack_members(members))
    store = world.aws.buckets
    assert store.commit("g1", [write(giant)]) == []
    assert world.again().buckets.get_many("g1", [giant.key]) == {giant.key: giant}
    assert [each.key for each in store.range("g1", "AAPL", "1m")] == [giant.key]
    assert list(store.scan("g1")) == [giant]
    puts = world.faults.calls["PutItem"]
    grown = msgspec.structs.replace(giant, packed=pack_members(members | {7}), rev=2)
    assert store.commit("g1", [write(grown)]) == []
    assert world.faults.calls["PutItem"] == puts + 2, "the item, and the one part with the new member"
    assert store.get_many("g1", [giant.key]) == {giant.key: grown}


def test_every_number_of_a_bucket_has_at_most_four_decimals_and_survives():
    for seed in range(20):
        row, parts = bucket_row(bucket(seed=seed))
        assert parts == []
        numbers = [Decimal(row[name]["N"]) for name in ("open", "high", "low", "close", "sum")]
        assert all(number * 10_000 == int(number * 10_000) for number in numbers)
        assert bucket_of(row) == bucket(seed=seed)


@pytest.mark.parametrize("value", [0.1, -0.0, 1e-7, 1e15, 123456789012345678, Decimal("0.10"), 5e-300 * 1e200, -2.5])
def test_numbers_survive_whatever_type_they_came_in(value: Any):
    assert float(plain(typed(value))) == float(value)


# ---- reading articles --------------------------------------------------------------------------------------------
def article(number: int, published_at: str, tickers: list[str]) -> dict[str, Any]:
    return {
        "source_id": f"rss#{number}",
        "ingested_at": published_at,
        "matched_tickers": tickers,
        "matched_tags": ["ai"],
        "metadata": {"published_at": published_at},
    }


def test_articles_of_a_subject_come_by_time_over_days_and_as_they_are_now(world: World):
    items = world.aws.items
    times = ["2025-12-20T23:59:59.999Z", "2025-12-21T00:00:00.000Z", "2025-12-21T08:00:00.000Z"]
    items.put_primaries([article(number, at, ["AAPL"]) for number, at in enumerate(times)])
    items.put_primary(article(2, times[2], ["MSFT"]))
    start = START_MS - 2 * DAY_MS
    names = [item["source_id"] for item in items.by_subject("AAPL", start, start + 4 * DAY_MS, 10)]
    assert names == ["rss#0", "rss#1"], "the third is about another ticker by now"
    assert [item["source_id"] for item in items.by_subject("tag:ai", start, start + 4 * DAY_MS, 2)] == names
    assert [item["source_id"] for item in items.by_subject("MSFT", start, start + 4 * DAY_MS, 2)] == ["rss#2"]


def test_copies_of_one_instant_are_paged_without_loss(world: World):
    items = world.aws.items
    at = "2025-12-21T09:00:00.000Z"
    rows = [
        {"day_partition": at[:10], "item_key": f"~ai#{at}#rss#{n}", "tag": "ai", "ingested_at": at} for n in range(9)
    ]
    items.put_dashboard(rows)
    seen: list[str] = []
    before = None
    while page := items.dashboard_tag("ai", before, 2):
        seen += [row["item_key"] for row in page]
        before = page[-1]["item_key"]
    assert seen == sorted((row["item_key"] for row in rows), reverse=True)


# ---- what is missing or forbidden --------------------------------------------------------------------------------
def test_a_missing_table_is_named_with_the_remedy(world: World):
    for name in ("control", "changes", "items-primary", "items-dashboard"):
        world.aws.control._table.service.client.delete_table(TableName=f"dev-sentiment-{name}")
    for call in (
        lambda: world.aws.control.get("a", "b"),
        lambda: world.aws.buckets.changes_head(),
        lambda: world.aws.items.put_primary({"source_id": "a"}),
        lambda: world.aws.items.stream_shards(),
        lambda: world.aws.items.dashboard_day("2025-12-21", None, 5),
    ):
        with pytest.raises(Unusable, match="candlewick deploy"):
            call()


def test_a_generation_without_a_table_is_empty_until_it_is_written(world: World):
    store, key = world.aws.buckets, BucketKey("AAPL", "1m", START_MS)
    assert store.get_many("new", [key]) == {}
    assert (store.subjects("new"), store.range("new", "AAPL", "1m"), store.touched_since("new", 0)) == ([], [], [])
    assert list(store.scan("new")) == []
    assert store.commit("new", [write(bucket(at=n)) for n in range(9)]) == []
    assert len(list(store.scan("new"))) == 9


@pytest.mark.parametrize(
    ("code", "text", "remedy"),
    [
        ("AccessDeniedException", "no", "role"),
        ("ExpiredTokenException", "no", "credentials"),
        ("InvalidSignatureException", "Signature expired: 20251221 is now earlier", "clock"),
        ("RequestTimeTooSkewed", "no", "clock"),
    ],
)
def test_missing_rights_and_a_wrong_clock_are_named(world: World, code: str, text: str, remedy: str):
    world.faults.before.append(lambda service, operation, given: refusal(code, text))
    with pytest.raises(Unusable, match=remedy):
        world.aws.control.get("a", "b")


def test_an_expired_lease_keeps_its_version_for_the_next_holder(world: World):
    control = world.aws.control
    expires_ms = world.clock.now_ms() + 1_000
    first = control.put("lease", "a", {"h": 1}, 0, expires_ms)
    world.clock.advance(1_000)
    assert control.get("lease", "a") == Versioned(None, 0)
    assert control.put("lease", "a", {"h": 2}, 0, expires_ms + 9_000) == first + 1


def test_an_older_day_does_not_shorten_a_subjects_stay_in_the_list(world: World):
    store = world.aws.buckets
    for day in (-1_000, 0, -999):
        assert store.commit("g1", [write(bucket(resolution="24h", at=day))]) == []
    assert store.subjects("g1") == ["AAPL"]
    assert store.commit("g2", [write(bucket(resolution="24h", at=-1_000))]) == []
    assert store.subjects("g2") == []


# ---- the change stream's shards ----------------------------------------------------------------------------------
class RolledStream:
    """moto's only shard as DynamoDB has it after some hours: closed, with a child; both found in the list's pages."""

    def __init__(self, items: DynamoItemStore) -> None:
        (self.parent,) = items.stream_shards()
        self.child = self.parent + "-child"

    def twist(self, service: str, operation: str, given: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        if operation == "DescribeStream":
            found = answer["StreamDescription"]
            if "ExclusiveStartShardId" in given:
                found["Shards"] = [{"ShardId": self.child, "ParentShardId": self.parent}]
            else:
                found["LastEvaluatedShardId"] = self.parent
        if operation == "GetRecords" and not answer["Records"]:
            answer.pop("NextShardIterator", None)
        return answer

    def forget(self, service: str, operation: str, given: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
        gone = operation == "GetShardIterator" and given["ShardId"] == self.parent
        return refusal("ResourceNotFoundException", "Shard does not exist") if gone else None


def test_a_shard_of_the_change_stream_ends_and_its_child_names_it(world: World):
    items = world.aws.items
    rolled = RolledStream(items)
    world.faults.after.append(rolled.twist)
    assert items.stream_shards() == {rolled.parent: (), rolled.child: (rolled.parent,)}
    items.put_primary({"source_id": "rss#1"})
    (change,) = items.stream_read(rolled.parent, "")
    assert not items.stream_ended(rolled.parent, change.sequence_number)
    for _ in range(2):
        assert items.stream_read(rolled.parent, change.sequence_number) == []
        assert items.stream_ended(rolled.parent, change.sequence_number)


def test_a_shard_the_service_has_forgotten_is_an_ended_one_and_told(world: World, caplog):
    items = world.aws.items
    rolled, after = RolledStream(items), "0" * 21
    world.faults.before.append(rolled.forget)
    with pytest.raises(Transient, match="lists it"):
        items.stream_read(rolled.parent, after)
    world.faults.after.append(
        lambda service, operation, given, answer: (
            answer | {"StreamDescription": answer["StreamDescription"] | {"Shards": []}}
            if operation == "DescribeStream"
            else answer
        )
    )
    assert items.stream_read(rolled.parent, after) == []
    assert items.stream_ended(rolled.parent, after)
    assert rolled.parent in caplog.text
