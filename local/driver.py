"""The shard driver: what Lambda's event source mappings do on AWS, for the embedded home.

A `MappingDriver` is steppable and without threads; `driver_runner.py` runs one in a thread.
"""

import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from contracts.clock import Clock
from contracts.errors import Damaged, Transient
from contracts.ports import ControlStore, EventLog, ItemStore, Lake
from local.driver_checkpoint import Checkpoints
from local.driver_dynamo import DynamoSource
from local.driver_failures import FailureDestination
from local.driver_shard import ShardReader
from local.driver_source import KinesisSource, Source
from local.driver_status import MappingStatus, ShardStatus, Step, worst
from local.mappings import Mapping

#: The list of a DynamoDB stream's shards may lag behind their ends: it is asked again until every end has a child.
LOOK_AGAIN_MS: Final = 10_000


class MappingDriver:
    """Drives one mapping over all shards of its stream, each shard in order, parents to their end before children."""

    def __init__(self, mapping: Mapping, source: Source, control: ControlStore, lake: Lake, clock: Clock) -> None:
        """Checkpoints are in `control`, batches given up on in `lake`. Two drivers of one mapping on one home must not
        run at once: the caller holds a lock (`UpLock`) or a lease."""
        self.mapping = mapping
        self._source = source
        self._clock = clock
        self._checkpoints = Checkpoints(control, mapping.name)
        self._destination = FailureDestination(lake, mapping.failure_prefix, mapping.name)
        self._readers: dict[str, ShardReader] = {}
        self._blocked: tuple[str, ...] = ()
        self._look = True
        self._look_again_ms: int | None = None
        self._due_ms = self._stepped_ms = 0
        self._error: str | None = None
        self._failures_in_row = 0

    def check(self) -> None:
        """Raises `Unusable` for a checkpoint of another log; to be asked before anything of the line writes."""
        with suppress(Transient, Damaged):  # what cannot be asked now is found at the first step
            for shard_id, _ in self._source.shards():
                self._reader(shard_id)

    def step(self, hurry: bool = False, close: bool = False) -> Step:
        """One step of every shard. Says whether anything was done, else what is next due. Raises `BadRequest`
        for an unknown stream and `Unusable` for a checkpoint of another log; everything else the status tells."""
        now_ms = self._clock.now_ms()
        if now_ms < self._stepped_ms:
            self._due_ms, self._look = 0, True  # the clock was set back
        self._stepped_ms = now_ms
        if now_ms < self._due_ms:
            return Step("retry", self._due_ms)
        try:
            self._look_for_shards(now_ms)
        except Transient as error:
            self._error = str(error)
            self._failures_in_row += 1
            self._due_ms = now_ms + self.mapping.backoff_ms(self._failures_in_row)
            return Step("retry", self._due_ms)
        self._failures_in_row, self._error = 0, None
        live = [reader for reader in self._readers.values() if not reader.done]
        steps = [reader.step(now_ms, hurry, close) for reader in live]
        self._look = any(reader.done for reader in live)
        return next_of(steps)

    def run_until_idle(self, final: bool = False) -> MappingStatus:
        """Process all that is pending, waiting out retries. `final`: do not wait for batching windows, and close open
        tumbling windows at the end. An unlimited retry that never succeeds never returns."""
        run_until_idle([self], self._clock, final)
        return self.status()

    def status(self) -> MappingStatus:
        """A snapshot; may be called from another thread."""
        now_ms = self._clock.now_ms()
        shards: tuple[ShardStatus, ...] = tuple(reader.status(now_ms) for reader in list(self._readers.values()))
        state = worst([shard.state for shard in shards] + (["retry"] if self._error else []))
        return MappingStatus(self.mapping.name, self.mapping.stream, state, shards, self._blocked, self._error)

    def _look_for_shards(self, now_ms: int) -> None:
        """New shards appear only when one that is read to its end was split or merged, or goes on in a child."""
        if not self._look and (self._look_again_ms is None or now_ms < self._look_again_ms):
            return
        shards = self._source.shards()
        listed = {shard.shard_id for shard in shards}
        before = set(self._readers)
        done = {shard_id for shard_id, reader in self._readers.items() if reader.done}
        blocked = []
        for shard_id, parent_ids in shards:
            if shard_id not in self._readers:
                if any(parent in listed | before and parent not in done for parent in parent_ids):
                    blocked.append(shard_id)
                    continue
                self._readers[shard_id] = self._reader(shard_id)
            if self._readers[shard_id].done:
                done.add(shard_id)
        self._blocked = tuple(blocked)
        childless = (done & listed).difference(*(shard.parent_ids for shard in shards))
        # Once more after the first child, too: its sibling may come later.
        lagging = bool(childless) or (bool(done) and self._readers.keys() != before)
        self._look_again_ms = now_ms + LOOK_AGAIN_MS if lagging else None
        self._look = False

    def _reader(self, shard_id: str) -> ShardReader:
        return ShardReader(self.mapping, self._source, shard_id, self._checkpoints, self._destination)


def kinesis_driver(mapping: Mapping, log: EventLog, control: ControlStore, lake: Lake, clock: Clock) -> MappingDriver:
    """A driver of a handler that takes Kinesis events from `mapping.stream`."""
    return MappingDriver(mapping, KinesisSource(log, mapping.stream), control, lake, clock)


def dynamo_driver(mapping: Mapping, items: ItemStore, control: ControlStore, lake: Lake, clock: Clock) -> MappingDriver:
    """A driver of a handler that takes DynamoDB stream events of the items' primary table, named `mapping.stream`."""
    return MappingDriver(mapping, DynamoSource(items, mapping.stream), control, lake, clock)


def next_of(steps: Sequence[Step]) -> Step:
    """What a group of steps amounts to: work if any did some, else the earliest thing due."""
    if any(step.kind == "worked" for step in steps):
        return Step("worked")
    for kinds in (("retry", "batching"), ("window",)):
        due = [step for step in steps if step.kind in kinds]
        if due:
            return min(due, key=lambda step: step.due_ms or 0)
    return Step("idle")


def run_until_idle(drivers: Sequence[MappingDriver], clock: Clock, final: bool = False) -> None:
    """Step drivers that may feed each other until none has anything pending; see `MappingDriver.run_until_idle`.

    Windows are closed only once everything has drained, so that a later driver's window is not closed again and again
    while an earlier one is still feeding it.
    """
    nobody = threading.Event()
    close = False
    while True:
        step = next_of([driver.step(hurry=final, close=close) for driver in drivers])
        if step.kind in ("retry", "batching") and step.due_ms is not None:
            clock.wait(nobody, step.due_ms - clock.now_ms())
        elif step.kind != "worked":
            if close or not final:
                return
            close = True
