"""The dashboard's read model on DynamoDB: days, tags and labels, each newest or surest first, each article once.

Two attributes are stored differently from how they are handed over, both for the indexes' sake:

`sentiment_score_combined` of an article ends in its `item_key`, so that the index `by_sentiment` has one order without
ties and a page goes on exactly below the last one. A tag's copy carries it as `copy_score`, which keeps copies out of
that index (and saves a write each).

`counted`, which says what an article was counted for, is this table's own (see `dynamo_tallies.py`).
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from contracts.clock import Clock
from contracts.instants import date_of, iso_ms
from contracts.ports import Item
from contracts.resolution import DAY_MS
from contracts.tally import KEPT_MS, Tally
from stores.dynamo import Row, Table
from stores.dynamo_schema import BY_SENTIMENT, BY_TAG
from stores.dynamo_tallies import COUNTED, DynamoTallies
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
        self._tallies = DynamoTallies(dashboard, clock)

    def put_dashboard(self, items: Sequence[Item]) -> None:
        """Write read-model items (keys `day_partition`, `item_key`), articles together with what they change in the
        counters; the same again changes nothing."""
        latest = {(item["day_partition"], item["item_key"]): item for item in items}
        rows = [_stored(item) for item in latest.values()]
        self._tallies.put([row for row in rows if not _is_copy(row)])
        self._dashboard.write_many([row for row in rows if _is_copy(row)])

    # ---- counters (`contracts.ports.Tallying`) ----------------------------------------------------------------
    def tally(self, since_ms: int) -> Tally | None:
        """Counts of the articles ingested since the minute of an instant."""
        return self._tallies.since(since_ms)

    def tally_windows(self, width_ms: int, start_ms: int, end_ms: int) -> dict[int, Tally] | None:
        """Counts by window of the articles ingested in `[start_ms, end_ms)`."""
        return self._tallies.windows(width_ms, start_ms, end_ms)

    def ingestion_range(self) -> tuple[str, str] | None:
        """`ingested_at` of the oldest and the newest article; None when there is none."""
        first_ms, today_ms = self._clock.now_ms() - KEPT_MS, self._clock.now_ms()
        # One day ahead: an article may carry the stamp of a machine whose clock is fast.
        days = [date_of(at_ms) for at_ms in range(first_ms, today_ms + DAY_MS + 1, DAY_MS)]
        oldest = next((key for day in days if (key := self._oldest(day, iso_ms(first_ms)))), None)
        newest = next((found for day in reversed(days) if (found := self.dashboard_day(day, None, 1))), None)
        if oldest is None or newest is None:
            return None
        return oldest.partition("#")[0], str(newest[0]["item_key"]).partition("#")[0]

    def _oldest(self, day: str, first: str) -> str | None:
        values = {":day": {"S": day}, ":first": {"S": first}, ":end": {"S": TAG_KEY_PREFIX}}
        condition = "day_partition = :day AND item_key BETWEEN :first AND :end"
        rows = self._dashboard.query(condition, values, Limit=_page(1))
        found = self._take(rows, 1)
        return str(found[0]["item_key"]) if found else None

    def forget_minutes(self, before_ms: int) -> int:
        """None: a counter's TTL is that of the articles it counts."""
        return 0

    # ---- reading ----------------------------------------------------------------------------------------------

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
        is_copy = _is_copy(row)
        row[COPY_SCORE if is_copy else SCORE] = score if is_copy else {"S": f"{score['S']}{_JOIN}{item['item_key']}"}
    return row


def _is_copy(row: Row) -> bool:
    return str(row["item_key"]["S"]).startswith(TAG_KEY_PREFIX)


def _shown(row: Row) -> Item:
    item = plain_item(row)
    item.pop(COUNTED, None)
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
