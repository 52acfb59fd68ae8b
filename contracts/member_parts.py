"""Members of a hot 1m bucket, split into numbered parts for a store whose items have a size limit (DynamoDB: 400 KB, so
45,000 members do not fit beside the rest).

A part holds the members whose hashes begin with its number. So parts are a function of the set of members (law 1), a
batch rewrites only the parts its own members fall into, and joining them in order is the packed whole again. The count
of parts is the smallest power of two with which every part fits; as hashes spread evenly it doubles when the average
part is close to the limit.

A store writes the parts that changed first, under names no other content has, and then the bucket's item that names
them, guarded by `rev`: so whoever reads an item finds exactly its parts, and a crash between the two leaves parts that
nobody names.
"""

from bisect import bisect_left
from typing import Final

from contracts.bucket import MEMBER_BYTES

HASH_BITS: Final = 8 * MEMBER_BYTES
MAX_BITS: Final = 16
#: 16,384 members; a part's write then costs 128 DynamoDB units, and 200,000 members make 16 parts.
PART_LIMIT_BYTES: Final = 128 * 1024


def member_parts(packed: bytes, limit_bytes: int = PART_LIMIT_BYTES) -> list[bytes]:
    """Split what `pack_members` made; each part at most `limit_bytes`. A set that fits is its own only part."""
    assert limit_bytes >= MEMBER_BYTES, f"a part of {limit_bytes} bytes holds no member"
    bits = 0
    parts = [packed]
    while max(map(len, parts)) > limit_bytes:
        bits += 1
        assert bits <= MAX_BITS, f"{len(packed)} bytes of hashes that do not spread"
        parts = _split(packed, bits)
    return parts


def join_parts(parts: list[bytes]) -> bytes:
    """Inverse of `member_parts`: the packed whole, for `unpack_members`."""
    return b"".join(parts)


def _split(packed: bytes, bits: int) -> list[bytes]:
    places = range(len(packed) // MEMBER_BYTES)
    edges = [
        bisect_left(places, number << (HASH_BITS - bits), key=lambda place: _member(packed, place)) * MEMBER_BYTES
        for number in range(1 << bits)
    ]
    return [packed[start:end] for start, end in zip(edges, [*edges[1:], len(packed)], strict=True)]


def _member(packed: bytes, place: int) -> int:
    return int.from_bytes(packed[place * MEMBER_BYTES : (place + 1) * MEMBER_BYTES], "big")
