"""Where a driver reads from: the shards of an event log, as Lambda's Kinesis poller presents them.

`Source` is what the driver needs of any stream; `driver_dynamo.py` has the other one.
"""

import json
from base64 import b64encode
from typing import Any, Final, NamedTuple, Protocol

from contracts.ports import MAX_GET_RECORDS, EventLog, Position, Record
from local.driver_context import ACCOUNT, REGION, ROLE_ARN

READ_AHEAD: Final = 1_000


class SourceShard(NamedTuple):
    shard_id: str
    parent_ids: tuple[str, ...]


class SourcePage(NamedTuple):
    """Records in order; `place` to read on from (None: the shard has ended); `behind_ms` 0 at the tip."""

    records: list[Any]
    place: str | None
    behind_ms: int


class Source(Protocol):
    """A sharded stream whose records carry sequence numbers and arrival times. All methods may raise `Transient`."""

    arn: str
    batch_info_name: str

    def shards(self) -> list[SourceShard]:
        """Parents before children."""
        ...

    def open(self, shard_id: str, after: str | None) -> str:
        """The place after a sequence number; None: the oldest record kept."""
        ...

    def read(self, shard_id: str, place: str, wanted: int) -> SourcePage: ...

    def sequence_of(self, record: Any) -> str: ...

    def arrival_ms_of(self, record: Any) -> int: ...

    def size_of(self, record: Any) -> int:
        """Bytes of the record in the event."""
        ...

    def event_record(self, shard_id: str, record: Any) -> dict[str, Any]:
        """The record as handlers see it."""
        ...


class KinesisSource:
    """The shards of one stream of an `EventLog`."""

    batch_info_name = "KinesisBatchInfo"

    def __init__(self, log: EventLog, stream: str) -> None:
        self._log = log
        self._stream = stream
        self.arn = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{stream}"
        self._envelope_bytes = len(json.dumps(self.event_record("shardId-" + "0" * 12, Record("0" * 56, "", b"", 1))))

    def shards(self) -> list[SourceShard]:
        """Raises `BadRequest` for an unknown stream."""
        return [SourceShard(shard.shard_id, shard.parent_ids) for shard in self._log.shards(self._stream)]

    def open(self, shard_id: str, after: str | None) -> str:
        """Raises `BadRequest` when the log never gave out that sequence number."""
        position = Position("TRIM_HORIZON") if after is None else Position("AFTER_SEQUENCE_NUMBER", after)
        return self._log.iterator(self._stream, shard_id, position)

    def read(self, shard_id: str, place: str, wanted: int) -> SourcePage:
        """Reads ahead of small batches, so that they do not cost a read each."""
        page = self._log.get_records(place, min(MAX_GET_RECORDS, max(READ_AHEAD, wanted)))
        return SourcePage(page.records, page.next_iterator, page.behind_ms)

    def sequence_of(self, record: Record) -> str:
        return record.sequence_number

    def arrival_ms_of(self, record: Record) -> int:
        return record.arrival_ms

    def size_of(self, record: Record) -> int:
        return (len(record.data) + 2) // 3 * 4 + len(record.partition_key) + self._envelope_bytes

    def event_record(self, shard_id: str, record: Record) -> dict[str, Any]:
        """The record of a Lambda Kinesis event, field for field."""
        sequence_number, partition_key, data, arrival_ms = record
        return {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": partition_key,
                "sequenceNumber": sequence_number,
                "data": b64encode(data).decode("ascii"),
                "approximateArrivalTimestamp": arrival_ms / 1000,
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"{shard_id}:{sequence_number}",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": ROLE_ARN,
            "awsRegion": REGION,
            "eventSourceARN": self.arn,
        }
