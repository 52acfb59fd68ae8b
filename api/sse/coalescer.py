"""At most ten partial updates a second per series: the newest state is kept, the ones between are dropped.

Every event carries the full state of its bucket, so dropping all but the newest is always legal.
"""

from collections.abc import Iterable
from typing import NamedTuple

from contracts.bucket import Bucket, BucketKey

PAUSE_MS = 100.0


class Held(NamedTuple):
    """A partial update held back, and the first positions it stands for, by lane."""

    bucket: Bucket
    origin_ms: int
    since: dict[str, int]


class Coalescer:
    """Decides which partial update goes out now, and keeps the others for later."""

    def __init__(self) -> None:
        self._sent_at: dict[BucketKey, float] = {}
        self._held: dict[BucketKey, Held] = {}

    def offer(self, bucket: Bucket, origin_ms: int, lane: str, sequence: int, at_ms: float) -> bool:
        """True when the update may go out now; otherwise it is held."""
        key = bucket.key
        held = self._held.get(key)
        if held is None and at_ms >= self._sent_at.get(key, float("-inf")) + PAUSE_MS:
            self._sent_at[key] = at_ms
            return True
        since = {lane: sequence} if held is None else {lane: sequence} | held.since
        if held is None or bucket.rev > held.bucket.rev:
            self._held[key] = Held(bucket, origin_ms, since)
        return False

    def supersede(self, bucket: Bucket) -> None:
        """This state goes out by another way: nothing older of its bucket needs to."""
        held = self._held.get(bucket.key)
        if held is not None and held.bucket.rev <= bucket.rev:
            del self._held[bucket.key]

    def due(self, at_ms: float) -> list[Held]:
        """The held updates whose pause is over; they count as sent. At `next_ms` there is one."""
        ready = [key for key in self._held if at_ms >= self._sent_at[key] + PAUSE_MS]
        for key in ready:
            self._sent_at[key] = at_ms
        return [self._held.pop(key) for key in ready]

    def next_ms(self) -> float | None:
        """When the next held update is due; None when none is held."""
        return min(self._sent_at[key] for key in self._held) + PAUSE_MS if self._held else None

    def hold_back(self, vector: dict[str, int]) -> dict[str, int]:
        """The position below everything that is held: a client that resumes there misses nothing."""
        if not self._held:
            return vector
        safe = dict(vector)
        for held in self._held.values():
            for lane, sequence in held.since.items():
                safe[lane] = min(safe.get(lane, 0), sequence - 1)
        return safe

    @property
    def held(self) -> Iterable[Held]:
        """What is held back."""
        return self._held.values()

    @property
    def holds(self) -> bool:
        """True while an update is held back."""
        return bool(self._held)

    def forget(self, before_ms: float) -> None:
        """Drop the memory of keys that were quiet for long."""
        self._sent_at = {key: at for key, at in self._sent_at.items() if at >= before_ms or key in self._held}

    def clear(self) -> None:
        """Another generation is live."""
        self._sent_at.clear()
        self._held.clear()
