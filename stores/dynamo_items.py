"""Articles on DynamoDB: the primary table (one item an article) with its change stream.

The primary's key is the article alone, so who asks for a subject's articles goes by *mentions*: small items in the
dashboard's table, PK `mention#AAPL#2025-12-21`, written before the article. A mention that its article does not bear
out (a crash in between, a subject taken back, another time of publication) is passed over by the reader.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from contracts.clock import Clock
from contracts.errors import BadEvent, Transient
from contracts.instants import date_of, iso_ms, parse_ms
from contracts.ports import Item, ItemChange
from contracts.resolution import DAY_MS
from contracts.subjects import TAG_PREFIX
from stores.aws_client import Service
from stores.dynamo import Lost, Row, Table
from stores.dynamo_read_model import DynamoReadModel
from stores.dynamo_stream import DynamoStream
from stores.dynamo_values import plain_item, typed_item

KEPT_MS: Final = 30 * DAY_MS
MAX_TRIES: Final = 20
MENTION: Final = "mention#"


class DynamoItemStore(DynamoReadModel):
    """`contracts.ports.ItemStore` in `{env}-sentiment-items-primary` and `{env}-sentiment-items-dashboard`."""

    def __init__(self, primary: Table, dashboard: Table, streams: Service, clock: Clock) -> None:
        super().__init__(dashboard, clock)
        self._primary = primary
        self._stream = DynamoStream(primary, streams)

    # ---- primary ----------------------------------------------------------------------------------------------
    def put_primary(self, item: Item) -> None:
        """Write the whole item (key `source_id`); DynamoDB itself sees that the same item again is no change."""
        self.put_primaries([item])

    def put_primaries(self, items: Iterable[Item]) -> None:
        """`put_primary` for many; of one key the last stands. Batches of 25, leftovers sent again."""
        latest = {item["source_id"]: item for item in items}
        mentions = [mention for item in latest.values() for mention in _mentions(item)]
        self._dashboard.write_many(mentions)
        self._primary.write_many([_row(item) for item in latest.values()])

    def add_source(self, source_id: str, source: Mapping[str, Any]) -> bool:
        """Add another source of the same story to the item's `sources`, once; false when it was there or the item
        does not exist yet. The write holds only if the list is still the one that was read; else decide again on the
        one the refusal carries."""
        key: Row = {"source_id": {"S": source_id}}
        stored = self._primary.get(key)
        for _ in range(MAX_TRIES):
            if stored is None:
                return False
            known = plain_item(stored).get("sources") or []
            if any(each["article_id"] == source["article_id"] for each in known):
                return False
            values = typed_item({":new": [*known, dict(source)]})
            condition = "attribute_exists(source_id) AND attribute_not_exists(sources)"
            if "sources" in stored:
                condition = "sources = :old"
                values[":old"] = stored["sources"]
            found = self._primary.update_if(key, "SET sources = :new", condition, values, {})
            if not isinstance(found, Lost):
                return True
            stored = found.stored
        raise Transient("dynamodb", f"{source_id}: lost the race for its sources {MAX_TRIES} times")

    def get_primary(self, source_id: str) -> Item | None:
        """The item, None when there is none or its time is over."""
        return self.get_primaries([source_id]).get(source_id)

    def get_primaries(self, source_ids: Sequence[str]) -> dict[str, Item]:
        """The items among the ids."""
        rows = self._primary.get_many([{"source_id": {"S": each}} for each in dict.fromkeys(source_ids)])
        found = {row["source_id"]["S"]: _item(row) for row in rows if not self._is_over(row, "ttl")}
        return {each: found[each] for each in source_ids if each in found}

    def by_subject(self, subject: str, start_ms: int, end_ms: int, limit: int) -> list[Item]:
        """Items of a ticker or `tag:` subject published in `[start_ms, end_ms)`, ascending by (time, id). One query a
        UTC day."""
        found: list[Item] = []
        for day_ms in range(start_ms - start_ms % DAY_MS, end_ms, DAY_MS):
            mentions = list(self._mentioned(subject, day_ms, start_ms, end_ms))
            for start in range(0, len(mentions), limit):
                chunk = [(row, row["item_key"]["S"].partition("#")[2]) for row in mentions[start : start + limit]]
                items = self.get_primaries([each for _, each in chunk])
                found += [items[each] for row, each in chunk if each in items and _still_says(items[each], row)]
                if len(found) >= limit:
                    return found[:limit]
        return found

    def count_primary(self) -> int:
        """How many items there are, some hours old: nothing is read for it, so callers may ask often."""
        return self._primary.count()

    def scan_primary(self) -> Iterator[Item]:
        """Every item of the primary table, in no order: what is left to answer from while the read model is down."""
        return (_item(row) for row in self._primary.scan() if not self._is_over(row, "ttl"))

    def _mentioned(self, subject: str, day_ms: int, start_ms: int, end_ms: int) -> Iterable[Row]:
        values = {
            ":day": {"S": f"{MENTION}{subject}#{date_of(day_ms)}"},
            ":first": {"S": iso_ms(max(start_ms, day_ms))},
            ":last": {"S": iso_ms(min(end_ms, day_ms + DAY_MS) - 1) + "#\U0010ffff"},
        }
        return self._dashboard.query("day_partition = :day AND item_key BETWEEN :first AND :last", values)

    # ---- change stream ----------------------------------------------------------------------------------------
    def stream_shards(self) -> dict[str, tuple[str, ...]]:
        """Shards of the primary's change stream, older before newer: id → ids of its parents, which may be gone."""
        return self._stream.shards()

    def stream_read(self, shard_id: str, after: str, limit: int = 100) -> list[ItemChange]:
        """Changes after a sequence number ("" = from the oldest kept)."""
        return self._stream.read(shard_id, after, limit)

    def stream_ended(self, shard_id: str, after: str) -> bool:
        """Whether `stream_read` found that the shard is closed and holds nothing after that place."""
        return self._stream.ended(shard_id, after)

    def close(self) -> None:
        """Let the writing threads go."""
        self._primary.close()
        self._dashboard.close()


def _row(item: Item) -> Row:
    """The item with its TTL, 30 days from ingestion: the same on every retry, so the same item stays the same."""
    row = typed_item(item)
    try:
        row["ttl"] = {"N": str((parse_ms(str(item.get("ingested_at"))) + KEPT_MS) // 1000)}
    except BadEvent:
        return row
    return row


def _item(row: Row) -> Item:
    item = plain_item(row)
    item.pop("ttl", None)
    return item


def _subjects(item: Item) -> set[str]:
    return {*(item.get("matched_tickers") or ()), *(TAG_PREFIX + tag for tag in item.get("matched_tags") or ())}


def _still_says(item: Item, mention: Row) -> bool:
    """Whether the item is about that subject, published at that time, by now."""
    places = [(each["day_partition"], each["item_key"]) for each in _mentions(item)]
    return (mention["day_partition"], mention["item_key"]) in places


def _mentions(item: Item) -> list[Row]:
    """None when the item has no readable time of publication."""
    try:
        published_ms = parse_ms(str((item.get("metadata") or {}).get("published_at")))
    except BadEvent:
        return []
    expires = {"N": str((published_ms + KEPT_MS) // 1000)}
    return [
        {
            "day_partition": {"S": f"{MENTION}{subject}#{date_of(published_ms)}"},
            "item_key": {"S": f"{iso_ms(published_ms)}#{item['source_id']}"},
            "expires_at": expires,
        }
        for subject in sorted(_subjects(item))
    ]
