"""The tables of design section 6, one row each. `infra/` makes them in production from these rows, `dynamo_tables.py`
where a home is started on an endpoint of its own. Nothing is imported here that the infrastructure's venv lacks.
"""

from typing import Final, NamedTuple

ITEMS_PRIMARY: Final = "sentiment-items-primary"
ITEMS_DASHBOARD: Final = "sentiment-items-dashboard"
CONTROL: Final = "sentiment-control"
CHANGES: Final = "sentiment-changes"
TIMESERIES: Final = "sentiment-timeseries"


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
