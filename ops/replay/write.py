"""Writing a generation that only this run writes: whole buckets at once where the store can, else guarded one by one.

Slices are cut between hours, and the state of the units is kept after each slice, so a resumed run goes on behind it.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from aggregation.rollup import past_ttl
from contracts.bucket import Bucket, BucketWrite, content_bytes
from contracts.clock import Clock
from contracts.errors import Transient
from contracts.ports import BucketStore, BulkLoading
from contracts.resolution import HOUR_MS, WIDTH_MS

#: Buckets of one write: a transaction of the embedded store holds the file for about 80 ms then.
BULK_BUCKETS: Final = 12_000
GUARDED_BUCKETS: Final = 400
MAX_ATTEMPTS: Final = 12
FIRST_BACKOFF_MS: Final = 50
MAX_BACKOFF_MS: Final = 5_000


class GenerationWriter:
    """Writes buckets of one generation; waits out a store that is down or throttled, and counts how often."""

    def __init__(self, store: BucketStore, generation: str, clock: Clock, expire: bool = False) -> None:
        self._store = store
        self._generation = generation
        self._clock = clock
        self._expire = expire
        self._bulk = isinstance(store, BulkLoading)
        self.throttles = 0

    def write(self, buckets: Sequence[Bucket], skip: set[int], keep: Callable[[set[int]], None]) -> set[int]:
        """Write a task's buckets, all but those of the hours in `skip`; `keep` is told the hours that are durable
        after each slice but the last. Returns all hours. Raises `Transient` when the store stays down."""
        hours, coarse = _by_hour(buckets)
        done = set(skip)
        limit = BULK_BUCKETS if self._bulk else GUARDED_BUCKETS
        pending: list[Bucket] = []
        starts: list[int] = []
        for hour_ms in sorted(hours):
            if hour_ms in skip:
                continue
            if pending and len(pending) + len(hours[hour_ms]) > limit:
                self._put(pending)
                done.update(starts)
                keep(done)
                pending, starts = [], []
            pending += hours[hour_ms]
            starts.append(hour_ms)
        # What lies above an hour is the merge of all its hours, so it comes with the last of them.
        self._put(pending + coarse)
        return done | set(starts)

    def alive(self, buckets: Sequence[Bucket]) -> Sequence[Bucket]:
        """Those to write: one past its TTL would be deleted as soon as written; its parents hold its summary."""
        if not self._expire:
            return buckets
        now_ms = self._clock.now_ms()
        return [bucket for bucket in buckets if not past_ttl(bucket.key, now_ms)]

    def _put(self, buckets: list[Bucket]) -> None:
        nobody = threading.Event()
        for attempt in range(MAX_ATTEMPTS):
            try:
                self._put_once(buckets)
                return
            except Transient:
                self.throttles += 1
                if attempt + 1 == MAX_ATTEMPTS:
                    raise
                self._clock.wait(nobody, min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS << attempt))

    def _put_once(self, buckets: list[Bucket]) -> None:
        if isinstance(self._store, BulkLoading):
            self._store.load_buckets(self._generation, buckets)
            return
        for part in _slices(buckets, GUARDED_BUCKETS):
            self._guarded(part)

    def _guarded(self, buckets: list[Bucket]) -> None:
        """A bucket that is there already was written before a crash: the same, or by a plan that was cut elsewhere."""
        failed = set(self._store.commit(self._generation, [BucketWrite(bucket, 0) for bucket in buckets]))
        if not failed:
            return
        stored = self._store.get_many(self._generation, [bucket.key for bucket in buckets])
        writes = []
        for bucket in buckets:
            there = stored.get(bucket.key)
            if there is None:
                writes.append(BucketWrite(bucket, 0))
            elif content_bytes(there) != content_bytes(bucket):
                writes.append(BucketWrite(msgspec.structs.replace(bucket, rev=there.rev + 1), there.rev))
        if self._store.commit(self._generation, writes):
            raise Transient("bucket store", f"another process writes generation {self._generation}")


def _by_hour(buckets: Sequence[Bucket]) -> tuple[dict[int, list[Bucket]], list[Bucket]]:
    """(hour start → its buckets of an hour and less, finest first; the others, finest first)."""
    hours: dict[int, list[Bucket]] = {}
    coarse = []
    for bucket in buckets:
        if WIDTH_MS[bucket.resolution] <= HOUR_MS:
            hours.setdefault(bucket.start_ms - bucket.start_ms % HOUR_MS, []).append(bucket)
        else:
            coarse.append(bucket)
    return hours, coarse


def _slices(buckets: list[Bucket], size: int) -> Iterator[list[Bucket]]:
    for at in range(0, len(buckets), size):
        yield buckets[at : at + size]
