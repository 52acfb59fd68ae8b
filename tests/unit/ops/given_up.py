"""Batches that were given up on, as Lambda writes them."""

import base64
import json
from typing import Any

from contracts.instants import iso_ms
from tests.events import BASE_MS


def event_of(bodies: list[bytes]) -> dict[str, Any]:
    """What Lambda gives a function that reads scored-articles."""
    arn = "arn:aws:kinesis:us-east-1:123456789012:stream/dev-scored-articles"
    return {
        "Records": [
            {
                "kinesis": {
                    "data": base64.b64encode(body).decode(), "partitionKey": "AAPL", "sequenceNumber": str(number),
                    "approximateArrivalTimestamp": BASE_MS / 1000, "kinesisSchemaVersion": "1.0",
                },
                "eventID": f"shardId-000000000000:{number}", "eventSourceARN": arn, "eventSource": "aws:kinesis",
            }
            for number, body in enumerate(bodies, 1)
        ]
    }  # fmt: skip


def document_of(event: dict[str, Any]) -> dict[str, Any]:
    """What Lambda writes to an on-failure bucket."""
    return {
        "requestContext": {
            "requestId": "6b1d0d43", "condition": "RetryAttemptsExhausted", "approximateInvokeCount": 101,
            "functionArn": "arn:aws:lambda:us-east-1:123456789012:function:dev-candlewick-aggregator",
        },
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "version": "1.0", "timestamp": "2025-12-21T12:00:00.000Z",
        "KinesisBatchInfo": {
            "shardId": "shardId-000000000000", "startSequenceNumber": "1", "endSequenceNumber": "3", "batchSize": 3,
            "streamArn": "arn:aws:kinesis:us-east-1:123456789012:stream/dev-scored-articles",
        },
        "payload": json.dumps(event),
    }  # fmt: skip


def article(number: int) -> dict[str, Any]:
    return {
        "source_id": f"rss#{number}", "ingested_at": iso_ms(BASE_MS), "source_type": "rss", "source_url": "",
        "text_snippet": "", "sentiment": "neutral", "score": 0.9, "polarity": 0.1, "model_version": "m-1",
        "scored_at": iso_ms(BASE_MS), "matched_tags": ["ai"], "matched_tickers": ["AAPL"], "status": "analyzed",
        "metadata": {"title": "x", "published_at": iso_ms(BASE_MS)}, "sources": [], "story_key": "s", "raw_key": "r",
    }  # fmt: skip


def change_of(number: int, name: str = "INSERT", **images: Any) -> dict[str, Any]:
    """A change of an article as Lambda gives it to the read model."""
    told = {"Keys": {"source_id": {"S": f"rss#{number}"}}, "SequenceNumber": str(number), **images}
    return {"eventID": str(number), "eventName": name, "eventSource": "aws:dynamodb", "dynamodb": told}
