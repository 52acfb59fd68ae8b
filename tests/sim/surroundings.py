"""What surrounds the aggregator in the simulator: clock, lake, control, and a real store under the same faults."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from aggregation.service import Processed
from contracts.bucket import Bucket, BucketKey, BucketWrite
from contracts.clock import ManualClock
from contracts.errors import Transient
from contracts.ports import BucketStore, Change, Record
from tests.fakes.stores import FakeControl, FakeLake
from tests.sim import checkers, faults
from tests.sim.faults import Weather
from tests.sim.log import START_MS
from tests.sim.pipeline import Watched

REPLAY: Final = "replayed"


class SimClock(ManualClock):
    """The processing clock, which can be stepped; monotonic time goes on regardless."""

    def __init__(self) -> None:
        super().__init__(START_MS)
        self.true_ms = START_MS

    def pass_ms(self, milliseconds: int) -> None:
        self.true_ms += milliseconds
        self.instant_ms += milliseconds

    def monotonic_ms(self) -> float:
        return float(self.true_ms)


class SimLake(FakeLake):
    """Down when the weather says so."""

    def __init__(self, weather: Weather) -> None:
        super().__init__()
        self._weather = weather

    def put(self, key: str, lines: Any) -> None:
        if self._weather.fires(faults.LakeUnavailable):
            raise Transient("lake", "the weather")
        super().put(key, lines)


class ReplayControl(FakeControl):
    """What a replay's processes see of control: their own generation is the live one."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.put("generation", "live", {"generation": REPLAY})


class AtomicStore:
    """A real store under the same operations: faults strike before a commit and after it."""

    def __init__(
        self,
        inner: BucketStore,
        on_operation: Callable[[str], None],
        on_write: Callable[[str, Bucket | None, Bucket], None],
    ) -> None:
        self._inner, self._on_operation, self._on_write = inner, on_operation, on_write

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def get_many(self, generation: str, keys: Sequence[BucketKey]) -> dict[BucketKey, Bucket]:
        self._on_operation("read")
        return self._inner.get_many(generation, keys)

    def commit(
        self, generation: str, writes: Sequence[BucketWrite], changes: Sequence[Change] = (), lane: str = ""
    ) -> list[BucketKey]:
        self._on_operation("write")
        before = self._inner.get_many(generation, [write.bucket.key for write in writes])
        failed = self._inner.commit(generation, writes, changes, lane)
        if not failed:
            for write in writes:
                self._on_write(generation, before.get(write.bucket.key), write.bucket)
            self._on_operation("reply")
        return failed


class Bystander:
    """The witness of a replay: its watermarks say nothing about live traffic."""

    def __init__(self, steps: checkers.StepWatch) -> None:
        self._steps = steps

    def on_step(self, process: Watched, shard_id: str, batch: Processed) -> None:
        self._steps.on_step(process, shard_id, batch)

    def on_answer(self, shard_id: str, records: Sequence[Record], state: dict[str, Any]) -> None:
        """Nothing."""
