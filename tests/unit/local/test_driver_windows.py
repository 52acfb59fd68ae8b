"""Tumbling windows: by arrival, per shard, state from invocation to invocation, exactly one final invocation each."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.hashing import HASH_KEY_COUNT
from tests.unit.local.line import START_MS, STREAM, Line, failing_from, names_of, raising_on


def counting(event):
    """A handler that gathers the names of its window in the state."""
    return {"state": {"seen": event["state"].get("seen", "") + names_of(event)}}


def shown(line: Line) -> list[tuple]:
    """Each call: window start (s after the beginning), names, state before, final?"""
    return [
        (
            call["window"]["start"][14:19],
            names_of(call),
            call["state"].get("seen", ""),
            call["isFinalInvokeForWindow"],
        )
        for call in line.calls
    ]


def test_a_windowed_event_has_lambdas_fields(line):
    line.put("a")
    line.answer = counting
    driver = line.driver(tumbling_window_s=60)
    driver.run_until_idle()
    (call,) = line.calls
    assert {name: value for name, value in call.items() if name != "Records"} == {
        "window": {"start": "2025-12-21T09:30:00Z", "end": "2025-12-21T09:31:00Z"},
        "state": {},
        "shardId": "shardId-000000000000",
        "eventSourceARN": "arn:aws:kinesis:us-east-1:000000000000:stream/news",
        "isFinalInvokeForWindow": False,
        "isWindowTerminatedEarly": False,
    }
    driver.run_until_idle(final=True)
    line.assert_nothing_left(driver)


def test_state_is_carried_within_a_window_and_not_beyond(line):
    line.answer = counting
    driver = line.driver(tumbling_window_s=10, batch_size=2)
    line.put_each_second(*"abc")
    driver.run_until_idle()
    line.clock.advance(7_000)
    line.put_each_second(*"de")
    driver.run_until_idle()
    assert shown(line) == [
        ("30:00", "ab", "", False),
        ("30:00", "c", "ab", False),
        ("30:00", "", "abc", True),
        ("30:10", "de", "", False),
    ]
    driver.run_until_idle(final=True)
    line.assert_nothing_left(driver)


def test_a_batch_never_spans_two_windows_and_may_be_the_final_one(line):
    line.answer = counting
    line.put_each_second(*"abcdefg")
    driver = line.driver(tumbling_window_s=3)
    driver.run_until_idle(final=True)
    assert shown(line) == [
        ("30:00", "abc", "", True),
        ("30:03", "def", "", True),
        ("30:06", "g", "", False),
        ("30:06", "", "g", True),
    ]
    line.assert_nothing_left(driver)


def test_a_window_ends_by_the_clock_after_a_grace(line):
    line.answer = counting
    driver = line.driver(tumbling_window_s=60)
    line.put("a")
    driver.run_until_idle()
    assert driver.step() == ("window", START_MS + 61_000)
    line.clock.advance(60_999)
    assert driver.step().kind == "window"
    line.clock.advance(1)
    assert driver.step().kind == "worked"
    assert shown(line) == [("30:00", "a", "", False), ("30:00", "", "a", True)]
    assert driver.step().kind == "idle"
    line.assert_nothing_left(driver)


def test_an_empty_window_is_not_invoked(line):
    line.answer = counting
    driver = line.driver(tumbling_window_s=10)
    line.put("a")
    line.clock.advance(100_000)
    driver.run_until_idle()
    assert shown(line) == [("30:00", "a", "", True)]
    line.assert_nothing_left(driver)


def test_the_batching_window_does_not_outlast_the_tumbling_window(line):
    line.answer = counting
    driver = line.driver(tumbling_window_s=10, batching_window_ms=60_000)
    line.clock.advance(9_000)
    line.put("a")
    assert driver.step() == ("batching", START_MS + 11_000)
    driver.run_until_idle()
    assert shown(line) == [("30:00", "a", "", True)]
    line.assert_nothing_left(driver)


def test_a_window_and_its_state_survive_a_restart(line):
    line.answer = counting
    line.put("a")
    line.driver(tumbling_window_s=60).run_until_idle()
    line.clock.advance(1_000)
    line.put("b")
    line.driver(tumbling_window_s=60).run_until_idle()
    driver = line.driver(tumbling_window_s=60)
    line.clock.advance(60_000)
    driver.run_until_idle()
    assert shown(line) == [("30:00", "a", "", False), ("30:00", "b", "a", False), ("30:00", "", "ab", True)]
    line.assert_nothing_left(driver)


def test_the_end_of_a_shard_closes_its_window_and_children_start_afresh(line):
    line.answer = counting
    line.put(*"ab")
    driver = line.driver(tumbling_window_s=60, batch_size=1)
    driver.run_until_idle()
    line.log.split_shard(STREAM, "shardId-000000000000", HASH_KEY_COUNT // 2)
    line.put("c")
    driver.run_until_idle()
    assert shown(line) == [
        ("30:00", "a", "", False),
        ("30:00", "b", "a", False),
        ("30:00", "", "ab", True),
        ("30:00", "c", "", False),
    ]
    driver.run_until_idle(final=True)
    assert shown(line)[-1] == ("30:00", "", "c", True)
    line.assert_nothing_left(driver)


# ---- state -----------------------------------------------------------------------------------------------------
def test_a_state_over_1_mb_ends_the_window_early(line):
    line.answer = lambda event: {"state": {"seen": "x" * (len(event["Records"]) << 20)}}
    driver = line.driver(tumbling_window_s=60, batch_size=1)
    line.put(*"ab")
    driver.run_until_idle()
    flags = [(names_of(c), c["isFinalInvokeForWindow"], c["isWindowTerminatedEarly"]) for c in line.calls]
    assert flags == [("a", False, False), ("", True, True), ("b", False, False), ("", True, True)]
    assert len(line.calls[1]["state"]["seen"]) == 1 << 20
    assert line.calls[2]["state"] == {}
    line.assert_nothing_left(driver)


def test_an_early_end_goes_before_what_is_left_of_a_bisected_batch(line):
    big = {"seen": "x" * (1 << 20)}

    def answer(event):
        if names_of(event) == "ab":
            raise ValueError("too much at once")
        return {"state": big if names_of(event) == "a" else {}}

    line.answer = answer
    line.put(*"ab")
    driver = line.driver(tumbling_window_s=60, bisect=True)
    driver.run_until_idle(final=True)
    assert line.batches[:4] == ["ab", "a", "", "b"]
    assert line.calls[3]["state"] == {}
    line.assert_nothing_left(driver)


@pytest.mark.parametrize("answer", [None, {}, {"batchItemFailures": []}, {"state": 3}, {"state": {"x": object()}}])
def test_an_answer_without_a_state_is_a_failed_invocation(line, answer):
    line.put("a")
    answers = iter([answer, {"state": {}}, {"state": {}}])
    line.answer = lambda event: next(answers)
    driver = line.driver(tumbling_window_s=60, report_item_failures=True)
    driver.run_until_idle(final=True)
    assert driver.status().shards[0].failures == 1
    assert line.batches[:2] == ["a", "a"]


def test_a_failed_invocation_leaves_the_state_as_it_was(line):
    line.put(*"ab")
    answers = [{"state": {"seen": "kept"}}, ValueError("down"), {"state": {"seen": "then"}}, {"state": {}}]

    def answer(event):
        given = answers.pop(0)
        if isinstance(given, ValueError):
            raise given
        return given

    line.answer = answer
    driver = line.driver(tumbling_window_s=60, batch_size=1)
    driver.run_until_idle(final=True)
    assert [call["state"].get("seen") for call in line.calls] == [None, "kept", "kept", "then"]
    line.assert_nothing_left(driver)


def test_partial_success_keeps_the_state_it_answered(line):
    line.put(*"abXd")
    failing = failing_from("X")
    line.answer = lambda event: failing(event) | {"state": {"seen": event["state"].get("seen", "") + "*"}}
    driver = line.driver(tumbling_window_s=60, report_item_failures=True)
    driver.step()
    line.answer = counting
    driver.run_until_idle(final=True)
    assert [(names, state) for _, names, state, _ in shown(line)] == [("abXd", ""), ("Xd", "*"), ("", "*Xd")]
    line.assert_nothing_left(driver)


def test_a_batch_given_up_on_still_leaves_its_window_a_final_invocation(line):
    line.put("X")
    line.clock.advance(120_000)
    line.answer = raising_on("X")
    driver = line.driver(tumbling_window_s=60, max_retries=1)
    driver.run_until_idle()
    assert [(names, final) for _, names, _, final in shown(line)] == [("X", True), ("X", False), ("", True)]
    line.assert_nothing_left(driver)


def test_a_final_invocation_that_keeps_failing_stops_the_shard(line):
    line.answer = counting
    line.put("a")
    driver = line.driver(tumbling_window_s=60, max_retries=2)
    driver.run_until_idle()

    def answer(event):
        raise ValueError("down")

    line.answer = answer
    status = driver.run_until_idle(final=True)
    assert status.state == "stopped"
    assert "final invocation" in status.shards[0].error
    assert line.given_up() == []
    line.answer = counting
    restarted = line.driver(tumbling_window_s=60)
    restarted.run_until_idle(final=True)
    assert shown(line)[-1] == ("30:00", "", "a", True)
    line.assert_nothing_left(restarted)


# ---- any weather -----------------------------------------------------------------------------------------------
weather = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(1, 7)),
        st.tuples(st.just("wait"), st.integers(1, 15_000)),
        st.tuples(st.just("fail"), st.integers(1, 3)),
        st.tuples(st.just("partly"), st.integers(1, 3)),
        st.tuples(st.just("restart"), st.just(0)),
        st.tuples(st.just("split"), st.just(0)),
        st.tuples(st.just("run"), st.just(0)),
        st.tuples(st.just("step"), st.integers(1, 5)),
    ),
    max_size=25,
)


class Weathered:
    """A handler in that weather: it fails or does half as often as it was told, and remembers what succeeded."""

    def __init__(self, has_windows: bool) -> None:
        self.has_windows = has_windows
        self.trouble = {"fail": 0, "partly": 0}
        self.succeeded: list[str] = []
        self.windows: dict[tuple[str, str], list[str]] = {}

    def __call__(self, event):
        names = [f"{name}," for name in names_of(event).split(",") if name]
        if self.trouble["fail"]:
            self.trouble["fail"] -= 1
            raise ValueError("down")
        done, failures = len(names), []
        if self.trouble["partly"] and names:
            self.trouble["partly"] -= 1
            done = len(names) // 2
            failures = [{"itemIdentifier": event["Records"][done]["kinesis"]["sequenceNumber"]}]
        self.succeeded.extend(names[:done])
        if not self.has_windows:
            return {"batchItemFailures": failures}
        state = event["state"].get("seen", "") + "".join(names[:done])
        if event["isFinalInvokeForWindow"] and not failures:
            self.windows.setdefault((event["shardId"], event["window"]["start"]), []).append(state)
        return {"state": {"seen": state}, "batchItemFailures": failures}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(weather, st.sampled_from([0, 10]), st.booleans(), st.integers(1, 5), st.sampled_from([0, 3_000]))
def test_in_any_weather_every_record_succeeds_once_in_order(
    tmp_path_factory, steps, window_s, bisect, batch_size, batching_window_ms
):
    """Without crashes between handler and checkpoint, success is exactly once; windows are told whole and once."""
    line = Line(tmp_path_factory.mktemp("line"))
    line.answer = handler = Weathered(window_s > 0)
    options = {
        "tumbling_window_s": window_s, "batch_size": batch_size, "bisect": bisect,
        "report_item_failures": True, "batching_window_ms": batching_window_ms,
    }  # fmt: skip
    driver = line.driver(**options)
    put: list[str] = []
    for kind, value in steps:
        if kind == "put":
            names = [f"{len(put) + number}," for number in range(value)]
            put += names
            line.put(*names)
        elif kind == "wait":
            line.clock.advance(value)
        elif kind == "restart":
            driver = line.driver(**options)
        elif kind == "split":
            open_shard = next(shard for shard in line.log.shards(STREAM) if not shard.closed)
            middle = (open_shard.first_hash + open_shard.last_hash) // 2 + 1
            left, right = line.log.split_shard(STREAM, open_shard.shard_id, middle)
            line.log.merge_shards(STREAM, left, right)
        elif kind == "run":
            driver.run_until_idle()
        elif kind == "step":
            for _ in range(value):
                driver.step()
        else:
            handler.trouble[kind] += value
    driver.run_until_idle(final=True)
    assert handler.succeeded == put
    if window_s:
        told = [state for states in handler.windows.values() for state in states]
        assert sorted("".join(told).split(",")) == sorted("".join(put).split(","))
        assert all(len(states) == 1 for states in handler.windows.values())
    line.assert_nothing_left(driver)
    line.close()
