"""The time to live of a table that several workers make at once; the emulator knows no such refusal."""

from typing import Any

import pytest

from contracts.errors import BadRequest
from stores.aws_client import Refused
from stores.dynamo_schema import TABLES, TIMESERIES
from stores.dynamo_tables import create_table


class Amazon:
    """Of a table that is there; refuses to switch on what is on, or anything at all."""

    def __init__(self, statuses: list[str]) -> None:
        self.statuses = statuses
        self.updates = 0

    def call(self, operation: str, expect: tuple[str, ...] = (), **_: Any) -> dict[str, Any]:
        if operation == "describe_table":
            return {"Table": {"TableStatus": "ACTIVE"}}
        if operation == "describe_time_to_live":
            return {"TimeToLiveDescription": {"TimeToLiveStatus": self.statuses.pop(0)}}
        if operation == "update_time_to_live":
            self.updates += 1
            if "ValidationException" in expect:
                raise Refused("ValidationException", {})
            raise BadRequest("dynamodb: ValidationException: not today")
        return {}


def test_who_comes_second_is_content() -> None:
    amazon = Amazon(["DISABLED", "ENABLING"])
    create_table(amazon, "t", TABLES[TIMESERIES])  # type: ignore[arg-type]
    assert (amazon.statuses, amazon.updates) == ([], 1)


def test_another_refusal_is_told() -> None:
    with pytest.raises(BadRequest, match="not today"):
        create_table(Amazon(["DISABLED", "DISABLED"]), "t", TABLES[TIMESERIES])  # type: ignore[arg-type]
