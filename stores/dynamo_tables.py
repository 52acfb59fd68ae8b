"""Making tables where a home is started on an endpoint of its own; in production `infra/` makes them."""

from contextlib import suppress
from typing import Any, Final

from stores.aws_client import Refused, Service
from stores.dynamo_schema import Table

NO_TABLE: Final = "ResourceNotFoundException"


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
    # Whoever made the table may have died before this.
    found = dynamodb.call("describe_time_to_live", TableName=physical)["TimeToLiveDescription"]
    if found["TimeToLiveStatus"] == "DISABLED":
        wanted = {"Enabled": True, "AttributeName": table.ttl}
        dynamodb.call("update_time_to_live", TableName=physical, TimeToLiveSpecification=wanted)


def await_table(dynamodb: Service, physical: str, attempts: int = 60) -> None:
    """Until the table is ACTIVE; a second between looks."""
    for _ in range(attempts):
        if dynamodb.call("describe_table", TableName=physical)["Table"]["TableStatus"] == "ACTIVE":
            return
        dynamodb.pause(5)


def _schema(partition: str, sort: str) -> list[dict[str, str]]:
    keys = [{"AttributeName": partition, "KeyType": "HASH"}]
    return [*keys, {"AttributeName": sort, "KeyType": "RANGE"}] if sort else keys
