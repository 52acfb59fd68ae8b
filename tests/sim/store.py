"""A BucketStore in memory. Atomic it passes the port's suite; not atomic it commits write by write, as DynamoDB does.

Every single operation (reading one item, writing one, appending changes, answering) first calls `on_operation`, where
the simulator lets things go wrong or lets somebody else act in between.
"""

import heapq
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter

import msgspec

from contracts.bucket import LANE_SEPARATOR, Bucket, BucketKey, BucketWrite
from contracts.ports import Change, StoredChange
from contracts.resolution import COARSEST

Generation = dict[BucketKey, Bucket]
_by_key = attrgetter("key")


def nothing_happens(operation: str) -> None:
    """The default for `on_operation`: read, write, append, reply."""


def nobody_looks(generation: str, before: Bucket | None, after: Bucket) -> None:
    """The default for `on_write`."""


class MemoryBuckets:
    """`contracts.ports.BucketStore` in dictionaries."""

    def __init__(
        self,
        atomic: bool = True,
        on_operation: Callable[[str], None] = nothing_happens,
        on_write: Callable[[str, Bucket | None, Bucket], None] = nobody_looks,
        read_order: Callable[[list[BucketKey]], list[BucketKey]] = list,
        reads_the_past: Callable[[], bool] = bool,
    ) -> None:
        """`read_order`: in which order a non-atomic `get_many` reads; nothing promises that it is the asked one.
        `reads_the_past`: whether a read answers with the bucket as it was before its last write."""
        self.atomic = atomic
        self.on_operation = on_operation
        self.on_write = on_write
        self.read_order = read_order
        self.reads_the_past = reads_the_past
        self._past: dict[tuple[str, BucketKey], Bucket] = {}
        self.generations: dict[str, Generation] = {}
        self.lanes: dict[str, list[Change]] = {}
        self.dropped: dict[str, int] = {}
        self.told: set[str] = set()  # ids of the events of all changes, those dropped since too

    # ---- buckets ----------------------------------------------------------------------------------------------
    def get_many(self, generation: str, keys: Sequence[BucketKey]) -> dict[BucketKey, Bucket]:
        stored = self.generations.setdefault(generation, {})
        if self.atomic:
            self.on_operation("read")
            return {key: stored[key] for key in keys if key in stored}
        found = {}
        for key in self.read_order(list(keys)):
            self.on_operation("read")
            if key in stored:
                past = self._past.get((generation, key))
                found[key] = past if past is not None and self.reads_the_past() else stored[key]
        return found

    def commit(
        self, generation: str, writes: Sequence[BucketWrite], changes: Sequence[Change] = (), lane: str = ""
    ) -> list[BucketKey]:
        if self.atomic:
            self.on_operation("write")
            failed = self._failed_guards(generation, writes)
            if failed:
                return failed
        stored = self.generations.setdefault(generation, {})
        for bucket, expected_rev in writes:
            if not self.atomic:
                self.on_operation("write")
            before = stored.get(bucket.key)
            if (before.rev if before else 0) != expected_rev:
                return [bucket.key]
            self.on_write(generation, before, bucket)
            stored[bucket.key] = bucket
            if before is not None:
                self._past[generation, bucket.key] = before
        if changes:
            if not self.atomic:
                self.on_operation("append")
            self.lanes.setdefault(lane, []).extend(_as_stored(change) for change in changes)
            self.told.update(event.event_id for change in changes for event in change.events)
        self.on_operation("reply")
        return []

    def _failed_guards(self, generation: str, writes: Sequence[BucketWrite]) -> list[BucketKey]:
        stored = self.generations.get(generation, {})
        latest: Generation = {}
        failed = []
        for bucket, expected_rev in writes:
            before = latest.get(bucket.key) or stored.get(bucket.key)
            if (before.rev if before else 0) != expected_rev:
                failed.append(bucket.key)
            latest[bucket.key] = bucket
        return failed

    def range(
        self,
        generation: str,
        subject: str,
        resolution: str,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 1_000,
        newest: bool = False,
    ) -> list[Bucket]:
        found = sorted(
            bucket.start_ms
            for bucket in self.generations.get(generation, {}).values()
            if bucket.subject == subject
            and bucket.resolution == resolution
            and (start_ms is None or start_ms <= bucket.start_ms)
            and (end_ms is None or bucket.start_ms < end_ms)
        )
        found = found[-limit:] if newest else found[:limit]
        stored = self.generations.get(generation, {})
        return [_slim(stored[BucketKey(subject, resolution, at)]) for at in found]

    def subjects(self, generation: str) -> list[str]:
        keys = self.generations.get(generation, {})
        return sorted({k.subject for k in keys if k.resolution == COARSEST.name and LANE_SEPARATOR not in k.subject})

    def scan(self, generation: str) -> Iterator[Bucket]:
        yield from sorted(self.generations.get(generation, {}).values(), key=_by_key)

    def touched_since(self, generation: str, since_ms: int) -> list[BucketKey]:
        stored = self.generations.get(generation, {})
        return sorted(key for key, each in stored.items() if each.is_partial or each.last_updated_ms >= since_ms)

    def drop_generation(self, generation: str) -> int:
        return len(self.generations.pop(generation, {}))

    def delete(self, generation: str, key: BucketKey) -> None:
        """What TTL does."""
        self.generations.get(generation, {}).pop(key, None)

    # ---- change log -------------------------------------------------------------------------------------------
    def changes_head(self) -> dict[str, int]:
        return {lane: self.dropped.get(lane, 0) + len(kept) for lane, kept in sorted(self.lanes.items())}

    def changes_tail(self) -> dict[str, int]:
        return {lane: self.dropped.get(lane, 0) + 1 for lane in sorted(self.lanes)}

    def changes_after(self, cursor: Mapping[str, int], limit: int = 1_000) -> list[StoredChange]:
        lanes = []
        for lane, kept in sorted(self.lanes.items()):
            gone = self.dropped.get(lane, 0)
            first = max(cursor.get(lane, 0) - gone, 0)
            lanes.append(
                [StoredChange(lane, gone + at + 1, kept[at]) for at in range(first, min(len(kept), first + limit))]
            )
        return list(heapq.merge(*lanes, key=lambda stored: stored.change.written_ms))[:limit]

    def trim_changes(self, before_ms: int, now_ms: int | None = None) -> int:
        last_ms = math.inf if now_ms is None else now_ms
        dropped = 0
        for lane, kept in self.lanes.items():
            old = next((at for at, each in enumerate(kept) if before_ms <= each.written_ms <= last_ms), len(kept))
            self.dropped[lane] = self.dropped.get(lane, 0) + old
            del kept[:old]
            dropped += old
        return dropped


def _slim(bucket: Bucket) -> Bucket:
    if not bucket.members and not bucket.children:
        return bucket
    return msgspec.structs.replace(bucket, packed=b"", flat_children=())


def _as_stored(change: Change) -> Change:
    return msgspec.structs.replace(change, buckets=tuple(map(_slim, change.buckets)))
