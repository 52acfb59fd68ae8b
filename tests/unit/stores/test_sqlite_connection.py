"""One SQLite file: what is told when it cannot be used, and that nothing half-done stays."""

import resource
import sqlite3
import subprocess
import sys
import textwrap
import threading

import pytest

from contracts.errors import Transient, Unusable
from stores.sqlite_connection import BUSY_TIMEOUT_MS, Database, Schema

SCHEMA = Schema(3, ("CREATE TABLE t (n INTEGER PRIMARY KEY, body BLOB)",))


@pytest.fixture
def database(tmp_path):
    opened = Database(tmp_path / "t.db", SCHEMA)
    yield opened
    opened.close()


def count(database: Database) -> int:
    return database.read("SELECT count(*) FROM t")[0][0]


def insert(database: Database, *statements: str, fail: bool = False) -> None:
    with database.write() as connection:
        for statement in statements:
            connection.execute(statement)
        if fail:
            raise ZeroDivisionError


def test_a_failed_write_leaves_nothing(database):
    with pytest.raises(ZeroDivisionError):
        insert(database, "INSERT INTO t VALUES (1, NULL)", fail=True)
    assert count(database) == 0
    with database.write() as connection:
        connection.execute("INSERT INTO t VALUES (1, NULL)")
    assert count(database) == 1


def test_a_full_disk_is_transient_and_leaves_nothing(database):
    database.connection().execute("PRAGMA max_page_count = 10")
    with pytest.raises(Transient, match="no space left"):
        insert(database, "INSERT INTO t VALUES (1, NULL)", "INSERT INTO t VALUES (2, randomblob(1000000))")
    assert count(database) == 0
    database.connection().execute("PRAGMA max_page_count = 100000")
    with database.write() as connection:
        connection.execute("INSERT INTO t VALUES (2, randomblob(1000000))")
    assert count(database) == 1


def test_a_locked_file_is_transient(database, tmp_path):
    other = sqlite3.connect(tmp_path / "t.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    database.connection().execute("PRAGMA busy_timeout = 10")
    with pytest.raises(Transient, match="locked"), database.write():
        pass
    assert count(database) == 0, "readers go on"
    other.execute("ROLLBACK")
    other.close()
    with database.write() as connection:
        connection.execute("INSERT INTO t VALUES (1, NULL)")


def test_opening_a_file_that_is_up_to_date_writes_nothing(database, tmp_path):
    """So that commands which only read do so on a full disk, and beside a long write."""
    insert(database, "INSERT INTO t VALUES (1, NULL)")
    log, seen = tmp_path / "t.db-wal", database.seen()
    size = log.stat().st_size
    with database.write():
        other = Database(tmp_path / "t.db", SCHEMA)
        assert count(other) == 1
        other.close()
    assert log.stat().st_size == size
    assert database.seen().data_version == seen.data_version


def test_a_file_is_opened_and_read_on_a_full_disk(database, tmp_path):
    """As `candlewick status` does beside a running line: no file may grow."""
    insert(database, "INSERT INTO t VALUES (1, NULL)")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        other = Database(tmp_path / "t.db", SCHEMA)
        assert count(other) == 1
        with pytest.raises(Transient):
            insert(other, "INSERT INTO t VALUES (2, randomblob(100000))")
        assert count(other) == 1
        other.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_too_many_open_files_for_a_moment_are_transient(database):
    """In a process of its own, whose limit can be lowered."""
    program = textwrap.dedent(
        f"""
        import resource, sys, threading
        from pathlib import Path
        from contracts.errors import Transient
        from stores.sqlite_connection import Database
        from tests.unit.stores.test_sqlite_connection import SCHEMA, count

        database = Database(Path({str(database.path)!r}), SCHEMA)

        def first_use():
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
            try:
                count(database)
            except Transient as error:
                told.append(str(error))
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            told.append(count(database))

        told = []
        thread = threading.Thread(target=first_use)
        thread.start()
        thread.join()
        assert len(told) == 2 and "open files" in told[0] and told[1] == 0, told
        """
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("lock", ["IMMEDIATE", "EXCLUSIVE"])
def test_opening_a_new_file_waits_for_another_that_opens_it(tmp_path, lock):
    path = tmp_path / "t.db"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute(f"BEGIN {lock}")
    release = threading.Timer(0.2, other.execute, ("ROLLBACK",))
    release.start()
    database = Database(path, SCHEMA)
    release.join()
    other.close()
    assert database.read("PRAGMA journal_mode")[0][0] == "wal"
    assert database.connection().execute("PRAGMA busy_timeout").fetchone()[0] == BUSY_TIMEOUT_MS
    database.close()


def test_a_new_file_that_stays_locked_is_transient(tmp_path, monkeypatch):
    monkeypatch.setattr("stores.sqlite_connection.BUSY_TIMEOUT_MS", 100)
    other = sqlite3.connect(tmp_path / "t.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Transient, match="locked"):
        Database(tmp_path / "t.db", SCHEMA)
    other.close()


def test_a_damaged_file_is_unusable(tmp_path):
    path = tmp_path / "t.db"
    path.write_bytes(b"this is no database" * 1_000)
    with pytest.raises(Unusable, match="damaged"):
        Database(path, SCHEMA)


def test_a_file_of_another_format_is_unusable_and_untouched(database, tmp_path):
    with pytest.raises(Unusable, match=r"format 3, this program reads 4"):
        Database(tmp_path / "t.db", Schema(4, SCHEMA.statements))
    assert count(database) == 0


def test_a_database_of_another_program_is_unusable_and_untouched(tmp_path):
    other = sqlite3.connect(tmp_path / "t.db")
    other.execute("CREATE TABLE precious (n)")
    other.close()
    with pytest.raises(Unusable, match="another program"):
        Database(tmp_path / "t.db", SCHEMA)


def test_a_folder_that_is_not_there_is_unusable(tmp_path):
    with pytest.raises(Unusable, match="cannot be opened"):
        Database(tmp_path / "none" / "t.db", SCHEMA)


def test_a_wrong_statement_is_our_bug(database):
    with pytest.raises(AssertionError):
        database.read("SELECT * FROM nowhere")


def test_each_thread_has_a_connection_that_ends_with_it(database):
    def use() -> None:
        with database.write() as connection:
            connection.execute("INSERT INTO t VALUES (NULL, NULL)")

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    del threads, thread
    assert count(database) == 8
    assert len(database._handles) == 1


def test_closing_ends_a_wait(database):
    """Whatever the waiter has seen: it would else ask a connection that is closed."""
    ended = []
    seen = database.seen()
    waiter = threading.Thread(target=lambda: ended.append(database.wait(seen, 60_000)))
    waiter.start()
    database.close()
    waiter.join(20)
    assert ended == [True]


@pytest.mark.parametrize("synchronous", ["full", "normal"])
def test_every_connection_has_the_durability_asked_for(tmp_path, synchronous):
    database = Database(tmp_path / "t.db", SCHEMA, synchronous)
    assert database.read("PRAGMA synchronous")[0][0] == {"full": 2, "normal": 1}[synchronous]
    assert database.read("PRAGMA journal_mode")[0][0] == "wal"
    database.close()
