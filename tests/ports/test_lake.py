"""The Lake port: immutable objects of gzip JSON lines."""

import errno
import os
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.errors import BadEvent, BadRequest, Transient
from contracts.ports import Lake

KEY = "raw/source=rss/date=2025-12-21/shardId-000000000000-1-2.jsonl.gz"


@pytest.fixture
def lake(installation) -> Lake:
    return installation.home.lake


def test_an_object_comes_back_line_by_line(installation, lake):
    lines = [b'{"a":1}', b"", "ü🙂".encode(), b"\r", b"x" * 300_000]
    lake.put(KEY, iter(lines))
    assert list(installation.reopen().lake.read(KEY)) == lines


def test_an_object_may_be_empty(lake):
    lake.put(KEY, [])
    assert list(lake.read(KEY)) == []
    assert lake.keys() == [KEY]


def test_the_same_key_again_replaces(lake):
    lake.put(KEY, [b"a"])
    lake.put(KEY, [b"b"])
    assert list(lake.read(KEY)) == [b"b"]


def test_keys_are_ascending_and_by_prefix(lake):
    names = [
        f"{kind}/date=2025-12-{day}/{part}.jsonl.gz" for kind in ("raw", "scored") for day in (9, 10) for part in "ba"
    ]
    for name in names:
        lake.put(name, [b"1"])
    assert lake.keys() == sorted(names)
    assert lake.keys("raw/") == sorted(name for name in names if name.startswith("raw/"))
    assert lake.keys("raw/date=2025-12-1") == sorted(name for name in names if name.startswith("raw/date=2025-12-10"))
    assert lake.keys("scored/date=2025-12-10/a.jsonl.gz") == ["scored/date=2025-12-10/a.jsonl.gz"]
    assert lake.keys("nothing/") == lake.keys("../") == lake.keys("raw/date=2025-12-9/a.jsonl.gz/") == []


def test_an_absent_object_is_said_to_be_absent(lake):
    lake.put(KEY, [b"1"])
    with pytest.raises(BadRequest):
        lake.read("raw/none.jsonl.gz")


BAD_KEYS = ["", "a", "a/b.json", "../a", "a/../b", "/a", "a//b", ".a", "a\n", "a b", "a" * 300]


@pytest.mark.parametrize("key", [name + ".jsonl.gz" * (name not in ("", "a", "a/b.json")) for name in BAD_KEYS])
def test_a_key_that_is_not_one_is_refused(lake, key):
    with pytest.raises(BadRequest):
        lake.put(key, [b"1"])
    with pytest.raises(BadRequest):
        lake.read(key)
    assert lake.keys() == []


def test_lines_that_fail_midway_leave_the_object_as_it_was(lake):
    lake.put(KEY, [b"whole"])

    def broken():
        yield b"half"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        lake.put(KEY, broken())
    assert list(lake.read(KEY)) == [b"whole"]
    assert lake.keys() == [KEY]


def test_a_reader_sees_the_old_or_the_new_object_and_nothing_between(lake):
    sizes = (20_000, 3)
    lake.put(KEY, [b"%d" % number for number in range(sizes[0])])
    done = threading.Event()

    def replace() -> None:
        for turn in range(40):
            lake.put(KEY, [b"%d" % number for number in range(sizes[(turn + 1) % 2])])
        done.set()

    writer = threading.Thread(target=replace)
    writer.start()
    while not done.is_set():
        assert len(list(lake.read(KEY))) in sizes
    writer.join(20)


@pytest.mark.homes("embedded")
@pytest.mark.parametrize("fault", [errno.EIO, errno.EACCES, errno.ENOENT])
def test_a_folder_that_cannot_be_read_is_no_empty_one(lake, monkeypatch, fault):
    """One that went away meanwhile is. Embedded only: S3 has no folders."""
    for day in (20, 21):
        lake.put(f"raw/date=2025-12-{day}/a.jsonl.gz", [b"1"])
    scandir = os.scandir

    def failing(path):
        if str(path).endswith("20"):
            raise OSError(fault, os.strerror(fault), str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", failing)
    if fault == errno.ENOENT:
        assert lake.keys("raw/") == ["raw/date=2025-12-21/a.jsonl.gz"]
        return
    for prefix in ("", "raw/", "raw/date=2025-12-20/"):
        with pytest.raises(Transient, match="date=2025-12-20: "):
            lake.keys(prefix)


@pytest.mark.homes("embedded")
def test_a_damaged_object_is_told_apart_from_a_short_one(installation, lake, tmp_path):
    """Embedded only: on S3 the object store itself keeps the bytes."""
    lake.put(KEY, [b"%d" % number for number in range(5_000)])
    path = tmp_path / "data" / "lake" / KEY
    path.write_bytes(path.read_bytes()[:2_000])
    with pytest.raises(BadEvent):
        list(lake.read(KEY))
    path.write_bytes(b"plain text, not gzip\n")
    with pytest.raises(BadEvent):
        list(lake.read(KEY))


@pytest.mark.homes("embedded")
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=60).map(lambda data: data.replace(b"\n", b"")), max_size=30))
def test_the_same_lines_give_the_same_bytes(installation, tmp_path, lines):
    lake = installation.home.lake
    for key in ("a/one.jsonl.gz", "b/two.jsonl.gz"):
        lake.put(key, lines)
    first, second = ((tmp_path / "data" / "lake" / key).read_bytes() for key in ("a/one.jsonl.gz", "b/two.jsonl.gz"))
    assert first == second
    assert first[4:8] == bytes(4), "a time in the header"
    assert list(lake.read("a/one.jsonl.gz")) == lines
