"""What a command cannot do it says in one line, with the exit code of who has to do something about it."""

import errno
import inspect
import json
import os
from pathlib import Path
from unittest import mock

import pytest
import typer.main
from typer.testing import CliRunner

from ops import export as export_module
from ops.cli import app
from ops.failed_cmd import summary
from stores.failed_batches import batch_of
from stores.home import forget_homes
from tests.e2e.harness import environment
from tests.unit.ops.test_command_line import commands
from tests.unit.replay.kit import home_of


def complaint(*arguments: str, code: int) -> str:
    with mock.patch.dict(os.environ, environment(), clear=True):
        done = CliRunner().invoke(app, list(arguments))
    assert isinstance(done.exception, SystemExit), repr(done.exception)
    assert (done.exit_code, done.stdout) == (code, ""), done.output
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


@pytest.fixture
def data(tmp_path: Path):
    home_of(tmp_path / "data")
    yield str(tmp_path / "data")
    forget_homes()


def test_every_command_turns_errors_into_a_line() -> None:
    root = typer.main.get_command(app)
    without = [
        command.name
        for command in commands(root)  # type: ignore[arg-type]
        if "plain_errors()" not in inspect.getsource(inspect.unwrap(command.callback))  # type: ignore[arg-type]
    ]
    assert without == []


def test_more_tickers_than_anybody_follows_have_no_price() -> None:
    assert "100,000" in complaint("cost", "--tickers", "100001", code=2)


@pytest.mark.parametrize("text", ["no JSON", "[]", "{}", '{"Resources": {}}', b"\xff"])
def test_a_template_that_is_none_is_named(tmp_path: Path, text: str | bytes) -> None:
    template = tmp_path / "template.json"
    template.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert str(template) in complaint("dashboards", "diff", "--template", str(template), code=1)


def test_a_reason_that_is_none_is_refused_with_those_there_are(data: str) -> None:
    assert "bad_value" in complaint("quarantine", "redrive", "--reason", "typo", "--data-dir", data, code=2)


def test_a_full_disk_is_no_wrong_argument(data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(export_module, "_write_jsonl", full)
    out = tmp_path / "raw.jsonl"
    assert "No space left" in complaint("export", "raw", "--out", str(out), "--data-dir", data, code=1)
    assert list(tmp_path.glob("raw*")) == []


def test_a_folder_is_no_file_to_export_into(data: str, tmp_path: Path) -> None:
    assert "no file" in complaint("export", "raw", "--out", str(tmp_path), "--data-dir", data, code=2)


@pytest.mark.parametrize(
    "words",
    [
        ("export", "buckets", "--out", "~nobody-of-that-name/x"),
        ("failed", "fetch", "~nobody-of-that-name/x"),
        ("replay", "run", "~nobody-of-that-name/x"),
        ("replay", "plan", "--out", "~nobody-of-that-name/x"),
        ("replay", "compare", "g1", "g1", "--out", "~nobody-of-that-name/x"),
    ],
)
def test_the_home_of_nobody_is_no_place(data: str, words: tuple[str, ...]) -> None:
    assert "'~nobody-of-that-name/x': there is no such user" in complaint(*words, "--data-dir", data, code=2)


@pytest.mark.parametrize(
    ("words", "form"),
    [(("export", "raw"), "parquet"), (("buckets", "AAPL"), "csv"), (("buckets", "AAPL"), "table")],
)
def test_json_that_is_asked_for_in_another_format_is_a_contradiction(
    data: str, words: tuple[str, ...], form: str
) -> None:
    said = complaint(*words, "--json", "--format", form, "--data-dir", data, code=2)
    assert "--json" in said
    assert form in said


def test_a_report_that_has_no_room_blames_what_was_said(data: str) -> None:
    (Path(data) / "replay").write_text("in the way")
    said = complaint("replay", "compare", "g1", "g1", "--data-dir", data, code=2)
    assert f"{data}/replay: " in said
    assert "--out" not in said


def test_a_batch_that_says_nothing_about_itself_is_listed() -> None:
    about = {"requestContext": None, "responseContext": None, "KinesisBatchInfo": None}
    batch = batch_of("x", json.dumps({"payload": json.dumps({"Records": []}), **about}).encode())
    assert summary(batch)["records"] == 0
