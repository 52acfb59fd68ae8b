"""Batches that were given up on, wherever they lie: in the lake, where our own driver puts them, and on AWS in the
bucket that the mappings name, where Lambda does. One shape, Lambda's: metadata, and the whole event as `payload`.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from contracts.errors import BadEvent, Transient
from contracts.kinesis import StreamRecord, records_of
from contracts.ports import Lake
from stores.aws_client import Refused, Service

LAKE_PREFIX: Final = "failed/"
BUCKET_PREFIX: Final = "aws/lambda/"
_ABSENT: Final = ("NoSuchBucket",)


class FailedBatch(NamedTuple):
    """One of them. `place`: its object; `document`: as Lambda wrote it; `event`: what the function was given;
    `records`: those of a stream in it, none where it holds changes of a table."""

    place: str
    document: dict[str, Any]
    event: dict[str, Any]
    records: list[StreamRecord]


def in_lake(lake: Lake, damaged: Callable[[str], None]) -> Iterator[FailedBatch]:
    """Those of our own driver, by their keys. `damaged` is told of every object that cannot be read to its end."""
    for key in lake.keys(LAKE_PREFIX):
        try:
            for line in lake.read(key):
                yield batch_of(key, line)
        except BadEvent as error:
            damaged(error.detail)


def in_bucket(s3: Service, bucket: str, damaged: Callable[[str], None]) -> Iterator[FailedBatch]:
    """Those of Lambda, by their keys; none without the bucket. `damaged` is told of every one that is; raises
    `Transient` for one that breaks off."""
    from botocore.exceptions import BotoCoreError

    for place in places_in_bucket(s3, bucket):
        key = place.removeprefix(f"s3://{bucket}/")
        try:
            body = s3.call("get_object", Bucket=bucket, Key=key)["Body"].read()
        except (BotoCoreError, OSError) as error:
            raise Transient("s3", f"{place}: {error}") from error
        try:
            yield batch_of(place, body)
        except BadEvent as error:
            damaged(error.detail)


def places_in_bucket(s3: Service, bucket: str) -> Iterator[str]:
    """Where those of Lambda lie, by their keys; nowhere without the bucket."""
    start: dict[str, Any] = {}
    while True:
        try:
            found = s3.call("list_objects_v2", expect=_ABSENT, Bucket=bucket, Prefix=BUCKET_PREFIX, **start)
        except Refused:
            return
        yield from (f"s3://{bucket}/{each['Key']}" for each in found.get("Contents", ()))
        if not found.get("IsTruncated"):
            return
        start = {"ContinuationToken": found["NextContinuationToken"]}


def batch_of(place: str, data: bytes) -> FailedBatch:
    """A batch as it was kept. Raises `BadEvent` for anything else."""
    try:
        document = json.loads(data)
        event = json.loads(document["payload"])
        of_stream = all("kinesis" in record for record in event.get("Records", ()))
        return FailedBatch(place, document, event, records_of(event) if of_stream else [])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadEvent("unparseable", f"{place} is no record of a failed batch: {error!r}") from None
