"""`tail`, `doctor`, `quarantine redrive`, `export`: each answers the question it is opened with."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from contracts.aside import Aside, put_asides
from contracts.events import RAW_STREAM, SCORED_STREAM
from contracts.generation import POINTER
from contracts.ports import Entry
from contracts.settings import AggregatorSettings
from ops.accounting import account
from ops.cli import app
from ops.doctor import examine
from stores.home import Home, forget_homes
from tests import oracle
from tests.events import scored, stream
from tests.unit.replay.kit import Live, fields, home_of, put, raw, settings_of

AT_MS = 1_766_318_400_000


@pytest.fixture
def settings(tmp_path: Path) -> AggregatorSettings:
    return settings_of(tmp_path / "data")


@pytest.fixture
def home(settings: AggregatorSettings) -> Iterator[Home]:
    # The commands open the same folder with the default durability: another connection, as from another process.
    yield home_of(Path(settings.data_dir))
    forget_homes()


def run(settings: AggregatorSettings, *arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, [*arguments, "--data-dir", settings.data_dir])
    assert done.exit_code == code, done.output
    return done.stdout


def json_lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_tail_shows_the_newest_events_and_only_the_subjects_asked_for(home: Home, settings: AggregatorSettings) -> None:
    events = [scored(n, ("AAPL", "MSFT")[n % 2], AT_MS + n * 1_000, 0.01 * n) for n in range(20)]
    put(home, events)
    Live(home, settings).all(batch=3)
    shown = json_lines(run(settings, "tail", "-n", "4", "--no-follow", "--json"))
    assert [row["event_id"] for row in shown] == [event["event_id"] for event in events[-4:]]
    put(home, [late := scored(99, "AAPL", AT_MS, 0.3)])
    Live(home, settings).all()
    newest = json_lines(run(settings, "tail", "-n", "2", "--no-follow", "--json"))
    assert [row["event_id"] for row in newest] == [late["event_id"], events[-1]["event_id"]], (
        "by when they were counted"
    )
    only = json_lines(run(settings, "tail", "AAPL", "-n", "3", "--no-follow", "--json"))
    assert [row["event_id"] for row in only] == [each["event_id"] for each in (late, events[16], events[18])]
    assert "MSFT" in run(settings, "tail", "-n", "4", "--no-follow")
    assert run(settings, "tail", "not a subject", "--no-follow", code=2) == ""


def test_status_counts_all_days_and_knows_the_newest(home: Home, settings: AggregatorSettings) -> None:
    days = 1_010
    put(home, [scored(n, "AAPL", AT_MS + (n - days) * 86_400_000, 0.1) for n in range(days)])
    Live(home, settings).all()
    seen = json.loads(run(settings, "status", "--json"))
    assert (seen["subjects"], seen["counted"], seen["newest_event_at"]) == (1, days, "2025-12-20T12:00:00.000Z")
    assert seen["processes"] == 0
    assert "no process runs: candlewick up" in run(settings, "status")


def test_doctor_names_what_is_wrong_and_the_remedy(home: Home, settings: AggregatorSettings) -> None:
    put(home, stream(50, seed=1))
    Live(home, settings).all()
    assert all(finding.state == "ok" for finding in examine(settings) if finding.check != "stages")
    home.control.put(*POINTER, {"generation": "g1", "settled": False, "handover": {}})
    home.control.put(
        "replay-run", "r1", {"id": "r1", "state": "failed", "error": "why", "units_done": 1, "units_total": 2}
    )
    found = {row["check"]: row for row in json.loads(run(settings, "doctor", "--json"))}
    assert found["generation"]["state"] == "warning"
    assert "why" in found["run r1"]["detail"]
    assert "resume r1" in found["run r1"]["remedy"]


def test_doctor_reports_a_damaged_store_as_a_fault(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "data")
    home_of(tmp_path / "data")
    forget_homes()
    (tmp_path / "data" / "buckets.db").write_bytes(b"no database, but long enough to be read as the header of one" * 40)
    (tmp_path / "data" / "buckets.db-wal").unlink(missing_ok=True)
    assert "buckets.db is damaged" in run(settings, "doctor", code=1)
    forget_homes()


def test_redrive_puts_back_what_is_good_now_and_the_books_balance(home: Home, settings: AggregatorSettings) -> None:
    good = [scored(n, "AAPL", AT_MS + n, 0.1) for n in range(3)]
    bad = b'{"schema":"scored-article/9"}'
    records = [json.dumps(event).encode() for event in good] + [bad]
    home.log.put_records(SCORED_STREAM, [Entry("AAPL", data) for data in records])
    live = Live(home, settings)
    live.all()
    # As if an older program had not understood two of them.
    home.buckets.drop_generation("g1")
    asides = [
        Aside("quarantined", "bad_value", "", SCORED_STREAM, "shardId-0", str(n), 0, AT_MS, f"k{n}", data)
        for n, data in enumerate(records[:2])
    ]
    put_asides(home.lake, asides)
    assert json.loads(run(settings, "quarantine", "redrive", "--dry-run", code=3))["redriven"] == 2
    done = json.loads(run(settings, "quarantine", "redrive", code=3))
    assert done == {
        "read": 3,
        "redriven": 2,
        "still_bad": 1,
        "kept_in_part": 0,
        "of_files": 0,
        "of_sources": 0,
        "damaged": [],
    }
    live = Live(home, settings)
    live.all()
    assert fields(home) == oracle.buckets(good[:2])
    put(home, good[2:])
    live.all()
    assert account(home, settings.allowed_lateness_ms).balanced
    again = json.loads(run(settings, "quarantine", "redrive", code=3))
    assert again == {
        "read": 1,
        "redriven": 0,
        "still_bad": 1,
        "kept_in_part": 0,
        "of_files": 0,
        "of_sources": 0,
        "damaged": [],
    }


def test_what_was_rejected_of_files_and_sources_does_not_keep_good_records_from_going_back(
    home: Home, settings: AggregatorSettings, tmp_path: Path
) -> None:
    """Good or not, it belongs to no stream: its file is published again, its source asked again."""
    file = tmp_path / "raw.jsonl"
    file.write_text(json.dumps(raw(1, "Apple shares rise")) + "\n")
    assert json.loads(run(settings, "publish", str(file), "--as", "scored", code=3))["rejected"] == 1
    good = json.dumps(scored(1, "AAPL", AT_MS, 0.1)).encode()
    put_asides(home.lake, [Aside("quarantined", "bad_value", "", SCORED_STREAM, "shardId-0", "7", 0, AT_MS, "k", good)])
    row = json.dumps(raw(2, "Apple rises")).encode()
    put_asides(home.lake, [Aside("quarantined", "future", "", "sources", "a-json-api", "5", 0, AT_MS, "k2", row)])
    done = CliRunner().invoke(app, ["quarantine", "redrive", "--data-dir", settings.data_dir])
    assert done.exit_code == 3, done.output
    told = json.loads(done.stdout)
    assert (told["read"], told["redriven"], told["of_files"], told["of_sources"]) == (3, 1, 1, 1)
    assert "publish the file again" in done.stderr
    assert "sources test" in done.stderr
    Live(home, settings).all()
    assert fields(home) == oracle.buckets([json.loads(good)])


def test_more_goes_back_than_the_log_takes_at_once(home: Home, settings: AggregatorSettings) -> None:
    rows = [json.dumps(raw(n, f"Apple, {n}")).encode() + b" " * 45_000 for n in range(300)]
    asides = [
        Aside("quarantined", "bad_value", "", RAW_STREAM, "shardId-0", str(n), 0, AT_MS, f"k{n}", row)
        for n, row in enumerate(rows)
    ]  # fmt: skip
    put_asides(home.lake, asides)
    assert json.loads(run(settings, "quarantine", "redrive"))["redriven"] == 300


def test_a_record_that_is_not_there_is_no_record(home: Home, settings: AggregatorSettings) -> None:
    run(settings, "quarantine", "redrive", "nosuch", code=2)
    run(settings, "quarantine", "show", "nosuch", code=2)


def test_all_books_agree_after_a_redrive(home: Home, settings: AggregatorSettings) -> None:
    events = [json.dumps(scored(n, "AAPL", AT_MS + n, 0.1)).encode() for n in range(3)]
    put_asides(home.lake, [
        Aside("quarantined", "bad_value", "", SCORED_STREAM, "shardId-0", str(n), 0, AT_MS, f"k{n}", data)
        for n, data in enumerate(events)
    ])  # fmt: skip
    assert json.loads(run(settings, "quarantine", "redrive", "1"))["redriven"] == 1
    Live(home, settings).all()
    assert account(home, settings.allowed_lateness_ms).quarantined == 2
    assert json.loads(run(settings, "status", "--json"))["quarantined"] == 2
    told = {row["check"]: row["detail"] for row in json.loads(run(settings, "doctor", "--json"))}
    assert told["quarantine"].startswith("2 records")
    assert [row["sequence_number"] for row in json_lines(run(settings, "quarantine", "list", "--json"))] == ["0", "2"]
    assert [row["sequence_number"] for row in json_lines(run(settings, "export", "quarantined"))] == ["0", "2"]
    newest = json_lines(run(settings, "quarantine", "list", "--limit", "1", "--json"))
    assert [row["sequence_number"] for row in newest] == ["2"]


def test_export_writes_every_bucket_event_and_bound(home: Home, settings: AggregatorSettings, tmp_path: Path) -> None:
    events = stream(300, seed=2, bad_stamps=0)
    put(home, events)
    Live(home, settings).all()
    rows = json_lines(run(settings, "export", "buckets"))
    found = {
        (row["ticker"], row["resolution"], oracle.to_ms(row["start"])): oracle.fields_of_document(row) for row in rows
    }
    assert found == oracle.buckets(events)
    out = tmp_path / "scored.jsonl"
    run(settings, "export", "scored", "--out", str(out), "--subject", "AAPL")
    kept = json_lines(out.read_text())
    assert sorted(row["event_id"] for row in kept) == sorted(
        event["event_id"] for event in events if event["subject"] == "AAPL"
    )
    assert json_lines(run(settings, "export", "buckets", "--end", "2001-01-01T00:00:00Z")) == []
    assert run(settings, "export", "nothing", code=2) == ""


def test_export_to_parquet_reads_back(home: Home, settings: AggregatorSettings, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    put(home, stream(100, seed=3))
    Live(home, settings).all()
    out = tmp_path / "buckets.parquet"
    run(settings, "export", "buckets", "--format", "parquet", "--out", str(out))
    table = parquet.read_table(out)
    assert table.num_rows == len(fields(home))


def test_leaving_a_watched_status_is_no_error(home: Home, settings: AggregatorSettings, monkeypatch) -> None:
    def left(*given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ops.status.snapshot", left)
    assert "interrupted" not in run(settings, "status", "--watch")
