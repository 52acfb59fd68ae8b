"""Counters on DynamoDB: exact under redelivery, kills between writes, lost answers and processors at once; what a
transaction may hold; a table that an earlier version filled."""

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from contracts.errors import Transient
from contracts.instants import date_of
from contracts.resolution import DAY_MS, HOUR_MS, MINUTE_MS
from contracts.tally import CELLS_FORMAT, KEPT_MS, Tally, cells_of
from stores.aws_client import Service
from stores.dynamo import Table
from stores.dynamo_schema import ITEMS_DASHBOARD, physical_name
from stores.dynamo_tallies import COUNTED, LANES, MAX_ACTIONS, MAX_CELLS, counted_for
from tests.aws.conftest import World
from tests.aws.moto_aws import refusal
from tests.ports.item_values import dashboard_item
from tests.ports.test_tallying import facts, kept, recount

PROCESSORS = 4


def table(world: World) -> Table:
    return Table(world.aws.items._dashboard.service, physical_name("dev", ITEMS_DASHBOARD))


def assert_equal_to_a_recount(world: World, articles: int) -> None:
    now_ms = world.clock.now_ms()
    store = world.again().items
    found = facts(store, now_ms)
    for since_ms in (0, now_ms - 2 * HOUR_MS - 7):
        assert kept(store.tally(since_ms)) == kept(recount(found, since_ms))
    assert store.tally(0).total == articles
    store.close()


def versions(number: int, now_ms: int) -> list[list[dict[str, Any]]]:
    """What a stream tells of an article, in order: scored, told by another source, scored anew."""
    at_ms = now_ms - number * 7 * MINUTE_MS
    told = {"sources": [{"article_id": f"x#{number}"}]}
    return [
        dashboard_item(number, at_ms, sentiment="neutral"),
        dashboard_item(number, at_ms, sentiment="neutral", **told),
        dashboard_item(number, at_ms, sentiment="positive", matched_tags=["ai", "law"], model_version="m-2", **told),
    ]


def cancelled(code: str) -> tuple[int, dict[str, Any]]:
    return refusal("TransactionCanceledException", CancellationReasons=[{"Code": "None"}, {"Code": code}])


class Killed(Exception):
    """The process is gone."""


# ---- again and again ---------------------------------------------------------------------------------------------
def test_four_processors_that_get_the_same_batches_in_any_order_count_each_article_once(world: World) -> None:
    now_ms = world.clock.now_ms()
    chance = random.Random(7)

    def refuse_some(service: str, operation: str, given: dict[str, Any]) -> Any:
        if operation == "TransactWriteItems" and chance.random() < 0.3:
            return cancelled(chance.choice(["TransactionConflict", "ThrottlingError"]))
        if operation == "PutItem" and chance.random() < 0.2:
            return refusal("TransactionConflictException")
        return None

    world.faults.before.append(refuse_some)

    def process(seed: int) -> None:
        mine = random.Random(seed)
        store = world.again().items
        for _ in range(8):
            numbers = mine.sample(range(12), 4)
            store.put_dashboard([row for number in numbers for row in mine.choice(versions(number, now_ms))])
        store.close()

    with ThreadPoolExecutor(PROCESSORS) as pool:
        list(pool.map(process, range(PROCESSORS)))
    world.faults.before.clear()
    world.aws.items.put_dashboard([row for number in range(12) for row in versions(number, now_ms)[2]])
    assert_equal_to_a_recount(world, 12)
    assert world.aws.items.tally(0).of("label") == {"positive": 12}


def test_one_processor_that_lost_a_race_reads_again(world: World) -> None:
    """The other writes between our read and our write, each time another version."""
    now_ms = world.clock.now_ms()
    mine, other = world.aws.items, world.again().items
    mine.put_dashboard(versions(1, now_ms)[0])
    theirs = [versions(1, now_ms)[2], dashboard_item(1, now_ms - 7 * MINUTE_MS, sentiment="negative")]

    def overtake(service: str, operation: str, given: dict[str, Any]) -> Any:
        if operation == "TransactWriteItems" and theirs:
            other.put_dashboard(theirs.pop())
        return None

    world.faults.before.append(overtake)
    mine.put_dashboard(dashboard_item(1, now_ms - 7 * MINUTE_MS, sentiment="neutral", source_type="finnhub"))
    assert not theirs
    assert world.aws.items.tally(0).of("source") == {"finnhub": 1}
    assert_equal_to_a_recount(world, 1)


def test_killed_at_any_call_and_begun_again_everything_is_counted_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before each call in turn, and after it, when it was done and nobody heard of it."""
    now_ms = world.clock.now_ms()
    plain = Service._once
    calls_left, after = 0, False

    def once(service: Service, operation: str, expect: Any, parameters: dict[str, Any]) -> Any:
        nonlocal calls_left
        calls_left -= 1
        if calls_left < 0 and not after:
            raise Killed
        answer = plain(service, operation, expect, parameters)
        if calls_left < 0:
            raise Killed
        return answer

    monkeypatch.setattr(Service, "_once", once)
    kills = 0
    for turn, version in enumerate((0, 1, 2)):
        batch = [row for number in range(3) for row in versions(number, now_ms)[version]]
        for after in (False, True):  # noqa: B007 - `once` looks at it
            for dies_at in range(30):
                calls_left = dies_at
                try:
                    world.again().items.put_dashboard(batch)
                except Killed:
                    kills += 1
                    continue
                break
            else:
                pytest.fail("it never came through")
        calls_left = 1_000_000
        assert_equal_to_a_recount(world, 3)
        assert kills > turn
    assert kills >= 12


def test_a_transaction_whose_answer_got_lost_counts_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, lost = Service._once, []

    def once(service: Service, operation: str, expect: Any, parameters: dict[str, Any]) -> Any:
        answer = plain(service, operation, expect, parameters)
        if operation == "transact_write_items" and not lost:
            lost.append(operation)
            raise Transient("dynamodb", "the answer got lost")
        return answer

    monkeypatch.setattr(Service, "_once", once)
    world.aws.items.put_dashboard(versions(1, world.clock.now_ms())[0])
    assert lost
    assert_equal_to_a_recount(world, 1)


@pytest.mark.parametrize("code", ["TransactionConflict", "ValidationError"])
def test_what_does_not_pass_gives_the_batch_back_and_counts_nothing(world: World, code: str) -> None:
    world.faults.before.append(lambda _, operation, __: cancelled(code) if operation == "TransactWriteItems" else None)
    with pytest.raises(Transient):
        world.aws.items.put_dashboard(versions(1, world.clock.now_ms())[0])
    world.faults.before.clear()
    assert world.aws.items.tally(0).total == 0
    assert world.aws.items.dashboard_day(date_of(world.clock.now_ms()), None, 9) == []


# ---- what it takes -----------------------------------------------------------------------------------------------
def test_a_batch_adds_once_to_each_window_and_a_repeat_writes_nothing(world: World) -> None:
    now_ms = world.clock.now_ms() // HOUR_MS * HOUR_MS
    batch = [row for number in range(30) for row in dashboard_item(number, now_ms + number, matched_tags=[])]
    sent: list[list[dict[str, Any]]] = []

    def look(service: str, operation: str, given: dict[str, Any]) -> Any:
        if operation == "TransactWriteItems":
            sent.append(given["TransactItems"])
        return None

    world.faults.before.append(look)
    world.aws.items.put_dashboard(batch)
    assert [len(actions) for actions in sent] == [30 + 2], "thirty articles, a minute and an hour"
    before = dict(world.faults.calls)
    world.aws.items.put_dashboard(batch)
    more = {
        name: count - before.get(name, 0) for name, count in world.faults.calls.items() if count != before.get(name)
    }
    assert more == {"BatchGetItem": 1}


def test_no_transaction_is_larger_than_dynamodb_takes(world: World) -> None:
    now_ms = world.clock.now_ms()
    scattered = [
        row for number in range(60) for row in dashboard_item(number, now_ms - number * HOUR_MS, matched_tags=[])
    ]
    wordy = dashboard_item(
        90, now_ms, matched_tags=[], matched_tickers=[f"T{number}" for number in range(3 * MAX_CELLS)]
    )
    long = [
        row for n in range(91, 96) for row in dashboard_item(n, now_ms, matched_tags=[], text_snippet="x" * 350_000)
    ]
    sizes: list[int] = []

    def look(service: str, operation: str, given: dict[str, Any]) -> Any:
        if operation == "TransactWriteItems":
            sizes.append(len(given["TransactItems"]))
            assert len(str(given)) < 4 << 20
            for each in given["TransactItems"]:
                assert len(each.get("Update", {}).get("UpdateExpression", "")) <= 4_096
        return None

    world.faults.before.append(look)
    world.aws.items.put_dashboard([*scattered, *wordy, *long])
    assert max(sizes) <= MAX_ACTIONS
    assert len(sizes) > 2
    world.faults.before.clear()
    assert_equal_to_a_recount(world, 66)


def test_counters_go_when_the_articles_go(world: World) -> None:
    now_ms = world.clock.now_ms()
    world.aws.items.put_dashboard([row for n in range(4) for row in dashboard_item(n, now_ms - n * HOUR_MS)])
    rows = [row for row in table(world).scan() if "start_ms" in row]
    assert len(rows) >= 8
    assert {row["day_partition"]["S"].rpartition("#")[2] for row in rows} <= {str(lane) for lane in range(LANES)}
    for row in rows:
        start_ms, ends_ms = int(row["start_ms"]["N"]), int(row["expires_at"]["N"]) * 1_000
        assert start_ms + KEPT_MS < ends_ms <= start_ms + HOUR_MS + KEPT_MS
    # Not deleted yet: TTL is days late. What is past its time does not count all the same.
    world.clock.advance(KEPT_MS - 90 * MINUTE_MS)
    assert world.aws.items.tally(0).total == 2
    world.clock.advance(HOUR_MS)
    assert world.aws.items.tally(0).total == 1
    assert sum(tally.total for tally in windows_of(world).values()) == 1
    world.clock.advance(HOUR_MS)
    assert (world.aws.items.tally(0).total, world.aws.items.ingestion_range()) == (0, None)


def windows_of(world: World) -> dict[int, Tally]:
    now_ms = world.clock.now_ms() // DAY_MS * DAY_MS
    found = world.aws.items.tally_windows(DAY_MS, now_ms - 8 * DAY_MS, now_ms + DAY_MS)
    assert found is not None
    return found


# ---- a table that was there before -------------------------------------------------------------------------------
@pytest.mark.parametrize("before", [None, f"{CELLS_FORMAT - 1}:0123456789abcdef"])
def test_a_table_that_an_earlier_version_filled_is_recounted_until_its_articles_are_gone(
    world: World, before: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ms = world.clock.now_ms()
    world.aws.items.put_dashboard(dashboard_item(1, now_ms - HOUR_MS))
    for row in table(world).scan():
        if row["day_partition"]["S"].startswith("tally"):
            table(world).delete({name: row[name] for name in ("day_partition", "item_key")})
        elif COUNTED in row:
            row.pop(COUNTED)
            table(world).put(row | ({COUNTED: {"S": before}} if before else {}))
    store = world.again().items
    assert store.tally(0) is None, "nothing was counted yet"
    store.put_dashboard(
        [*dashboard_item(1, now_ms - HOUR_MS, sentiment="positive"), *dashboard_item(2, now_ms + MINUTE_MS)]
    )
    assert store.tally(now_ms - 2 * HOUR_MS) is None
    assert store.tally_windows(HOUR_MS, now_ms // HOUR_MS * HOUR_MS - HOUR_MS, now_ms + HOUR_MS) is None
    world.clock.advance(2 * MINUTE_MS)
    assert store.tally(now_ms + MINUTE_MS).total == 1, "since then all are counted"
    world.clock.advance(KEPT_MS)
    assert store.tally(0).total == 0


def test_canary_whoever_changes_what_is_counted_must_raise_the_format() -> None:
    """These digests are in the table; articles would be taken out of counters they are not in."""
    item = dashboard_item(1, 1_766_310_000_000, scored_at="2025-12-21T09:40:01.000Z")[0]
    assert cells_of(item) is not None
    assert (CELLS_FORMAT, counted_for(item)) == (1, "1:a14d36620254b912")
