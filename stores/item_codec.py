"""Items as bytes: one canonical encoding, so that the same item again is seen to be no change.

Numbers have one form whatever type they came in (as on DynamoDB, where 1, 1.0 and Decimal("1") are one number); sets
stay sets.
"""

import math
from decimal import Decimal
from typing import Any, Final

import msgspec

from contracts.errors import Unusable
from contracts.ports import Item

_SET: Final = 1
_DECIMAL: Final = 2
#: What the decoder, or a value it makes, says of bytes that we did not write.
_DAMAGE: Final = (msgspec.DecodeError, ValueError, TypeError, ArithmeticError, RecursionError)
_encode: Final = msgspec.msgpack.Encoder(order="deterministic").encode


def encode_item(item: Item) -> bytes:
    """The item's canonical bytes. Numbers must be finite: AssertionError otherwise."""
    return _encode({name: _plain(value) for name, value in item.items()})


def decode_item(data: bytes) -> Item:
    """The item, with numbers as int or float (Decimal where a float would lose digits), sets as sets of text. Raises
    `Unusable` for damaged bytes."""
    try:
        return _decode(data)
    except _DAMAGE as error:
        raise Unusable(
            f"an article stored in items.db is damaged ({error}); restore the data directory: docs/howto/repair.md"
        ) from None


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | bytes | int):
        return value
    if isinstance(value, float | Decimal):
        return _number(value)
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    assert isinstance(value, set | frozenset), f"an item cannot hold a {type(value).__name__}"
    return msgspec.msgpack.Ext(_SET, _encode(sorted(_plain(part) for part in value)))


def _number(value: float | Decimal) -> Any:
    assert math.isfinite(value), f"an item cannot hold {value}"
    if value == int(value):
        return int(value)
    near = float(value)
    if isinstance(value, Decimal) and Decimal(repr(near)) != value:
        return msgspec.msgpack.Ext(_DECIMAL, str(value.normalize()).encode())
    return near


def _restored(code: int, data: memoryview) -> Any:
    if code == _SET:
        return set(msgspec.msgpack.decode(data))
    if code != _DECIMAL:
        raise ValueError(f"unknown extension {code}")
    return Decimal(bytes(data).decode())


_decode: Final = msgspec.msgpack.Decoder(dict[str, Any], ext_hook=_restored).decode
