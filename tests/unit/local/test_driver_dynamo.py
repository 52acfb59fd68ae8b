"""The driver over the items' change stream: events shaped as DynamoDB streams send them."""

import itertools
import json
from decimal import Decimal

import pytest

from contracts.errors import BadRequest, Unusable
from contracts.ports import ItemChange
from local.driver import MappingDriver, dynamo_driver
from local.driver_checkpoint import Checkpoint, Checkpoints
from local.driver_dynamo import typed
from local.mappings import Mapping
from stores.sqlite_items import STREAM_SHARD, SqliteItemStore
from tests.unit.local.line import START_MS, Line

TABLE = "dev-sentiment-items-primary"


@pytest.fixture
def items(line, tmp_path):
    store = SqliteItemStore(tmp_path / "items.db", line.clock, "normal")
    yield store
    store.close()


def driver_of(line: Line, items: SqliteItemStore, **fields) -> MappingDriver:
    mapping = Mapping(**{"name": "read-model", "stream": TABLE, "handler": line.handle} | fields)
    return dynamo_driver(mapping, items, line.control, line.lake, line.clock)


def keys_of(event) -> list[str]:
    return [record["dynamodb"]["Keys"]["source_id"]["S"] for record in event["Records"]]


def assert_nothing_left(line: Line, items: SqliteItemStore, driver: MappingDriver) -> None:
    calls = len(line.calls)
    for each in (driver, driver_of(line, items, **vars(driver.mapping))):
        assert each.run_until_idle(final=True).state == "idle"
    assert len(line.calls) == calls


def test_the_event_is_shaped_as_dynamodb_streams_are(line, items):
    items.put_primary({"source_id": "a#1", "score": 0.72, "matched_tags": {"x", "b"}})
    items.put_primary({"source_id": "a#1", "score": 0.9, "matched_tags": {"x", "b"}})
    items.remove_primary("a#1")
    driver = driver_of(line, items)
    driver.run_until_idle()
    first = {"source_id": {"S": "a#1"}, "score": {"N": "0.72"}, "matched_tags": {"SS": ["b", "x"]}}
    second = first | {"score": {"N": "0.9"}}
    (call,) = line.calls
    insert, modify, remove = call["Records"]
    arn = f"arn:aws:dynamodb:us-east-1:000000000000:table/{TABLE}/stream/2026-01-01T00:00:00.000"
    size = insert["dynamodb"].pop("SizeBytes")
    number = insert["dynamodb"]["SequenceNumber"]
    assert size > 0
    assert number.startswith("000000000000000000001")
    assert insert == {
        "eventID": f"shardId-00000000000000000000-00000000:{number}",
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": START_MS / 1000,
            "Keys": {"source_id": {"S": "a#1"}},
            "SequenceNumber": number,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
            "NewImage": first,
        },
        "eventSourceARN": arn,
    }
    assert (modify["eventName"], modify["dynamodb"]["NewImage"], modify["dynamodb"]["OldImage"]) == (
        "MODIFY",
        second,
        first,
    )
    assert (remove["eventName"], remove["dynamodb"]["OldImage"]) == ("REMOVE", second)
    assert "NewImage" not in remove["dynamodb"]
    assert_nothing_left(line, items, driver)


@pytest.mark.parametrize(
    ("value", "attribute"),
    [
        ("ü", {"S": "ü"}),
        (0, {"N": "0"}),
        (-3, {"N": "-3"}),
        (0.1, {"N": "0.1"}),
        (1e-7, {"N": "0.0000001"}),
        (Decimal("1.50"), {"N": "1.50"}),
        (True, {"BOOL": True}),
        (None, {"NULL": True}),
        (b"\x00\xff", {"B": "AP8="}),
        ({"b", "a"}, {"SS": ["a", "b"]}),
        ({2, 1}, {"NS": ["1", "2"]}),
        ([1, "a", None], {"L": [{"N": "1"}, {"S": "a"}, {"NULL": True}]}),
        ({"k": {"n": False}}, {"M": {"k": {"M": {"n": {"BOOL": False}}}}}),
    ],
)
def test_values_carry_their_types(value, attribute):
    assert typed(value) == attribute
    assert json.loads(json.dumps(typed(value))) == attribute


def test_values_that_no_item_can_hold_are_our_bug():
    for value in (float("nan"), float("inf"), object()):
        with pytest.raises(AssertionError):
            typed(value)


def test_batches_checkpoints_and_partial_answers_work_alike(line, items):
    items.put_primaries([{"source_id": f"a#{number}"} for number in range(7)])
    seen = []

    def answer(event):
        records = event["Records"]
        bad = [record for record in records if record["dynamodb"]["Keys"]["source_id"]["S"] == "a#4"]
        if bad and len(line.calls) < 4:
            seen.extend(keys_of(event)[: records.index(bad[0])])
            return {"batchItemFailures": [{"itemIdentifier": bad[0]["dynamodb"]["SequenceNumber"]}]}
        seen.extend(keys_of(event))
        return {"batchItemFailures": []}

    line.answer = answer
    driver = driver_of(line, items, batch_size=3, report_item_failures=True)
    driver.step()
    driver = driver_of(line, items, batch_size=3, report_item_failures=True)
    driver.run_until_idle()
    assert seen == [f"a#{number}" for number in range(7)]
    assert_nothing_left(line, items, driver)


def test_a_batch_given_up_on_is_set_aside_whole(line, items):
    items.put_primaries([{"source_id": "a#1"}, {"source_id": "a#2"}])

    def answer(event):
        if "a#1" in keys_of(event):
            raise ValueError("down")

    line.answer = answer
    driver = driver_of(line, items, bisect=True, max_retries=1)
    driver.run_until_idle()
    (document,) = line.given_up()
    assert document["DDBStreamBatchInfo"]["batchSize"] == 1
    assert keys_of(document["payload"]) == ["a#1"]
    assert keys_of(line.calls[-1]) == ["a#2"]
    assert_nothing_left(line, items, driver)


def test_the_checkpoint_of_another_file_is_refused_however_many_changes_it_has(line, items, tmp_path):
    """And its retention takes nothing away that was not read."""
    items.put_primaries([{"source_id": f"a#{number}"} for number in range(5)])
    driver_of(line, items).run_until_idle()
    read_through = items.stream_read(STREAM_SHARD, "")[-1].sequence_number
    other = SqliteItemStore(tmp_path / "other.db", line.clock, "normal")
    for number in range(8):
        line.clock.advance(1)
        other.put_primary({"source_id": f"b#{number}"})
        with pytest.raises(Unusable, match=r"items\.db and control\.db"):
            driver_of(line, other).check()
        with pytest.raises(BadRequest, match="not of this stream"):
            other.trim_stream(line.clock.now_ms() + 1, read_through)
    assert len(other.stream_read(STREAM_SHARD, "")) == 8
    other.close()


@pytest.mark.parametrize("number", ["3" + "0" * 20, "4" + "0" * 25, "9" * 31, "5", "x" * 21, "٣" * 21])
def test_a_number_of_dynamodb_or_none_at_all_is_refused(line, items, number):
    items.put_primary({"source_id": "a#1"})
    with pytest.raises(BadRequest, match="not of this stream"):
        items.stream_read(STREAM_SHARD, number)


def test_a_checkpoint_from_before_the_marks_is_known(line, items):
    items.put_primaries([{"source_id": f"a#{number}"} for number in range(5)])
    Checkpoints(line.control, "read-model").save(STREAM_SHARD, Checkpoint(f"{3:021d}"))
    driver_of(line, items).run_until_idle()
    assert names_seen(line) == ["a#3", "a#4"]


# ---- shards ------------------------------------------------------------------------------------------------------
class RollingItems:
    """A change stream as DynamoDB has it: `roll` closes a shard and lets children go on, which the list tells at once
    or later; `forget` is what the service does a day after."""

    def __init__(self, clock) -> None:
        self._clock = clock
        self._numbers = itertools.count(1)
        self.changes: dict[str, list[ItemChange]] = {"a": []}
        self.listed: dict[str, tuple[str, ...]] = {"a": ()}
        self.closed: set[str] = set()

    def put(self, shard_id: str, *names: str) -> None:
        for name in names:
            number = f"{next(self._numbers):021d}"
            self.changes[shard_id].append(ItemChange(number, "INSERT", {"source_id": name}, None, self._clock.now_ms()))

    def roll(self, shard_id: str, *children: str, tell: bool = True) -> None:
        self.closed.add(shard_id)
        for child in children:
            self.changes[child] = []
            if tell:
                self.listed[child] = (shard_id,)

    def forget(self, shard_id: str) -> None:
        del self.listed[shard_id], self.changes[shard_id]

    def stream_shards(self) -> dict[str, tuple[str, ...]]:
        return dict(self.listed)

    def stream_read(self, shard_id: str, after: str, limit: int = 100) -> list[ItemChange]:
        return [each for each in self.changes.get(shard_id, []) if each.sequence_number > after][:limit]

    def stream_ended(self, shard_id: str, after: str) -> bool:
        return shard_id not in self.listed or (shard_id in self.closed and not self.stream_read(shard_id, after))


def names_seen(line: Line) -> list[str]:
    return [name for call in line.calls for name in keys_of(call)]


def test_a_stream_that_goes_on_in_another_shard_is_followed(line):
    items = RollingItems(line.clock)
    driver = driver_of(line, items)
    items.put("a", "1")
    driver.run_until_idle()
    items.roll("a", "b")
    items.put("b", "2")
    driver.run_until_idle()
    items.roll("b", "c", "d")
    items.put("c", "3")
    items.put("d", "4")
    driver.run_until_idle()
    assert names_seen(line) == ["1", "2", "3", "4"]
    assert [shard.state for shard in driver.status().shards] == ["done", "done", "idle", "idle"]
    assert_nothing_left(line, items, driver)


def test_a_child_waits_for_its_parent(line):
    items = RollingItems(line.clock)
    items.put("a", "1", "2", "3")
    items.roll("a", "b")
    items.put("b", "4")
    driver = driver_of(line, items, batch_size=2)
    driver.step()
    assert driver.status().blocked == ("b",)
    driver.run_until_idle()
    assert names_seen(line) == ["1", "2", "3", "4"]
    assert_nothing_left(line, items, driver)


def test_children_that_the_list_tells_late_are_found(line):
    items = RollingItems(line.clock)
    items.put("a", "1")
    items.roll("a", "b", "c", tell=False)
    items.put("b", "2")
    items.put("c", "3")
    driver = driver_of(line, items)
    driver.run_until_idle()
    assert names_seen(line) == ["1"]
    for child in ("b", "c"):
        line.clock.advance(10_000)
        driver.run_until_idle()
        items.listed[child] = ("a",)
    line.clock.advance(10_000)
    driver.run_until_idle()
    assert names_seen(line) == ["1", "2", "3"]
    assert_nothing_left(line, items, driver)


def test_a_shard_that_the_service_forgets_has_ended(line):
    items = RollingItems(line.clock)
    items.put("a", "1")
    driver = driver_of(line, items)
    driver.run_until_idle()
    items.roll("a", "b")
    items.put("b", "2")
    items.forget("a")
    driver.run_until_idle()
    assert names_seen(line) == ["1", "2"]
    assert_nothing_left(line, items, driver)
