"""What one put to an event log may be; the same on every home."""

from collections.abc import Sequence
from typing import Final

from contracts.errors import BadRequest
from contracts.hashing import HASH_KEY_COUNT, hash_key
from contracts.ports import MAX_PUT_BYTES, MAX_PUT_RECORDS, Entry

RECORD_TOO_LARGE: Final = "RecordTooLarge"
MAX_PARTITION_KEY_CHARACTERS: Final = 256


def checked_sizes(entries: Sequence[Entry]) -> list[int]:
    """Bytes of each entry as Kinesis counts them. Raises `BadRequest` for a call beyond the limits."""
    if len(entries) > MAX_PUT_RECORDS:
        raise BadRequest(f"{len(entries)} records in one put, at most {MAX_PUT_RECORDS}")
    sizes = []
    for entry in entries:
        key = entry.partition_key
        if not 0 < len(key) <= MAX_PARTITION_KEY_CHARACTERS:
            raise BadRequest(f"a partition key has 1 to {MAX_PARTITION_KEY_CHARACTERS} characters, not {len(key)}")
        try:
            sizes.append(len(entry.data) + (len(key) if key.isascii() else len(key.encode())))
        except UnicodeEncodeError:
            raise BadRequest(f"the partition key {key!r} is not valid Unicode") from None
        if entry.explicit_hash_key is not None and not 0 <= entry.explicit_hash_key < HASH_KEY_COUNT:
            raise BadRequest(f"explicit hash key {entry.explicit_hash_key} is not a 128-bit number")
    if sum(sizes) > MAX_PUT_BYTES:
        raise BadRequest(f"{sum(sizes)} bytes in one put, at most {MAX_PUT_BYTES}")
    return sizes


def routing_hash(entry: Entry) -> int:
    """The hash key that says which shard an entry goes to."""
    return hash_key(entry.partition_key) if entry.explicit_hash_key is None else entry.explicit_hash_key
