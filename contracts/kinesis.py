"""The Lambda Kinesis event: user records out of it (base64, KPL aggregates opened), failures named in answers."""

import base64
import binascii
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from contracts.errors import BadEvent, Unusable

AGGREGATE_MAGIC: Final = b"\xf3\x89\x9a\xc2"
_DIGEST_BYTES: Final = 16


class StreamRecord(NamedTuple):
    """One user record with its place: `sub_sequence` counts within a KPL aggregate (0 outside one; a retry repeats
    the whole aggregate, so answers name `sequence_number`). `error`: the bytes are not base64, or a damaged aggregate;
    `data` is then all there is."""

    stream: str
    shard_id: str
    sequence_number: str
    sub_sequence: int
    partition_key: str
    data: bytes
    arrival_ms: int
    error: BadEvent | None = None


def records_of(event: Mapping[str, Any]) -> list[StreamRecord]:
    """The user records of a Lambda Kinesis event, in order. The final invocation of a window may hold none."""
    return [user for record in event.get("Records", ()) for user in _user_records(record)]


def shard_of(event: Mapping[str, Any]) -> str:
    """The shard of an invocation: `shardId` of a windowed one, else from the first record."""
    if "shardId" in event:
        return str(event["shardId"])
    return str(event["Records"][0]["eventID"]).partition(":")[0]


def item_failures(records: list[StreamRecord]) -> list[dict[str, str]]:
    """`batchItemFailures` for records to be retried; Lambda takes the lowest sequence number as its checkpoint."""
    return [{"itemIdentifier": record.sequence_number} for record in records]


def _user_records(record: Mapping[str, Any]) -> Iterator[StreamRecord]:
    kinesis = record["kinesis"]
    shard_id, _, _ = record["eventID"].partition(":")
    error = None
    try:
        data = base64.b64decode(kinesis["data"], validate=True)
    except (binascii.Error, ValueError) as fault:
        data = str(kinesis["data"]).encode()
        error = BadEvent("unparseable", f"not base64: {fault}")
    whole = StreamRecord(
        record["eventSourceARN"].rpartition("/")[2],
        shard_id,
        kinesis["sequenceNumber"],
        0,
        kinesis["partitionKey"],
        data,
        round(kinesis["approximateArrivalTimestamp"] * 1000),
        error,
    )
    if data.startswith(AGGREGATE_MAGIC):
        yield from _open_aggregate(whole)
    else:
        yield whole


def _open_aggregate(whole: StreamRecord) -> Iterator[StreamRecord]:
    """The library passes a corrupt aggregate through as one plain record; so the digest is checked here."""
    body, digest = whole.data[len(AGGREGATE_MAGIC) : -_DIGEST_BYTES], whole.data[-_DIGEST_BYTES:]
    if hashlib.md5(body, usedforsecurity=False).digest() != digest:
        yield whole._replace(error=BadEvent("corrupt_aggregate", f"{len(whole.data)} bytes; the digest differs"))
        return
    try:
        from aws_kinesis_agg import messages_pb2
    except ImportError:
        raise Unusable("a KPL-aggregated record arrived: install the extra, `pip install candlewick[aws]`") from None
    aggregate = messages_pb2.AggregatedRecord.FromString(body)
    for index, user in enumerate(aggregate.records):
        key = aggregate.partition_key_table[user.partition_key_index]
        yield whole._replace(sub_sequence=index, partition_key=key, data=user.data)
