"""Where the read model's driver reads from: the change stream of the items, as a DynamoDB stream."""

import math
from base64 import b64encode
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from contracts.ports import Item, ItemChange, ItemStore
from local.driver_context import ACCOUNT, REGION
from local.driver_source import SourcePage, SourceShard

KEY: Final = "source_id"
STREAM_LABEL: Final = "2026-01-01T00:00:00.000"
MAX_PAGE: Final = 1_000


class DynamoSource:
    """The change stream of an `ItemStore`'s primary table."""

    batch_info_name = "DDBStreamBatchInfo"

    def __init__(self, items: ItemStore, table: str) -> None:
        self._items = items
        self.arn = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}/stream/{STREAM_LABEL}"

    def shards(self) -> list[SourceShard]:
        return [SourceShard(shard_id, parent_ids) for shard_id, parent_ids in self._items.stream_shards().items()]

    def open(self, shard_id: str, after: str | None) -> str:
        """Raises `BadRequest` when the stream says that it never gave out that sequence number."""
        if after:
            self._items.stream_read(shard_id, after, 1)
        return after or ""

    def read(self, shard_id: str, place: str, wanted: int) -> SourcePage:
        limit = min(MAX_PAGE, wanted)
        changes = self._items.stream_read(shard_id, place, limit)
        if not changes and self._items.stream_ended(shard_id, place):
            return SourcePage([], None, 0)
        behind_ms = 1 if len(changes) == limit else 0
        return SourcePage(changes, changes[-1].sequence_number if changes else place, behind_ms)

    def sequence_of(self, record: ItemChange) -> str:
        return record.sequence_number

    def arrival_ms_of(self, record: ItemChange) -> int:
        return record.at_ms

    def size_of(self, record: ItemChange) -> int:
        """Twice the attributes' own bytes: types and names of JSON come to about as much again."""
        return 400 + 2 * (_size(record.new) + _size(record.old))

    def event_record(self, shard_id: str, record: ItemChange) -> dict[str, Any]:
        """The record of a Lambda DynamoDB event; an image that does not exist is absent."""
        key = (record.new or record.old or {})[KEY]
        stream: dict[str, Any] = {
            "ApproximateCreationDateTime": record.at_ms / 1000,
            "Keys": {KEY: typed(key)},
            "SequenceNumber": record.sequence_number,
            "SizeBytes": _size(record.new) + _size(record.old),
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        }
        if record.new is not None:
            stream["NewImage"] = typed_item(record.new)
        if record.old is not None:
            stream["OldImage"] = typed_item(record.old)
        return {
            "eventID": f"{shard_id}:{record.sequence_number}",
            "eventName": record.name,
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": REGION,
            "dynamodb": stream,
            "eventSourceARN": self.arn,
        }


def typed_item(item: Item) -> dict[str, Any]:
    """An item's attributes with their types, as streams carry them."""
    return {name: typed(value) for name, value in item.items()}


def typed(value: Any) -> dict[str, Any]:
    """A value with its type: `{"S": …}`, numbers as text in `{"N": …}`, binary as base64."""
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, int | float | Decimal):
        return {"N": _number(value)}
    if isinstance(value, bytes):
        return {"B": b64encode(value).decode("ascii")}
    if isinstance(value, Mapping):
        return {"M": {name: typed(part) for name, part in value.items()}}
    if isinstance(value, list | tuple):
        return {"L": [typed(part) for part in value]}
    assert isinstance(value, set | frozenset), f"a DynamoDB item cannot hold a {type(value).__name__}"
    if all(isinstance(part, str) for part in value):
        return {"SS": sorted(value)}
    return {"NS": sorted(map(_number, value))}


def _number(value: float | Decimal) -> str:
    assert math.isfinite(value), f"a DynamoDB item cannot hold {value}"
    return format(Decimal(repr(value)) if isinstance(value, float) else Decimal(value), "f")


def _size(value: Any) -> int:
    """Bytes of a value as DynamoDB counts them, roughly."""
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, Mapping):
        return sum(len(name) + _size(part) for name, part in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return sum(map(_size, value))
    return len(value) if isinstance(value, bytes) else 8
