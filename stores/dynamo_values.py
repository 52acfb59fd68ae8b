"""Values as DynamoDB's API has them, and back. Quicker than boto3's own serializer, and floats go in as decimals.

Numbers come back as int where they are whole, as float where no digit is lost, else as Decimal.
"""

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

Typed = dict[str, Any]


def typed(value: Any) -> Typed:
    """A value with its type, such as `{"S": "…"}`. Numbers must be finite: AssertionError otherwise."""
    if isinstance(value, str):
        return {"S": value}
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, int | float | Decimal):
        return {"N": number_text(value)}
    if isinstance(value, bytes):
        return {"B": value}
    if isinstance(value, Mapping):
        return {"M": {name: typed(part) for name, part in value.items()}}
    if isinstance(value, list | tuple):
        return {"L": [typed(part) for part in value]}
    assert isinstance(value, set | frozenset), f"an item cannot hold a {type(value).__name__}"
    assert value, "DynamoDB has no empty sets"
    if all(isinstance(part, str) for part in value):
        return {"SS": sorted(value)}
    return {"NS": sorted(map(number_text, value))}


def number_text(value: float | Decimal) -> str:
    """A number's shortest decimal text: 0.9 and Decimal("0.90") are one number, so they get one text."""
    assert math.isfinite(value), f"an item cannot hold {value}"
    if value == int(value):
        return str(int(value))
    exact = value if isinstance(value, Decimal) else Decimal(repr(value))
    return format(exact.normalize(), "f") if exact.adjusted() > -20 else str(exact.normalize())


def typed_item(item: Mapping[str, Any]) -> dict[str, Typed]:
    """All attributes of an item."""
    return {name: typed(value) for name, value in item.items()}


def plain(value: Typed) -> Any:
    """Inverse of `typed`."""
    ((kind, given),) = value.items()
    if kind in ("S", "BOOL"):
        return given
    if kind == "N":
        return plain_number(given)
    if kind == "B":
        return bytes(given)
    if kind == "M":
        return {name: plain(part) for name, part in given.items()}
    if kind == "L":
        return [plain(part) for part in given]
    if kind == "SS":
        return set(given)
    if kind == "NS":
        return {plain_number(text) for text in given}
    assert kind == "NULL", f"unknown type {kind}"
    return None


def plain_number(text: str) -> int | float | Decimal:
    """The number a text stands for."""
    exact = Decimal(text)
    if exact == int(exact):
        return int(exact)
    near = float(exact)
    return near if Decimal(repr(near)) == exact else exact


def plain_item(item: Mapping[str, Typed]) -> dict[str, Any]:
    """All attributes of an item."""
    return {name: plain(value) for name, value in item.items()}
