"""One SQLite file: connections, transactions, waking others, and its errors in the terms of `contracts.errors`.

WAL mode: readers never wait for the writer, and a killed process leaves a file that the next opening repairs. With
`synchronous=full` a committed transaction survives a power cut, with `normal` a killed process.
"""

import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from contracts.errors import Damaged, Transient, Unusable

BUSY_TIMEOUT_MS: Final = 15_000
#: How often a waiter looks for commits of other processes; those of its own process wake it at once.
POLL_MS: Final = 25
WAL_SIZE_LIMIT: Final = 64 << 20
#: What a connection may keep of a file. Each of some thirty of `up`, most of which only read, begins its next
#: transaction with nothing once another has written, so it needs what one transaction touches; what is left out is in
#: the page cache of the system. One that writes may keep more, or the pages of a large commit would be written twice.
CACHE_KIB: Final = 1 << 10
WRITER_CACHE_KIB: Final = 4 << 10
#: Pages written to the WAL before a commit copies them back: pages written often are then copied once.
CHECKPOINT_PAGES: Final = 4_000
#: Rows that are deleted in one transaction where many are: writers get between.
DROP_CHUNK: Final = 2_000

_LOCKED: Final = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}
_FAILING: Final = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_INTERRUPT}
_DAMAGED: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
_FORBIDDEN: Final = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}


class Seen(NamedTuple):
    """What a waiter has seen of a file: commits of its own process, and SQLite's data version."""

    commits: int
    data_version: int


class Schema(NamedTuple):
    """The tables of a file (statements that create them) and the version of their format, 1 or more. `upgrades`: what
    brings a file of a version to the next, by that version."""

    version: int
    statements: Sequence[str]
    upgrades: Mapping[int, Callable[[sqlite3.Connection], None]] = {}


def translated(error: sqlite3.Error, path: Path) -> Exception:
    """The error as the caller should see it: `Transient` (locked, disk full, input/output), `Unusable` (damaged,
    forbidden), else `AssertionError`: a wrong statement is our bug."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _LOCKED:
        return Transient(path.name, f"{path} stayed locked by another writer for {BUSY_TIMEOUT_MS // 1000} s")
    if code == sqlite3.SQLITE_FULL:
        return Transient(path.name, f"no space left for {path}; free some, it goes on by itself")
    if code in _FAILING:
        return Transient(path.name, f"{path}: {error}")
    if code in _DAMAGED:
        again = path.name == "buckets.db"
        way = "move it away and build it again" if again else "`candlewick restore OLD --data-dir NEW`"
        return Damaged(f"{path} is damaged or no SQLite file ({error}); {way}: docs/howto/repair.md")
    if code in _FORBIDDEN:
        return Unusable(f"{path} cannot be opened for writing ({error}); check the folder, its owner and permissions")
    return AssertionError(f"{path}: {type(error).__name__}: {error}")


class _Handle:
    """A connection that is closed when its thread ends."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.writes = False

    def __del__(self) -> None:
        self.connection.close()


class Database:
    """A file with one connection per thread. Not to be carried across `fork`: open it in the child."""

    def __init__(self, path: Path, schema: Schema, synchronous: str = "full") -> None:
        """Opens or creates the file. Raises `Unusable` when it is damaged, forbidden or of another format."""
        assert synchronous in ("full", "normal"), synchronous
        self.path = path
        self._synchronous = synchronous
        self._local = threading.local()
        self._handles: weakref.WeakSet[_Handle] = weakref.WeakSet()
        self._writing = threading.Lock()
        self._committed = threading.Condition()
        self._commits = 0
        self._watching = threading.Lock()
        self._closed = self._opened = False
        with self._translating():
            self._create(schema)
            self._watch = self._connect()
        self._opened = True

    # ---- reading and writing ----------------------------------------------------------------------------------
    def read(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """All rows of a query, in a read transaction of its own."""
        with self._translating():
            return self.connection().execute(statement, parameters).fetchall()

    def connection(self) -> sqlite3.Connection:
        """This thread's connection, in autocommit mode; use it inside `reading` or `write` only."""
        return self._handle().connection

    def _handle(self) -> _Handle:
        handle: _Handle | None = getattr(self._local, "handle", None)
        if handle is None:
            assert not self._closed, f"{self.path} is closed"
            handle = _Handle(self._connect())
            self._handles.add(handle)
            self._local.handle = handle
        return handle

    def _writer(self) -> sqlite3.Connection:
        """This thread's connection, with room for what it changes."""
        handle = self._handle()
        if not handle.writes:
            handle.connection.execute(f"PRAGMA cache_size=-{WRITER_CACHE_KIB}")
            handle.writes = True
        return handle.connection

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One snapshot for several queries."""
        with self._translating():
            connection = self.connection()
            try:
                connection.execute("BEGIN")
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("COMMIT")

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A write transaction that holds the file's write lock from its start: what is read inside stays true until
        it commits. Durable when the block ends; rolled back when the block raises."""
        if not self._writing.acquire(timeout=BUSY_TIMEOUT_MS / 1000):
            raise Transient(self.path.name, f"{self.path} was held by another thread for {BUSY_TIMEOUT_MS // 1000} s")
        try:
            with self._translating():
                connection = self._writer()
                try:
                    connection.execute("BEGIN IMMEDIATE")
                    yield connection
                    connection.execute("COMMIT")
                except BaseException:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                    raise
        finally:
            self._writing.release()
        self.wake()

    def drop(self, statement: str, parameters: Sequence[Any]) -> int:
        """Rows that a DELETE takes, whose last parameter is how many it may: a chunk a transaction, so that writers get
        between."""
        dropped, chunk = 0, DROP_CHUNK
        while chunk == DROP_CHUNK:
            with self.write() as connection:
                chunk = connection.execute(statement, (*parameters, DROP_CHUNK)).rowcount
            dropped += chunk
        return dropped

    # ---- waking -----------------------------------------------------------------------------------------------
    def seen(self) -> Seen:
        """What there is to see now; take it before reading, and `wait` on it after finding nothing."""
        with self._translating(), self._watching:
            version = -1 if self._closed else self._watch.execute("PRAGMA data_version").fetchone()[0]
        return Seen(self._commits, version)

    def wait(self, seen: Seen, timeout_ms: float) -> bool:
        """Sleep until something was committed since `seen` (by any thread or process) or the time is over; true in
        the first case. Commits of other processes are noticed within 25 ms."""
        left_ms = timeout_ms
        while True:
            with self._committed:
                if self._commits != seen.commits:
                    return True
                if left_ms > 0:
                    self._committed.wait(min(POLL_MS, left_ms) / 1000)
            if self.seen() != seen:
                return True
            left_ms -= POLL_MS
            if left_ms <= 0:
                return False

    def wake(self) -> None:
        """Wake this process' waiters."""
        with self._committed:
            self._commits += 1
            self._committed.notify_all()

    def close(self) -> None:
        """Close every connection. Nothing may be using the file any more."""
        self._closed = True
        for handle in list(self._handles):
            handle.connection.close()
        with self._watching:
            self._watch.close()
        self._local = threading.local()
        self.wake()

    # ---- opening ----------------------------------------------------------------------------------------------
    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=BUSY_TIMEOUT_MS / 1000, isolation_level=None, check_same_thread=False
        )
        connection.execute(f"PRAGMA synchronous={self._synchronous}")
        connection.execute(f"PRAGMA journal_size_limit={WAL_SIZE_LIMIT}")
        connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        return connection

    def _create(self, schema: Schema) -> None:
        """Tables and format version, in one transaction, so that two processes may open a new file at once. Nothing is
        written to a file that has them: commands that only read do so on a full disk too."""
        connection = self.connection()
        self._use_wal(connection)
        if connection.execute("PRAGMA user_version").fetchone()[0] == schema.version:
            return
        connection.execute("BEGIN IMMEDIATE")
        try:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    raise Unusable(f"{self.path} belongs to another program; move it away or give another folder")
                for statement in schema.statements:
                    connection.execute(statement)
            while version in schema.upgrades and 0 < version < schema.version:
                schema.upgrades[version](connection)
                version += 1
            if version in (0, schema.version):
                connection.execute(f"PRAGMA user_version={schema.version}")
            else:
                raise Unusable(
                    f"{self.path} has format {version}, this program reads {schema.version}; "
                    "use the program that wrote it or give another folder"
                )
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _use_wal(self, connection: sqlite3.Connection) -> None:
        """While another process does the same, SQLite may say busy at once, whatever its timeout: so the waiting is
        done here."""
        connection.execute("PRAGMA busy_timeout=0")
        for tries_left in reversed(range(BUSY_TIMEOUT_MS // POLL_MS)):
            try:
                if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                    connection.execute("PRAGMA journal_mode=WAL")
                break
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or not tries_left:
                    raise
            threading.Event().wait(POLL_MS / 1000)
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if self._opened and getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_CANTOPEN:
                cause = f"{self.path} cannot be opened again ({error}): too many open files, or the disk is away"
                raise Transient(self.path.name, cause) from error
            raise translated(error, self.path) from error


class OnOneFile:
    """What a store on one database file offers besides its port: `contracts.ports.Waking`, and closing."""

    _database: Database

    def seen(self) -> Seen:
        """Take before reading; hand to `wait` after finding nothing new."""
        return self._database.seen()

    def wait(self, seen: Seen, timeout_ms: float) -> bool:
        """Sleep until anything was committed since `seen`, by this or (within 25 ms) another process, or time is
        over."""
        return self._database.wait(seen, timeout_ms)

    def wake(self) -> None:
        """Wake this process' waiters without a write, to stop them."""
        self._database.wake()

    def close(self) -> None:
        """Nothing may be using the store any more."""
        self._database.close()
