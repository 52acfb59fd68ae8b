"""The number of lanes belongs to a generation: another setting neither stops the line nor counts anything twice."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from aggregation.finalizer import Finalizer
from aggregation.lanes import Lanes
from aggregation.service import Aggregator
from contracts.clock import ManualClock
from contracts.errors import Unusable
from contracts.generation import FIRST_GENERATION, POINTER
from contracts.ports import Record
from contracts.resolution import DAY_MS, NAMES
from contracts.settings import AggregatorSettings
from tests import oracle
from tests.events import BASE_MS, scored
from tests.fakes.kinesis import batch_of
from tests.fakes.stores import FakeControl, FakeLake
from tests.sim.store import MemoryBuckets


class Line:
    """One store that aggregators with different settings write to."""

    def __init__(self) -> None:
        self.clock, self.control, self.store = ManualClock(BASE_MS), FakeControl(), MemoryBuckets()
        self.process = self.with_lanes(1)

    def with_lanes(self, lanes: int) -> Aggregator:
        settings = AggregatorSettings(lanes=lanes)
        self.process = Aggregator(self.store, self.control, FakeLake(), self.clock, settings)
        return self.process

    def feed(self, documents: Sequence[dict[str, Any]]) -> None:
        records = [Record(str(at), "AAPL", json.dumps(each).encode(), BASE_MS) for at, each in enumerate(documents, 1)]
        self.process.process("s0", batch_of("scored-articles", records, "s0"), {})

    def right(self, generation: str, documents: Sequence[dict[str, Any]]) -> bool:
        found = {tuple(each.key): oracle.fields_of(each) for each in self.store.scan(generation)}
        return {key: fields for key, fields in found.items() if "~" not in key[0]} == oracle.buckets(documents)


@pytest.mark.parametrize(("before", "after"), [(1, 4), (4, 1), (4, 8), (8, 4)])
def test_a_stored_minute_keeps_its_lanes_whatever_the_setting(before: int, after: int) -> None:
    line = Line()
    documents = [scored(n, "AAPL", BASE_MS + n, 0.5) for n in range(40)]
    line.with_lanes(before)
    line.feed(documents[:30])
    line.with_lanes(after)
    line.feed(documents[20:])
    assert line.right(FIRST_GENERATION, documents)
    findings = Finalizer(line.store, line.control, line.clock, after).run()
    assert (findings.repaired, findings.unsettled) == (0, 0)


def test_a_new_generation_takes_the_setting_at_once() -> None:
    line = Line()
    documents = [scored(n, "AAPL", BASE_MS + n, 0.5) for n in range(40)]
    line.feed(documents[:20])
    line.with_lanes(4)
    line.feed(documents[10:30])
    line.control.put(*POINTER, {"generation": "g2"})
    line.feed(documents)
    assert line.right("g2", documents)
    subjects = {each.subject for each in line.store.scan("g2")}
    assert subjects == {"AAPL", "AAPL~0", "AAPL~1", "AAPL~2", "AAPL~3"}
    assert {each.subject for each in line.store.scan(FIRST_GENERATION)} == {"AAPL"}


def test_the_first_to_settle_it_stands() -> None:
    control = FakeControl()
    assert Lanes(control, 4).of("g1") == Lanes(control, 1).of("g1") == 4
    assert Lanes(control, 1).of("g2") == 1


def test_a_generation_of_other_resolutions_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its buckets' children are other windows: events would be doubled, or taken for expired."""
    line = Line()
    documents = [scored(n, "AAPL", BASE_MS + n, 0.5) for n in range(40)]
    line.feed(documents[:20])
    settled = {"lanes": 1, "resolutions": list(NAMES), "allowed_lateness_ms": DAY_MS}
    assert line.control.get("lanes", FIRST_GENERATION).value == settled
    monkeypatch.setattr("aggregation.lanes.NAMES", ("1m", "5m", "10m", "30m", *NAMES[3:]))
    line.with_lanes(1)
    with pytest.raises(Unusable, match="add-a-resolution"):
        line.feed(documents[20:])
    with pytest.raises(Unusable, match="1h"):
        Finalizer(line.store, line.control, line.clock).run()
    assert line.right(FIRST_GENERATION, documents[:20])
    line.control.put(*POINTER, {"generation": "g2"}, line.control.get(*POINTER).version)
    line.feed(documents)
    assert line.control.get("lanes", "g2").value["resolutions"][3] == "30m"


def test_a_generation_from_before_resolutions_were_noted_has_the_first_ones() -> None:
    line = Line()
    line.control.put("lanes", FIRST_GENERATION, {"lanes": 4}, 0)
    assert Lanes(line.control, 1).of(FIRST_GENERATION) == 4


def test_of_two_who_settle_it_at_once_the_first_stands() -> None:
    control = FakeControl()
    get = control.get

    def a_moment_before(kind: str, name: str) -> Any:
        found = get(kind, name)
        control.get = get  # type: ignore[method-assign]
        assert Lanes(control, 4).of("g1") == 4, "the rival, between our look and our write"
        return found

    control.get = a_moment_before  # type: ignore[method-assign]
    assert Lanes(control, 1).of("g1") == 4
