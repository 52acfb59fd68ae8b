"""The failure destination: batches given up on, whole, in the lake; nothing that was received vanishes."""

import json
from collections.abc import Sequence
from typing import Any, Literal

from contracts.instants import iso_ms
from contracts.ports import Lake
from local.driver_context import VERSION, function_arn
from local.driver_source import Source

Condition = Literal["RetryAttemptsExhausted", "RecordAgeExceeded"]


class FailureDestination:
    """Writes the record that Lambda sends to an S3 destination: metadata, and the whole event as `payload` (JSON text).

    The object's name comes from mapping, shard and sequence numbers: giving up on the same batch again replaces it.
    """

    def __init__(self, lake: Lake, prefix: str, function_name: str) -> None:
        self._lake = lake
        self._prefix = prefix
        self._function_name = function_name

    def put(
        self,
        source: Source,
        shard_id: str,
        records: Sequence[Any],
        event: dict[str, Any],
        condition: Condition,
        attempts: int,
        request_id: str,
        cause: str,
        now_ms: int,
    ) -> str:
        """Write the batch and return its key. Raises `Transient`."""
        first, last = source.sequence_of(records[0]), source.sequence_of(records[-1])
        document = {
            "requestContext": {
                "requestId": request_id,
                "functionArn": function_arn(self._function_name),
                "condition": condition,
                "approximateInvokeCount": attempts,
            },
            "responseContext": {
                "statusCode": 200,
                "executedVersion": VERSION,
                "functionError": "Unhandled",
                "cause": cause,  # ours: Lambda leaves the reader to search the function's log
            },
            "version": "1.0",
            "timestamp": iso_ms(now_ms),
            source.batch_info_name: {
                "shardId": shard_id,
                "startSequenceNumber": first,
                "endSequenceNumber": last,
                "approximateArrivalOfFirstRecord": iso_ms(source.arrival_ms_of(records[0])),
                "approximateArrivalOfLastRecord": iso_ms(source.arrival_ms_of(records[-1])),
                "batchSize": len(records),
                "streamArn": source.arn,
            },
            "payload": json.dumps(event, separators=(",", ":")),
        }
        key = f"{self._prefix}/{self._function_name}/{shard_id}/{first}-{last}.jsonl.gz"
        self._lake.put(key, [json.dumps(document, separators=(",", ":")).encode()])
        return key
