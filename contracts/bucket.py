"""The values buckets are made of, and their one canonical encoding.

A `Summary` is what a bucket says; a `Bucket` is a summary with its key, what it was made from (members or child
summaries) and its bookkeeping. The functions that combine them are in `aggregation/`.
"""

import struct
from collections.abc import Callable, Collection, Iterable
from functools import partial
from itertools import chain
from typing import Any, Final, NamedTuple

import msgspec

LANE_SEPARATOR: Final = "~"
MEMBER_BYTES: Final = 8
MANY_MEMBERS: Final = 2_000
NO_MEMBERS: Final[frozenset[int]] = frozenset()
E4: Final = 10_000


class BucketKey(NamedTuple):
    """Address of a bucket: subject (with `~lane` below a hot subject's 1m bucket), resolution name, window start."""

    subject: str
    resolution: str
    start_ms: int


#: A `BucketKey` from a tuple without the detour through Python that the class itself takes.
new_key: Final[Callable[[tuple[str, str, int]], BucketKey]] = partial(tuple.__new__, BucketKey)


class Summary(msgspec.Struct, frozen=True, gc=False):
    """What a set of events says. All numbers are integers; `_e4` = in 1/10,000 of polarity.

    Open is the first and close the last event by (event time, event id). `sources` and `model_versions` are sorted.
    """

    count: int
    sum_e4: int
    high_e4: int
    low_e4: int
    open_e4: int
    open_ms: int
    open_id: str
    close_e4: int
    close_ms: int
    close_id: str
    positive: int
    neutral: int
    negative: int
    sources: tuple[str, ...]
    model_versions: tuple[str, ...]


#: Name of a child (start of its window, or lane number), its summary, the next name, its summary …; names ascending.
FlatChildren = tuple[Any, ...]


class Bucket(msgspec.Struct, frozen=True, eq=False, gc=False):
    """The aggregate of one subject, one resolution, one window.

    Content: key, summary, members (1m without lanes; hashes of event ids), children (everything else: start of the
    child window, or lane number, → its summary; ascending). Bookkeeping: `rev` (1 at first write, +1 whenever content
    changes), `last_updated_ms`, `is_partial` (the window's end was in the future when written). `packed` is the
    members as `pack_members` leaves them, each once, in any order: eight bytes where a set takes ninety;
    `flat_children` are the children without a tuple for each, of which most buckets have one.
    """

    key: BucketKey
    summary: Summary
    packed: bytes
    flat_children: FlatChildren
    rev: int
    last_updated_ms: int
    is_partial: bool

    @property
    def subject(self) -> str:
        return self.key[0]

    @property
    def resolution(self) -> str:
        return self.key[1]

    @property
    def start_ms(self) -> int:
        return self.key[2]

    @property
    def members(self) -> frozenset[int]:
        """The hashes of the event ids; made at each call."""
        return unpack_members(self.packed)

    @property
    def children(self) -> tuple[tuple[int, Summary], ...]:
        """The children by their names; made at each call."""
        return tuple(zip(self.flat_children[::2], self.flat_children[1::2], strict=True))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Bucket):
            return NotImplemented
        return msgspec.structs.astuple(in_order(self)) == msgspec.structs.astuple(in_order(other))

    def __hash__(self) -> int:
        return hash((self.key, self.rev, self.summary))


class BucketWrite(NamedTuple):
    """An absolute, guarded write: it succeeds only while the stored `rev` is `expected_rev` (0: not there yet)."""

    bucket: Bucket
    expected_rev: int


#: As `new_key`.
new_write: Final[Callable[[tuple[Bucket, int]], BucketWrite]] = partial(tuple.__new__, BucketWrite)


def flat(children: Iterable[tuple[int, Summary]]) -> FlatChildren:
    """Children as a bucket keeps them; they are to be ascending."""
    return tuple(chain.from_iterable(children))


def pack_members(members: Collection[int]) -> bytes:
    """8 bytes per member, big-endian, in the given order."""
    return struct.pack(f">{len(members)}Q", *members)


def member_hashes(packed: bytes) -> tuple[int, ...]:
    """Inverse of `pack_members`."""
    return struct.unpack(f">{len(packed) // MEMBER_BYTES}Q", packed)


def unpack_members(packed: bytes) -> frozenset[int]:
    """The same as a set."""
    return frozenset(member_hashes(packed))


def in_both(packed: bytes, others: bytes) -> frozenset[int]:
    """The members that are among the others too. One is searched for in the bytes as they are: late events and repeated
    ones come alone, and the members of their minute are many to be taken apart for it."""
    if len(packed) == MEMBER_BYTES:
        return unpack_members(packed) if _holds(others, packed) else NO_MEMBERS
    fewer, more = (packed, others) if len(packed) < len(others) else (others, packed)
    return unpack_members(fewer).intersection(member_hashes(more))


def _holds(packed: bytes, member: bytes) -> bool:
    at = packed.find(member)
    while at % MEMBER_BYTES and at > 0:  # found across the border of two
        at = packed.find(member, at + 1)
    return at >= 0


def ascending(packed: bytes) -> bytes:
    """Packed members in ascending order, as they are stored and compared."""
    if len(packed) > MANY_MEMBERS * MEMBER_BYTES:
        return _ascending_many(packed)
    return b"".join(sorted([packed[at : at + MEMBER_BYTES] for at in range(0, len(packed), MEMBER_BYTES)]))


def _ascending_many(packed: bytes) -> bytes:
    """A hot minute is sorted at every write: NumPy takes a tenth of the time. It is loaded here only, so that nobody
    without a hot minute pays for its import."""
    import numpy

    hashes = numpy.frombuffer(packed, ">u8").astype(numpy.uint64)
    hashes.sort()
    return hashes.astype(">u8").tobytes()


def in_order(bucket: Bucket) -> Bucket:
    """The same bucket, its members ascending."""
    return msgspec.structs.replace(bucket, packed=ascending(bucket.packed))


_encoder: Final = msgspec.json.Encoder(order="deterministic")


def content_bytes(bucket: Bucket) -> bytes:
    """The canonical encoding of a bucket's content, the one that "byte-identical" in the laws speaks of: no `rev`,
    no `last_updated`, no `is_partial`, which depend on batching and the clock."""
    return _encoder.encode(
        (
            *bucket.key,
            bucket.summary,
            ascending(bucket.packed).hex(),
            bucket.children,
        )
    )
