"""A promote under live traffic: another generation catches up, goes live, and the last step is owed until it is done.

The steps are those of `ops.replay.promote`, with the real `Handover`; any of them may be cut short and is done again.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, Final

from aggregation.handover import Handover
from contracts.clock import Clock
from contracts.generation import FIRST_GENERATION, POINTER
from contracts.ports import BucketStore, ControlStore, Page, Position, Record
from contracts.ports import Shard as PortShard
from contracts.settings import AggregatorSettings
from tests.sim.log import Log

PROMOTED: Final = "promoted"


class ReadableLog:
    """The simulator's log as the part of the `EventLog` port that reads."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a handover has no business with {name}")

    def shards(self, stream: str) -> list[PortShard]:
        return [PortShard(s.shard_id, s.first, s.last, s.parents, s.closed) for s in self._log.shards.values()]

    def iterator(self, stream: str, shard_id: str, position: Position) -> str:
        at = 0
        if position.kind == "AFTER_SEQUENCE_NUMBER":
            at = bisect_right(self._records(shard_id), int(position.value), key=_number)
        return f"{shard_id}:{at}"

    def get_records(self, iterator: str, limit: int) -> Page:
        shard_id, _, at = iterator.rpartition(":")
        taken = list(self._records(shard_id)[int(at) : int(at) + min(limit, 30)])
        end = int(at) + len(taken)
        return Page(taken, f"{shard_id}:{end}", 0 if end == len(self._records(shard_id)) else 1)

    def _records(self, shard_id: str) -> Sequence[Record]:
        return self._log.shards[shard_id].records


def _number(record: Record) -> int:
    return int(record.sequence_number)


class Promotion:
    """One promote, step by step. A step may raise `Transient` or die; the next one takes it up."""

    def __init__(
        self, buckets: BucketStore, control: ControlStore, log: Log, clock: Clock, settings: AggregatorSettings
    ) -> None:
        self._control = control
        self._handover = Handover(buckets, control, ReadableLog(log), clock, settings)
        self._reached: dict[str, str] = {}
        self.swapped = False

    @property
    def settled(self) -> bool:
        pointer = self._control.get(*POINTER).value
        return pointer is not None and bool(pointer["settled"])

    def catch_up(self) -> None:
        """Before the swap: up to the tips as they are now."""
        self._reached, _ = self._handover.catch_up(PROMOTED, self._reached)

    def swap(self) -> None:
        """One guarded write."""
        pointer = {"generation": PROMOTED, "previous": FIRST_GENERATION, "handover": self._reached, "settled": False}
        self._control.put(*POINTER, pointer, self._control.get(*POINTER).version)
        self.swapped = True

    def settle(self) -> None:
        """After it: what a batch under way wrote into the old generation."""
        self._handover.settle()
