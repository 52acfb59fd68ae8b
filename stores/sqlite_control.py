"""Control documents in one SQLite file, guarded by versions.

A document past its expiry is not there any more, yet its version counts on: a holder that slept through the expiry of
its lease cannot renew over the next holder.
"""

import builtins
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from contracts.clock import Clock
from contracts.errors import Conflict, Unusable
from contracts.ports import ControlWrite, Versioned
from stores.sqlite_connection import Database, Schema

_SCHEMA: Final = Schema(
    1,
    (
        """CREATE TABLE documents (
            kind TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL, expires_ms INTEGER, value BLOB NOT NULL,
            PRIMARY KEY (kind, name)) WITHOUT ROWID""",
        "CREATE INDEX expiring ON documents (expires_ms) WHERE expires_ms IS NOT NULL",
    ),
)
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


class SqliteControlStore:
    """`contracts.ports.ControlStore` in `control.db`."""

    def __init__(self, path: Path, clock: Clock, synchronous: str = "full") -> None:
        """Raises `Unusable` for a file that is damaged or of another format."""
        self._clock = clock
        self._database = Database(path, _SCHEMA, synchronous)

    def get(self, kind: str, name: str) -> Versioned:
        """The document and its version; `(None, 0)` when it is not there or expired."""
        rows = self._database.read(
            "SELECT value, version, expires_ms FROM documents WHERE kind = ? AND name = ?", (kind, name)
        )
        if not rows or self._expired(rows[0][2]):
            return Versioned(None, 0)
        return Versioned(self._decoded(kind, name, rows[0][0]), rows[0][1])

    def put(
        self,
        kind: str,
        name: str,
        value: Mapping[str, Any],
        expected_version: int | None = None,
        expires_ms: int | None = None,
    ) -> int:
        """Write and return the new version. With `expected_version` (0: not there) it raises `Conflict` when another
        was stored; without, it overwrites. `expires_ms` is an instant; a write without one never expires."""
        with self._database.write() as connection:
            return self._put(connection, kind, name, value, expected_version, expires_ms)

    def put_many(self, kind: str, writes: Mapping[str, ControlWrite]) -> builtins.list[str]:
        """Guarded writes of several documents in one transaction; the names whose guard failed, in order."""
        lost = []
        with self._database.write() as connection:
            for name, (value, expected_version, expires_ms) in writes.items():
                try:
                    self._put(connection, kind, name, value, expected_version, expires_ms)
                except Conflict:
                    lost.append(name)
        return lost

    def _put(
        self,
        connection: sqlite3.Connection,
        kind: str,
        name: str,
        value: Mapping[str, Any],
        expected_version: int | None,
        expires_ms: int | None,
    ) -> int:
        """The guard is checked before anything is written, so a lost one leaves the transaction as it was."""
        found = connection.execute(
            "SELECT version, expires_ms FROM documents WHERE kind = ? AND name = ?", (kind, name)
        ).fetchone()
        last = int(found[0]) if found else 0
        visible = 0 if found and self._expired(found[1]) else last
        if expected_version is not None and expected_version != visible:
            raise Conflict(f"{kind} {name}: version {visible} is stored, {expected_version} was expected")
        connection.execute(
            "INSERT INTO documents VALUES (?1, ?2, ?3, ?4, ?5)"
            " ON CONFLICT DO UPDATE SET version = ?3, expires_ms = ?4, value = ?5",
            (kind, name, last + 1, expires_ms, _encode(value)),
        )
        return last + 1

    def delete(self, kind: str, name: str, expected_version: int | None = None) -> None:
        """Remove it. With `expected_version` it raises `Conflict` when another or nothing is stored; without, it is a
        no-op when nothing is."""
        delete = "DELETE FROM documents WHERE kind = ? AND name = ?"
        with self._database.write() as connection:
            if expected_version is None:
                connection.execute(delete, (kind, name))
                return
            guard = " AND version = ? AND (expires_ms IS NULL OR expires_ms > ?)"
            found = connection.execute(delete + guard, (kind, name, expected_version, self._clock.now_ms()))
            if not found.rowcount:
                raise Conflict(f"{kind} {name}: version {expected_version} is not stored (any more)")

    def list(self, kind: str) -> dict[str, dict[str, Any]]:
        """All documents of a kind, expired ones left out, by name."""
        rows: builtins.list[Any] = self._database.read(
            "SELECT name, value, expires_ms FROM documents WHERE kind = ? ORDER BY name", (kind,)
        )
        return {
            name: self._decoded(kind, name, value) for name, value, expires_ms in rows if not self._expired(expires_ms)
        }

    def sweep(self, before_ms: int) -> int:
        """Delete documents that expired before an instant; returns how many. Leave a margin of at least one lease
        time, so that versions of recent leases count on. In chunks, so that writers get between."""
        return self._database.drop(
            "DELETE FROM documents WHERE (kind, name) IN"
            " (SELECT kind, name FROM documents WHERE expires_ms < ? LIMIT ?)",
            (before_ms,),
        )

    def close(self) -> None:
        """Nothing may be using the store any more."""
        self._database.close()

    def _decoded(self, kind: str, name: str, value: bytes) -> dict[str, Any]:
        """Raises `Unusable` for damaged bytes."""
        try:
            return _decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Unusable(
                f"{kind} {name} in {self._database.path} is damaged ({error}); restore the data directory: "
                "docs/howto/repair.md"
            ) from None

    def _expired(self, expires_ms: int | None) -> bool:
        return expires_ms is not None and expires_ms <= self._clock.now_ms()
