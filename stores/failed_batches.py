"""Batches that were given up on, wherever they lie: in the lake, where our own driver puts them, and on AWS in the
bucket that the mappings name, where Lambda does. One shape, Lambda's: metadata, and the whole event as `payload`.
"""

import json
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from contracts.errors import BadEvent, Transient
from contracts.ports import Lake
from stores.aws_client import Refused, Service

LAKE_PREFIX: Final = "failed/"
BUCKET_PREFIX: Final = "aws/lambda/"
_ABSENT: Final = ("NoSuchBucket",)


class FailedBatch(NamedTuple):
    """One of them. `place`: its object; `document`: as Lambda wrote it; `event`: what the function was given."""

    place: str
    document: dict[str, Any]
    event: dict[str, Any]


def in_lake(lake: Lake) -> Iterator[FailedBatch]:
    """Those of our own driver, by their keys. Raises `BadEvent` for one that is damaged."""
    for key in lake.keys(LAKE_PREFIX):
        for line in lake.read(key):
            yield _batch(key, line)


def in_bucket(s3: Service, bucket: str) -> Iterator[FailedBatch]:
    """Those of Lambda, by their keys; none without the bucket. Raises `BadEvent` for one that is damaged,
    `Transient` for one that breaks off."""
    from botocore.exceptions import BotoCoreError

    start: dict[str, Any] = {}
    while True:
        try:
            found = s3.call("list_objects_v2", expect=_ABSENT, Bucket=bucket, Prefix=BUCKET_PREFIX, **start)
        except Refused:
            return
        for each in found.get("Contents", ()):
            place = f"s3://{bucket}/{each['Key']}"
            try:
                body = s3.call("get_object", Bucket=bucket, Key=each["Key"])["Body"].read()
            except (BotoCoreError, OSError) as error:
                raise Transient("s3", f"{place}: {error}") from error
            yield _batch(place, body)
        if not found.get("IsTruncated"):
            return
        start = {"ContinuationToken": found["NextContinuationToken"]}


def _batch(place: str, data: bytes) -> FailedBatch:
    try:
        document = json.loads(data)
        return FailedBatch(place, document, json.loads(document["payload"]))
    except (ValueError, KeyError, TypeError) as error:
        raise BadEvent("unparseable", f"{place} is no record of a failed batch: {error!r}") from None
