"""One SQLite file: what is told when it cannot be used, and that nothing half-done stays."""

import sqlite3
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


def test_closing_wakes_a_waiter(database):
    seen = database.seen()
    waiter = threading.Thread(target=database.wait, args=(seen, 60_000))
    waiter.start()
    database.close()
    waiter.join(20)
    assert not waiter.is_alive()


@pytest.mark.parametrize("synchronous", ["full", "normal"])
def test_every_connection_has_the_durability_asked_for(tmp_path, synchronous):
    database = Database(tmp_path / "t.db", SCHEMA, synchronous)
    assert database.read("PRAGMA synchronous")[0][0] == {"full": 2, "normal": 1}[synchronous]
    assert database.read("PRAGMA journal_mode")[0][0] == "wal"
    database.close()
