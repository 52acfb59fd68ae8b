"""The Lambda Kinesis event: reading user records out of it (base64, KPL aggregates) and naming them in answers."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, NamedTuple

from contracts.errors import BadEvent, Unusable

KPL_MAGIC = b"\xf3\x89\x9a\xc2"


class UserRecord(NamedTuple):
    """One event's bytes and where they stood. `sub_sequence` counts inside a KPL aggregate (a retry repeats the whole
    aggregated record, so answers name `sequence_number`). `fault` is set when the bytes could not be read."""

    sequence_number: str
    sub_sequence: int
    partition_key: str
    data: bytes
    arrival_ms: int
    fault: BadEvent | None = None


def user_records(event: Mapping[str, Any]) -> list[UserRecord]:
    """The user records of a Lambda Kinesis event, in order; aggregates are taken apart."""
    found: list[UserRecord] = []
    for record in event.get("Records", ()):
        kinesis = record["kinesis"]
        sequence, key = kinesis["sequenceNumber"], kinesis["partitionKey"]
        arrival_ms = round(float(kinesis["approximateArrivalTimestamp"]) * 1000)
        try:
            data = base64.b64decode(kinesis["data"], validate=True)
        except (binascii.Error, ValueError) as error:
            fault = BadEvent("unparseable", f"not base64: {error}")
            found.append(UserRecord(sequence, 0, key, str(kinesis["data"]).encode(), arrival_ms, fault))
            continue
        if data.startswith(KPL_MAGIC):
            found += _deaggregate(record, sequence, arrival_ms, data)
        else:
            found.append(UserRecord(sequence, 0, key, data, arrival_ms))
    return found


def _deaggregate(record: Mapping[str, Any], sequence: str, arrival_ms: int, data: bytes) -> list[UserRecord]:
    """Take one KPL aggregate apart. The library hands a corrupt aggregate back as one plain record without an error;
    a user record that still starts with the magic is how we notice."""
    try:
        from aws_kinesis_agg.deaggregator import deaggregate_record
    except ImportError:
        raise Unusable("a KPL-aggregated record arrived: install the extra, `pip install candlewick[aws]`") from None
    parts: list[UserRecord] = []
    for index, part in enumerate(deaggregate_record(record)):
        kinesis = part["kinesis"]
        inner = base64.b64decode(kinesis["data"])
        fault = None
        if inner.startswith(KPL_MAGIC):
            fault = BadEvent("corrupt_aggregate", f"{len(data)} bytes with a wrong digest")
        parts.append(UserRecord(sequence, index, kinesis["partitionKey"], inner, arrival_ms, fault))
    return parts


def shard_of(event: Mapping[str, Any]) -> str:
    """The shard the records came from: `shardId` of a windowed invocation, else the first record's event id."""
    named = event.get("shardId")
    if named:
        return str(named)
    records = event.get("Records") or [{}]
    return str(records[0].get("eventID", "")).partition(":")[0] or "shard-unknown"


def stream_of(event: Mapping[str, Any]) -> str:
    """The stream's name, the last part of its ARN."""
    arn = event.get("eventSourceARN") or next((r.get("eventSourceARN", "") for r in event.get("Records", ())), "")
    return str(arn).rpartition("/")[2]


def item_failures(sequence_numbers: list[str]) -> list[dict[str, str]]:
    """`batchItemFailures`: Lambda takes the lowest as its checkpoint."""
    return [{"itemIdentifier": number} for number in sequence_numbers]
