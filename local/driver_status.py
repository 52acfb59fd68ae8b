"""What drivers tell of themselves: the outcome of a step, and a snapshot for operators."""

from typing import Literal, NamedTuple

#: worked: something was done, step again. retry: after a failure, not before `due_ms`. batching: records are gathering
#: until `due_ms`. window: only an open window's end, at `due_ms`, is ahead. idle: nothing to do until something is put.
#: done: the shard is closed and read. stopped: an error that nobody may skip.
StepKind = Literal["worked", "retry", "batching", "window", "idle", "done", "stopped"]


class Step(NamedTuple):
    kind: StepKind
    due_ms: int | None = None


class ShardStatus(NamedTuple):
    """One shard as one mapping reads it. `position`: the last sequence number done with. `behind_ms`: age of the
    oldest record not done with, 0 at the tip. Counters are since start: `failures` of invocations, `discarded` records
    that went to the failure destination. `error`: of the last failure while it lasts, or why the shard stopped."""

    shard_id: str
    state: StepKind
    position: str | None
    behind_ms: int
    invocations: int
    records: int
    failures: int
    discarded: int
    error: str | None


class MappingStatus(NamedTuple):
    """One mapping; `blocked` shards wait for their parents. `state` is the worst of its shards'."""

    name: str
    stream: str
    state: StepKind
    shards: tuple[ShardStatus, ...]
    blocked: tuple[str, ...]
    error: str | None

    @property
    def behind_ms(self) -> int:
        return max((shard.behind_ms for shard in self.shards), default=0)

    @property
    def discarded(self) -> int:
        return sum(shard.discarded for shard in self.shards)


_WORST_FIRST: tuple[StepKind, ...] = ("stopped", "retry", "worked", "batching", "window", "idle", "done")


def worst(kinds: list[StepKind]) -> StepKind:
    """The kind an operator should see first; idle for none."""
    return min(kinds, key=_WORST_FIRST.index, default="idle")
