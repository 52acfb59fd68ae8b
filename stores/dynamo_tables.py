"""Making tables where a home is started on an endpoint of its own; in production `infra/` makes them."""

from contextlib import suppress
from typing import Any, Final

from contracts.errors import Transient
from stores.aws_client import LOOK_EVERY_S, Refused, Service
from stores.dynamo_schema import Table

NO_TABLE: Final = "ResourceNotFoundException"
MAX_LOOKS: Final = 60


def create_table(dynamodb: Service, physical: str, table: Table) -> None:
    """Create it on demand-billing and wait until it serves; where it is there, only its TTL is seen to."""
    names = {table.partition, table.sort} | {n for index in table.indexes for n in (index.partition, index.sort)}
    definition: dict[str, Any] = {
        "TableName": physical,
        "KeySchema": _schema(table.partition, table.sort),
        "AttributeDefinitions": [{"AttributeName": n, "AttributeType": "S"} for n in sorted(names - {""})],
        "BillingMode": "PAY_PER_REQUEST",
    }
    if table.indexes:
        definition["GlobalSecondaryIndexes"] = [
            {
                "IndexName": index.name,
                "KeySchema": _schema(index.partition, index.sort),
                "Projection": {"ProjectionType": "KEYS_ONLY" if index.keys_only else "ALL"},
            }
            for index in table.indexes
        ]
    if table.stream:
        definition["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    with suppress(Refused):
        dynamodb.call("create_table", expect=("ResourceInUseException",), **definition)
    await_table(dynamodb, physical)
    # Whoever made the table may have died before this, or be at it too.
    if _is_kept(dynamodb, physical):
        wanted = {"TableName": physical, "TimeToLiveSpecification": {"Enabled": True, "AttributeName": table.ttl}}
        try:
            dynamodb.call("update_time_to_live", expect=("ValidationException",), **wanted)
        except Refused:
            if _is_kept(dynamodb, physical):
                dynamodb.call("update_time_to_live", **wanted)  # says why not


def _is_kept(dynamodb: Service, physical: str) -> bool:
    """Whether what is in the table has no time to live."""
    found = dynamodb.call("describe_time_to_live", TableName=physical)["TimeToLiveDescription"]
    return bool(found["TimeToLiveStatus"] == "DISABLED")


def await_table(dynamodb: Service, physical: str, status: str | None = "ACTIVE") -> None:
    """Until the table is ACTIVE, or with None until there is none. Raises `Transient` when that takes too long."""
    for _ in range(MAX_LOOKS):
        found = None
        with suppress(Refused):  # of a table just made not every host knows
            found = dynamodb.call("describe_table", expect=(NO_TABLE,), TableName=physical)["Table"]["TableStatus"]
        if found == status:
            return
        dynamodb.sleep(LOOK_EVERY_S)
    raise Transient("dynamodb", f"table {physical} is not {status or 'gone'} after {MAX_LOOKS} looks")


def _schema(partition: str, sort: str) -> list[dict[str, str]]:
    keys = [{"AttributeName": partition, "KeyType": "HASH"}]
    return [*keys, {"AttributeName": sort, "KeyType": "RANGE"}] if sort else keys
