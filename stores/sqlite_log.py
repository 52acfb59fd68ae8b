"""The event log on one SQLite file, with the semantics of Kinesis Data Streams.

A record's row number is its shard's row number and its position in the shard, so a page is one range read. Positions
are given out inside the write transaction, which holds the file's write lock: what a reader sees up to a position is
all that will ever be there. Arrival times never go back within a shard, even when the clock does. A sequence number
holds its record's arrival time and a mark of its data, so that one of another log, or of what a restored log had lost,
is told from this one's.
"""

import re
import sqlite3
import zlib
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from contracts.clock import Clock
from contracts.errors import BadRequest
from contracts.hashing import HASH_KEY_COUNT
from contracts.ports import (
    MAX_GET_BYTES,
    MAX_GET_RECORDS,
    MAX_RECORD_BYTES,
    Entry,
    Page,
    Position,
    PutResult,
    Record,
    Shard,
)
from stores.put_limits import RECORD_TOO_LARGE, checked_sizes, routing_hash
from stores.sqlite_connection import Database, OnOneFile, Schema

MAX_SHARDS: Final = 1_000
TRIM_CHUNK: Final = 10_000
_POSITION_BITS: Final = 44
_POSITION_MASK: Final = (1 << _POSITION_BITS) - 1
_STREAM_NAME: Final = re.compile(r"[a-zA-Z0-9_.\-]{1,128}\Z", re.ASCII)
_SEQUENCE: Final = re.compile(r"49(\d{15})(\d{14})\d{5}(\d{20})\Z", re.ASCII)


def _mark_shards(connection: sqlite3.Connection) -> None:
    """From version 1: records that are there keep their numbers, which have only the position. At least the first of a
    shard: the program before may still run, and name what it reads meanwhile by such numbers."""
    connection.execute("ALTER TABLE shards ADD COLUMN marked_from INTEGER NOT NULL DEFAULT 0")
    connection.execute("UPDATE shards SET marked_from = max(next_position, 1)")


_SCHEMA: Final = Schema(
    2,
    (
        "CREATE TABLE streams (name TEXT PRIMARY KEY) WITHOUT ROWID",
        # Hash keys are 128-bit numbers: 32 hexadecimal digits sort as the numbers do.
        """CREATE TABLE shards (
            id INTEGER PRIMARY KEY, stream TEXT NOT NULL, shard_id TEXT NOT NULL, first_hash TEXT NOT NULL,
            last_hash TEXT NOT NULL, parents TEXT NOT NULL, closed INTEGER NOT NULL, first_position INTEGER NOT NULL,
            next_position INTEGER NOT NULL, last_arrival_ms INTEGER NOT NULL, marked_from INTEGER NOT NULL DEFAULT 0,
            UNIQUE (stream, shard_id))""",
        """CREATE TABLE records (
            id INTEGER PRIMARY KEY, partition_key TEXT NOT NULL, arrival_ms INTEGER NOT NULL, data BLOB NOT NULL)""",
    ),
    upgrades={1: _mark_shards},
)
_SHARD_COLUMNS: Final = (
    "id, shard_id, first_hash, last_hash, parents, closed, first_position, next_position, last_arrival_ms, marked_from"
)


class _ShardRow(NamedTuple):
    id: int
    shard_id: str
    first_hash: int
    last_hash: int
    parents: tuple[str, ...]
    closed: bool
    first_position: int
    next_position: int
    last_arrival_ms: int
    marked_from: int


def _row(columns: Sequence[Any]) -> _ShardRow:
    number, shard_id, first, last, parents, closed, *rest = columns
    return _ShardRow(number, shard_id, int(first, 16), int(last, 16), tuple(parents.split()), bool(closed), *rest)


def _sequence(shard: _ShardRow, position: int, arrival_ms: int, data: bytes) -> str:
    """56 digits as Kinesis has them; they grow with the position, and from a parent shard to its children."""
    if position < shard.marked_from:
        return f"49{position:034d}{shard.id:020d}"
    return f"49{arrival_ms:015d}{position:014d}{zlib.crc32(data) % 100_000:05d}{shard.id:020d}"


class SqliteEventLog(OnOneFile):
    """`contracts.ports.EventLog` in `log.db`; any number of processes and threads may write and read at once."""

    def __init__(self, path: Path, clock: Clock, synchronous: str = "full") -> None:
        """Raises `Unusable` for a file that is damaged or of another format."""
        self._clock = clock
        self._database = Database(path, _SCHEMA, synchronous)

    # ---- streams and shards -----------------------------------------------------------------------------------
    def create_stream(self, stream: str, shard_count: int) -> None:
        """Create it with evenly split hash ranges; no-op when it is there. Raises `BadRequest`."""
        if not _STREAM_NAME.match(stream) or not 1 <= shard_count <= MAX_SHARDS:
            raise BadRequest(f"cannot create stream {stream[:60]!r} with {shard_count} shards (1 to {MAX_SHARDS})")
        if stream in self.streams():
            return
        with self._database.write() as connection:
            if connection.execute("SELECT 1 FROM streams WHERE name = ?", (stream,)).fetchone():
                return
            connection.execute("INSERT INTO streams VALUES (?)", (stream,))
            bounds = [HASH_KEY_COUNT * number // shard_count for number in range(shard_count + 1)]
            for number in range(shard_count):
                self._add_shard(connection, stream, bounds[number], bounds[number + 1] - 1, ())

    def streams(self) -> list[str]:
        """Names, ascending."""
        return [name for (name,) in self._database.read("SELECT name FROM streams ORDER BY name")]

    def shards(self, stream: str) -> list[Shard]:
        """Open and closed shards, parents before children. Raises `BadRequest` for an unknown stream."""
        rows = self._database.read(f"SELECT {_SHARD_COLUMNS} FROM shards WHERE stream = ? ORDER BY id", (stream,))
        if not rows:
            raise self._unknown_stream(stream)
        return [Shard(row.shard_id, row.first_hash, row.last_hash, row.parents, row.closed) for row in map(_row, rows)]

    def split_shard(self, stream: str, shard_id: str, at_hash: int) -> tuple[str, str]:
        """Close the shard; `[first, at)` and `[at, last]` continue in two children. Raises `BadRequest`."""
        with self._database.write() as connection:
            parent = self._open_shard(connection, stream, shard_id)
            if not parent.first_hash < at_hash <= parent.last_hash:
                raise BadRequest(
                    f"{shard_id} can be split at a hash key in ({parent.first_hash}, {parent.last_hash}], not {at_hash}"
                )
            left = self._add_shard(connection, stream, parent.first_hash, at_hash - 1, (parent,))
            right = self._add_shard(connection, stream, at_hash, parent.last_hash, (parent,))
            return left, right

    def merge_shards(self, stream: str, shard_id: str, adjacent_id: str) -> str:
        """Close two adjacent shards, in either order; one child holds both ranges. Raises `BadRequest`."""
        with self._database.write() as connection:
            parents = [self._open_shard(connection, stream, name) for name in (shard_id, adjacent_id)]
            parents.sort(key=lambda row: row.first_hash)
            low, high = parents
            if low.last_hash + 1 != high.first_hash:
                raise BadRequest(f"{shard_id} and {adjacent_id} are not adjacent")
            return self._add_shard(connection, stream, low.first_hash, high.last_hash, (low, high))

    def _add_shard(
        self, connection: sqlite3.Connection, stream: str, first: int, last: int, parents: Sequence[_ShardRow]
    ) -> str:
        """A new open shard; its positions and arrival times go on where those of its (now closed) parents end."""
        for parent in parents:
            connection.execute("UPDATE shards SET closed = 1 WHERE id = ?", (parent.id,))
        number = connection.execute("SELECT count(*) FROM shards WHERE stream = ?", (stream,)).fetchone()[0]
        shard_id = f"shardId-{number:012d}"
        start = max((parent.next_position for parent in parents), default=0)
        arrival_ms = max((parent.last_arrival_ms for parent in parents), default=0)
        names = " ".join(parent.shard_id for parent in parents)
        connection.execute(
            "INSERT INTO shards (stream, shard_id, first_hash, last_hash, parents, closed, first_position,"
            " next_position, last_arrival_ms) VALUES (?, ?, ?, ?, ?, 0, ?, ?, ?)",
            (stream, shard_id, f"{first:032x}", f"{last:032x}", names, start, start, arrival_ms),
        )
        return shard_id

    def _open_shard(self, connection: sqlite3.Connection, stream: str, shard_id: str) -> _ShardRow:
        row = self._shard(connection, stream, shard_id)
        if row.closed:
            raise BadRequest(f"{shard_id} of {stream} is closed")
        return row

    def _shard(self, connection: sqlite3.Connection, stream: str, shard_id: str) -> _ShardRow:
        found = connection.execute(
            f"SELECT {_SHARD_COLUMNS} FROM shards WHERE stream = ? AND shard_id = ?", (stream, shard_id)
        ).fetchone()
        if found is None:
            raise BadRequest(f"stream {stream[:60]!r} has no shard {shard_id[:60]!r}")
        return _row(found)

    def _unknown_stream(self, stream: str) -> BadRequest:
        return BadRequest(f"there is no stream {stream[:60]!r}", tuple(self.streams()))

    # ---- writing ----------------------------------------------------------------------------------------------
    def put_records(self, stream: str, entries: Sequence[Entry]) -> list[PutResult]:
        """Append; one result per entry, in order; durable before it returns. At most 500 entries and 10 MiB, else
        `BadRequest`; an entry over 1 MiB fails alone with `RecordTooLarge`."""
        sizes = checked_sizes(entries)
        if not entries:
            return []
        with self._database.write() as connection:
            found = connection.execute(
                f"SELECT {_SHARD_COLUMNS} FROM shards WHERE stream = ? AND closed = 0 ORDER BY first_hash", (stream,)
            ).fetchall()
            if not found:
                raise self._unknown_stream(stream)
            shards = [_row(columns) for columns in found]
            now_ms = self._clock.now_ms()
            arrivals = [max(now_ms, shard.last_arrival_ms) for shard in shards]
            positions = [shard.next_position for shard in shards]
            starts = [shard.first_hash for shard in shards]
            results: list[PutResult] = []
            rows = []
            for entry, size in zip(entries, sizes, strict=True):
                if size > MAX_RECORD_BYTES:
                    results.append(PutResult(None, None, RECORD_TOO_LARGE))
                    continue
                at = bisect_right(starts, routing_hash(entry)) - 1 if len(starts) > 1 else 0
                shard, position = shards[at], positions[at]
                positions[at] = position + 1
                rows.append((shard.id << _POSITION_BITS | position, entry.partition_key, arrivals[at], entry.data))
                results.append(PutResult(shard.shard_id, _sequence(shard, position, arrivals[at], entry.data)))
            connection.executemany("INSERT INTO records VALUES (?, ?, ?, ?)", rows)
            for shard, position, arrival_ms in zip(shards, positions, arrivals, strict=True):
                if position != shard.next_position:
                    assert position <= _POSITION_MASK, f"{shard.shard_id} is full"
                    connection.execute(
                        "UPDATE shards SET next_position = ?, last_arrival_ms = ? WHERE id = ?",
                        (position, arrival_ms, shard.id),
                    )
        return results

    # ---- reading ----------------------------------------------------------------------------------------------
    def iterator(self, stream: str, shard_id: str, position: Position) -> str:
        """An opaque place in a shard; it never expires. Raises `BadRequest` for an unknown shard, or a sequence
        number that this shard never gave out."""
        with self._database.reading() as connection:
            row = self._shard(connection, stream, shard_id)
            if position.kind == "TRIM_HORIZON":
                start = row.first_position
            elif position.kind == "LATEST":
                start = row.next_position
            elif position.kind == "AT_TIMESTAMP":
                start = self._first_at(connection, row, _whole_number(position.value))
            elif position.kind in ("AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"):
                after = position.kind == "AFTER_SEQUENCE_NUMBER"
                start = self._position_in(connection, row, position.value) + after
            else:
                raise BadRequest(f"unknown position {position.kind!r}")
        return f"{row.id}:{start}"

    def get_records(self, iterator: str, limit: int = MAX_GET_RECORDS) -> Page:
        """The next records: at most `limit`, 10,000 and about 10 MiB. Raises `BadRequest` for a foreign iterator."""
        number, position = _parsed_iterator(iterator)
        limit = max(1, min(limit, MAX_GET_RECORDS))
        with self._database.reading() as connection:
            found = connection.execute(f"SELECT {_SHARD_COLUMNS} FROM shards WHERE id = ?", (number,)).fetchone()
            if found is None:
                raise BadRequest("the iterator belongs to another log")
            shard = _row(found)
            position = max(position, shard.first_position)
            rows = connection.execute(
                "SELECT id, partition_key, data, arrival_ms FROM records WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
                (number << _POSITION_BITS | position, (number + 1) << _POSITION_BITS, limit),
            )
            records: list[Record] = []
            total = 0
            for row_id, partition_key, data, arrival_ms in rows:
                position = row_id & _POSITION_MASK
                records.append(Record(_sequence(shard, position, arrival_ms, data), partition_key, data, arrival_ms))
                total += len(data)
                if total >= MAX_GET_BYTES:
                    break
            rows.close()
        following = position + 1 if records else position
        at_tip = following >= shard.next_position
        behind_ms = 0 if at_tip else max(1, self._clock.now_ms() - records[-1].arrival_ms)
        return Page(records, None if at_tip and shard.closed else f"{number}:{following}", behind_ms)

    def _first_at(self, connection: sqlite3.Connection, row: _ShardRow, instant_ms: int) -> int:
        """Position of the first record that arrived at or after an instant: a binary search, since arrivals in a
        shard only grow."""
        low, high = row.first_position, row.next_position
        while low < high:
            middle = (low + high) // 2
            arrival_ms = connection.execute(
                "SELECT arrival_ms FROM records WHERE id = ?", (row.id << _POSITION_BITS | middle,)
            ).fetchone()[0]
            if arrival_ms < instant_ms:
                low = middle + 1
            else:
                high = middle
        return low

    def _position_in(self, connection: sqlite3.Connection, shard: _ShardRow, sequence_number: str) -> int:
        """The position a sequence number stands for. One the shard never gave out is refused rather than waited for: a
        checkpoint of another log would skip records in silence. Of what was trimmed only the position is looked at."""
        found = _SEQUENCE.match(sequence_number)
        if found and int(found[3]) == shard.id:
            marked, position = int(found[1]) > 0, int(found[2])
            if not marked and shard.marked_from and (position := int(sequence_number[2:36])) < shard.next_position:
                return position
            if marked and shard.marked_from <= position < shard.next_position:
                row_id = shard.id << _POSITION_BITS | position
                record = connection.execute("SELECT arrival_ms, data FROM records WHERE id = ?", (row_id,)).fetchone()
                if record is None or _sequence(shard, position, *record) == sequence_number:
                    return position
        raise BadRequest(f"sequence number {sequence_number[:60]!r} is not of {shard.shard_id} of this log")

    # ---- retention --------------------------------------------------------------------------------------------
    def trim(self, stream: str, before_ms: int) -> int:
        """Retention: drop records that arrived before; returns how many. In chunks, so that writers get between."""
        dropped = 0
        for shard in self.shards(stream):
            chunk = TRIM_CHUNK
            while chunk == TRIM_CHUNK:
                with self._database.write() as connection:
                    row = self._shard(connection, stream, shard.shard_id)
                    cut = min(self._first_at(connection, row, before_ms), row.first_position + TRIM_CHUNK)
                    base = row.id << _POSITION_BITS
                    connection.execute(
                        "DELETE FROM records WHERE id >= ? AND id < ?", (base | row.first_position, base | cut)
                    )
                    connection.execute("UPDATE shards SET first_position = ? WHERE id = ?", (cut, row.id))
                    chunk = cut - row.first_position
                    dropped += chunk
        return dropped


def _whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise BadRequest(f"AT_TIMESTAMP takes milliseconds, not {text[:40]!r}") from None


def _parsed_iterator(iterator: str) -> tuple[int, int]:
    number, _, position = iterator.partition(":")
    if not (number.isdecimal() and position.isdecimal()):
        raise BadRequest(f"{iterator[:60]!r} is not an iterator")
    return int(number), int(position)
