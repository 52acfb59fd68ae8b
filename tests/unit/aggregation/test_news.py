"""What watchers hear of events: every counted one, in the order of time however that is spelled."""

import itertools
import json
from contextlib import suppress
from typing import Any

import pytest

from aggregation.gather import gather
from aggregation.group import newest
from aggregation.service import Aggregator
from contracts.clock import ManualClock
from contracts.errors import Transient
from contracts.instants import iso_ms
from contracts.ports import Record
from contracts.settings import AggregatorSettings
from tests.events import BASE_MS, scored
from tests.fakes.kinesis import batch_of
from tests.fakes.stores import FakeControl, FakeLake
from tests.sim.store import MemoryBuckets, nothing_happens
from tests.unit.aggregation.test_laws import as_event


class Line:
    def __init__(self) -> None:
        self.clock, self.control = ManualClock(BASE_MS), FakeControl()
        self.store = MemoryBuckets(atomic=False)
        self.restart()

    def restart(self) -> None:
        self.process = Aggregator(self.store, self.control, FakeLake(), self.clock, AggregatorSettings())

    def feed(self, *documents: dict[str, Any]) -> None:
        records = [Record(str(at), "AAPL", json.dumps(each).encode(), BASE_MS) for at, each in enumerate(documents, 1)]
        self.process.process("s0", batch_of("scored-articles", records, "s0"), {})

    def told(self) -> list[str]:
        return [each.event_id for lane in self.store.lanes.values() for change in lane for each in change.events]


@pytest.mark.parametrize("taken_by", ["itself", "a new process", "a warm process"])
@pytest.mark.parametrize("halves", [False, True])
@pytest.mark.parametrize("operation", ["write", "append", "reply"])
def test_every_counted_event_is_told_though_the_process_died(operation: str, halves: bool, taken_by: str) -> None:
    """At every operation of the store; the batch comes again, or its halves do, to the same process or to another."""
    documents = [scored(n, f"T{n % 3}", BASE_MS + n * 14_000, 0.5) for n in range(6)]
    for at in itertools.count(1):
        line, met = Line(), itertools.count(1)
        dying = line.process
        line.restart()
        line.feed(scored(9, "T9", BASE_MS, 0.5))
        warm, line.process = line.process, dying

        def die(what: str, at: int = at, met: Any = met) -> None:
            if what == operation and next(met) == at:
                raise Transient("store", "down")

        line.store.on_operation = die
        with suppress(Transient):
            line.feed(*documents)
            break
        line.store.on_operation = nothing_happens
        if taken_by == "a new process":
            line.restart()
        elif taken_by == "a warm process":
            line.process = warm
        for part in (documents[:3], documents[3:]) if halves else (documents,):
            line.feed(*part)
        assert {each["event_id"] for each in documents} <= set(line.told()), f"at {operation} {at}"


def test_a_new_process_tells_of_a_dead_ones_batch_though_its_own_first_try_fails() -> None:
    line, document = Line(), scored(1, "AAPL", BASE_MS, 0.5)
    for operation in ("append", "read"):

        def die(what: str, operation: str = operation) -> None:
            if what == operation:
                raise Transient("store", "down")

        line.store.on_operation = die
        with pytest.raises(Transient):
            line.feed(document)
        if operation == "append":
            line.restart()
    line.store.on_operation = nothing_happens
    line.feed(document)
    assert line.told() == [document["event_id"]]


def test_nothing_is_told_twice_by_a_process_that_goes_on() -> None:
    line = Line()
    documents = [scored(n, "AAPL", BASE_MS + n, 0.5) for n in range(6)]
    line.feed(*documents[:4])
    line.feed(*documents[2:])
    line.feed(*documents)
    assert line.told() == [each["event_id"] for each in documents]


def test_what_was_given_up_on_is_no_news() -> None:
    """A batch that fails again and again goes to the failure destination; the next one is not told with its events."""
    line = Line()
    documents = [scored(n, "AAPL", BASE_MS + n, 0.5) for n in range(3)]
    line.feed(documents[0])

    def die(operation: str) -> None:
        if operation == "write":
            raise Transient("store", "disk full")

    line.store.on_operation = die
    for _ in range(3):
        with pytest.raises(Transient):
            line.feed(documents[1])
    line.store.on_operation = nothing_happens
    line.feed(documents[2])
    assert line.told() == [documents[0]["event_id"], documents[2]["event_id"]]


def test_news_is_told_and_chosen_by_its_instant() -> None:
    line = Line()
    first, last = scored(1, "AAPL", BASE_MS + 30_000, 0.5), scored(2, "AAPL", BASE_MS + 40_000, -0.5)
    elsewhere = iso_ms(BASE_MS + 40_000 - 5 * 3_600_000)[:-1].replace(".", ",") + "-0500"
    alone = scored(3, "MSFT", BASE_MS, 0.5)
    spelled = alone | {"event_time": alone["event_time"].replace("Z", "+00:00")}
    line.feed(first, last | {"event_time": elsewhere}, spelled)
    told = [each for change in line.store.lanes["s0"] for each in change.events]
    assert sorted(each.event_time for each in told) == sorted(d["event_time"] for d in (first, last, alone))
    gathered = gather([as_event(first), as_event(last | {"event_time": elsewhere})])
    (group,) = gathered.groups.values()
    assert [each.event_id for each in newest([group], 1)] == [last["event_id"]]
