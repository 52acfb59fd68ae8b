"""DynamoDB's typed attributes (`{"S": "text"}`) as plain values, without boto3: the embedded home has none."""

import base64
import binascii
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from contracts.errors import BadEvent


def plain_item(image: Mapping[str, Any]) -> dict[str, Any]:
    """An image of a stream record as plain values: numbers as Decimal, sets as sorted lists.

    Raises `BadEvent("unparseable")`, naming the attribute.
    """
    return {name: _plain(name, attribute) for name, attribute in image.items()}


def _plain(name: str, attribute: Any) -> Any:
    if not isinstance(attribute, Mapping) or len(attribute) != 1:
        raise BadEvent("unparseable", f"{name}: not a typed attribute: {str(attribute)[:80]!r}")
    ((kind, value),) = attribute.items()
    try:
        match kind:
            case "S":
                return str(value)
            case "BOOL":
                return bool(value)
            case "N":
                return _number(value)
            case "NULL":
                return None
            case "M":
                return {key: _plain(f"{name}.{key}", each) for key, each in value.items()}
            case "L":
                return [_plain(name, each) for each in value]
            case "SS":
                return sorted(str(each) for each in value)
            case "NS":
                return sorted(_number(each) for each in value)
            case "B":
                return base64.b64decode(value)
            case "BS":
                return sorted(base64.b64decode(each) for each in value)
    except (AttributeError, TypeError, InvalidOperation, binascii.Error) as error:
        raise BadEvent("unparseable", f"{name}: {kind} with {str(value)[:80]!r}: {error}") from None
    raise BadEvent("unparseable", f"{name}: no attribute type {str(kind)[:20]!r}")


def _number(value: object) -> Decimal:
    number = Decimal(str(value))
    if not number.is_finite():
        raise BadEvent("bad_value", f"{value!r} is not a number")
    return number
