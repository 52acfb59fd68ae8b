"""The newest changes of the log, for clients that come back a moment later.

Packed: two thousand changes are some 16,000 buckets, which as objects were two fifths of all that a busy process had
alive, and came and went within seconds. One takes 6 µs to pack and 12 to unpack, of which only as many are as are asked
for: who wants everything is soon told that it is too much.
"""

from collections import deque
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from api.sse.cursor import Vector, covers
from api.sse.filters import Filter
from contracts.ports import Change, StoredChange

MOST: Final = 2_000
_pack: Final = msgspec.msgpack.Encoder().encode
_unpack: Final = msgspec.msgpack.Decoder(Change).decode


class _Packed(NamedTuple):
    lane: str
    sequence: int
    subject: str
    written_ms: int
    change: bytes


class Recent:
    """`MOST` changes back from the newest."""

    def __init__(self, head: Vector) -> None:
        """`head`: where the log stood when the first change was asked for."""
        self._from = dict(head)
        self._kept: deque[_Packed] = deque(maxlen=MOST)

    def put(self, stored: StoredChange) -> None:
        """Keep a change that follows all that are kept."""
        if len(self._kept) == self._kept.maxlen:
            oldest = self._kept[0]
            self._from[oldest.lane] = oldest.sequence
        change = stored.change
        self._kept.append(_Packed(stored.lane, stored.sequence, change.subject, change.written_ms, _pack(change)))

    def since(self, start: Vector, wanted: Filter) -> Iterator[StoredChange] | None:
        """What came after a place, to be read before another is put; changes of subjects that are not wanted say
        nothing and only move the place. None when memory does not reach back so far."""
        if not covers(start, self._from):
            return None
        return (_change(each, wanted) for each in self._kept if each.sequence > start.get(each.lane, 0))

    def seen_ms(self, vector: Vector) -> int:
        """When the newest change up to a place was written, as far as memory tells; else 0."""
        return max((each.written_ms for each in self._kept if each.sequence <= vector.get(each.lane, 0)), default=0)


def _change(packed: _Packed, wanted: Filter) -> StoredChange:
    told = wanted.takes(packed.subject, None)
    change = _unpack(packed.change) if told else Change("", packed.subject, (), (), 0, packed.written_ms)
    return StoredChange(packed.lane, packed.sequence, change)
