"""What scenarios run on: the pure step, and the service behind its Lambda handler on each store.

The shard driver's engine is in `driver_engine`, the registry of all of them in `registry`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from aggregation.event import decode
from aggregation.finalizer import Finalizer, Findings
from aggregation.gather import gather
from aggregation.handler import handle
from aggregation.operator import EMPTY, Batch, Limits, State, Step, keys_needed, step
from aggregation.service import Aggregator, Processed
from aggregation.watermark import ShardProgress
from contracts.aside import list_asides
from contracts.bucket import Bucket, BucketKey, BucketWrite
from contracts.clock import ManualClock
from contracts.errors import BadEvent, Transient
from contracts.events import SCORED_STREAM
from contracts.generation import FIRST_GENERATION
from contracts.kinesis import Chunk
from contracts.ports import BucketStore, Change, ControlStore, Lake, Record
from contracts.resolution import DAY_MS, MINUTE_MS
from contracts.settings import AggregatorSettings, Settings
from stores.home import close_home, open_home
from stores.sqlite_buckets import SqliteBucketStore
from tests.fakes.kinesis import kinesis_event
from tests.fakes.stores import FakeControl, FakeLake
from tests.sim.store import MemoryBuckets

MAX_ATTEMPTS: Final = 20
START_MS: Final = 946_684_800_000  # the clock follows the scenario's own times from here


@dataclass(frozen=True)
class Setup:
    """The parameters a scenario may set."""

    resolution: str = "1m"
    out_of_order_ms: int = 2 * MINUTE_MS
    allowed_lateness_ms: int = DAY_MS
    idle_ms: int = MINUTE_MS
    lanes: int = 1
    expire: bool = False

    def settings(self) -> AggregatorSettings:
        return AggregatorSettings(
            allowed_lateness_ms=self.allowed_lateness_ms,
            out_of_orderness_ms=self.out_of_order_ms,
            idle_after_ms=self.idle_ms,
            lanes=self.lanes,
            expire=self.expire,
        )


@dataclass(frozen=True)
class Fault:
    """What goes wrong in the coming commit: after `writes` of its writes (None: after all of it) the process dies, or
    the store answers that it cannot."""

    writes: int | None
    dies: bool


@dataclass(frozen=True)
class Delivery:
    """A batch of one shard: Kinesis records, and what another process does between this one's reads and writes."""

    shard: str
    records: tuple[Record, ...]
    fault: Fault | None = None
    meanwhile: "Delivery | None" = None


@dataclass
class Tally:
    """What acknowledged deliveries came to."""

    counted: int = 0
    duplicates: int = 0
    writes: int = 0
    too_late: set[tuple[str, str]] = field(default_factory=set)
    quarantined: set[tuple[str, str]] = field(default_factory=set)

    def add(self, done: Step) -> None:
        self.counted += done.counted
        self.duplicates += done.duplicates
        self.writes = len(done.writes)


class Engine(Protocol):
    """One way to run a scenario."""

    clock: ManualClock
    tally: Tally

    def deliver(self, delivery: Delivery) -> bool:
        """True when the batch was acknowledged."""
        ...

    def crash(self, acknowledged: bool) -> None:
        """The process is gone; with it, if it had not answered yet, the window state of the last batch."""
        ...

    def lose_window_state(self) -> None: ...
    def end_window(self, shard: str, early: bool) -> None: ...
    def scan(self) -> dict[BucketKey, Bucket]: ...
    def delete(self, key: BucketKey) -> None: ...
    def finalise(self, look_back_ms: int | None = None) -> Findings:
        """Over what was touched in the last `look_back_ms`; everything, when that is not said."""
        ...

    def progress(self) -> dict[str, ShardProgress]: ...
    def asides(self) -> dict[str, set[tuple[str, str]]]:
        """`late` and `quarantined` → (reason, event key)."""
        ...

    def close(self) -> None: ...


class Crash(BaseException):
    """The process dies here: nothing after this line runs, and no `except` of the program sees it."""


class Tripwire:
    """A store whose next commit goes wrong as told. Writes before a crash are committed one by one, so that a store
    with atomic commits shows the same half-done work as one without."""

    def __init__(self, inner: BucketStore) -> None:
        self._inner = inner
        self.fault: Fault | None = None
        self.meanwhile: Callable[[], None] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def commit(
        self, generation: str, writes: Sequence[BucketWrite], changes: Sequence[Change] = (), lane: str = ""
    ) -> list[BucketKey]:
        act, self.meanwhile = self.meanwhile, None
        if act:
            act()
        fault, self.fault = self.fault, None
        if fault is None:
            return self._inner.commit(generation, writes, changes, lane)
        for each in writes if fault.writes is None else writes[: fault.writes]:
            assert self._inner.commit(generation, [each]) == [], "the fault of a scenario met a lost guard"
        if fault.writes is None:
            self._inner.commit(generation, [], changes, lane)
        if fault.dies:
            raise Crash
        raise Transient("bucket store", "told to fail by the scenario")


class PureEngine:
    """`step` with a dictionary for a store, one state for all shards."""

    def __init__(self, setup: Setup, folder: Path) -> None:
        self.clock, self.tally, self.setup = ManualClock(START_MS), Tally(), setup
        self._limits = Limits(setup.out_of_order_ms, setup.idle_ms, setup.expire)
        self._state: State = EMPTY
        self._before: State = EMPTY
        self._buckets = MemoryBuckets()
        self._store = Tripwire(self._buckets)

    def deliver(self, delivery: Delivery) -> bool:
        self._before = self._state
        self._store.fault = delivery.fault
        if delivery.meanwhile:
            other = delivery.meanwhile
            self._store.meanwhile = lambda: self._apply(other)
        try:
            self._apply(delivery)
        except (Crash, Transient):
            return False
        return True

    def _apply(self, delivery: Delivery) -> None:
        events = []
        for record in delivery.records:
            try:
                events.append(decode(record.data))
            except BadEvent as error:
                self.tally.quarantined.add((error.reason, str(record.data)))
        gathered = gather(events, self.setup.allowed_lateness_ms, self.setup.lanes)
        for _ in range(MAX_ATTEMPTS):
            stored = self._store.get_many(FIRST_GENERATION, keys_needed(gathered.groups))
            batch = Batch(delivery.shard, gathered, stored)
            done = step(self._state, batch, self.clock.now_ms(), self._limits)
            if not self._store.commit(FIRST_GENERATION, done.writes):
                break
        else:
            raise AssertionError("the guard was lost against nobody")
        self._state = done.state
        self.tally.add(done)
        self.tally.too_late |= {(aside.reason, aside.event.event_id) for aside in done.too_late}
        self.tally.quarantined |= {(aside.reason, aside.event.event_id) for aside in done.quarantined}

    def crash(self, acknowledged: bool) -> None:
        if not acknowledged:
            self._state = self._before

    def lose_window_state(self) -> None:
        self._state = EMPTY

    def end_window(self, shard: str, early: bool) -> None:
        """Windows of Lambda mean nothing to the step."""

    def scan(self) -> dict[BucketKey, Bucket]:
        return {bucket.key: bucket for bucket in self._buckets.scan(FIRST_GENERATION)}

    def delete(self, key: BucketKey) -> None:
        self._buckets.delete(FIRST_GENERATION, key)

    def finalise(self, look_back_ms: int | None = None) -> Findings:
        control, setup = FakeControl(self.clock), self.setup
        finalizer = Finalizer(self._buckets, control, self.clock, setup.lanes, setup.expire)
        return finalizer.run(look_back_ms or self.clock.now_ms())

    def progress(self) -> dict[str, ShardProgress]:
        return dict(self._state.shards)

    def asides(self) -> dict[str, set[tuple[str, str]]]:
        return {"late": self.tally.too_late, "quarantined": self.tally.quarantined}

    def close(self) -> None:
        """Nothing is open."""


class Recording(Aggregator):
    """The aggregator, which also tells what it decided."""

    tally: Tally

    def process(self, shard_id: str, batch: Iterable[Chunk], window: dict[str, Any]) -> Processed:
        done = super().process(shard_id, batch, window)
        self.tally.add(done.step)
        return done


class ServiceEngine:
    """The aggregator behind its Lambda handler; the window state travels as Lambda carries it."""

    def __init__(self, setup: Setup, buckets: BucketStore, control: ControlStore, lake: Lake) -> None:
        self.tally, self.setup = Tally(), setup
        self._store, self._control, self._lake = Tripwire(buckets), control, lake
        self._windows: dict[str, dict[str, Any]] = {}
        self._windows_before: dict[str, dict[str, Any]] = {}
        self._service: Recording | None = None

    clock: ManualClock

    def _process(self) -> Recording:
        service = Recording(self._store, self._control, self._lake, self.clock, self.setup.settings())
        service.tally = self.tally
        return service

    def deliver(self, delivery: Delivery) -> bool:
        if self._service is None:
            self._service = self._process()
        self._windows_before = dict(self._windows)
        self._store.fault = delivery.fault
        if delivery.meanwhile:
            other = delivery.meanwhile
            self._store.meanwhile = lambda: self._invoke(self._process(), other)
        try:
            return self._invoke(self._service, delivery)
        except Crash:
            self._service = None
            return False

    def _invoke(self, service: Recording, delivery: Delivery) -> bool:
        event = kinesis_event(SCORED_STREAM, delivery.records, delivery.shard)
        event |= {"shardId": delivery.shard, "state": self._windows.get(delivery.shard, {})}
        answer = handle(service, event)
        if answer["batchItemFailures"]:
            assert answer["batchItemFailures"] == [{"itemIdentifier": delivery.records[0].sequence_number}]
            return False
        self._windows[delivery.shard] = answer["state"]
        return True

    def crash(self, acknowledged: bool) -> None:
        self._service = None
        if not acknowledged:
            self._windows = self._windows_before

    def lose_window_state(self) -> None:
        self._windows.clear()
        self._service = None

    def end_window(self, shard: str, early: bool) -> None:
        service = self._service or self._process()
        event = {"Records": [], "shardId": shard, "state": self._windows.get(shard, {})}
        answer = handle(service, event | {"isFinalInvokeForWindow": True, "isWindowTerminatedEarly": early})
        assert answer["batchItemFailures"] == []
        self._windows.pop(shard, None)

    def scan(self) -> dict[BucketKey, Bucket]:
        return {bucket.key: bucket for bucket in self._store.scan(FIRST_GENERATION)}

    def delete(self, key: BucketKey) -> None:
        raise NotImplementedError  # each store's own way: both engines made of this one have it

    def finalise(self, look_back_ms: int | None = None) -> Findings:
        setup = self.setup
        finalizer = Finalizer(self._store, self._control, self.clock, setup.lanes, setup.expire)
        return finalizer.run(look_back_ms or self.clock.now_ms())

    def progress(self) -> dict[str, ShardProgress]:
        return {
            shard: ShardProgress(state["newest_event_ms"], state["last_record_ms"])
            for shard, state in self._windows.items()
        }

    def asides(self) -> dict[str, set[tuple[str, str]]]:
        kinds = ("late", "quarantined")
        return {kind: {(line["reason"], line["event_key"]) for line in list_asides(self._lake, kind)} for kind in kinds}

    def close(self) -> None:
        """Nothing is open."""


class MemoryEngine(ServiceEngine):
    """The service on stores in memory."""

    def __init__(self, setup: Setup, folder: Path) -> None:
        self.clock = ManualClock(START_MS)
        self._memory = MemoryBuckets()
        super().__init__(setup, self._memory, FakeControl(self.clock), FakeLake())

    def delete(self, key: BucketKey) -> None:
        self._memory.delete(FIRST_GENERATION, key)


class SqliteEngine(ServiceEngine):
    """The service on the embedded home; a crash opens the files again, as a new process would."""

    def __init__(self, setup: Setup, folder: Path) -> None:
        self.clock = ManualClock(START_MS)
        self._settings = Settings(data_dir=str(folder), synchronous="normal")
        home = open_home(self._settings, self.clock)
        super().__init__(setup, home.buckets, home.control, home.lake)

    def crash(self, acknowledged: bool) -> None:
        close_home(self._settings)
        home = open_home(self._settings, self.clock)
        self._store, self._control, self._lake = Tripwire(home.buckets), home.control, home.lake
        super().crash(acknowledged)

    def delete(self, key: BucketKey) -> None:
        store = open_home(self._settings).buckets
        assert isinstance(store, SqliteBucketStore)
        with store._database.write() as connection:
            connection.execute("DELETE FROM buckets WHERE subject = ? AND resolution = ? AND start_ms = ?", key)

    def close(self) -> None:
        close_home(self._settings)
