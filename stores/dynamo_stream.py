"""The primary table's change stream, read with plain calls: for the one-process runner on an AWS endpoint. Deployed,
Lambda reads it.

A shard is closed after some hours and a child goes on. Its iterators end when it is read to its end; a day after its
last record the service forgets it, which is an end as well.
"""

import json
import logging
import threading
from collections import OrderedDict
from typing import Any, Final

from contracts.errors import BadRequest, Transient, Unusable
from contracts.ports import ItemChange
from stores.aws_client import Refused, Service
from stores.dynamo import Table
from stores.dynamo_values import plain_item

MAX_RECORDS: Final = 1_000
#: Empty answers in a row that still do not mean the tip: the service may have crossed a stretch without records.
MAX_EMPTY: Final = 5
MAX_ITERATORS: Final = 64
#: Kept instead of an iterator.
ENDED: Final = ""
_TRIMMED: Final = "TrimmedDataAccessException"
_UNKNOWN: Final = "ResourceNotFoundException"
_EXPIRED: Final = "ExpiredIteratorException"
log = logging.getLogger(__name__)


class DynamoStream:
    """Reads a table's latest stream, keeping the service's iterators by the place they stand at."""

    def __init__(self, table: Table, streams: Service) -> None:
        self._table = table
        self._streams = streams
        self._arn: str | None = None
        self._iterators: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._lock = threading.Lock()

    def shards(self) -> dict[str, tuple[str, ...]]:
        """Shard id → ids of its parents, which may be gone; older before newer."""
        found: dict[str, tuple[str, ...]] = {}
        start: dict[str, str] = {}
        while True:
            answer = self._streams.call("describe_stream", StreamArn=self._stream_arn(), **start)["StreamDescription"]
            for shard in answer["Shards"]:
                parent_id = shard.get("ParentShardId")
                found[shard["ShardId"]] = (parent_id,) if parent_id else ()
            if not answer.get("LastEvaluatedShardId"):
                return found
            start = {"ExclusiveStartShardId": answer["LastEvaluatedShardId"]}

    def read(self, shard_id: str, after: str, limit: int) -> list[ItemChange]:
        """Changes after a sequence number ("": from the oldest kept)."""
        iterator = self._take(shard_id, after)
        limit = max(1, min(limit, MAX_RECORDS))
        for _ in range(MAX_EMPTY):
            if iterator == ENDED:
                break
            try:
                answer = self._streams.call(
                    "get_records", expect=(_EXPIRED, _TRIMMED, _UNKNOWN), ShardIterator=iterator, Limit=limit
                )
            except Refused as refused:
                iterator = self._trimmed(shard_id, after) if refused.code == _TRIMMED else self._open(shard_id, after)
                continue
            iterator = answer.get("NextShardIterator") or ENDED
            if answer["Records"]:
                changes = [_change(record) for record in answer["Records"]]
                self._keep(shard_id, changes[-1].sequence_number, iterator)
                return changes
        self._keep(shard_id, after, iterator)
        return []

    def ended(self, shard_id: str, after: str) -> bool:
        """Whether `read` found that the shard is closed and holds nothing after that place."""
        with self._lock:
            return self._iterators.get((shard_id, after)) == ENDED

    def _take(self, shard_id: str, after: str) -> str:
        with self._lock:
            known = self._iterators.pop((shard_id, after), None)
        return self._open(shard_id, after) if known is None else known

    def _keep(self, shard_id: str, after: str, iterator: str) -> None:
        with self._lock:
            self._iterators[shard_id, after] = iterator
            while len(self._iterators) > MAX_ITERATORS:
                self._iterators.popitem(last=False)

    def _open(self, shard_id: str, after: str) -> str:
        place: dict[str, str] = {"ShardIteratorType": "TRIM_HORIZON"}
        if after:
            place = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": after}
        try:
            answer = self._streams.call(
                "get_shard_iterator",
                expect=(_TRIMMED, _UNKNOWN),
                StreamArn=self._stream_arn(),
                ShardId=shard_id,
                **place,
            )
        except Refused as refused:
            if refused.code == _TRIMMED and after:
                return self._trimmed(shard_id, after)
            if shard_id in self.shards():
                raise Transient("dynamodbstreams", f"{shard_id}: {refused.code}, though the stream lists it") from None
            message = "the change stream has forgotten a shard; changes not read by then are not in the read model"
            log.warning(json.dumps({"message": message, "shard": shard_id, "read_through": after}))
            return ENDED
        return str(answer["ShardIterator"])

    def _trimmed(self, shard_id: str, after: str) -> str:
        """Where reading goes on when the stream has forgotten what came next."""
        message = (
            "the change stream has forgotten what came next; changes not read by then may not be in the read model"
        )
        log.warning(json.dumps({"message": message, "shard": shard_id, "read_through": after}))
        return self._open(shard_id, "")

    def _stream_arn(self) -> str:
        if self._arn is None:
            try:
                found = self._table.service.call("describe_table", TableName=self._table.name)["Table"]
            except BadRequest as error:
                raise Unusable(f"{error.detail}; `candlewick deploy` makes the tables") from None
            if "LatestStreamArn" not in found:
                raise Unusable(
                    f"table {self._table.name} has no change stream; deploy it again with `candlewick deploy`"
                )
            self._arn = str(found["LatestStreamArn"])
        return self._arn


def _change(record: dict[str, Any]) -> ItemChange:
    stream = record["dynamodb"]
    images = []
    for name in ("NewImage", "OldImage"):
        image = plain_item(stream[name]) if stream.get(name) else None
        if image is not None:
            image.pop("ttl", None)
        images.append(image)
    at = stream["ApproximateCreationDateTime"]
    at_ms = round(at.timestamp() * 1000)
    return ItemChange(str(stream["SequenceNumber"]), record["eventName"], images[0], images[1], at_ms)
