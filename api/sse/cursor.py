"""Positions in the change log as text: `<epoch>.<cursor>`, the same for every client and every process.

The epoch is the live generation and, joined by a dot, when the log was begun and it went live (`api.epoch`).
The cursor holds one position per lane: `0:5k~3:2` = lane `shardId-000000000000` at 200 (base 36), shard 3 at 2. A lane
with another name is written `*` + base64url. An empty log is `-`. Inside one change the ids go on as `0:5k!1`,
`0:5k!2`: everything up to `0:5k` was delivered and some of what follows; resuming there repeats that change whole.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from contracts.errors import BadRequest
from contracts.ports import StoredChange

Vector = dict[str, int]

EMPTY = "-"
#: Of an id. Lanes are never forgotten: these are more than a thousand.
MAX_CHARACTERS = 8_000
_SHARD = re.compile(r"shardId-(\d{12})\Z", re.ASCII)
_EPOCH = re.compile(r"[A-Za-z0-9_.\-]{1,200}\Z", re.ASCII)
_NUMBER = re.compile(r"[0-9a-z]{1,12}\Z", re.ASCII)
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class Point(NamedTuple):
    """Where a client stands; `epoch` is None when it did not say."""

    epoch: str | None
    vector: Vector


def base36(number: int) -> str:
    """A number in few characters."""
    digits = ""
    while True:
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
        if not number:
            return digits


def _encode_lane(lane: str) -> str:
    found = _SHARD.match(lane)
    if found:
        return base36(int(found[1]))
    return "*" + base64.urlsafe_b64encode(lane.encode()).rstrip(b"=").decode()


def _decode_lane(text: str) -> str:
    if text.startswith("*"):
        return base64.urlsafe_b64decode(text[1:].encode() + b"=" * (-len(text[1:]) % 4)).decode()
    if not _NUMBER.match(text):
        raise ValueError(text)
    return f"shardId-{int(text, 36):012d}"


def encode_vector(vector: Mapping[str, int]) -> str:
    """The cursor of a position."""
    parts = sorted((_encode_lane(lane), sequence) for lane, sequence in vector.items() if sequence > 0)
    return "~".join(f"{lane}:{base36(sequence)}" for lane, sequence in parts) or EMPTY


def id_of(epoch: str, vector: Mapping[str, int]) -> str:
    """A position with the epoch it belongs to: alone it would go on in whatever generation is live."""
    return f"{epoch}.{encode_vector(vector)}"


def decode_point(text: str) -> Point:
    """The position in `<epoch>.<cursor>` or a bare `<cursor>`. Raises `BadRequest` for anything else."""
    try:
        if len(text) > MAX_CHARACTERS:
            raise ValueError("too long")
        head, _, cursor = text.strip().rpartition(".")
        epoch = head or None
        if epoch is not None and not _EPOCH.match(epoch):
            raise ValueError(epoch)
        return Point(epoch, _decode_vector(cursor.partition("!")[0]))
    except (ValueError, UnicodeError, binascii.Error):
        raise BadRequest(
            f"cursor: {text[:60]!r} is not a position of this stream; take it from an event id, `stream_cursor` or "
            "`cursor`, or leave it out"
        ) from None


def _decode_vector(cursor: str) -> Vector:
    if cursor == EMPTY:
        return {}
    vector: Vector = {}
    for part in cursor.split("~"):
        lane, separator, sequence = part.partition(":")
        if not separator or not lane or not _NUMBER.match(sequence):
            raise ValueError(part)
        vector[_decode_lane(lane)] = int(sequence, 36)
    return vector


def advanced(vector: Vector, changes: Iterable[StoredChange]) -> Vector:
    """The position behind changes that follow one."""
    reached = dict(vector)
    for stored in changes:
        reached[stored.lane] = max(stored.sequence, reached.get(stored.lane, 0))
    return reached


def covers(vector: Mapping[str, int], other: Mapping[str, int]) -> bool:
    """True when `vector` is at or past `other` in every lane."""
    return all(vector.get(lane, 0) >= sequence for lane, sequence in other.items())
