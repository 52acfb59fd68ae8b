"""Everything that can go wrong, one class each. A fault fires and is counted; it knows nothing of checkers.

The seed draws the weather: which faults are on, and how often each fires.
"""

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

OFF_SHARE = 0.35  # of the faults are switched off in a seed, so that each also meets fair weather for the others


class Fault:
    """Base. `most` is the highest rate the weather draws, per opportunity."""

    most: ClassVar[float] = 0.1

    def __init__(self, rnd: random.Random, fired: Counter[str]) -> None:
        self._rnd, self._fired = rnd, fired
        self.rate = 0.0 if rnd.random() < OFF_SHARE else self.most * rnd.random()

    def fires(self) -> bool:
        """Whether it happens now."""
        if self.rate and self._rnd.random() < self.rate:
            self.note()
            return True
        return False

    def note(self) -> None:
        """It happened."""
        self._fired[type(self).__name__] += 1


# ---- in the log: per record published ------------------------------------------------------------------------------
class DuplicateRecord(Fault):
    """The producer's put was retried: the same bytes stand twice in the log."""

    most = 0.4


class IngestedAgain(Fault):
    """An article was fetched again later: the same event with another time of ingestion."""

    most = 0.15


class ChangedContent(Fault):
    """A model was deployed between a try and its retry: one id, another score."""

    most = 0.15


class OutOfOrderWithin(Fault):
    """Older than what came before, inside the watermark's bound."""

    most = 0.5


class OutOfOrderBeyond(Fault):
    """Older than the watermark's bound: a final window is revised."""

    most = 0.3


class AtTheEdgeOfLateness(Fault):
    """Ingested around the last millisecond allowed: in time, or too late."""

    most = 0.15


class FutureDated(Fault):
    """Published around or beyond five minutes after its ingestion."""

    most = 0.1


class PoisonedBytes(Fault):
    """A record that is no event."""

    most = 0.1


class SlowPathTime(Fault):
    """An event time in a form other than the canonical one."""

    most = 0.1


class SameInstant(Fault):
    """Several events of one millisecond: ties."""

    most = 0.5


# ---- shards and invocations ----------------------------------------------------------------------------------------
class IdleShard(Fault):
    """A shard gets nothing for a while."""

    most = 0.1


class SplitShard(Fault):
    most = 0.06


class MergeShards(Fault):
    most = 0.06


class RedeliveredBatch(Fault):
    """The invocation succeeded, its answer never arrived: the same batch again."""

    most = 0.2


class BisectedBatch(Fault):
    """A failed batch comes again in two halves."""

    most = 0.5


class TwoInvocations(Fault):
    """A batch runs a second time, in another process, while or long after it ran."""

    most = 0.15


class WindowEndedEarly(Fault):
    most = 0.1


class LostWindowState(Fault):
    most = 0.1


class ColdStart(Fault):
    """Another, new process takes the shard over."""

    most = 0.15


class StaleProcess(Fault):
    """A process that has not seen the shard for a while gets it back, with what it remembers."""

    most = 0.3


# ---- the store: per operation --------------------------------------------------------------------------------------
class OperationFault(Fault):
    """Happens at one operation of the store. `at`: which operations it can hit."""

    at: ClassVar[frozenset[str]] = frozenset({"read", "write", "append"})
    most = 0.01


class Throttled(OperationFault):
    """The store refuses this one operation."""


class CrashBeforeWrites(OperationFault):
    at = frozenset({"read"})


class CrashBetweenWrites(OperationFault):
    """The process dies with some writes done and some not, or before the change log knows of them."""

    at = frozenset({"write", "append"})
    most = 0.02


class CrashAfterCommit(OperationFault):
    at = frozenset({"reply"})
    most = 0.05


class ReplyLost(OperationFault):
    """Everything was done, the answer is an error."""

    at = frozenset({"reply"})
    most = 0.1


class SomebodyElseActs(OperationFault):
    """Between two operations of one process, others run: shards, finaliser, clients."""

    at = frozenset({"read", "write", "append", "reply"})
    most = 0.03


class StoreUnavailable(Fault):
    """The store is down for a while."""

    most = 0.05


class LakeUnavailable(Fault):
    """What was set aside cannot be kept: the batch is not done."""

    most = 0.2


class UnorderedReads(Fault):
    """A read of many items reads them in any order."""

    most = 1.0


class StaleRead(Fault):
    """A read answers with what was there before the last write, as a read that is not consistent may."""

    most = 0.1


# ---- time, people --------------------------------------------------------------------------------------------------
class ClockStep(Fault):
    """The processing clock jumps, forward or back."""

    most = 0.05


class LongOutage(Fault):
    """Nothing runs for hours or days; where buckets expire, minutes are gone when their late events are processed."""

    most = 0.08


class TtlSweep(Fault):
    """TTL deletes old buckets: some, in any order, long after their time."""

    most = 0.3


class ReplayDuringLive(Fault):
    """A replay of the log into another generation runs beside live traffic."""

    most = 0.3


class SwapDuringLive(Fault):
    """Another generation goes live under traffic, and whoever does it may be cut short at any step."""

    most = 0.15


class ClientLost(Fault):
    """A watcher loses its connection and comes back later."""

    most = 0.3


class ChangeLogTrimmed(Fault):
    """Old changes are dropped; a watcher that was away too long must start afresh."""

    most = 0.1


class FinaliserLate(Fault):
    """The finaliser does not run for a while."""

    most = 0.8


def _leaves(kind: type[Fault]) -> list[type[Fault]]:
    below = [leaf for each in kind.__subclasses__() for leaf in _leaves(each)]
    return below or [kind]


FAULTS: tuple[type[Fault], ...] = tuple(_leaves(Fault))
OPERATIONS: tuple[type[OperationFault], ...] = tuple(kind for kind in FAULTS if issubclass(kind, OperationFault))


class Weather:
    """The faults of one seed. `heal` switches all of them off, `without` one kind."""

    def __init__(self, rnd: random.Random) -> None:
        self._rnd = rnd
        self.fired: Counter[str] = Counter()
        self._faults = {kind: kind(rnd, self.fired) for kind in FAULTS}
        self._at = {
            operation: [fault for kind in OPERATIONS if operation in kind.at and (fault := self._faults[kind]).rate]
            for operation in ("read", "write", "append", "reply")
        }
        self._total = {operation: sum(fault.rate for fault in faults) for operation, faults in self._at.items()}

    def fires(self, kind: type[Fault]) -> bool:
        return self._faults[kind].fires()

    def note(self, kind: type[Fault]) -> None:
        self._faults[kind].note()

    def strikes(self, operation: str) -> type[Fault] | None:
        """Which fault hits this operation of the store, if any. One draw for all of them: this is asked often."""
        draw = self._rnd.random()
        if draw >= self._total[operation]:
            return None
        for fault in self._at[operation]:
            draw -= fault.rate
            if draw < 0:
                fault.note()
                return type(fault)
        return None

    def without(self, kind: type[Fault]) -> None:
        self._faults[kind].rate = 0.0

    def allows(self, kind: type[Fault]) -> bool:
        return self._faults[kind].rate > 0

    @contextmanager
    def calm(self) -> Iterator[None]:
        """For a moment, nothing goes wrong."""
        rates, total = {kind: fault.rate for kind, fault in self._faults.items()}, self._total
        self.heal()
        yield
        for kind, rate in rates.items():
            self._faults[kind].rate = rate
        self._total = total

    def heal(self) -> None:
        for fault in self._faults.values():
            fault.rate = 0.0
        self._total = dict.fromkeys(self._total, 0.0)
