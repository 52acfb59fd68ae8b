"""A change stream that has forgotten what was not read yet: reading goes on at what it has, and says what is lost."""

import json
import logging
from typing import Any, cast

import pytest

from stores.aws_client import Refused, Service
from stores.dynamo import Table
from stores.dynamo_stream import DynamoStream


class Streams:
    """One shard whose records up to some point are gone, as an iterator finds, or already who opens one."""

    def __init__(self, refuses: str) -> None:
        self.refuses = refuses
        self.opened: list[str] = []

    def call(self, operation: str, **given: Any) -> dict[str, Any]:
        if operation == "get_shard_iterator":
            kind = given["ShardIteratorType"]
            self.opened.append(kind)
            if kind != "TRIM_HORIZON" and self.refuses == operation:
                raise Refused("TrimmedDataAccessException", {})
            return {"ShardIterator": kind}
        if given["ShardIterator"] != "TRIM_HORIZON":
            raise Refused("TrimmedDataAccessException", {})
        return {"NextShardIterator": None, "Records": []}


@pytest.mark.parametrize("refuses", ["get_shard_iterator", "get_records"])
def test_what_was_forgotten_before_it_was_read_is_told(refuses: str, caplog: pytest.LogCaptureFixture) -> None:
    streams = Streams(refuses)
    stream = DynamoStream(cast(Table, None), cast(Service, streams))
    stream._arn = "arn"
    with caplog.at_level(logging.WARNING):
        assert stream.read("shard-1", "700", 10) == []
    assert streams.opened == ["AFTER_SEQUENCE_NUMBER", "TRIM_HORIZON"]
    (told,) = [json.loads(record.message) for record in caplog.records]
    assert (told["shard"], told["read_through"]) == ("shard-1", "700")
