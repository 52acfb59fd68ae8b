"""The driver with failures: retries, back-off, age, bisecting, partial answers, the failure destination, stopping."""

import json
import sqlite3
from contextlib import closing

import pytest

from contracts.errors import Transient, Unusable
from stores.sqlite_log import SqliteEventLog
from tests.unit.local.line import START_MS, STREAM, failing_from, names_of, raising_on, sequences_of


def test_a_failed_batch_is_retried_with_growing_pauses(line):
    line.put(*"ab")
    times = []

    def answer(event):
        times.append(line.clock.now_ms() - START_MS)
        if len(times) < 6:
            raise ValueError("down")

    line.answer = answer
    driver = line.driver(first_backoff_ms=100, max_backoff_ms=500)
    driver.run_until_idle()
    assert times == [0, 100, 300, 700, 1_200, 1_700]
    assert line.batches == ["ab"] * 6
    status = driver.status()
    assert (status.shards[0].failures, status.shards[0].error) == (5, None)
    line.assert_nothing_left(driver)


def test_nothing_is_invoked_before_a_retry_is_due(line):
    line.put("a")
    line.answer = raising_on("a")
    driver = line.driver()
    assert driver.step() == ("retry", START_MS + 100)
    line.put("b")
    assert driver.step() == ("retry", START_MS + 100)
    assert len(line.calls) == 1
    assert "poison a" in driver.status().shards[0].error


def test_a_failure_is_not_checkpointed(line):
    line.put(*"ab")
    line.answer = raising_on("b")
    line.driver(batch_size=1).step()
    line.driver(batch_size=1).step()
    driver = line.driver(batch_size=1)
    driver.step()
    assert line.batches == ["a", "b", "b"]
    line.answer = lambda event: None
    driver.run_until_idle()
    line.assert_nothing_left(driver)


def test_after_the_last_retry_the_batch_is_set_aside_whole(line):
    first, second = line.put(*"ab")
    line.put("c")
    line.answer = raising_on("b")
    driver = line.driver(batch_size=2, max_retries=2, failure_prefix="failed/scored")
    status = driver.run_until_idle()
    assert line.batches == ["ab", "ab", "ab", "c"]
    assert (status.discarded, status.shards[0].failures, status.shards[0].records) == (2, 3, 1)
    (document,) = line.given_up()
    assert document["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert document["requestContext"]["approximateInvokeCount"] == 3
    assert document["KinesisBatchInfo"] == {
        "shardId": "shardId-000000000000",
        "startSequenceNumber": first,
        "endSequenceNumber": second,
        "approximateArrivalOfFirstRecord": "2025-12-21T09:30:00.000Z",
        "approximateArrivalOfLastRecord": "2025-12-21T09:30:00.000Z",
        "batchSize": 2,
        "streamArn": "arn:aws:kinesis:us-east-1:000000000000:stream/news",
    }
    assert document["payload"] == line.calls[0]
    assert line.lake.keys() == [f"failed/scored/m/shardId-000000000000/{first}-{second}.jsonl.gz"]
    line.assert_nothing_left(driver)


def test_no_retries_means_one_try(line, caplog):
    line.put("a")
    line.answer = raising_on("a")
    driver = line.driver(max_retries=0)
    driver.run_until_idle()
    assert line.batches == ["a"]
    assert len(line.given_up()) == 1
    (told,) = [json.loads(each.message) for each in caplog.records if "records given up" in each.message]
    assert (told["records"], told["key"]) == (1, *line.lake.keys())
    line.assert_nothing_left(driver)


def test_records_past_their_age_are_set_aside_after_a_failure(line):
    line.put_each_second(*"abc")
    line.clock.advance(7_000)
    line.answer = raising_on("b")
    driver = line.driver(max_record_age_ms=8_500, first_backoff_ms=10_000)
    driver.run_until_idle()
    assert line.batches == ["abc", "c"], "a and b were 10 s and 9 s old, c 8 s"
    (document,) = line.given_up()
    assert document["requestContext"]["condition"] == "RecordAgeExceeded"
    assert names_of(document["payload"]) == "ab"
    line.assert_nothing_left(driver)


def test_an_untried_record_is_never_too_old(line):
    line.put("a")
    line.clock.advance(90_000_000)
    driver = line.driver(max_record_age_ms=60_000)
    driver.run_until_idle()
    assert line.batches == ["a"]
    assert line.given_up() == []
    line.assert_nothing_left(driver)


# ---- bisecting -------------------------------------------------------------------------------------------------
def test_bisecting_finds_the_poison_and_saves_the_rest(line):
    line.put(*"abcdXfgh")
    line.answer = raising_on("X")
    driver = line.driver(bisect=True, max_retries=1)
    driver.run_until_idle()
    assert line.batches == ["abcdXfgh", "abcd", "Xfgh", "Xf", "X", "X", "f", "gh"]
    (document,) = line.given_up()
    assert names_of(document["payload"]) == "X"
    line.assert_nothing_left(driver)


def test_bisecting_uses_up_no_retries_and_no_time(line):
    line.put(*"abcdefgX")
    line.answer = raising_on("X")
    driver = line.driver(bisect=True, max_retries=0)
    driver.run_until_idle()
    assert line.clock.now_ms() == START_MS
    assert line.batches == ["abcdefgX", "abcd", "efgX", "ef", "gX", "g", "X"]
    line.assert_nothing_left(driver)


def test_records_put_while_bisecting_come_after(line):
    line.put(*"aX")
    line.answer = raising_on("X")
    driver = line.driver(bisect=True, max_retries=1)
    driver.step()
    line.put("b")
    driver.run_until_idle()
    assert line.batches == ["aX", "a", "X", "X", "b"]
    line.assert_nothing_left(driver)


# ---- batchItemFailures -----------------------------------------------------------------------------------------
def test_the_lowest_reported_record_is_the_checkpoint(line):
    line.put(*"abcdef")

    def answer(event):
        numbers = sequences_of(event)
        return {"batchItemFailures": [{"itemIdentifier": numbers[at]} for at in (4, 2)]} if len(numbers) == 6 else None

    line.answer = answer
    driver = line.driver(report_item_failures=True)
    driver.step()
    assert line.driver().status().shards == ()
    restarted = line.driver(report_item_failures=True)
    restarted.run_until_idle()
    assert line.batches == ["abcdef", "cdef"]
    line.assert_nothing_left(restarted)


def test_reports_are_ignored_where_the_mapping_does_not_ask_for_them(line):
    line.put(*"ab")
    line.answer = failing_from("b")
    driver = line.driver()
    driver.run_until_idle()
    assert line.batches == ["ab"]
    line.assert_nothing_left(driver)


@pytest.mark.parametrize(
    "failures",
    [
        [{"itemIdentifier": ""}],
        [{"itemIdentifier": None}],
        [{"itemIdentifier": "12345"}],
        [{"itemIdentifier": ["x"]}],
        [{"identifier": "x"}],
        ["x"],
        {"itemIdentifier": "x"},
        "x",
    ],
)
def test_a_report_that_names_no_record_fails_the_whole_batch(line, failures):
    line.put(*"ab")
    answers = iter([{"batchItemFailures": failures}, None])
    line.answer = lambda event: next(answers)
    driver = line.driver(report_item_failures=True)
    driver.run_until_idle()
    assert line.batches == ["ab", "ab"]
    line.assert_nothing_left(driver)


@pytest.mark.parametrize("answer", [None, {}, {"batchItemFailures": None}, {"batchItemFailures": []}])
def test_an_empty_report_is_success(line, answer):
    line.put(*"ab")
    line.answer = lambda event: answer
    driver = line.driver(report_item_failures=True)
    driver.run_until_idle()
    assert line.batches == ["ab"]
    line.assert_nothing_left(driver)


def test_a_reported_poison_is_set_aside_with_what_follows_it_in_the_batch(line):
    line.put(*"abXd")
    line.answer = failing_from("X")
    driver = line.driver(report_item_failures=True, max_retries=2)
    driver.run_until_idle()
    assert line.batches == ["abXd", "Xd", "Xd"]
    assert [names_of(document["payload"]) for document in line.given_up()] == ["Xd"]
    line.assert_nothing_left(driver)


def test_a_reported_poison_under_bisecting_is_set_aside_alone(line):
    line.put(*"abXdef")
    line.answer = failing_from("X")
    driver = line.driver(report_item_failures=True, max_retries=1, bisect=True)
    driver.run_until_idle()
    assert line.batches == ["abXdef", "Xdef", "Xd", "X", "X", "d", "ef"]
    assert [names_of(document["payload"]) for document in line.given_up()] == ["X"]
    line.assert_nothing_left(driver)


# ---- stores that fail, and our own bugs ------------------------------------------------------------------------
def flaky(monkeypatch, target, name: str, failures: int) -> None:
    """Makes a store's method fail so many times with `Transient`, then work."""
    real = getattr(target, name)
    left = [failures]

    def method(*args, **kwargs):
        if left[0]:
            left[0] -= 1
            raise Transient(name, "down")
        return real(*args, **kwargs)

    monkeypatch.setattr(target, name, method)


def test_a_failing_checkpoint_is_written_later_without_invoking_again(line, monkeypatch):
    line.put(*"ab")
    flaky(monkeypatch, line.control, "put", 3)
    driver = line.driver()
    driver.run_until_idle()
    assert line.batches == ["ab"]
    line.assert_nothing_left(driver)


def test_a_failing_log_is_tried_again(line, monkeypatch):
    line.put(*"ab")
    driver = line.driver()
    for store, name in ((line.log, "shards"), (line.control, "get"), (line.log, "iterator"), (line.log, "get_records")):
        flaky(monkeypatch, store, name, 2)
    driver.run_until_idle()
    assert line.batches == ["ab"]
    line.assert_nothing_left(driver)


def test_nothing_is_skipped_while_the_failure_destination_is_down(line, monkeypatch):
    line.put(*"ab")
    line.answer = raising_on("a")
    driver = line.driver(batch_size=1, max_retries=1)
    flaky(monkeypatch, line.lake, "put", 4)
    driver.run_until_idle()
    assert line.batches == [*"aaaaaa", "b"], "two tries, then one more before each of the next four writes"
    assert [names_of(document["payload"]) for document in line.given_up()] == ["a"]
    line.assert_nothing_left(driver)


def test_nothing_is_given_up_when_what_failed_handler_and_destination_is_up_again(line, monkeypatch):
    line.put(*"ab")
    up_at_ms = START_MS + 5_000

    def answer(event):
        if line.clock.now_ms() < up_at_ms:
            raise Transient("lake", "down")

    real = line.lake.put

    def put(key, lines):
        if line.clock.now_ms() < up_at_ms:
            raise Transient("lake", "down")
        real(key, lines)

    line.answer = answer
    monkeypatch.setattr(line.lake, "put", put)
    driver = line.driver(batch_size=1, max_retries=1)
    status = driver.run_until_idle()
    assert (line.batches[-2:], line.given_up(), status.discarded) == (["a", "b"], [], 0)
    line.assert_nothing_left(driver)


def test_a_crash_before_the_checkpoint_of_a_given_up_batch_keeps_one_object(line):
    line.put("a")
    line.answer = raising_on("a")
    for _ in range(2):
        driver = line.driver(max_retries=0)
        driver._checkpoints.save = lambda *_: (_ for _ in ()).throw(sqlite3.OperationalError("killed here"))
        with pytest.raises(sqlite3.OperationalError):
            driver.run_until_idle()
    assert len(line.given_up()) == 1
    assert line.batches == ["a", "a"]


@pytest.mark.parametrize("error", [AssertionError("our own bug"), Unusable("disk of another version")])
def test_our_own_bug_stops_the_shard_loudly_and_skips_nothing(line, error, caplog):
    line.put("a")

    def answer(event):
        raise error

    line.answer = answer
    driver = line.driver(max_retries=0, bisect=True)
    for _ in range(2):
        status = driver.run_until_idle(final=True)
        assert status.state == "stopped"
        assert str(error) in status.shards[0].error
    (told,) = [record for record in caplog.records if "shard stopped" in record.message]
    assert bool(told.exc_info) is isinstance(error, AssertionError), "what is damaged is told in a line"
    assert (line.batches, line.given_up()) == (["a"], [])
    line.answer = lambda event: None
    restarted = line.driver()
    restarted.run_until_idle()
    assert line.batches == ["a", "a"]
    line.assert_nothing_left(restarted)


def test_a_checkpoint_of_another_log_is_refused(line, tmp_path):
    line.put("a")
    driver = line.driver()
    driver.run_until_idle()
    value = line.control.get("checkpoint", "m/shardId-000000000000").value
    beyond = str(int(value["sequence_number"]) + 10**25)
    line.control.put("checkpoint", "m/shardId-000000000000", value | {"sequence_number": beyond})
    for step in (line.driver().check, line.driver().run_until_idle):
        with pytest.raises(Unusable, match=r"control\.db must come from one data directory"):
            step()


@pytest.mark.parametrize("kept", [0, 2])
def test_a_log_that_lost_records_is_refused_however_many_came_since(line, tmp_path, kept):
    """`kept`: how many of the old records the log still has; with 0 it is a new one."""
    line.put(*"abcde"[:kept])
    line.driver().run_until_idle()
    backup = sqlite3.connect(tmp_path / "backup.db")
    with closing(sqlite3.connect(tmp_path / "log.db")) as log:
        log.backup(backup)
    line.put(*"abcde"[kept:])
    line.driver().run_until_idle()
    line.log.close()
    for file in tmp_path.glob("log.db*"):
        file.unlink()
    if kept:
        backup.execute("VACUUM INTO ?", (str(tmp_path / "log.db"),))
    backup.close()
    line.log = SqliteEventLog(tmp_path / "log.db", line.clock, "normal")
    line.log.create_stream(STREAM, 1)
    for name in "vwxyz":
        line.clock.advance(1)
        line.put(name)
        with pytest.raises(Unusable, match=r"control\.db must come from one data directory"):
            line.driver().check()
    assert line.batches[-1] == "abcde"[kept:]
