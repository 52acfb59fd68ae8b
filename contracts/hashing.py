"""Hashes with a fixed meaning: shard routing and membership."""

import hashlib
from collections.abc import Callable

from xxhash import xxh3_64_digest, xxh3_64_intdigest

HASH_KEY_COUNT = 1 << 128

#: 64-bit hash of an event id, as a membership entry. XXH3 is stable across machines and versions. Two different ids
#: of one minute collide with probability n²/2⁶⁵ (1e-9 at 200,000 members); ids are SHA-256 prefixes, so nobody
#: outside can choose them to collide. Inside a batch whole ids are compared; a stored minute knows the hashes.
member_hash: Callable[[str], int] = xxh3_64_intdigest

#: The same hash as eight bytes, big-endian: what `contracts.bucket.pack_members` makes of it.
packed_hash: Callable[[str], bytes] = xxh3_64_digest


def hash_key(partition_key: str) -> int:
    """Kinesis' 128-bit hash key of a partition key: MD5, big-endian."""
    return int.from_bytes(hashlib.md5(partition_key.encode(), usedforsecurity=False).digest(), "big")
