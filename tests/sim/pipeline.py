"""The machinery around the aggregator: processes that come and go, and the mapping that hands them batches of a shard.

It drives the real handler (`aggregation.handler.handle`) with the event JSON that Lambda sends.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from aggregation import handler
from aggregation.service import Aggregator, Processed
from contracts.clock import Clock
from contracts.events import SCORED_STREAM
from contracts.kinesis import Chunk
from contracts.ports import BucketStore, ControlStore, Lake, Record
from contracts.settings import AggregatorSettings
from tests.fakes.kinesis import kinesis_event
from tests.sim import faults
from tests.sim.faults import Weather
from tests.sim.log import Log

MAX_PROCESSES: Final = 4
WINDOW_MS: Final = 60_000
MAX_STASHED: Final = 6


class Crash(BaseException):
    """The process dies here: no `except` of the program sees it."""


class Witness(Protocol):
    """Who is told what a pipeline did."""

    def on_step(self, process: Aggregator, shard_id: str, batch: Processed) -> None: ...
    def on_answer(self, shard_id: str, records: Sequence[Record], state: dict[str, Any]) -> None: ...


class Watched(Aggregator):
    """The aggregator, which also tells a witness what it decided."""

    witness: Witness

    def process(self, shard_id: str, batch: Iterable[Chunk], window: dict[str, Any]) -> Processed:
        done = super().process(shard_id, batch, window)
        self.witness.on_step(self, shard_id, done)
        return done


@dataclass
class Reader:
    """The mapping's place in one shard: everything before `next` was acknowledged."""

    shard_id: str
    next: int = 0
    state: dict[str, Any] = field(default_factory=dict)
    window_end_ms: int = 0
    tried: int = 0  # records before this have been handed to some process
    pending: int = 0  # size of the batch that failed and comes again; 0: none
    busy: bool = False
    process: Watched | None = None


@dataclass(frozen=True)
class Stashed:
    """A batch as it was once sent: some invocation of it may still be under way, and finish much later."""

    shard_id: str
    records: tuple[Record, ...]
    state: dict[str, Any]


class Pipeline:
    """One consumer of the log: live traffic, or a replay into another generation."""

    acknowledges_first = False  # a canary sets it

    def __init__(
        self, log: Log, rnd: random.Random, weather: Weather, make: Callable[[], Watched], clock: Clock, batch: int
    ) -> None:
        self._log, self._rnd, self._weather = log, rnd, weather
        self._make, self._clock, self._batch = make, clock, batch
        self.readers: dict[str, Reader] = {}
        self._processes: list[Watched] = []
        self._running: list[Watched] = []
        self._stashed: list[Stashed] = []
        self.invocations = 0

    # ---- what there is to do ----------------------------------------------------------------------------------
    def ready(self) -> list[Reader]:
        """Readers with something to read: no invocation of theirs runs, parents are read to their end."""
        for shard in self._log.shards.values():
            if shard.shard_id not in self.readers and all(self._done(parent) for parent in shard.parents):
                self.readers[shard.shard_id] = Reader(shard.shard_id)
        shards = self._log.shards
        return [r for r in self.readers.values() if not r.busy and r.next < len(shards[r.shard_id].records)]

    def _done(self, shard_id: str) -> bool:
        reader, shard = self.readers.get(shard_id), self._log.shards[shard_id]
        return reader is not None and shard.closed and reader.next == len(shard.records)

    def half_done(self) -> list[Reader]:
        """Readers with records that some process has seen and that are not acknowledged."""
        return [reader for reader in self.ready() if reader.next < reader.tried]

    @property
    def drained(self) -> bool:
        return not self.ready() and all(
            shard.shard_id in self.readers and self.readers[shard.shard_id].next == len(shard.records)
            for shard in self._log.shards.values()
        )

    # ---- invocations ------------------------------------------------------------------------------------------
    def invoke(self, reader: Reader) -> None:
        """Hand the next batch of a shard to a process, as a mapping does; a failed one comes again, maybe in halves."""
        size = reader.pending or self._rnd.randint(1, self._batch)
        if reader.pending > 1 and self._weather.fires(faults.BisectedBatch):
            size = reader.pending // 2
        records = tuple(self._log.shards[reader.shard_id].records[reader.next : reader.next + size])
        self._close_window(reader)
        process = self._process_for(reader)
        self._stash(Stashed(reader.shard_id, records, reader.state))
        reader.busy, reader.pending = True, len(records)
        reader.tried = max(reader.tried, reader.next + len(records))
        if self.acknowledges_first:
            reader.next += len(records)
            reader.pending = 0
        answer = self._call(process, reader.shard_id, records, reader.state)
        reader.busy = False
        if self.acknowledges_first:
            return
        if answer is None or answer["batchItemFailures"] or self._weather.fires(faults.RedeliveredBatch):
            return
        reader.next += len(records)
        reader.pending = 0
        reader.state = {} if self._weather.fires(faults.LostWindowState) else answer["state"]
        process.witness.on_answer(reader.shard_id, records, answer["state"])

    def again(self) -> None:
        """An old batch runs once more, in a process of its own; nobody waits for its answer."""
        old = self._rnd.choice(self._stashed) if self._stashed else None
        if old is not None and len(self._running) < MAX_PROCESSES:
            process = self._free(old.shard_id) or self._make()
            self._call(process, old.shard_id, old.records, old.state)

    def _call(
        self, process: Watched, shard_id: str, records: Sequence[Record], state: dict[str, Any], **window: bool
    ) -> dict[str, Any] | None:
        """The handler's answer; None when the process died."""
        self.invocations += 1
        event = kinesis_event(SCORED_STREAM, records, shard_id) | {"shardId": shard_id, "state": state} | window
        self._running.append(process)
        try:
            return handler.handle(process, event)
        except Crash:
            self._forget(process)
            return None
        finally:
            self._running.remove(process)

    def _close_window(self, reader: Reader) -> None:
        """Windows end after a minute, with an invocation that holds no record, or early."""
        early = self._weather.fires(faults.WindowEndedEarly)
        now_ms = self._clock.now_ms()
        if reader.window_end_ms and (early or now_ms >= reader.window_end_ms):
            process = self._process_for(reader)
            window = {"isFinalInvokeForWindow": True, "isWindowTerminatedEarly": early}
            self._call(process, reader.shard_id, (), reader.state, **window)
            reader.state, reader.window_end_ms = {}, 0
        if not reader.window_end_ms:
            reader.window_end_ms = now_ms + WINDOW_MS

    def end_windows(self) -> dict[str, dict[str, Any]]:
        """The final invocation of every shard, and the state it answers."""
        answers = {
            reader.shard_id: self._call(
                self._process_for(reader), reader.shard_id, (), reader.state, isFinalInvokeForWindow=True
            )
            for reader in self.readers.values()
        }
        return {shard_id: answer["state"] for shard_id, answer in answers.items() if answer}

    # ---- processes --------------------------------------------------------------------------------------------
    def _process_for(self, reader: Reader) -> Watched:
        known = reader.process
        if known is None or known in self._running or self._weather.fires(faults.ColdStart):
            known = reader.process = self._new()
        elif self._weather.fires(faults.StaleProcess):
            known = reader.process = self._free(reader.shard_id) or known
        return known

    def _new(self) -> Watched:
        idle = [process for process in self._processes if process not in self._running]
        if len(self._processes) >= MAX_PROCESSES and idle:
            self._forget(self._rnd.choice(idle))
        process = self._make()
        self._processes.append(process)
        return process

    def _free(self, shard_id: str) -> Watched | None:
        idle = [process for process in self._processes if process not in self._running]
        return self._rnd.choice(idle) if idle else None

    def _forget(self, process: Watched) -> None:
        if process in self._processes:
            self._processes.remove(process)
        for reader in self.readers.values():
            if reader.process is process:
                reader.process = None

    def _stash(self, batch: Stashed) -> None:
        self._stashed.append(batch)
        if len(self._stashed) > MAX_STASHED:
            self._stashed.pop(self._rnd.randrange(MAX_STASHED))


def maker(
    buckets: BucketStore,
    control: ControlStore,
    lake: Lake,
    clock: Clock,
    settings: AggregatorSettings,
    witness: Witness,
) -> Callable[[], Watched]:
    """How a pipeline starts a process."""

    def make() -> Watched:
        process = Watched(buckets, control, lake, clock, settings)
        process.witness = witness
        return process

    return make
