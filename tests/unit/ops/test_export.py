"""`candlewick export`: everything there is, each once, in columns that do not depend on the first rows."""

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from consumers.archiver.service import Archiver
from consumers.classifier.service import ClassifierService
from consumers.classifier.subjects import shipped_symbols
from contracts.events import RAW_STREAM
from contracts.kinesis import records_of
from contracts.ports import Entry, Position
from contracts.settings import Settings
from ops import export as export_module
from ops.cli import app
from ops.export import WHAT
from ops.export_columns import COLUMNS
from ops.progress import counter
from stores.home import Home, forget_homes, open_home
from stores.sqlite_buckets import SqliteBucketStore
from tests.fakes.kinesis import kinesis_event
from tests.ports.bucket_values import bucket, write
from tests.unit.consumers.classifying import NOW_MS, WordModel, article

parquet = pytest.importorskip("pyarrow.parquet")
FIRST_AUTHOR = 6


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "data"
    forget_homes()


@pytest.fixture
def home(data: Path) -> Home:
    """Eight articles and a bad record, classified and in the lake; the authors are known of the last two only."""
    home = open_home(Settings(data_dir=str(data)))
    articles = [
        article(
            f"{'Apple' if n % 2 else 'Microsoft'} shares, number {n}", published_ms=NOW_MS - n * 60_000,
            author="Jo" if n >= FIRST_AUTHOR else None,
        )
        for n in range(8)
    ]  # fmt: skip
    home.log.put_records(RAW_STREAM, [Entry("a", each) for each in [*articles, b"{bad"]])
    (shard,) = home.log.shards(RAW_STREAM)
    page = home.log.get_records(home.log.iterator(RAW_STREAM, shard.shard_id, Position("TRIM_HORIZON")))
    records = records_of(kinesis_event(RAW_STREAM, page.records, shard.shard_id))
    Archiver(home.lake).archive(records[:5])
    service = ClassifierService(
        log=home.log, items=home.items, control=home.control, lake=home.lake, clock=home.clock, model=WordModel(),
        symbols=shipped_symbols(),
    )  # fmt: skip
    assert service.process(records).retry_from is None
    return home


def run(data: Path, *arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["export", *arguments, "--data-dir", str(data)])
    assert done.exit_code == code, done.output
    return done.stdout if code == 0 else done.output


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_raw_articles_items_and_what_was_set_aside(home: Home, data: Path) -> None:
    raw = lines(run(data, "raw"))
    assert sorted(row["title"] for row in raw) == sorted(row["metadata"]["title"] for row in lines(run(data, "items")))
    assert len({row["article_id"] for row in raw}) == len(raw) == 8
    (bad,) = lines(run(data, "quarantined"))
    assert bad["reason"] == "unparseable"
    assert lines(run(data, "late")) == []
    assert len(lines(run(data, "scored", "--subject", "aapl"))) == 4
    assert len(lines(run(data, "items", "--subject", "AAPL"))) == 4
    assert len(lines(run(data, "raw", "--start", "2025-12-21T09:38:00Z", "--end", "2025-12-21T09:39:30Z"))) == 2


def test_buckets_past_their_time_to_live_are_left_out(home: Home, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.buckets.commit("g1", [write(bucket(resolution=name)) for name in ("1m", "1h")])
    assert {row["resolution"] for row in lines(run(data, "buckets"))} == {"1m", "1h"}
    monkeypatch.setattr(SqliteBucketStore, "is_over", lambda store, key: key.resolution == "1m", raising=False)
    assert {row["resolution"] for row in lines(run(data, "buckets"))} == {"1h"}


@pytest.mark.parametrize("what", WHAT)
def test_parquet_has_the_same_columns_with_and_without_rows(home: Home, data: Path, tmp_path: Path, what: str) -> None:
    for name, more in (("full", ()), ("empty", ("--end", "2001-01-01T00:00:00Z"))):
        out = tmp_path / f"{name}.parquet"
        run(data, what, "--format", "parquet", "--out", str(out), *more)
        table = parquet.read_table(out)
        assert {each.name: str(each.type) for each in table.schema} == COLUMNS[what]
        assert table.num_rows == (0 if more else len(lines(run(data, what))))


def test_progress_is_told_of_many_rows_at_once(
    home: Home, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_module, "TOLD_ROWS", 3)
    told: list[int] = []
    export_module.export(home, "raw", "jsonl", str(tmp_path / "raw.jsonl"), None, None, None, told.append)
    assert told == [3, 3], "of eight"


@pytest.mark.parametrize("beside", [True, False])
def test_a_bar_is_drawn_only_where_the_terminal_is_free(
    beside: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # as a terminal
    with counter("exporting", "rows", beside) as advance:
        advance(1_000)
    shown = capsys.readouterr()
    assert ("1,000 rows" in shown.err) is beside
    assert shown.out == ""


def test_a_column_that_only_later_rows_fill_is_kept(
    home: Home, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_module, "GROUP_ROWS", 2)
    out = tmp_path / "raw.parquet"
    run(data, "raw", "--format", "parquet", "--out", str(out))
    table = parquet.read_table(out).to_pydict()
    assert sorted(filter(None, table["author"])) == ["Jo", "Jo"]
    assert table["tickers"] == ["[]"] * 8


def test_a_file_appears_whole_or_not_at_all(
    home: Home, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "raw.jsonl"
    out.write_text("what was there before")
    monkeypatch.setattr(export_module, "decode_raw", lambda line: 1 / 0)
    assert isinstance(CliRunner().invoke(app, ["export", "raw", "--out", str(out), "--data-dir", str(data)]).exception,
                      ZeroDivisionError)  # fmt: skip
    assert out.read_text() == "what was there before"
    assert {path.name for path in tmp_path.iterdir()} == {"data", "raw.jsonl"}


def test_what_is_no_file_is_written_into_and_a_link_stays_one(home: Home, data: Path, tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", list[bytes]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()
    run(data, "raw", "--out", str(pipe))
    reader.join()
    assert len(read[0].splitlines()) == 8
    assert pipe.is_fifo()
    (tmp_path / "link").symlink_to("file")
    run(data, "raw", "--out", str(tmp_path / "link"))
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == read[0]


def test_a_pipe_that_has_no_name_is_written_into(home: Home, data: Path) -> None:
    """As `--out >(gzip)` and `--out /dev/stdout | gzip` give it."""
    into, out_of = os.pipe()
    run(data, "raw", "--out", f"/dev/fd/{out_of}")
    os.close(out_of)
    with os.fdopen(into, "rb") as pipe:
        assert len(pipe.read().splitlines()) == 8


def test_of_two_at_once_each_writes_a_file_of_its_own(
    home: Home, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that ends last wins; neither takes the other's unfinished file."""
    out = tmp_path / "raw.jsonl"
    decode, others = export_module.decode_raw, list[threading.Thread]()

    def with_another(line: bytes) -> Any:
        if not others:
            others.append(threading.Thread(target=run, args=(data, "raw", "--out", str(out))))
            others[0].start()
            others[0].join()
        return decode(line)

    monkeypatch.setattr(export_module, "decode_raw", with_another)
    run(data, "raw", "--out", str(out))
    assert len(out.read_bytes().splitlines()) == 8


def test_the_tilde_is_the_home_directory(
    home: Home, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    run(data, "raw", "--out=~/raw.jsonl")
    assert (tmp_path / "raw.jsonl").is_file()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("everything",), "quarantined"),
        (("raw", "--format", "xml"), "parquet"),
        (("raw", "--subject", "AAPL"), "no subjects"),
        (("scored", "--subject", "not one"), "neither a ticker"),
        (("scored", "--start", "yesterday"), "yesterday"),
        (("scored", "--start", "2025-01-02T00:00:00Z", "--end", "2025-01-01T00:00:00Z"), "not before"),
        (("scored", "--end", "1960-01-01T00:00:00Z"), "--end 1960-01-01T00:00:00Z is before everything"),
        (("scored", "--out", "/nowhere/at/all.jsonl"), "/nowhere/at/all.jsonl"),
    ],
)
def test_wrong_arguments_are_named(home: Home, data: Path, arguments: tuple[str, ...], says: str) -> None:
    assert says in run(data, *arguments, code=2)
