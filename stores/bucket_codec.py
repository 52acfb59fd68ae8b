"""Buckets and changes as bytes: msgpack of arrays, about half the size of maps with field names and quicker to read."""

from collections.abc import Sequence
from typing import Final

import msgspec

from contracts.bucket import Bucket, Summary
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

assert len(Summary.__struct_fields__) == 15, "the row above is out of step with contracts.bucket.Summary"
assert len(NewEvent.__struct_fields__) == 6, "the row above is out of step with contracts.ports.NewEvent"


def encode_summary(summary: Summary) -> bytes:
    """A summary in the order of its fields."""
    return _encode(_row(summary))


def decode_summary(data: bytes) -> Summary:
    """Inverse of `encode_summary`. Raises `msgspec.DecodeError` for damaged bytes."""
    return Summary(*_decode_summary(data))


def encode_children(children: Sequence[tuple[int, Summary]]) -> bytes | None:
    """Child summaries by start or lane; None when there are none, as for most 1m buckets."""
    return _encode([(at, _row(summary)) for at, summary in children]) if children else None


def decode_children(data: bytes | None) -> tuple[tuple[int, Summary], ...]:
    """Inverse of `encode_children`."""
    return tuple([(at, Summary(*row)) for at, row in _decode_children(data)]) if data else ()


def encode_change(change: Change) -> bytes:
    """A change; its buckets travel without members and children, as the port says."""
    buckets = [
        (b.subject, b.resolution, b.start_ms, _row(b.summary), b.rev, b.last_updated_ms, b.is_partial)
        for b in change.buckets
    ]
    events = [_row(event) for event in change.events]
    return _encode((change.generation, change.subject, buckets, events, change.origin_ms, change.written_ms))


def decode_change(data: bytes) -> Change:
    """Inverse of `encode_change`."""
    generation, subject, buckets, events, origin_ms, written_ms = _decode_change(data)
    return Change(
        generation,
        subject,
        tuple([Bucket(s, r, at, Summary(*row), frozenset(), (), rev, ms, p) for s, r, at, row, rev, ms, p in buckets]),
        tuple([NewEvent(*row) for row in events]),
        origin_ms,
        written_ms,
    )
