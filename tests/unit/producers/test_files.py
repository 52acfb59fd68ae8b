"""Files and pipes, whatever comes first and however it comes in."""

import gzip
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import BadRequest
from producers.sources import files
from producers.sources.files import Row, read_rows

PLAIN = b'{"title":"a"}\n{"title":"b"}\n'
CSV = b"title,published_at\nA,2025-12-21T10:00:00Z\n"
PIECES: dict[str, list[bytes]] = {
    "a newline first": [b"\n", PLAIN],
    "JSON byte by byte": [bytes([byte]) for byte in PLAIN],
    "the first byte of gzip alone": [gzip.compress(PLAIN)[:1], gzip.compress(PLAIN)[1:]],
    "gzip whose text begins with a newline": [gzip.compress(b"\n" + PLAIN)],
    "gzip of two members": [gzip.compress(b"\n") + gzip.compress(PLAIN)],
}


def piped(*pieces: bytes) -> list[Row]:
    """What is read of a pipe that is written piece by piece."""
    reading, writing = os.pipe()

    def write() -> None:
        for piece in pieces:
            os.write(writing, piece)
            time.sleep(0.002)
        os.close(writing)

    writer = threading.Thread(target=write)
    writer.start()
    rows = list(read_rows("-", None, os.fdopen(reading, "rb")))
    writer.join()
    return rows


@pytest.mark.parametrize("name", PIECES)
def test_a_pipe_is_read_whole_however_it_is_written(name: str) -> None:
    assert [row.data for row in piped(*PIECES[name])] == PLAIN.split()


def test_csv_is_told_by_its_whole_first_line() -> None:
    (row,) = piped(CSV[:5], CSV[5:])
    assert row.fields == {"title": "A", "published_at": "2025-12-21T10:00:00Z"}


def test_a_pipe_that_goes_on_is_read_as_it_comes() -> None:
    reading, writing = os.pipe()
    os.write(writing, PLAIN)
    rows = read_rows("-", None, os.fdopen(reading, "rb"))
    assert next(rows).data == PLAIN.split()[0], "nobody waits for four kilobytes"
    os.close(writing)
    assert len(list(rows)) == 1


@pytest.mark.parametrize("lines", [5_000, 2_000_000])
def test_empty_lines_are_no_end(tmp_path: Path, lines: int) -> None:
    file = tmp_path / "x.jsonl"
    file.write_bytes(b"\n" * lines + PLAIN)
    assert [(row.line, row.data) for row in read_rows(str(file))] == [
        (lines + 1 + at, data) for at, data in enumerate(PLAIN.split())
    ]


@pytest.mark.parametrize(
    "nothing", [b"", b"\n", b" \n" * 5_000, gzip.compress(b"\n")], ids=["nothing", "a line", "empty lines", "gzip"]
)
def test_a_file_of_nothing_has_no_rows(tmp_path: Path, nothing: bytes) -> None:
    file = tmp_path / "x.jsonl"
    file.write_bytes(nothing)
    assert list(read_rows(str(file))) == []


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_a_line_of_just_the_limit_does_not_swallow_the_next(tmp_path: Path, more: int) -> None:
    limit = files._MAX_LINE_BYTES
    long = b'{"t":"' + b"x" * (limit - 9 + more) + b'"}\n'
    assert len(long) == limit + more
    file = tmp_path / "x.jsonl"
    file.write_bytes(PLAIN.split()[0] + b"\n" + long + PLAIN)
    rows: list[Any] = [(row.line, row.error.reason if row.error else len(row.data)) for row in read_rows(str(file))]
    assert rows == [(1, 13), (2, "oversized" if more > 0 else limit + more - 1), (3, 13), (4, 13)]


def test_an_endless_line_at_the_end_is_one_row(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_bytes(PLAIN + b"{" * (3 * files._MAX_LINE_BYTES))
    assert [row.error.reason if row.error else "" for row in read_rows(str(file))] == ["", "", "oversized"]


def test_damaged_gzip_is_told(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl.gz"
    file.write_bytes(gzip.compress(PLAIN)[:12] + b"\xff" * 20)
    with pytest.raises(BadRequest, match="damaged gzip"):
        read_rows(str(file))


@pytest.mark.parametrize("name", ["news.CSV", "news.Csv.GZ"])
def test_a_name_in_upper_case_is_as_good(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(CSV) if name.endswith("GZ") else CSV)
    (row,) = read_rows(str(tmp_path / name))
    assert row.fields == {"title": "A", "published_at": "2025-12-21T10:00:00Z"}
