"""Buckets and their change log in one SQLite file, so that one transaction writes both.

A row holds what queries read (the summary) before what only the aggregator reads (children, members): a range read
stops short of the latter, which for large buckets lie on pages of their own.
"""

import heapq
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from contracts.bucket import Bucket, BucketKey, BucketWrite, ascending, new_key
from contracts.ports import Change, StoredChange
from contracts.resolution import COARSEST
from stores.bucket_codec import (
    decode_change,
    decode_children,
    decode_members,
    decode_summary,
    encode_change,
    encode_children,
    encode_summary,
)
from stores.sqlite_connection import DROP_CHUNK, Database, OnOneFile, Schema

SCAN_CHUNK: Final = 1_000
MAX_INTEGER: Final = (1 << 63) - 1
MIN_INTEGER: Final = -(1 << 63)

_SWAP: Final = "CREATE TABLE swap (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL)"


_NAME: Final = (
    "CREATE TABLE log (id INTEGER PRIMARY KEY CHECK (id = 1), name TEXT NOT NULL)",
    "INSERT INTO log VALUES (1, lower(hex(randomblob(8))))",
)


def _add_swap(connection: sqlite3.Connection) -> None:
    connection.execute(_SWAP)


def _add_name(connection: sqlite3.Connection) -> None:
    for statement in _NAME:
        connection.execute(statement)


_SCHEMA: Final = Schema(
    3,
    (
        """CREATE TABLE buckets (
            generation TEXT NOT NULL, subject TEXT NOT NULL, resolution TEXT NOT NULL, start_ms INTEGER NOT NULL,
            rev INTEGER NOT NULL, updated_ms INTEGER NOT NULL, partial INTEGER NOT NULL, summary BLOB NOT NULL,
            children BLOB, members BLOB,
            PRIMARY KEY (generation, subject, resolution, start_ms)) WITHOUT ROWID""",
        "CREATE INDEX updated ON buckets (generation, updated_ms)",
        "CREATE INDEX partial ON buckets (generation) WHERE partial",
        "CREATE TABLE lanes (lane TEXT PRIMARY KEY, head INTEGER NOT NULL, tail INTEGER NOT NULL) WITHOUT ROWID",
        """CREATE TABLE changes (
            lane TEXT NOT NULL, sequence INTEGER NOT NULL, written_ms INTEGER NOT NULL, body BLOB NOT NULL,
            PRIMARY KEY (lane, sequence)) WITHOUT ROWID""",
        _SWAP,
        *_NAME,
    ),
    upgrades={1: _add_swap, 2: _add_name},
)
_KEY: Final = "generation = ? AND subject = ? AND resolution = ? AND start_ms = ?"
_BEFORE: Final = "generation = ? AND subject = ? AND resolution = ? AND start_ms < ?"
_NEXT_SERIES: Final = """SELECT generation, subject FROM buckets WHERE (generation, subject) > (?, ?)
    ORDER BY generation, subject LIMIT 1"""
_ALL: Final = "subject, resolution, start_ms, rev, updated_ms, partial, summary, children, members"
_SEEN: Final = "subject, resolution, start_ms, rev, updated_ms, partial, summary"
_UPSERT: Final = """INSERT INTO buckets VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET rev = excluded.rev, updated_ms = excluded.updated_ms, partial = excluded.partial,
    summary = excluded.summary, children = excluded.children, members = excluded.members"""
#: Steps from one generation to the next by the primary key, as `_SUBJECTS` does.
_GENERATIONS: Final = """WITH RECURSIVE each (generation) AS (
        SELECT min(generation) FROM buckets
        UNION ALL
        SELECT (SELECT min(generation) FROM buckets WHERE generation > each.generation)
        FROM each WHERE each.generation IS NOT NULL)
    SELECT generation FROM each WHERE generation IS NOT NULL"""
#: Steps from one subject to the next by the primary key: reads a row a subject, not a row a bucket.
_SUBJECTS: Final = f"""WITH RECURSIVE each (subject) AS (
        SELECT min(subject) FROM buckets WHERE generation = ?1
        UNION ALL
        SELECT (SELECT min(subject) FROM buckets WHERE generation = ?1 AND subject > each.subject)
        FROM each WHERE each.subject IS NOT NULL)
    SELECT subject FROM each WHERE subject IS NOT NULL AND EXISTS (
        SELECT 1 FROM buckets b WHERE b.generation = ?1 AND b.subject = each.subject
        AND b.resolution = '{COARSEST.name}') ORDER BY subject"""


def _bucket(row: Sequence[Any]) -> Bucket:
    subject, resolution, start_ms, rev, updated_ms, partial, summary, children, members = row
    return Bucket(
        new_key((subject, resolution, start_ms)),
        decode_summary(summary),
        decode_members(members or b""),
        decode_children(children),
        rev,
        updated_ms,
        bool(partial),
    )


class SqliteBucketStore(OnOneFile):
    """`contracts.ports.BucketStore` in `buckets.db`."""

    def __init__(self, path: Path, synchronous: str = "full") -> None:
        """Raises `Unusable` for a file that is damaged or of another format."""
        self._database = Database(path, _SCHEMA, synchronous)

    # ---- buckets ----------------------------------------------------------------------------------------------
    def get_many(self, generation: str, keys: Sequence[BucketKey]) -> dict[BucketKey, Bucket]:
        """The stored buckets among the keys, with members and children."""
        found = {}
        with self._database.reading() as connection:
            fetch = connection.execute
            statement = f"SELECT {_ALL} FROM buckets WHERE {_KEY}"
            for key in keys:
                row = fetch(statement, (generation, *key)).fetchone()
                if row is not None:
                    found[key] = _bucket(row)
        return found

    def commit(
        self, generation: str, writes: Sequence[BucketWrite], changes: Sequence[Change] = (), lane: str = ""
    ) -> list[BucketKey]:
        """Apply guarded writes in order, then append the changes to the lane, in one transaction: either all of it
        is durable and the answer is empty, or none of it is and the answer names the keys whose guard failed."""
        rows = [_upsert_row(generation, write.bucket) for write in writes]
        rows.sort(key=lambda row: row[1:4])  # neighbours share pages; a stable sort keeps two writes of a key in order
        bodies = [encode_change(change) for change in changes]
        try:
            with self._database.write() as connection:
                failed = _failed_guards(connection, generation, writes)
                if failed:
                    raise _GuardFailed
                connection.executemany(_UPSERT, rows)
                if changes:
                    _append(connection, lane, changes, bodies)
        except _GuardFailed:
            return failed
        return []

    def load_buckets(self, generation: str, buckets: Sequence[Bucket]) -> None:
        """`contracts.ports.BulkLoading`: one transaction, no guards, no changes."""
        rows = [_upsert_row(generation, bucket) for bucket in buckets]
        rows.sort(key=lambda row: row[1:4])
        with self._database.write() as connection:
            connection.executemany(_UPSERT, rows)

    def range(
        self,
        generation: str,
        subject: str,
        resolution: str,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 1_000,
        newest: bool = False,
    ) -> list[Bucket]:
        """Ascending buckets with `start_ms <= start < end_ms` (without members and children); the newest `limit` of
        them when `newest`, else the oldest."""
        rows = self._database.read(
            f"SELECT {_SEEN}, NULL, NULL FROM buckets WHERE generation = ? AND subject = ? AND resolution = ?"
            f" AND start_ms >= ? AND start_ms < ? ORDER BY start_ms {'DESC' if newest else 'ASC'} LIMIT ?",
            (
                generation,
                subject,
                resolution,
                MIN_INTEGER if start_ms is None else start_ms,
                MAX_INTEGER if end_ms is None else end_ms,
                limit,
            ),
        )
        return [_bucket(row) for row in (reversed(rows) if newest else rows)]

    def generations(self) -> list[str]:
        """Names of those that have buckets, ascending."""
        return [generation for (generation,) in self._database.read(_GENERATIONS)]

    def subjects(self, generation: str) -> list[str]:
        """Subjects that have a 24h bucket, ascending; lanes have none."""
        return [subject for (subject,) in self._database.read(_SUBJECTS, (generation,))]

    def scan(self, generation: str) -> Iterator[Bucket]:
        """Every bucket with members and children, ordered by (subject, resolution, start). Read in chunks: a write
        meanwhile is seen if it falls behind the place reached."""
        after: tuple[str, str, int] = ("", "", MIN_INTEGER)
        while True:
            rows = self._database.read(
                f"SELECT {_ALL} FROM buckets WHERE generation = ? AND (subject, resolution, start_ms) > (?, ?, ?)"
                " ORDER BY subject, resolution, start_ms LIMIT ?",
                (generation, *after, SCAN_CHUNK),
            )
            yield from map(_bucket, rows)
            if len(rows) < SCAN_CHUNK:
                return
            after = rows[-1][:3]

    def touched_since(self, generation: str, since_ms: int) -> list[BucketKey]:
        """Keys of buckets last updated at or after an instant, or still marked partial; ascending."""
        rows = self._database.read(
            "SELECT subject, resolution, start_ms FROM buckets WHERE generation = ?1 AND updated_ms >= ?2"
            " UNION SELECT subject, resolution, start_ms FROM buckets WHERE generation = ?1 AND partial",
            (generation, since_ms),
        )
        return sorted(BucketKey(*row) for row in rows)

    def drop_generation(self, generation: str) -> int:
        """Delete a generation's buckets, in chunks so that live writers get between; returns how many."""
        return self._drop("generation = ?", (generation,))

    def drop_before(self, starts_ms: Mapping[str, int]) -> int:
        """Retention: delete, in all generations, the buckets of each resolution named that start before an instant;
        returns how many. In chunks, so that writers get between."""
        dropped, after = 0, ("", "")
        while found := self._database.read(_NEXT_SERIES, after):
            after = found[0]
            for resolution, start_ms in starts_ms.items():
                series = (*after, resolution, start_ms)
                if self._database.read(f"SELECT 1 FROM buckets WHERE {_BEFORE} LIMIT 1", series):
                    dropped += self._drop(_BEFORE, series)
        return dropped

    def _drop(self, condition: str, parameters: Sequence[Any]) -> int:
        return self._database.drop(
            "DELETE FROM buckets WHERE (generation, subject, resolution, start_ms) IN"
            f" (SELECT generation, subject, resolution, start_ms FROM buckets WHERE {condition} LIMIT ?)",
            parameters,
        )

    # ---- which generation is live -----------------------------------------------------------------------------
    def note_swap(self, version: int) -> None:
        """Keep the version of the live generation's pointer, which is in another file, so that an older one is told."""
        newest = "INSERT INTO swap VALUES (1, ?) ON CONFLICT DO UPDATE SET version = max(version, excluded.version)"
        with self._database.write() as connection:
            connection.execute(newest, (version,))

    def noted_swap(self) -> int:
        """The newest version that was noted, 0 for none."""
        return sum(version for (version,) in self._database.read("SELECT version FROM swap"))

    # ---- change log -------------------------------------------------------------------------------------------
    def log_name(self) -> str:
        """What tells this file's change log from any other."""
        ((name,),) = self._database.read("SELECT name FROM log")
        return str(name)

    def changes_head(self) -> dict[str, int]:
        """Lane → newest sequence."""
        return dict(self._database.read("SELECT lane, head FROM lanes ORDER BY lane"))

    def changes_tail(self) -> dict[str, int]:
        """Lane → oldest sequence still kept (head + 1 when none is)."""
        return dict(self._database.read("SELECT lane, tail FROM lanes ORDER BY lane"))

    def changes_after(self, cursor: Mapping[str, int], limit: int = 1_000) -> list[StoredChange]:
        """Changes past a cursor (lanes it does not name: from their beginning), each lane in order, lanes merged by
        the time of writing so that a busy one does not starve the others."""
        with self._database.reading() as connection:
            lanes = [
                connection.execute(
                    "SELECT written_ms, lane, sequence, body FROM changes WHERE lane = ? AND sequence > ?"
                    " ORDER BY sequence LIMIT ?",
                    (lane, cursor.get(lane, 0), limit),
                ).fetchall()
                for lane, head in connection.execute("SELECT lane, head FROM lanes ORDER BY lane").fetchall()
                if head > cursor.get(lane, 0)
            ]
        rows = lanes[0] if len(lanes) == 1 else list(heapq.merge(*lanes, key=lambda row: row[0]))[:limit]
        return [StoredChange(lane, sequence, decode_change(body)) for _, lane, sequence, body in rows]

    def trim_changes(self, before_ms: int, now_ms: int | None = None) -> int:
        """Drop changes written before an instant, up to the first that was not; returns how many. With `now_ms` those
        stamped later than it, written while the clock was ahead, count as old. What is written meanwhile stays, and so
        do the lanes' heads: numbers are never given out twice. In chunks, so that writers get between."""
        dropped = 0
        last_ms = MAX_INTEGER if now_ms is None else now_ms
        for lane, head in self._database.read("SELECT lane, head FROM lanes"):
            chunk = DROP_CHUNK
            while chunk == DROP_CHUNK:
                with self._database.write() as connection:
                    chunk = _trim_chunk(connection, lane, head, before_ms, last_ms)
                dropped += chunk
        return dropped


class _GuardFailed(Exception):
    """Rolls a commit back."""


def _upsert_row(generation: str, bucket: Bucket) -> tuple[Any, ...]:
    return (
        generation,
        bucket.subject,
        bucket.resolution,
        bucket.start_ms,
        bucket.rev,
        bucket.last_updated_ms,
        bucket.is_partial,
        encode_summary(bucket.summary),
        encode_children(bucket.children),
        ascending(bucket.packed) or None,
    )


def _failed_guards(connection: sqlite3.Connection, generation: str, writes: Sequence[BucketWrite]) -> list[BucketKey]:
    """Keys whose stored `rev` is not the expected one; a key written twice is guarded by its first write."""
    statement = f"SELECT rev FROM buckets WHERE {_KEY}"
    stored: dict[BucketKey, int] = {}
    failed = []
    for bucket, expected in writes:
        key = bucket.key
        rev = stored.get(key)
        if rev is None:
            found = connection.execute(statement, (generation, *key)).fetchone()
            rev = found[0] if found else 0
        if rev != expected:
            failed.append(key)
        stored[key] = bucket.rev
    return failed


def _append(connection: sqlite3.Connection, lane: str, changes: Sequence[Change], bodies: Sequence[bytes]) -> None:
    found = connection.execute("SELECT head FROM lanes WHERE lane = ?", (lane,)).fetchone()
    head = found[0] if found else 0
    connection.executemany(
        "INSERT INTO changes VALUES (?, ?, ?, ?)",
        [
            (lane, head + number, change.written_ms, body)
            for number, (change, body) in enumerate(zip(changes, bodies, strict=True), 1)
        ],
    )
    connection.execute(
        "INSERT INTO lanes VALUES (?1, ?2, 1) ON CONFLICT DO UPDATE SET head = ?2", (lane, head + len(changes))
    )


def _trim_chunk(connection: sqlite3.Connection, lane: str, head: int, before_ms: int, last_ms: int) -> int:
    """Drop the oldest of a lane up to its head, at most a chunk of them; returns how many."""
    (tail,) = connection.execute("SELECT tail FROM lanes WHERE lane = ?", (lane,)).fetchone()
    end = max(tail, min(tail + DROP_CHUNK, head + 1))
    kept = connection.execute(
        "SELECT min(sequence) FROM changes WHERE lane = ? AND sequence < ? AND written_ms BETWEEN ? AND ?",
        (lane, end, before_ms, last_ms),
    ).fetchone()[0]
    cut: int = end if kept is None else kept
    connection.execute("DELETE FROM changes WHERE lane = ? AND sequence < ?", (lane, cut))
    connection.execute("UPDATE lanes SET tail = ? WHERE lane = ?", (cut, lane))
    return cut - int(tail)
