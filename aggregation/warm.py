"""The buckets a process wrote last for a shard, so that a warm process reads little."""

import itertools
from collections import defaultdict
from typing import Final

from contracts.bucket import Bucket, BucketKey
from contracts.resolution import MINUTE_MS, WIDTH_MS

#: Windows that ended longer before the watermark are read again when a late event asks for them.
KEEP_MS: Final = 600_000
MOST: Final = 100_000


class Warm(dict[BucketKey, Bucket]):
    """Buckets of one generation, guarded by their `rev`: losing any costs one read. Where a bucket is, so is all above
    it: they come together, and what ends first goes first."""

    def __init__(self, generation: str) -> None:
        super().__init__()
        self.generation = generation
        self._by_end: defaultdict[int, list[BucketKey]] = defaultdict(list)
        self._known = 0  # how many of the keys, which stay in the order they came, are in `_by_end`
        self._minute = 0

    def clear(self) -> None:
        """Let go of everything."""
        super().clear()
        self._by_end.clear()
        self._known = 0

    def tidy(self, watermark_ms: int) -> None:
        """Whenever the watermark has come to another minute, let go of what ended long before it. What that costs a
        bucket (0.3 µs) does not depend on how many there are, and nothing waits to go for longer than the minute."""
        ended_ms = watermark_ms - KEEP_MS
        if len(self) > MOST:
            self.clear()
        if ended_ms // MINUTE_MS == self._minute:
            return
        self._minute = ended_ms // MINUTE_MS
        for key in itertools.islice(reversed(self), len(self) - self._known):
            self._by_end[key.start_ms + WIDTH_MS[key.resolution]].append(key)
        for end_ms in [end_ms for end_ms in self._by_end if end_ms <= ended_ms]:
            for key in self._by_end.pop(end_ms):
                del self[key]
        self._known = len(self)
