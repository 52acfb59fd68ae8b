"""The tables of design section 6, one row each. `infra/` makes them in production; this module makes them where a home
is started on an endpoint of its own, and a test compares the two.
"""

from typing import Any, Final, NamedTuple

from stores.aws_client import Refused, Service

ITEMS_PRIMARY: Final = "sentiment-items-primary"
ITEMS_DASHBOARD: Final = "sentiment-items-dashboard"
CONTROL: Final = "sentiment-control"
CHANGES: Final = "sentiment-changes"
TIMESERIES: Final = "sentiment-timeseries"
NO_TABLE: Final = "ResourceNotFoundException"


class Index(NamedTuple):
    """A global secondary index; `sort` may be empty. `keys_only`: it holds keys and nothing else."""

    name: str
    partition: str
    sort: str
    keys_only: bool = False


class Table(NamedTuple):
    """One table: key attributes (text, all of them), indexes, TTL attribute, whether it has a change stream."""

    name: str
    partition: str
    sort: str
    ttl: str
    indexes: tuple[Index, ...] = ()
    stream: bool = False


BY_TOUCH: Final = Index("by_touch", "touched", "", keys_only=True)
BY_SENTIMENT: Final = Index("by_sentiment", "sentiment", "sentiment_score_combined")
BY_TAG: Final = Index("by_tag", "tag", "ingested_at")

TABLES: Final[dict[str, Table]] = {
    table.name: table
    for table in (
        Table(TIMESERIES, "PK", "SK", "ttl", (BY_TOUCH,)),
        Table(CHANGES, "lane", "position", "ttl"),
        Table(ITEMS_PRIMARY, "source_id", "", "ttl", stream=True),
        Table(ITEMS_DASHBOARD, "day_partition", "item_key", "expires_at", (BY_SENTIMENT, BY_TAG)),
        Table(CONTROL, "kind", "name", "ttl"),
    )
}


def physical_name(environment: str, table: str, generation: str = "") -> str:
    """`{env}-{table}`, and `-{generation}` for the buckets'."""
    return f"{environment}-{table}" + (f"-{generation}" if generation else "")


def create_table(dynamodb: Service, physical: str, table: Table) -> None:
    """Create it on demand-billing and wait until it serves; no-op when it is there."""
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
    try:
        dynamodb.call("create_table", expect=("ResourceInUseException",), **definition)
    except Refused:
        await_table(dynamodb, physical)
        return
    await_table(dynamodb, physical)
    dynamodb.call(
        "update_time_to_live",
        TableName=physical,
        TimeToLiveSpecification={"Enabled": True, "AttributeName": table.ttl},
    )


def await_table(dynamodb: Service, physical: str, attempts: int = 60) -> None:
    """Until the table is ACTIVE; a second between looks."""
    for _ in range(attempts):
        if dynamodb.call("describe_table", TableName=physical)["Table"]["TableStatus"] == "ACTIVE":
            return
        dynamodb.pause(5)


def _schema(partition: str, sort: str) -> list[dict[str, str]]:
    keys = [{"AttributeName": partition, "KeyType": "HASH"}]
    return [*keys, {"AttributeName": sort, "KeyType": "RANGE"}] if sort else keys
