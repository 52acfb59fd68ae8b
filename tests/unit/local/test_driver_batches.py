"""The driver without failures: the event's shape, batches, batching windows, checkpoints, shards."""

from contracts.hashing import HASH_KEY_COUNT
from contracts.ports import Entry
from tests.unit.local.line import START_MS, STREAM, Line


def test_the_event_is_field_for_field_lambdas(line):
    (sequence_number,) = line.put("é")
    driver = line.driver()
    driver.run_until_idle()
    assert line.calls == [
        {
            "Records": [
                {
                    "kinesis": {
                        "kinesisSchemaVersion": "1.0",
                        "partitionKey": "AAPL",
                        "sequenceNumber": sequence_number,
                        "data": "w6k=",
                        "approximateArrivalTimestamp": START_MS / 1000,
                    },
                    "eventSource": "aws:kinesis",
                    "eventVersion": "1.0",
                    "eventID": f"shardId-000000000000:{sequence_number}",
                    "eventName": "aws:kinesis:record",
                    "invokeIdentityArn": "arn:aws:iam::000000000000:role/candlewick-local",
                    "awsRegion": "us-east-1",
                    "eventSourceARN": "arn:aws:kinesis:us-east-1:000000000000:stream/news",
                }
            ]
        }
    ]
    line.assert_nothing_left(driver)


def test_the_context_is_lambdas(line):
    contexts = []
    line.put("a", "b")
    driver = line.driver(handler=lambda event, context: contexts.append(context), batch_size=1)
    driver.run_until_idle()
    first, second = contexts
    assert first.function_name == "m"
    assert first.invoked_function_arn.endswith(":function:m")
    assert first.get_remaining_time_in_millis() > 0
    assert first.aws_request_id != second.aws_request_id


def test_batches_hold_at_most_batch_size_in_order(line):
    line.put(*"abcdefg")
    driver = line.driver(batch_size=3)
    driver.run_until_idle()
    assert line.batches == ["abc", "def", "g"]
    line.assert_nothing_left(driver)


def test_an_event_holds_at_most_6_mb(line):
    line.put(*["x" * 1_000_000] * 9)
    driver = line.driver(batch_size=100)
    driver.run_until_idle()
    assert [len(call["Records"]) for call in line.calls] == [4, 4, 1]
    line.assert_nothing_left(driver)


def test_what_is_read_ahead_is_bounded_in_bytes_and_waits_for_no_batching_window(line):
    for _ in range(4):
        line.put(*["x" * 1_000_000] * 10)
    pages = []
    plain = line.log.get_records
    line.log.get_records = lambda place, limit: pages.append(plain(place, limit)) or pages[-1]
    driver = line.driver(batch_size=10_000, batching_window_ms=5_000)
    driver.step()
    read = sum(len(page.records) for page in pages)
    assert read == 11, "one page of 10 MiB"
    while driver.step().kind == "worked":
        pass
    assert [len(call["Records"]) for call in line.calls] == [4] * 9
    assert line.clock.now_ms() == START_MS
    assert driver.run_until_idle().state == "idle"
    assert [len(call["Records"]) for call in line.calls] == [4] * 10
    line.assert_nothing_left(driver)


def test_nothing_put_is_nothing_called(line):
    driver = line.driver(tumbling_window_s=60, batching_window_ms=500)
    driver.run_until_idle(final=True)
    assert line.calls == []


def test_a_batching_window_gathers_until_it_ends(line):
    driver = line.driver(batch_size=10, batching_window_ms=5_000)
    line.put("a")
    assert driver.step() == ("batching", START_MS + 5_000)
    line.clock.advance(4_999)
    line.put("b")
    assert driver.step().kind == "batching"
    assert line.calls == []
    line.clock.advance(1)
    assert driver.step().kind == "worked"
    assert line.batches == ["ab"]
    line.put("c")
    assert driver.step() == ("batching", line.clock.now_ms() + 5_000)
    driver.run_until_idle(final=True)
    assert line.batches == ["ab", "c"]
    line.assert_nothing_left(driver)


def test_a_full_batch_does_not_wait_for_the_batching_window(line):
    driver = line.driver(batch_size=2, batching_window_ms=5_000)
    line.put(*"abcde")
    while driver.step().kind == "worked":
        pass
    assert line.batches == ["ab", "cd"]
    assert driver.run_until_idle().state == "idle"
    assert line.clock.now_ms() == START_MS + 5_000
    assert line.batches == ["ab", "cd", "e"]
    line.assert_nothing_left(driver)


def test_a_restart_goes_on_behind_the_checkpoint(line):
    line.put(*"abc")
    line.driver(batch_size=1).step()
    assert line.batches == ["a"]
    driver = line.driver()
    driver.run_until_idle()
    assert line.batches == ["a", "bc"]
    line.assert_nothing_left(driver)


def test_two_mappings_read_one_stream_each_for_itself(line):
    line.put(*"ab")
    for name in ("one", "two"):
        line.driver(name=name).run_until_idle()
    assert line.batches == ["ab", "ab"]


def test_status_tells_position_and_lag(line):
    first, _ = line.put(*"ab")
    line.clock.advance(7_000)
    driver = line.driver(batch_size=1)
    driver.step()
    (shard,) = driver.status().shards
    assert (shard.position, shard.behind_ms, shard.invocations, shard.records) == (first, 7_000, 1, 1)
    status = driver.run_until_idle()
    assert (status.state, status.behind_ms, status.shards[0].records) == ("idle", 0, 2)


# ---- shards ----------------------------------------------------------------------------------------------------
def test_parents_are_read_to_their_end_before_children(line):
    line.put(*"abc")
    line.log.split_shard(STREAM, "shardId-000000000000", HASH_KEY_COUNT // 2)
    line.log.put_records(STREAM, [Entry("k", b"l", 0), Entry("k", b"r", HASH_KEY_COUNT - 1)])
    line.log.merge_shards(STREAM, "shardId-000000000001", "shardId-000000000002")
    line.put("z")
    driver = line.driver(batch_size=2)
    driver.step()
    assert driver.status().blocked == ("shardId-000000000001", "shardId-000000000002", "shardId-000000000003")
    driver.run_until_idle()
    assert line.batches == ["ab", "c", "l", "r", "z"]
    assert [shard.state for shard in driver.status().shards] == ["done", "done", "done", "idle"]
    line.assert_nothing_left(driver)


def test_a_split_while_running_is_followed(line):
    driver = line.driver()
    line.put("a")
    driver.run_until_idle()
    line.log.split_shard(STREAM, "shardId-000000000000", HASH_KEY_COUNT // 2)
    line.log.put_records(STREAM, [Entry("k", b"l", 0), Entry("k", b"r", HASH_KEY_COUNT - 1)])
    driver.run_until_idle()
    assert line.batches == ["a", "l", "r"]
    line.assert_nothing_left(driver)


def test_a_failing_parent_holds_its_children_back(line):
    line.put("a")
    line.log.split_shard(STREAM, "shardId-000000000000", HASH_KEY_COUNT // 2)
    line.put("b")

    def answer(event):
        raise AssertionError("our own bug")

    line.answer = answer
    driver = line.driver()
    status = driver.run_until_idle(final=True)
    assert status.state == "stopped"
    assert status.blocked == ("shardId-000000000001", "shardId-000000000002")
    assert line.batches == ["a"]


def test_shards_of_a_stream_go_on_independently(tmp_path):
    line = Line(tmp_path, shard_count=2)
    line.log.put_records(STREAM, [Entry("k", b"x", 0), Entry("k", b"a", HASH_KEY_COUNT - 1)])

    def answer(event):
        if event["Records"][0]["eventID"].startswith("shardId-000000000000"):
            raise ValueError("down")

    line.answer = answer
    driver = line.driver()
    for _ in range(3):
        driver.step()
    line.log.put_records(STREAM, [Entry("k", b"b", HASH_KEY_COUNT - 1)])
    driver.step()
    assert line.batches == ["x", "a", "b"]
    assert [shard.state for shard in driver.status().shards] == ["retry", "worked"]
    line.answer = lambda event: None
    driver.run_until_idle()
    assert line.batches == ["x", "a", "b", "x"]
    line.assert_nothing_left(driver)
    line.close()
