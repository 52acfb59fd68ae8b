"""The dashboard's read model on DynamoDB: days, tags and labels, each newest or surest first, each article once.

Two attributes are stored differently from how they are handed over, both for the indexes' sake:

`sentiment_score_combined` of an article ends in its `item_key`, so that the index `by_sentiment` has one order without
ties and a page goes on exactly below the last one. A tag's copy carries it as `copy_score`, which keeps copies out of
that index (and saves a write each).
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from contracts.clock import Clock
from contracts.ports import Item
from stores.dynamo import Row, Table
from stores.dynamo_schema import BY_SENTIMENT, BY_TAG
from stores.dynamo_values import plain_item, typed_item

#: Keys of per-tag copies begin with this, so they sort after every article of the day.
TAG_KEY_PREFIX: Final = "~"
SCORE: Final = "sentiment_score_combined"
COPY_SCORE: Final = "copy_score"
_TOP: Final = "\U0010ffff"
_JOIN: Final = "|"


class DynamoReadModel:
    """The dashboard's table."""

    def __init__(self, dashboard: Table, clock: Clock) -> None:
        self._dashboard = dashboard
        self._clock = clock

    def put_dashboard(self, items: Sequence[Item]) -> None:
        """Write read-model items (keys `day_partition`, `item_key`); the same again changes nothing."""
        latest = {(item["day_partition"], item["item_key"]): item for item in items}
        self._dashboard.write_many([_stored(item) for item in latest.values()])

    def dashboard_day(self, day: str, before_key: str | None, limit: int) -> list[Item]:
        """A day's articles, newest first, each once; `before_key` is an `item_key` to go on below."""
        before = min(before_key or TAG_KEY_PREFIX, TAG_KEY_PREFIX)
        values = {":day": {"S": day}, ":before": {"S": before}}
        rows = self._dashboard.query(
            "day_partition = :day AND item_key < :before", values, ScanIndexForward=False, Limit=_page(limit)
        )
        return self._take(rows, limit)

    def dashboard_tag(self, tag: str, before_key: str | None, limit: int) -> list[Item]:
        """A tag's copies, newest first (by `ingested_at`, `source_id`). Copies of one instant, which the index has in
        no order, are put in order here."""
        before = before_key or _TOP
        values = {":tag": {"S": tag}}
        condition = "tag = :tag"
        if before_key is not None:
            condition += " AND ingested_at <= :at"
            values[":at"] = {"S": before_key.split("#")[1]}
        rows = self._dashboard.query(
            condition, values, IndexName=BY_TAG.name, ScanIndexForward=False, Limit=_page(limit)
        )
        return self._take((row for row in _ordered(rows) if row["item_key"]["S"] < before), limit)

    def dashboard_sentiment(self, sentiment: str, before_key: str | None, limit: int) -> list[Item]:
        """A label's articles, each once, surest first, then newest; `before_key` is the `item_key` of the last one
        seen."""
        values = {":label": {"S": sentiment}}
        condition = "sentiment = :label"
        if before_key is not None:
            key = {"day_partition": {"S": before_key[:10]}, "item_key": {"S": before_key}}
            last = self._dashboard.get(key)
            if last is not None and SCORE in last:
                condition += f" AND {SCORE} < :score"
                values[":score"] = last[SCORE]
        rows = self._dashboard.query(
            condition, values, IndexName=BY_SENTIMENT.name, ScanIndexForward=False, Limit=_page(limit)
        )
        return self._take(rows, limit)

    def _take(self, rows: Iterable[Row], limit: int) -> list[Item]:
        found: list[Item] = []
        for row in rows:
            if not self._is_over(row, "expires_at"):
                found.append(_shown(row))
                if len(found) == limit:
                    break
        return found

    def _is_over(self, row: Row, attribute: str) -> bool:
        """Past its TTL; deletion comes days late."""
        return attribute in row and float(row[attribute].get("N", "inf")) * 1000 <= self._clock.now_ms()


def _page(limit: int) -> int:
    """A few more than asked for, so that expired ones do not cost a call each."""
    return max(1, min(limit + 10, 1_000))


def _stored(item: Item) -> Row:
    row: dict[str, Any] = typed_item(item)
    score = row.pop(SCORE, None)
    if score is not None:
        is_copy = item["item_key"].startswith(TAG_KEY_PREFIX)
        row[COPY_SCORE if is_copy else SCORE] = score if is_copy else {"S": f"{score['S']}{_JOIN}{item['item_key']}"}
    return row


def _shown(row: Row) -> Item:
    item = plain_item(row)
    if SCORE in item:
        item[SCORE] = str(item[SCORE]).removesuffix(_JOIN + item["item_key"])
    if COPY_SCORE in item:
        item[SCORE] = item.pop(COPY_SCORE)
    return item


def _ordered(rows: Iterable[Row]) -> Iterator[Row]:
    """Rows that come by `ingested_at` descending, those of one instant by key descending."""
    group: list[Row] = []
    for row in rows:
        if group and row["ingested_at"]["S"] != group[0]["ingested_at"]["S"]:
            yield from _by_key(group)
            group = []
        group.append(row)
    yield from _by_key(group)


def _by_key(group: list[Row]) -> list[Row]:
    return sorted(group, key=lambda row: row["item_key"]["S"], reverse=True)
