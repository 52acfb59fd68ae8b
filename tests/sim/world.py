"""One seed, one exact run: builds the world, lets the weather rage, heals everything, and drains.

Phase one: publishing, invocations, finaliser, watchers, resharding, in the order the seed draws. Phase two: no more
faults; everything must drain in a bounded number of invocations, and then every checker must hold.
"""

import random
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from aggregation.finalizer import Finalizer
from aggregation.service import Aggregator, Processed
from contracts.bucket import Bucket, BucketKey
from contracts.errors import Transient
from contracts.generation import FIRST_GENERATION, live_generation
from contracts.ports import Record
from contracts.resolution import DAY_MS, MINUTE_MS
from contracts.settings import AggregatorSettings
from stores.sqlite_buckets import SqliteBucketStore
from tests.fakes.stores import FakeLake
from tests.sim import checkers, faults
from tests.sim.checkers import check
from tests.sim.client import Client, fresh
from tests.sim.expiry import OUTAGES_MS, Expiry, alive
from tests.sim.faults import Weather
from tests.sim.log import Log, Newsroom
from tests.sim.pipeline import Crash, Pipeline, maker
from tests.sim.promotion import Promotion
from tests.sim.store import MemoryBuckets
from tests.sim.surroundings import REPLAY, AtomicStore, Bystander, ReplayControl, SimClock, SimLake

SQLITE_EVERY: Final = 20  # seeds; the others run on memory with commits that are not atomic
EXPIRING_SHARE: Final = 0.2
MAX_DEPTH: Final = 2
MAX_BATCH: Final = 25
LONG_AFTER_MS: Final = 3 * DAY_MS


class Report(NamedTuple):
    """What one seed amounted to."""

    seed: int
    fired: Counter[str]
    events: int
    invocations: int
    writes: int


class World:
    """Everything of one seed. Also the witness of what the pipelines do."""

    def __init__(self, seed: int, memory: bool = False) -> None:
        self.seed, self.rnd = seed, random.Random(seed)
        rnd = self.rnd
        self.weather = Weather(rnd)
        self.clock = SimClock()
        self.settings = AggregatorSettings(
            allowed_lateness_ms=rnd.choice((DAY_MS, DAY_MS, 3_600_000, 600_000)),
            out_of_orderness_ms=rnd.choice((2 * MINUTE_MS, 10_000)),
            idle_after_ms=rnd.choice((MINUTE_MS, 5_000)),
            lanes=rnd.choice((1, 1, 1, 4, 16)),
            expire=rnd.random() < EXPIRING_SHARE,
        )
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self.expiry: Expiry | None = None
        self._open_store(memory or self.settings.expire or seed % SQLITE_EVERY != 0)
        self.control, self.lake = checkers.WatchedControl(self.clock), SimLake(self.weather)
        self.log = Log(rnd.randint(1, 3))
        self.newsroom = Newsroom(self.log, rnd, self.weather, self.settings.lanes, self.settings.allowed_lateness_ms)
        make = maker(self.store, self.control, self.lake, self.clock, self.settings, self)
        batch = rnd.randint(1, MAX_BATCH)
        self.live = Pipeline(self.log, rnd, self.weather, make, self.clock, batch)
        self.replay: Pipeline | None = None
        settings = self.settings
        self.finalizer = Finalizer(self.store, self.control, self.clock, settings.lanes, settings.expire)
        self.watermarks = checkers.WatermarkWatch(self.settings, self.clock)
        self.steps = checkers.StepWatch()
        self.promotion: Promotion | None = None
        if self.weather.allows(faults.SwapDuringLive):
            # Of two contents of one id, the first in the log stands; around a swap it is the first to be counted.
            self.weather.without(faults.ChangedContent)
        self.clients = [Client(self.store, self.control) for _ in range(rnd.randint(1, 2))]
        self._depth = 0
        self._finalising = False
        self._down_until_ms = 0

    def _open_store(self, memory: bool) -> None:
        if not memory:
            self._folder = tempfile.TemporaryDirectory(prefix="candlewick-sim-")
            inner = SqliteBucketStore(Path(self._folder.name) / "buckets.db", "normal")
            self.write_watch = checkers.WriteWatch(None)
            self._close = inner.close
            self.store: Any = AtomicStore(inner, self.operation, self.write_watch.on_write)
            return
        store = MemoryBuckets(
            atomic=False,
            on_operation=self.operation,
            read_order=self._order,
            reads_the_past=lambda: self.weather.fires(faults.StaleRead),
        )
        self.write_watch = checkers.WriteWatch(store)
        store.on_write = self._on_write
        self.store = store
        self.expiry = Expiry(store) if self.settings.expire else None

    def _on_write(self, generation: str, before: Bucket | None, after: Bucket) -> None:
        self.write_watch.on_write(generation, before, after)
        if self.expiry:
            self.expiry.on_write(generation, before, after)

    def close(self) -> None:
        if self._folder:
            self._close()
            self._folder.cleanup()

    # ---- what strikes the store -------------------------------------------------------------------------------
    def operation(self, operation: str) -> None:
        """Called at every operation of the store."""
        if self.clock.true_ms < self._down_until_ms:
            raise Transient("bucket store", "down")
        fault = self.weather.strikes(operation)
        if fault is None:
            return
        if fault in (faults.Throttled, faults.ReplyLost):
            raise Transient("bucket store", fault.__name__)
        if fault is faults.SomebodyElseActs:
            self._somebody_else()
            return
        raise Crash

    def _order(self, keys: list[BucketKey]) -> list[BucketKey]:
        keys.sort()  # who asks may have had them in a set; a seed is one run under any hash seed
        if self.weather.fires(faults.UnorderedReads):
            self.rnd.shuffle(keys)
        return keys

    def _somebody_else(self) -> None:
        if self._depth >= MAX_DEPTH:
            return
        self._depth += 1
        try:
            self._act()
        finally:
            self._depth -= 1

    # ---- what is told -----------------------------------------------------------------------------------------
    def on_step(self, process: Aggregator, shard_id: str, batch: Processed) -> None:
        self.steps.on_step(process, shard_id, batch)

    def on_answer(self, shard_id: str, records: Sequence[Record], state: dict[str, Any]) -> None:
        self.watermarks.on_answer(shard_id, records, state)

    # ---- phase one --------------------------------------------------------------------------------------------
    def rage(self) -> None:
        """Faults on: a few dozen turns of whatever the seed draws."""
        pace_ms = self.rnd.choice((50, 1_000, 20_000, 120_000))
        for _ in range(self.rnd.randint(30, 110)):
            self.clock.pass_ms(self.rnd.randrange(1, pace_ms))
            self._change_the_world()
            self._act()

    def _change_the_world(self) -> None:
        weather, rnd = self.weather, self.rnd
        for _ in range(rnd.choice((0, 0, 1, 3, 8))):
            self.newsroom.publish(self.clock.true_ms)
        self.newsroom.change_silence()
        if self.expiry:
            self._age(self.expiry)
        elif weather.fires(faults.ClockStep):
            self.clock.instant_ms += rnd.choice((-3_600_000, -5_000, 5_000, 3_600_000))
        if weather.fires(faults.StoreUnavailable):
            self._down_until_ms = self.clock.true_ms + rnd.choice((1_000, 30_000))
        if weather.fires(faults.SplitShard):
            self.log.split(rnd)
        if weather.fires(faults.MergeShards):
            self.log.merge(rnd)
        if weather.fires(faults.ChangeLogTrimmed) and isinstance(self.store, MemoryBuckets):
            self.store.trim_changes(self.clock.true_ms - rnd.choice((0, 10_000)))
        if self.replay is None and self.promotion is None and self.expiry is None:
            if weather.fires(faults.ReplayDuringLive):
                self._start_replay()
            elif weather.fires(faults.SwapDuringLive):
                self.promotion = Promotion(self.store, self.control, self.log, self.clock, self.settings)

    def _age(self, expiry: Expiry) -> None:
        if self.weather.fires(faults.LongOutage):
            self._down_until_ms = 0
            with self.weather.calm():  # not in the middle of a commit, see expiry
                while half_done := self.live.half_done():
                    self.live.invoke(half_done[0])
                self._finalise()
            self.clock.pass_ms(self.rnd.choice(OUTAGES_MS))
        if self.weather.fires(faults.TtlSweep):
            expiry.sweep(self.rnd, self.clock.now_ms())

    def _act(self) -> None:
        """One turn: a shard is invoked most often; the finaliser, watchers and old batches take theirs."""
        draw = self.rnd.random()
        if draw < 0.7:
            self._invoke(self.live)
        elif draw < 0.8:
            if self.promotion:
                self._promote(self.promotion)
            else:
                self._invoke(self.replay or self.live)
        elif draw < 0.87:
            if self.weather.fires(faults.TwoInvocations):
                self.live.again()
        elif draw < 0.93:
            if not self.weather.fires(faults.FinaliserLate):
                self._finalise()
        else:
            self._watch()

    def _invoke(self, pipeline: Pipeline) -> None:
        ready = pipeline.ready()
        if ready:
            pipeline.invoke(self.rnd.choice(ready))

    def _promote(self, promotion: Promotion) -> None:
        try:
            if promotion.swapped:
                promotion.settle()
            elif self.rnd.random() < 0.6:
                promotion.catch_up()
            else:
                promotion.swap()
        except (Crash, Transient):
            pass

    def _finalise(self) -> None:
        if self._finalising:
            return
        self._finalising = True
        try:
            self.finalizer.run()
        except (Crash, Transient):
            pass
        finally:
            self._finalising = False

    def _watch(self) -> None:
        client = self.rnd.choice(self.clients)
        if not client.connected:
            client.reconnect()
        elif self.weather.fires(faults.ClientLost):
            client.lose()
        client.poll()

    def _start_replay(self) -> None:
        make = maker(
            self.store, ReplayControl(self.clock), FakeLake(), self.clock, self.settings, Bystander(self.steps)
        )
        self.replay = Pipeline(self.log, self.rnd, self.weather, make, self.clock, self.rnd.randint(1, MAX_BATCH))

    # ---- phase two --------------------------------------------------------------------------------------------
    def drain(self) -> None:
        """Faults off: everything that was published is processed, in a bounded number of invocations."""
        self.weather.heal()
        self._down_until_ms = 0
        if self.promotion and not self.promotion.swapped:
            self.promotion.swap()
        for pipeline in filter(None, (self.live, self.replay)):
            for _ in range(self.log.length + 10):
                if pipeline.drained:
                    break
                self.clock.pass_ms(100)
                self._invoke(pipeline)
            check(pipeline.drained, "everything drains", f"{self.log.length} records, not read to their end")
        if self.promotion:
            self.promotion.settle()
            check(self.promotion.settled, "everything drains", "the swap is not settled")
        for client in self.clients:
            client.reconnect()
            while client.poll():
                pass

    def check(self) -> None:
        """Every checker that looks at the end."""
        checkers.check_published(self.control, self.live.end_windows())
        if self.expiry:
            self._check_expiring(self.expiry)
            return
        lateness_ms, newsroom = self.settings.allowed_lateness_ms, self.newsroom
        live = live_generation(self.control)
        stored = {bucket.key: bucket for bucket in self.store.scan(live)}
        checkers.check_law_2(stored)
        checkers.check_content(stored.values(), newsroom.documents, lateness_ms)
        checkers.check_balance(stored.values(), self.lake, newsroom.documents, newsroom.poisoned, lateness_ms)
        checkers.check_clients(self.clients, fresh(self.store, live))
        if isinstance(self.store, MemoryBuckets) and self._tells_everything():
            checkers.check_told(self.store.told, newsroom.documents, lateness_ms)
        right = checkers.recompute(self._rebatched(), self.settings)
        checkers.check_bytes(stored.values(), right, "replay gives the same bytes")
        if self.replay:
            checkers.check_bytes(self.store.scan(REPLAY), right, "a replay during live traffic gives the same bytes")
        checkers.check_finalised(self.finalizer.run(LONG_AFTER_MS))
        self.clock.pass_ms(LONG_AFTER_MS)
        checkers.check_finalised(self.finalizer.run())
        for client in self.clients:
            while client.poll():
                pass
        checkers.check_marks(list(self.store.scan(live)), self.clients, self.clock.now_ms())

    def _tells_everything(self) -> bool:
        """Whether whoever takes a batch over from a process that died tells of what that one counted. Only a new
        process does, of its first batch; and what a promote brings before its swap is no news."""
        kinds = (faults.StaleProcess, faults.BisectedBatch, faults.SwapDuringLive)
        return not any(self.weather.fired[kind.__name__] for kind in kinds)

    def _check_expiring(self, expiry: Expiry) -> None:
        """The same for what is within its TTL, from the events that did not expire."""
        lateness_ms, now_ms = self.settings.allowed_lateness_ms, self.clock.now_ms()
        documents = expiry.counted(self.newsroom.documents, self.lake, lateness_ms, now_ms)
        stored = {each.key: each for each in self.store.scan(FIRST_GENERATION) if alive(each.key, now_ms)}
        checkers.check_law_2(stored)
        checkers.check_content(stored.values(), documents, lateness_ms, lambda key: alive(key, now_ms))
        for client in self.clients:
            client.series = {key: value for key, value in client.series.items() if key in stored}
        shown = fresh(self.store, FIRST_GENERATION)
        checkers.check_clients(self.clients, {key: value for key, value in shown.items() if key in stored})
        checkers.check_finalised(self.finalizer.run(LONG_AFTER_MS))

    def _rebatched(self) -> list[list[Record]]:
        """The log in other batches: parents before children, as a replay reads it."""
        records = [record for shard in self.log.shards.values() for record in shard.records]
        size = self.rnd.randint(20, 200)
        return [records[at : at + size] for at in range(0, len(records), size)]


def run(seed: int, memory: bool = False) -> Report:
    """Run one seed (on SQLite every 20th, unless `memory`). Raises `Violation`, or the program's `AssertionError`."""
    world = World(seed, memory)
    try:
        world.rage()
        world.drain()
        world.check()
    finally:
        world.close()
    invocations = world.live.invocations + (world.replay.invocations if world.replay else 0)
    return Report(seed, world.weather.fired, world.log.length, invocations, world.write_watch.writes)
