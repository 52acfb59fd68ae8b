"""What is published of a shard's progress: all of it when a window ends, and a leap at once (law 5)."""

import json
from pathlib import Path
from typing import Any

from aggregation import handler
from aggregation.service import FORGET_AFTER_MS, Aggregator
from contracts.clock import ManualClock
from contracts.errors import Transient
from contracts.ports import Record
from contracts.resolution import DAY_MS, MINUTE_MS
from contracts.settings import AggregatorSettings
from tests.events import BASE_MS, scored
from tests.fakes.kinesis import batch_of, kinesis_event
from tests.fakes.stores import FakeControl, FakeLake
from tests.sim.store import MemoryBuckets
from tests.unit.local.line import START_MS
from tests.unit.local.line import Line as Driven


class Line:
    def __init__(self) -> None:
        self.clock, self.control, self.store = ManualClock(BASE_MS), FakeControl(), MemoryBuckets()
        self.restart()

    def restart(self) -> None:
        self.process = Aggregator(self.store, self.control, FakeLake(), self.clock, AggregatorSettings())

    def invoke(self, state: dict[str, Any], *times_ms: int, final: bool = False) -> dict[str, Any]:
        records = [
            Record(str(n), "AAPL", json.dumps(scored(at, "AAPL", at, 0.5)).encode(), at)
            for n, at in enumerate(times_ms, 1)
        ]
        window = {"shardId": "s0", "state": state, "isFinalInvokeForWindow": final}
        return handler.handle(self.process, kinesis_event("scored-articles", records, "s0") | window)

    @property
    def published(self) -> dict[str, Any] | None:
        return self.control.get("watermark", "s0").value


def test_the_end_of_a_window_publishes_what_a_burst_left() -> None:
    line = Line()
    line.invoke({}, BASE_MS)
    line.clock.advance(200)
    answer = line.invoke({}, BASE_MS + 30_000)
    assert line.published != answer["state"]
    last = line.invoke(answer["state"], final=True)
    assert line.published == answer["state"] == last["state"]


def test_a_final_invocation_with_records_publishes_too() -> None:
    line = Line()
    line.invoke({}, BASE_MS)
    answer = line.invoke({}, BASE_MS + 30_000, final=True)
    assert line.published == answer["state"]


def test_a_leap_of_more_than_a_minute_is_published_at_once() -> None:
    line = Line()
    line.invoke({}, BASE_MS - DAY_MS)
    answer = line.invoke({}, BASE_MS)
    assert line.published == answer["state"]
    line.invoke({}, BASE_MS + MINUTE_MS)
    assert line.published == answer["state"], "a minute is no leap"


def test_a_process_that_knows_nothing_publishes_the_state_of_its_window() -> None:
    line = Line()
    line.invoke({}, BASE_MS)
    state = line.invoke({}, BASE_MS + 30_000)["state"]
    line.restart()
    assert line.invoke(state, final=True)["state"] == state == line.published


def test_a_process_that_knows_nothing_hands_the_state_of_its_window_on(monkeypatch: Any) -> None:
    """Also when it cannot read what was published: "never" would be a step back."""
    line = Line()
    state = line.invoke({}, BASE_MS)["state"]
    line.restart()

    def down(*given: Any) -> Any:
        raise Transient("control store", "down")

    monkeypatch.setattr(line.control, "get", down)
    answer = line.invoke(state, BASE_MS + 1)
    assert answer["batchItemFailures"]
    assert answer["state"] == state
    assert line.invoke(state, final=True)["state"] == state


def test_two_processes_that_take_turns_let_the_watermark_never_go_back() -> None:
    line = Line()
    line.invoke({}, BASE_MS)
    first = line.process
    line.restart()
    state = line.invoke({}, BASE_MS + 10 * MINUTE_MS)["state"]
    line.process = first
    again = line.invoke(state, BASE_MS + MINUTE_MS)["state"]
    assert (again["watermark_ms"], again["newest_event_ms"]) == (state["watermark_ms"], state["newest_event_ms"])


def test_a_shard_that_was_closed_is_forgotten_after_a_while() -> None:
    line = Line()
    records = [Record("1", "AAPL", json.dumps(scored(1, "AAPL", BASE_MS, 0.5)).encode(), BASE_MS)]
    state = line.process.process("parent", batch_of("scored-articles", records, "parent"), {}).step.state
    for _ in range(3):
        line.invoke({}, line.clock.now_ms())
        assert "parent" in line.process._warm
        line.clock.advance(FORGET_AFTER_MS // 2)
    line.invoke({}, line.clock.now_ms())
    for known in (line.process._warm, line.process._states, line.process._published, line.process._doubtful):
        assert [*known] == ["s0"]
    again = line.process.process("parent", batch_of("scored-articles", records, "parent"), {}).step
    assert again.duplicates == 1
    assert again.state.watermark_ms == state.watermark_ms


def test_a_window_ends_though_the_control_store_is_down(monkeypatch: Any) -> None:
    line = Line()
    state = line.invoke({}, BASE_MS)["state"]

    def down(*_: Any, **__: Any) -> None:
        raise Transient("control", "down")

    monkeypatch.setattr(line.control, "get", down)
    assert line.invoke(state, final=True) == {"state": state, "batchItemFailures": []}


def test_after_a_drain_everything_is_published(tmp_path: Path) -> None:
    line, states = Driven(tmp_path), []
    process = Aggregator(MemoryBuckets(), line.control, FakeLake(), line.clock, AggregatorSettings())

    def answer(event: dict[str, Any]) -> dict[str, Any]:
        given = handler.handle(process, event)
        states.append(given["state"])
        return given

    line.answer = answer
    line.put(*(json.dumps(scored(n, "AAPL", START_MS + n * 10_000, 0.5)) for n in range(5)))
    line.driver(batch_size=1, tumbling_window_s=60, report_item_failures=True).run_until_idle(final=True)
    assert len(states) == 6
    assert [*line.control.list("watermark").values()] == states[-1:]
    line.close()
