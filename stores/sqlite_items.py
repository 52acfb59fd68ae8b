"""Articles in one SQLite file: the primary table, its change stream, and the dashboard's read model."""

import re
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from contracts.clock import Clock
from contracts.errors import BadEvent, BadRequest
from contracts.instants import parse_ms
from contracts.ports import Item, ItemChange
from contracts.resolution import MINUTE_MS
from contracts.subjects import TAG_PREFIX
from contracts.tally import Tally
from stores import sqlite_tallies
from stores.item_codec import decode_item, encode_item
from stores.sqlite_connection import DROP_CHUNK, Database, OnOneFile, Schema

STREAM_SHARD: Final = "shardId-00000000000000000000-00000000"
SEQUENCE_DIGITS: Final = 21
#: No file gets so far that a place has more than 18 digits.
_SEQUENCE: Final = re.compile(r"000(\d{18})(\d{10})?\Z", re.ASCII)
#: Keys of per-tag copies begin with this, so they sort after every article of the day.
TAG_KEY_PREFIX: Final = "~"
_TOP: Final = "\U0010ffff"

_SCHEMA: Final = Schema(
    3,
    (
        "CREATE TABLE items (source_id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID",
        """CREATE TABLE stream (
            sequence INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, new BLOB, old BLOB)""",
        """CREATE TABLE dashboard (
            day TEXT NOT NULL, item_key TEXT NOT NULL, sentiment TEXT, strength TEXT, tag TEXT, body BLOB NOT NULL,
            PRIMARY KEY (day, item_key)) WITHOUT ROWID""",
        """CREATE TABLE mentions (
            subject TEXT NOT NULL, published_ms INTEGER NOT NULL, source_id TEXT NOT NULL,
            PRIMARY KEY (subject, published_ms, source_id)) WITHOUT ROWID""",
        "CREATE INDEX by_sentiment ON dashboard (sentiment, strength, item_key) WHERE item_key < '~'",
        "CREATE INDEX by_tag ON dashboard (tag, item_key) WHERE tag IS NOT NULL",
        sqlite_tallies.TABLE,
    ),
    upgrades={1: sqlite_tallies.count_all, 2: sqlite_tallies.count_all},
)


class SqliteItemStore(OnOneFile):
    """`contracts.ports.ItemStore` in `items.db`."""

    def __init__(self, path: Path, clock: Clock, synchronous: str = "full") -> None:
        """Raises `Unusable` for a file that is damaged or of another format."""
        self._clock = clock
        self._database = Database(path, _SCHEMA, synchronous)

    # ---- primary ----------------------------------------------------------------------------------------------
    def put_primary(self, item: Item) -> None:
        """Write the whole item (key `source_id`); the same item again is not a change."""
        self.put_primaries([item])

    def put_primaries(self, items: Iterable[Item]) -> None:
        """`put_primary` for many, in order, in one transaction."""
        rows = [(item["source_id"], encode_item(item)) for item in items]
        if not rows:
            return
        with self._database.write() as connection:
            for source_id, body in rows:
                self._put(connection, source_id, body, _body(connection, source_id))

    def add_source(self, source_id: str, source: Mapping[str, Any]) -> bool:
        """Add another source of the same story (a dictionary with `article_id`) to the item's `sources`, once; false
        when it was there or the item does not exist yet."""
        with self._database.write() as connection:
            old = _body(connection, source_id)
            if old is None:
                return False
            item = decode_item(old)
            sources = list(item.get("sources") or ())
            if any(known["article_id"] == source["article_id"] for known in sources):
                return False
            item["sources"] = [*sources, dict(source)]
            self._put(connection, source_id, encode_item(item), old)
            return True

    def remove_primary(self, source_id: str) -> bool:
        """Delete an item (as TTL does on AWS); false when it was not there."""
        with self._database.write() as connection:
            old = _body(connection, source_id)
            if old is None:
                return False
            connection.execute("DELETE FROM items WHERE source_id = ?", (source_id,))
            connection.executemany(
                "DELETE FROM mentions WHERE (subject, published_ms, source_id) = (?, ?, ?)", _mentions(old)
            )
            self._append(connection, None, old)
            return True

    def get_primary(self, source_id: str) -> Item | None:
        """The item, None when there is none."""
        return self.get_primaries([source_id]).get(source_id)

    def get_primaries(self, source_ids: Sequence[str]) -> dict[str, Item]:
        """The items among the ids."""
        with self._database.reading() as connection:
            bodies = {source_id: _body(connection, source_id) for source_id in source_ids}
        return {source_id: decode_item(body) for source_id, body in bodies.items() if body is not None}

    def by_subject(self, subject: str, start_ms: int, end_ms: int, limit: int) -> list[Item]:
        """Items of a ticker or `tag:` subject published in `[start_ms, end_ms)`, ascending by (time, id)."""
        return self._items(
            "SELECT body FROM mentions JOIN items USING (source_id) WHERE subject = ? AND published_ms >= ?"
            " AND published_ms < ? ORDER BY published_ms, source_id LIMIT ?",
            (subject, start_ms, end_ms, limit),
        )

    def count_primary(self) -> int:
        """How many items there are."""
        return int(self._database.read("SELECT count(*) FROM items")[0][0])

    def _put(self, connection: sqlite3.Connection, source_id: str, body: bytes, old: bytes | None) -> None:
        if body != old:
            connection.execute(
                "INSERT INTO items VALUES (?1, ?2) ON CONFLICT DO UPDATE SET body = ?2", (source_id, body)
            )
            was, mentions = (_mentions(old) if old is not None else []), _mentions(body)
            if was != mentions:
                connection.executemany("DELETE FROM mentions WHERE (subject, published_ms, source_id) = (?, ?, ?)", was)
                connection.executemany("INSERT OR IGNORE INTO mentions VALUES (?, ?, ?)", mentions)
            self._append(connection, body, old)

    def _append(self, connection: sqlite3.Connection, new: bytes | None, old: bytes | None) -> None:
        connection.execute("INSERT INTO stream (at_ms, new, old) VALUES (?, ?, ?)", (self._clock.now_ms(), new, old))

    # ---- change stream ----------------------------------------------------------------------------------------
    def stream_shards(self) -> dict[str, tuple[str, ...]]:
        """Shards of the primary's change stream: one, which is never closed."""
        return {STREAM_SHARD: ()}

    def stream_ended(self, shard_id: str, after: str) -> bool:
        """Never."""
        return False

    def stream_read(self, shard_id: str, after: str, limit: int = 100) -> list[ItemChange]:
        """Changes after a sequence number ("" = from the oldest kept). Raises `BadRequest` for one that this file never
        gave out."""
        assert shard_id == STREAM_SHARD, shard_id
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT sequence, at_ms, new, old FROM stream WHERE sequence > ? ORDER BY sequence LIMIT ?",
                (_sequence_in(connection, after), limit),
            ).fetchall()
        return [
            ItemChange(
                _number(sequence, at_ms, new, old),
                "REMOVE" if new is None else "INSERT" if old is None else "MODIFY",
                None if new is None else decode_item(new),
                None if old is None else decode_item(old),
                at_ms,
            )
            for sequence, at_ms, new, old in rows
        ]

    def trim_stream(self, before_ms: int, read_through: str) -> int:
        """Retention: drop stream entries written before an instant that their reader is done with, up to the first that
        was not; returns how many. What is stamped later than now was written while the clock was ahead and counts as
        old. In chunks, so that writers get between. Raises `BadRequest` as `stream_read` does."""
        now_ms = self._clock.now_ms()
        dropped, chunk = 0, DROP_CHUNK
        while chunk == DROP_CHUNK:
            with self._database.write() as connection:
                first = connection.execute("SELECT min(sequence) FROM stream").fetchone()[0] or 0
                end = min(first + DROP_CHUNK, _sequence_in(connection, read_through) + 1)
                kept = connection.execute(
                    "SELECT min(sequence) FROM stream WHERE sequence < ? AND at_ms BETWEEN ? AND ?",
                    (end, before_ms, now_ms),
                ).fetchone()[0]
                chunk = connection.execute(
                    "DELETE FROM stream WHERE sequence < ?", (end if kept is None else kept,)
                ).rowcount
            dropped += chunk
        return dropped

    # ---- dashboard --------------------------------------------------------------------------------------------
    def put_dashboard(self, items: Sequence[Item]) -> None:
        """Write read-model items (keys `day_partition`, `item_key`) and what they change in the counters, in one
        transaction; the same again changes nothing."""
        if not items:
            return
        changes = sqlite_tallies.Changes()
        with self._database.write() as connection:
            for item in items:
                self._put_dashboard(connection, item, changes)
            changes.write(connection)

    def _put_dashboard(self, connection: sqlite3.Connection, item: Item, changes: sqlite_tallies.Changes) -> None:
        key, body = (item["day_partition"], item["item_key"]), encode_item(item)
        if not item["item_key"].startswith(TAG_KEY_PREFIX):
            found = connection.execute("SELECT body FROM dashboard WHERE (day, item_key) = (?, ?)", key).fetchone()
            if found is not None and found[0] == body:
                return
            changes.replace(decode_item(found[0]) if found else None, item)
        connection.execute(
            "INSERT INTO dashboard VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET sentiment ="
            " excluded.sentiment, strength = excluded.strength, tag = excluded.tag, body = excluded.body",
            (*key, item.get("sentiment"), item.get("sentiment_score_combined"), item.get("tag"), body),
        )

    # ---- counters (`contracts.ports.Tallying`) ------------------------------------------------------------------
    def tally(self, since_ms: int) -> Tally:
        """Counts of the articles ingested since the minute of an instant."""
        with self._database.reading() as connection:
            return sqlite_tallies.read(connection, since_ms)

    def tally_windows(self, width_ms: int, start_ms: int, end_ms: int) -> dict[int, Tally]:
        """Counts by window of the articles ingested in `[start_ms, end_ms)`."""
        with self._database.reading() as connection:
            return sqlite_tallies.read_windows(connection, width_ms, start_ms, end_ms)

    def ingestion_range(self) -> tuple[str, str] | None:
        """`ingested_at` of the oldest and the newest article; None when there is none."""
        with self._database.reading() as connection:
            ends = [
                connection.execute(
                    f"SELECT item_key FROM dashboard WHERE day = (SELECT {which}(day) FROM dashboard)"
                    f" AND item_key < '{TAG_KEY_PREFIX}' ORDER BY item_key {order} LIMIT 1"
                ).fetchone()
                for which, order in (("min", "ASC"), ("max", "DESC"))
            ]
        return None if None in ends else (ends[0][0].partition("#")[0], ends[1][0].partition("#")[0])

    def forget_minutes(self, before_ms: int) -> int:
        """Drop the counters by minute of before an instant, a chunk a transaction; returns how many."""
        return self._database.drop(
            "DELETE FROM tallies WHERE (width_ms, start_ms, dimension, name) IN"
            " (SELECT width_ms, start_ms, dimension, name FROM tallies WHERE width_ms = ? AND start_ms < ? LIMIT ?)",
            (MINUTE_MS, before_ms),
        )

    # ---- the read model is down (`contracts.ports.Scanning`) ----------------------------------------------------
    def scan_primary(self) -> Iterator[Item]:
        """Every item of the primary table, in no order."""
        after = ""
        while rows := self._database.read(
            "SELECT source_id, body FROM items WHERE source_id > ? ORDER BY source_id LIMIT 1000", (after,)
        ):
            yield from (decode_item(body) for _, body in rows)
            after = rows[-1][0]

    # ---- reading the dashboard ----------------------------------------------------------------------------------
    def dashboard_day(self, day: str, before_key: str | None, limit: int) -> list[Item]:
        """A day's articles, newest first, each once; `before_key` is an `item_key` to go on below."""
        return self._items(
            "SELECT body FROM dashboard WHERE day = ? AND item_key < ? ORDER BY item_key DESC LIMIT ?",
            (day, min(before_key or TAG_KEY_PREFIX, TAG_KEY_PREFIX), limit),
        )

    def dashboard_tag(self, tag: str, before_key: str | None, limit: int) -> list[Item]:
        """A tag's copies, newest first (by `ingested_at`, `source_id`: the rest of a copy's key)."""
        return self._items(
            "SELECT body FROM dashboard WHERE tag = ? AND item_key < ? ORDER BY item_key DESC LIMIT ?",
            (tag, before_key or _TOP, limit),
        )

    def dashboard_sentiment(self, sentiment: str, before_key: str | None, limit: int) -> list[Item]:
        """Articles of a label, each once, surest first (by `sentiment_score_combined`, then newest), as the index
        `by_sentiment` has them; `before_key` is the `item_key` of the last one seen."""
        strength = _TOP
        if before_key is not None:
            found = self._database.read(
                "SELECT strength FROM dashboard WHERE sentiment = ? AND item_key = ? AND item_key < '~'",
                (sentiment, before_key),
            )
            strength = found[0][0] if found else _TOP
        return self._items(
            "SELECT body FROM dashboard WHERE sentiment = ? AND item_key < '~' AND (strength, item_key) < (?, ?)"
            " ORDER BY strength DESC, item_key DESC LIMIT ?",
            (sentiment, strength, before_key or _TOP, limit),
        )

    def _items(self, statement: str, parameters: Sequence[Any]) -> list[Item]:
        return [decode_item(body) for (body,) in self._database.read(statement, parameters)]


def _body(connection: sqlite3.Connection, source_id: str) -> bytes | None:
    found = connection.execute("SELECT body FROM items WHERE source_id = ?", (source_id,)).fetchone()
    return found[0] if found else None


def _number(sequence: int, at_ms: int, new: bytes | None, old: bytes | None) -> str:
    """A change's place and a mark of it, so that one of another file is told from this one's."""
    return f"{sequence:0{SEQUENCE_DIGITS}d}{zlib.crc32(new or old or b'', at_ms & 0xFFFFFFFF):010d}"


def _sequence_in(connection: sqlite3.Connection, number: str) -> int:
    """The place a sequence number stands for (older ones have no mark), 0 for none. One that was never given out is
    refused rather than waited for: a checkpoint of another file would skip changes in silence."""
    if not number:
        return 0
    if found := _SEQUENCE.match(number):
        sequence = int(found[1])
        query = "SELECT sequence, at_ms, new, old FROM stream WHERE sequence = ?"
        row = connection.execute(query, (sequence,)).fetchone()
        if row is None:
            head = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'stream'").fetchone()
            known = sequence <= (head[0] if head else 0)
        else:
            known = found[2] is None or number == _number(*row)
        if known:
            return sequence
    raise BadRequest(f"sequence number {number[:60]!r} is not of this stream of items")


def _mentions(body: bytes) -> list[tuple[str, int, str]]:
    """(subject, published, id) rows of an item; none when it has no readable time of publication."""
    item = decode_item(body)
    try:
        published_ms = parse_ms(str((item.get("metadata") or {}).get("published_at")))
    except BadEvent:
        return []
    subjects = [*(item.get("matched_tickers") or ()), *(TAG_PREFIX + tag for tag in item.get("matched_tags") or ())]
    return [(subject, published_ms, item["source_id"]) for subject in sorted(set(subjects))]
