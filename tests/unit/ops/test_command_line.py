"""What holds for every command, and what each prints for a screen, a pipe and a program."""

import base64
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
import typer.main
from typer.testing import CliRunner

from contracts.clock import ManualClock
from contracts.errors import BadRequest
from contracts.settings import AggregatorSettings
from ops import status as status_module
from ops.bucket_output import write_buckets
from ops.cli import app
from ops.doctor import _given_up, _stages
from ops.export_columns import COLUMNS
from ops.failed_cmd import write_records
from ops.status import snapshot
from ops.tail import _line
from stores.aws_home import AwsHome
from stores.failed_batches import batch_of
from stores.home import SHARD_COUNTS, Home, forget_homes, open_home
from tests.aws.moto_aws import moto_aws
from tests.aws.test_failed import BUCKET, document_of, event_of
from tests.e2e.harness import CANDLEWICK, ROOT, environment
from tests.events import BASE_MS, scored
from tests.unit.replay.kit import Live, home_of, put, settings_of

TICKERS = ["".join(letters) for letters in itertools.product("ABCDEFGHIJK", repeat=3)]
SYMBOLS = {
    "fields": ["cik", "name", "ticker", "exchange"],
    "data": [[n, f"{ticker} Holdings Inc.", ticker, "NYSE"] for n, ticker in enumerate(TICKERS)],
}


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """One event, counted."""
    home = home_of(tmp_path / "data")
    put(home, [scored(1, "AAPL", BASE_MS, -0.5)])
    Live(home, settings_of(tmp_path / "data")).all()
    yield tmp_path / "data"
    forget_homes()


def run(*arguments: str, code: int = 0, **settings: str) -> str:
    with mock.patch.dict(os.environ, environment() | settings, clear=True):
        done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == code, done.output + repr(done.exception)
    return done.stdout


def commands(group: typer.main.TyperGroup) -> Iterator[typer.main.TyperCommand]:
    for command in group.commands.values():
        if isinstance(command, typer.main.TyperGroup):
            yield from commands(command)
        else:
            yield command


def test_help_needs_none_of_the_heavy_libraries() -> None:
    heavy = ("boto3", "msgspec", "numpy", "onnxruntime", "pydantic", "rich")
    script = f"import sys, ops.cli; print([each for each in {heavy} if each in sys.modules])"
    told = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment(), capture_output=True, check=True)
    assert told.stdout.strip() == b"[]"


def test_the_program_tells_its_version() -> None:
    told = CliRunner().invoke(app, ["--version"])
    assert (told.exit_code, told.stdout) == (0, f"candlewick {metadata.version('candlewick')}\n")


def test_every_command_takes_json() -> None:
    root = typer.main.get_command(app)
    without = [command.name for command in commands(root) if not any("--json" in each.opts for each in command.params)]
    assert without == []


def test_a_watched_status_is_a_document_a_line(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = iter((1, 2))

    def counted(home: Home, settings: AggregatorSettings) -> dict[str, int]:
        try:
            return {"counted": next(seen)}
        except StopIteration:
            raise KeyboardInterrupt from None

    monkeypatch.setattr(status_module, "snapshot", counted)
    monkeypatch.setattr(status_module, "REFRESH_MS", 1)
    told = run("status", "--watch", "--json", "--data-dir", str(data))
    assert [json.loads(line)["counted"] for line in told.splitlines()] == [1, 2]


def test_a_watched_status_reaches_a_pipe_at_once(data: Path) -> None:
    command = [*CANDLEWICK, "status", "--watch", "--data-dir", str(data)]
    program = subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE)
    assert program.stdout is not None
    try:
        assert b"1 events of 1 subjects" in program.stdout.readline()
    finally:
        program.kill()
        program.wait()


def test_a_share_is_found_under_both_its_names(data: Path) -> None:
    home = open_home(settings_of(data))
    put(home, [scored(2, "BRK.B", BASE_MS, 0.5)])
    Live(home, settings_of(data)).all()
    for name in ("brk-b", "BRK.B"):
        assert (
            json.loads(run("buckets", name, "-r", "1h", "--format", "json", "--data-dir", str(data)))[0]["count"] == 1
        )
        assert len(run("export", "buckets", "--subject", name, "--data-dir", str(data)).splitlines()) == 8


def test_what_is_stored_under_the_older_of_two_names_is_found_by_it(data: Path) -> None:
    """As it was before both were one."""
    home = open_home(settings_of(data))
    put(home, [scored(3, "BRK-B", BASE_MS, 0.5), scored(4, "BRK.B", BASE_MS + 1, 0.1)])
    Live(home, settings_of(data)).all()
    where = ("--data-dir", str(data))
    for name in ("BRK-B", "BRK.B"):
        (hour,) = json.loads(run("buckets", name, "-r", "1h", "--format", "json", *where))
        assert (hour["ticker"], hour["count"]) == (name, 1)
        assert len(run("export", "buckets", "--subject", name, *where).splitlines()) == 16
        assert len(run("export", "scored", "--subject", name, *where).splitlines()) == 2
        assert len(run("tail", name, "--no-follow", "--json", *where).splitlines()) == 2
    assert json.loads(run("replay", "plan", "--subject", "BRK-B", "--json", *where))["subjects"] == 2
    (data / "events.jsonl").write_text(run("export", "scored", "--subject", "BRK-B", *where))
    run("publish", str(data / "events.jsonl"), "--as", "scored", *where)
    Live(home, settings_of(data)).all()
    assert json.loads(run("buckets", "BRK.B", "-r", "1h", "--format", "json", *where))[0]["count"] == 2


def test_no_figure_is_cut_on_a_narrow_screen(data: Path) -> None:
    told = run("buckets", "AAPL", "-r", "1h", "--data-dir", str(data), COLUMNS="40", FORCE_COLOR="1")
    assert "-0.5000  -0.5000  -0.5000  -0.5000" in told


def test_csv_and_parquet_have_the_same_columns_without_rows(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    form = ("--format", "csv", "--data-dir", str(data))
    empty, full = run("buckets", "MSFT", *form), run("buckets", "AAPL", *form)
    assert empty.splitlines() == full.splitlines()[:1] == [",".join(COLUMNS["buckets"])]
    assert "rev" not in run("buckets", "MSFT", "--content", *form)
    monkeypatch.setattr("sys.stdout", SimpleNamespace(isatty=lambda: True))
    with pytest.raises(BadRequest, match="not for a screen"):
        write_buckets([], "parquet", False)


def test_a_title_does_not_command_the_terminal() -> None:
    row = {"event_time": "2025-12-21T12:00:00.000Z", "ticker": "AAPL", "label": "neutral", "polarity": 0.0,
           "title": "up\x1b]0;owned\x07 \x9b2J", "source": "de\x1bsk", "event_id": "e"}  # fmt: skip
    assert _line(row).plain.isprintable()


def test_a_tilde_is_the_home_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listing = tmp_path / "list.json"
    listing.write_text(json.dumps(SYMBOLS))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "me").mkdir()
    told = json.loads(
        run("symbols", "refresh", "--from", str(listing), HOME=str(tmp_path / "me"), CANDLEWICK_DATA_DIR="~/cw")
    )
    assert told["file"] == str(tmp_path / "me" / "cw" / "symbols.csv")
    assert not (tmp_path / "~").exists()


def test_a_failed_restore_leaves_nothing_behind(tmp_path: Path) -> None:
    run("restore", str(tmp_path / "nosuch"), "--data-dir", str(tmp_path / "new"), code=2)
    assert not (tmp_path / "new").exists()


def test_a_model_that_is_none_and_a_place_that_is_none_are_refused(tmp_path: Path) -> None:
    run("models", "eval", "nosuch", code=2)
    (tmp_path / "file").touch()
    run("models", "eval", "vader", "--splits", str(tmp_path), "--out", str(tmp_path / "file" / "x"), code=1)


def test_a_record_that_holds_a_line_feed_stays_one_line(tmp_path: Path) -> None:
    record = json.dumps(scored(1, "AAPL", BASE_MS, 0.5), indent=1).encode()
    event = event_of([record])
    write_records(iter([batch_of("one", json.dumps(document_of(event)).encode())]), tmp_path)
    (line,) = (tmp_path / "scored-articles.jsonl").read_bytes().splitlines()
    assert json.loads(line) == json.loads(base64.b64decode(event["Records"][0]["kinesis"]["data"]))


def test_on_a_stage_lambda_keeps_its_place_to_itself_and_its_failures_count(tmp_path: Path) -> None:
    import boto3

    clock = ManualClock(BASE_MS)
    settings = AggregatorSettings(home="aws", lake_bucket="lake", data_dir=str(tmp_path / "none"))
    with moto_aws(clock):
        AwsHome(settings, clock).provision(SHARD_COUNTS)
        home = open_home(settings, clock)
        put(home, [scored(1, "AAPL", BASE_MS, 0.5)])
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket=BUCKET)
        body = json.dumps(document_of(event_of([b"{}"]))).encode()
        s3.put_object(Bucket=BUCKET, Key="aws/lambda/uuid/shardId-0/2025/12/21/one", Body=body)
        clock.instant_ms += 3 * 3_600_000
        seen = snapshot(home, settings)
        assert {row["behind_ms"] for row in seen["stages"]} == {None}
        assert seen["processes"] is None, "Lambda does the work"
        assert seen["given_up"] == 1
        (stages,) = _stages(home, seen)
        assert (stages.state, "Lambda" in stages.detail) == ("ok", True)
        assert [found.check for found in _given_up(home, seen)] == ["failures"]
        status_module.show_status(home, settings, False, False)
        forget_homes()
