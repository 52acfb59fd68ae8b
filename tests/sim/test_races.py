"""Races that a seed found, each told on its own: what happens between two operations of a store without snapshots."""

import itertools
import json
from contextlib import suppress
from typing import Any

import pytest

from aggregation.finalizer import IN_FLIGHT_MS, Finalizer
from aggregation.service import Aggregator
from contracts.bucket import BucketKey
from contracts.clock import ManualClock
from contracts.errors import Transient
from contracts.generation import FIRST_GENERATION
from contracts.hashing import member_hash
from contracts.ports import Record
from contracts.settings import AggregatorSettings
from tests.events import BASE_MS, scored
from tests.fakes.kinesis import batch_of
from tests.fakes.stores import FakeControl, FakeLake
from tests.sim.client import Client, fresh
from tests.sim.log import Log
from tests.sim.promotion import PROMOTED, Promotion
from tests.sim.store import MemoryBuckets, nothing_happens

MINUTE = BucketKey("AAPL", "1m", BASE_MS)


class Two:
    """Two processes on one store; `between` runs before the n-th read of the next batch."""

    def __init__(self, lanes: int = 1) -> None:
        self.clock, self.control, self.lake = ManualClock(BASE_MS), FakeControl(), FakeLake()
        self.store = MemoryBuckets(atomic=False, on_operation=self._operation)
        settings = AggregatorSettings(lanes=lanes)
        self.processes = [Aggregator(self.store, self.control, self.lake, self.clock, settings) for _ in range(2)]
        self.at_read: dict[int, Any] = {}
        self.reads = 0

    def _operation(self, operation: str) -> None:
        if operation == "read":
            self.reads += 1
            act = self.at_read.pop(self.reads, None)
            if act:
                act()

    def feed(self, process: int, *documents: dict[str, Any], shard: str = "s0") -> Any:
        records = [Record(str(at), "AAPL", json.dumps(each).encode(), BASE_MS) for at, each in enumerate(documents, 1)]
        return self.processes[process].process(shard, batch_of("scored-articles", records, shard), {})

    def count(self, key: BucketKey) -> int:
        return self.store.generations[FIRST_GENERATION][key].summary.count


def _of_lane(lane: int, lanes: int) -> dict[str, Any]:
    numbers = (scored(n, "AAPL", BASE_MS + n, 0.5) for n in range(1_000))
    return next(each for each in numbers if member_hash(each["event_id"]) % lanes == lane)


@pytest.mark.parametrize("at", range(1, 10))
def test_a_new_lane_is_not_taken_for_expired(at: int) -> None:
    """While lane 1 reads its (absent) minute, lane 0 creates it: its five minutes know it, its minute was not seen."""
    two = Two(lanes=4)
    two.at_read[at] = lambda: two.feed(1, _of_lane(0, 4), shard="s1")
    done = two.feed(0, _of_lane(1, 4))
    assert [aside.reason for aside in done.step.too_late] == []
    assert two.count(MINUTE) == two.count(BucketKey("AAPL", "24h", BASE_MS - BASE_MS % 86_400_000)) == 2


@pytest.mark.parametrize("at", range(1, 60))
def test_the_finaliser_cannot_bring_back_the_past(at: int) -> None:
    """Between its reads of a bucket and of its children, an event is counted."""
    two = Two()
    two.store.read_order = lambda keys: list(reversed(keys))
    two.feed(0, scored(1, "AAPL", BASE_MS, 0.5))
    two.reads = 0
    two.at_read[at] = lambda: two.feed(0, scored(2, "AAPL", BASE_MS + 1, -0.5))
    Finalizer(two.store, two.control, two.clock).run()
    if at in two.at_read:
        return
    assert {two.count(key) for key in two.store.generations[FIRST_GENERATION]} == {2}


def test_the_finaliser_does_not_believe_a_child_of_the_past() -> None:
    """A read that is not consistent answers with the minute as it was one event ago."""
    two = Two()
    two.feed(0, scored(1, "AAPL", BASE_MS, 0.5))
    two.feed(0, scored(2, "AAPL", BASE_MS + 1, -0.5))
    two.store.reads_the_past = lambda: True
    findings = Finalizer(two.store, two.control, two.clock).run()
    assert findings.repaired == 0
    assert {two.count(key) for key in two.store.generations[FIRST_GENERATION]} == {2}


@pytest.mark.parametrize("lanes", [1, 4])
@pytest.mark.parametrize("at", range(1, 10))
def test_the_finaliser_leaves_a_commit_that_is_under_way_alone(at: int, lanes: int) -> None:
    """Between two writes of a batch law 2 does not hold, and that is no damage."""
    two = Two(lanes)
    finaliser = Finalizer(two.store, two.control, two.clock, lanes)
    two.feed(0, _of_lane(0, lanes))
    met, found = itertools.count(1), []

    def look(operation: str) -> None:
        if operation == "write" and next(met) == at:
            two.store.on_operation = nothing_happens
            found.append(finaliser.run())

    two.store.on_operation = look
    done = two.feed(0, scored(1_001, "AAPL", BASE_MS + 1, 0.5))
    assert [each.repaired + each.unsettled for each in found] == [0] * (at <= (8 if lanes == 1 else 9))
    assert done.counts()["counted"] == 1
    assert done.conflicts == 0


def test_the_finaliser_mends_what_nobody_can_be_writing_any_more() -> None:
    """All levels in one run, though what it mended itself is young."""
    two = Two()
    met = itertools.count(1)

    def die(operation: str) -> None:
        if operation == "write" and next(met) == 2:
            raise Transient("store", "down")

    two.store.on_operation = die
    with pytest.raises(Transient):
        two.feed(0, scored(1, "AAPL", BASE_MS, 0.5))
    two.store.on_operation = nothing_happens
    finaliser = Finalizer(two.store, two.control, two.clock)
    assert finaliser.run().repaired == 0
    two.clock.advance(IN_FLIGHT_MS)
    assert finaliser.run().repaired == 7
    assert finaliser.run().repaired == 0


@pytest.mark.parametrize("lanes", [1, 4])
@pytest.mark.parametrize("at", range(2, 9))
def test_what_a_commit_wrote_before_it_lost_counts_as_counted(at: int, lanes: int) -> None:
    """Another process gets in between two writes of a batch: its events are no duplicates of themselves."""
    two = Two(lanes)
    met, other = itertools.count(1), []

    def overtake(operation: str) -> None:
        if operation == "write" and next(met) == at:
            two.store.on_operation = nothing_happens
            other.append(two.feed(1, _of_lane(0, lanes), shard="s1"))

    two.store.on_operation = overtake
    done = two.feed(0, _of_lane(1, lanes) if lanes > 1 else scored(1, "AAPL", BASE_MS + 1, 0.5))
    assert done.conflicts == 1
    for each in (done, *other):
        assert (each.counts()["counted"], each.counts()["duplicates"]) == (1, 0)


ENDED_MS = 15 * 60_000


def _told_as_ended(two: Two) -> set[BucketKey]:
    return {each.key for change in two.store.lanes.get("finalizer", []) for each in change.buckets}


def _ended(two: Two) -> set[BucketKey]:
    return {key for key, each in two.store.generations[FIRST_GENERATION].items() if not each.is_partial}


def test_watchers_hear_of_every_window_that_has_ended_though_one_is_written_meanwhile() -> None:
    """Between any two reads of the finaliser an event of another process is counted."""
    for at in itertools.count(1):
        two = Two()
        two.feed(0, *(scored(n, f"T{n}", BASE_MS + n, 0.5) for n in range(5)))
        two.clock.advance(ENDED_MS)
        two.reads = 0
        two.at_read[at] = lambda two=two: two.feed(1, scored(9, "T3", BASE_MS + 9, 0.5, BASE_MS + 9), shard="s1")
        Finalizer(two.store, two.control, two.clock).run()
        of_others = {key for key in _ended(two) if key.subject != "T3"}
        assert len(of_others) == 4 * 3
        assert of_others <= _told_as_ended(two), f"at read {at}"
        if two.at_read:
            break


@pytest.mark.parametrize("operation", ["append", "write", "reply"])
@pytest.mark.parametrize("at", range(1, 4))
def test_watchers_hear_of_every_window_that_has_ended_though_the_finaliser_died(operation: str, at: int) -> None:
    two = Two()
    two.feed(0, *(scored(n, f"T{n}", BASE_MS + n, 0.5) for n in range(5)))
    two.clock.advance(ENDED_MS)
    met = itertools.count(1)

    def die(what: str) -> None:
        if what == operation and next(met) == at:
            raise Transient("store", "down")

    two.store.on_operation = die
    finaliser = Finalizer(two.store, two.control, two.clock)
    with suppress(Transient):
        finaliser.run()
    two.store.on_operation = nothing_happens
    finaliser.run()
    assert len(_ended(two)) == 5 * 3
    assert _ended(two) == _told_as_ended(two)


def test_a_window_that_could_not_be_marked_is_not_counted_as_ended() -> None:
    two = Two()
    two.feed(0, scored(1, "AAPL", BASE_MS, 0.5))
    two.clock.advance(ENDED_MS)
    commit = two.store.commit
    two.store.commit = lambda generation, writes, *more: (  # type: ignore[method-assign]
        [each.bucket.key for each in writes] or commit(generation, writes, *more)
    )
    finaliser = Finalizer(two.store, two.control, two.clock)
    assert finaliser.run().ended == 0
    two.store.commit = commit  # type: ignore[method-assign]
    assert finaliser.run().ended == 3


def test_that_a_window_has_ended_is_no_news_of_it() -> None:
    """The dashboard takes an update long after a window's end for a revision."""
    two = Two()
    two.feed(0, scored(1, "AAPL", BASE_MS, 0.5))
    two.clock.advance(ENDED_MS)
    Finalizer(two.store, two.control, two.clock).run()
    assert _ended(two)
    assert {each.last_updated_ms for each in two.store.generations[FIRST_GENERATION].values()} == {BASE_MS}


def test_a_stale_process_does_not_pull_the_published_watermark_back() -> None:
    two = Two()
    two.feed(0, scored(1, "AAPL", BASE_MS, 0.5))
    two.feed(1, scored(1, "AAPL", BASE_MS, 0.5))
    two.clock.advance(10_000)
    two.feed(1, scored(2, "AAPL", BASE_MS + 600_000, 0.5, BASE_MS + 600_000))
    published = two.control.get("watermark", "s0").value
    two.clock.advance(10_000)
    two.feed(0, scored(1, "AAPL", BASE_MS, 0.5))
    latest = two.control.get("watermark", "s0").value
    assert published is not None
    assert latest is not None
    assert latest["watermark_ms"] == published["watermark_ms"] == BASE_MS + 480_000


def test_watchers_hear_of_a_swap_that_died_before_it_could_tell_them() -> None:
    """The last step of a promote writes its buckets and dies before the change log knows; done again, it tells."""
    two = Two()
    log = Log(1)
    document = scored(1, "AAPL", BASE_MS, 0.5)
    log.put("AAPL", json.dumps(document).encode(), BASE_MS)
    promotion = Promotion(two.store, two.control, log, two.clock, AggregatorSettings())
    promotion.swap()
    client = Client(two.store, two.control)

    def die(operation: str) -> None:
        if operation == "append":
            raise Transient("change log", "down")

    two.store.on_operation = die
    with pytest.raises(Transient):
        promotion.settle()
    two.store.on_operation = nothing_happens
    promotion.settle()
    assert promotion.settled
    while client.poll():
        pass
    assert client.series == fresh(two.store, PROMOTED) != {}


@pytest.mark.parametrize("at", range(1, 9))
def test_a_swap_does_not_take_a_new_minute_for_expired(at: int) -> None:
    """While the last step of a promote reads a minute that is not there yet, the aggregator creates it."""
    two = Two()
    log = Log(1)
    log.put("AAPL", json.dumps(scored(1, "AAPL", BASE_MS, 0.5)).encode(), BASE_MS)
    promotion = Promotion(two.store, two.control, log, two.clock, AggregatorSettings())
    promotion.swap()
    two.at_read[at] = lambda: two.feed(0, scored(2, "AAPL", BASE_MS + 1, -0.5))
    promotion.settle()
    assert {bucket.summary.count for bucket in two.store.scan(PROMOTED)} == {2}
