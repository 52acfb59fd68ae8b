"""The buckets a process wrote last for a shard, so that a warm process reads little."""

from typing import Final

from contracts.bucket import Bucket, BucketKey
from contracts.resolution import WIDTH_MS

#: Windows that ended longer before the watermark are read again when a late event asks for them.
KEEP_MS: Final = 600_000
LOOK_FROM: Final = 1_000
MOST: Final = 100_000


class Warm(dict[BucketKey, Bucket]):
    """Buckets of one generation, guarded by their `rev`: losing any costs one read."""

    def __init__(self, generation: str) -> None:
        super().__init__()
        self.generation = generation
        self._look_at = LOOK_FROM

    def tidy(self, watermark_ms: int) -> None:
        """Let go of what ended long before the watermark. Everything is looked through only when a quarter more is
        held than was left the time before, so that what it costs a bucket does not depend on how many there are (five
        looks, 1 µs), and what waits to go is never more than that quarter."""
        if len(self) < self._look_at:
            return
        ended_ms = watermark_ms - KEEP_MS
        for key in [each for each in self if each.start_ms + WIDTH_MS[each.resolution] <= ended_ms]:
            del self[key]
        if len(self) > MOST:
            self.clear()
        self._look_at = max(LOOK_FROM, len(self) * 5 // 4)
