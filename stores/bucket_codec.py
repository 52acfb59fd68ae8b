"""Buckets and changes as bytes: msgpack of arrays, about half the size of maps with field names and quicker to read."""

from collections.abc import Sequence
from typing import Final

import msgspec

from contracts.bucket import MEMBER_BYTES, Bucket, FlatChildren, Summary, flat, new_key
from contracts.errors import Unusable
from contracts.ports import Change, NewEvent

_SummaryRow = tuple[
    int, int, int, int, int, int, str, int, int, str, int, int, int, tuple[str, ...], tuple[str, ...]
]  # fmt: skip
_BucketRow = tuple[str, str, int, _SummaryRow, int, int, bool]
_EventRow = tuple[str, str, str, str, str, int]
_ChangeRow = tuple[str, str, tuple[_BucketRow, ...], tuple[_EventRow, ...], int, int]
_ChildRow = tuple[int, _SummaryRow]

_encode: Final = msgspec.msgpack.Encoder().encode
_decode_summary: Final = msgspec.msgpack.Decoder(_SummaryRow).decode
_decode_children: Final = msgspec.msgpack.Decoder(tuple[_ChildRow, ...]).decode
_decode_change: Final = msgspec.msgpack.Decoder(_ChangeRow).decode
_row = msgspec.structs.astuple
#: What the decoders say of bytes that we did not write.
_DAMAGE: Final = (msgspec.DecodeError, UnicodeDecodeError)

assert len(Summary.__struct_fields__) == 15, "the row above is out of step with contracts.bucket.Summary"
assert len(NewEvent.__struct_fields__) == 6, "the row above is out of step with contracts.ports.NewEvent"


def encode_summary(summary: Summary) -> bytes:
    """A summary in the order of its fields."""
    return _encode(_row(summary))


def decode_summary(data: bytes) -> Summary:
    """Inverse of `encode_summary`. Raises `Unusable` for damaged bytes, as all of these."""
    try:
        return Summary(*_decode_summary(data))
    except _DAMAGE as error:
        raise _damaged(error) from None


def encode_children(children: Sequence[tuple[int, Summary]]) -> bytes | None:
    """Child summaries by start or lane; None when there are none, as for most 1m buckets."""
    return _encode([(at, _row(summary)) for at, summary in children]) if children else None


def decode_children(data: bytes | None) -> FlatChildren:
    """Inverse of `encode_children`, as a bucket keeps them."""
    try:
        return flat([(at, Summary(*row)) for at, row in _decode_children(data)]) if data else ()
    except _DAMAGE as error:
        raise _damaged(error) from None


def decode_members(data: bytes) -> bytes:
    """Packed members as a store gives them."""
    if len(data) % MEMBER_BYTES:
        raise _damaged(ValueError(f"{len(data)} bytes of members"))
    return data


def encode_change(change: Change) -> bytes:
    """A change; its buckets travel without members and children, as the port says."""
    buckets = [(*b.key, _row(b.summary), b.rev, b.last_updated_ms, b.is_partial) for b in change.buckets]
    events = [_row(event) for event in change.events]
    return _encode((change.generation, change.subject, buckets, events, change.origin_ms, change.written_ms))


def decode_change(data: bytes) -> Change:
    """Inverse of `encode_change`."""
    try:
        generation, subject, buckets, events, origin_ms, written_ms = _decode_change(data)
    except _DAMAGE as error:
        raise _damaged(error) from None
    return Change(
        generation,
        subject,
        tuple(
            [Bucket(new_key((s, r, at)), Summary(*row), b"", (), rev, ms, p) for s, r, at, row, rev, ms, p in buckets]
        ),
        tuple([NewEvent(*row) for row in events]),
        origin_ms,
        written_ms,
    )


def _damaged(error: Exception) -> Unusable:
    return Unusable(
        f"a stored bucket or change is damaged ({error}); move the buckets' file away and build it again: "
        "docs/howto/repair.md"
    )
