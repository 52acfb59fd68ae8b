"""Lambda event JSON as Kinesis and DynamoDB streams send it."""

import base64
from collections.abc import Iterator, Sequence
from typing import Any

from aggregation.event import CHUNK
from contracts.kinesis import Chunk, chunks_of
from contracts.ports import Record
from tests.fakes.log import SHARD


def kinesis_event(stream: str, records: Sequence[Record], shard: str = SHARD) -> dict[str, Any]:
    """A Lambda Kinesis event with these records."""
    return {
        "Records": [
            {
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": record.partition_key,
                    "sequenceNumber": record.sequence_number,
                    "data": base64.b64encode(record.data).decode(),
                    "approximateArrivalTimestamp": record.arrival_ms / 1000,
                },
                "eventSource": "aws:kinesis",
                "eventVersion": "1.0",
                "eventID": f"{shard}:{record.sequence_number}",
                "eventName": "aws:kinesis:record",
                "awsRegion": "us-east-1",
                "eventSourceARN": f"arn:aws:kinesis:us-east-1:123456789012:stream/{stream}",
            }
            for record in records
        ]
    }


def batch_of(stream: str, records: Sequence[Record], shard: str = SHARD) -> Iterator[Chunk]:
    """These records as the aggregator is given them."""
    return chunks_of(kinesis_event(stream, records, shard), CHUNK)
