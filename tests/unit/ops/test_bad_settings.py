"""Settings, tables and arguments that are wrong: one clear line before anything starts, never a traceback."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from typer.testing import CliRunner

from ops.cli import app
from stores.home import forget_homes
from tests.e2e.harness import ROOT, environment
from tests.unit.replay.kit import home_of

SOURCES = {
    "latin.json": '[{"name":"é"}]'.encode("latin-1"),
    "kind.json": json.dumps([{"name": "a", "kind": ["x"], "url": "http://a.example"}]).encode(),
    "url.json": json.dumps([{"name": "a", "kind": "rss", "url": "http://[::1"}]).encode(),
    "port.json": json.dumps([{"name": "a", "kind": "rss", "url": "http://a.example:70000/"}]).encode(),
    "option.json": json.dumps([{"name": "a", "kind": "json", "url": "http://a.b", "options": {"no": 1}}]).encode(),
}
AWS = {"CANDLEWICK_HOME": "aws", "CANDLEWICK_LAKE_BUCKET": "lake"}


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    for name, text in SOURCES.items():
        (tmp_path / name).write_bytes(text)
    home_of(tmp_path / "data")
    forget_homes()
    yield tmp_path / "data"
    forget_homes()


def complaint(data: Path, settings: dict[str, str], *arguments: str, code: int = 1) -> str:
    """A command's one line of complaint."""
    env = environment() | {"AWS_EC2_METADATA_DISABLED": "true", "HOME": str(data), "CANDLEWICK_DATA_DIR": str(data)}
    env |= {name: value.replace("HERE", str(data.parent)) for name, value in settings.items()}
    with mock.patch.dict(os.environ, env, clear=True):
        done = CliRunner().invoke(app, list(arguments))
    assert isinstance(done.exception, SystemExit), repr(done.exception)
    assert done.exit_code == code, done.output
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    return done.stderr


@pytest.mark.parametrize("command", [("drain",), ("up", "--port", "0", "--no-sources")])
@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("CANDLEWICK_MODEL", "nosuch", "there is no model 'nosuch'"),
        ("CANDLEWICK_SYMBOLS_FILE", "HERE/nofile", "nofile cannot be read"),
    ],
)
def test_what_the_classifier_lacks_is_said_before_anything_starts(
    data: Path, command: tuple[str, ...], name: str, value: str, says: str
) -> None:
    assert says in complaint(data, {name: value}, *command)


@pytest.mark.parametrize("command", [("drain",), ("up", "--port", "0", "--no-sources")])
def test_a_damaged_table_of_companies_is_said_before_anything_starts(data: Path, command: tuple[str, ...]) -> None:
    (data / "symbols.csv").write_bytes(b"\xff\xfegarbage")
    assert "symbols.csv cannot be read" in complaint(data, {}, *command)


@pytest.mark.parametrize(
    ("settings", "arguments", "says"),
    [
        ({"CANDLEWICK_SOURCES_FILE": "HERE/nofile"}, (), "No such file"),
        *(({"CANDLEWICK_SOURCES_FILE": f"HERE/{name}"}, (), name) for name in SOURCES),
        ({"CANDLEWICK_LOG": "bogus"}, (), "CANDLEWICK_LOG='bogus'"),
        ({"CANDLEWICK_DEMO_NOTE": "", "CANDLEWICK_POLL_MS": "no"}, (), "CANDLEWICK_POLL_MS"),
        ({}, ("--endpoint-url", "localhost:4566"), "http://localhost:4566"),
        ({"AWS_ENDPOINT_URL": "http://[::1"}, (), "http://[::1"),
        (AWS | {"CANDLEWICK_ENDPOINT_URL": "foo"}, (), "foo"),
        (AWS | {"AWS_PROFILE": "nosuch"}, (), "nosuch"),
    ],
)
def test_up_does_not_start_with_what_cannot_work(
    data: Path, settings: dict[str, str], arguments: tuple[str, ...], says: str
) -> None:
    assert says in complaint(data, settings, "up", "--port", "0", *arguments)


def test_doctor_names_what_nobody_reads(data: Path) -> None:
    (data / ".env").write_text("CANDLEWICK_MODEL=vader\nFINNHUB_API_KEY=abc\nOWN_KEY=x\n")
    given = environment() | {"CANDLEWICK_HEARTBET_S": "5", "CANDLEWICK_HEARTBEAT_S": "5", "CANDLEWICK_LOG": "info"}
    with mock.patch.dict(os.environ, given, clear=True):
        done = CliRunner().invoke(app, ["doctor", "--json", "--data-dir", str(data)])
    rows = [row for row in json.loads(done.stdout) if row["check"] == "settings"]
    assert [row["state"] for row in rows] == ["warning", "warning"]
    assert (rows[0]["detail"], rows[0]["remedy"]) == (
        "CANDLEWICK_HEARTBET_S is no setting", "did you mean CANDLEWICK_HEARTBEAT_S?",
    )  # fmt: skip
    assert "CANDLEWICK_MODEL stands in" in rows[1]["detail"]
    assert done.exit_code == 0


def test_doctor_finds_every_setting_that_breaks_the_line(data: Path) -> None:
    broken = {
        "CANDLEWICK_LOG": "bogus",
        "CANDLEWICK_POLL_MS": "no",
        "CANDLEWICK_SIGNING_KEYS": "none",
        "CANDLEWICK_WEB_DIR": str(data / "nofolder"),
        "CANDLEWICK_MODEL": "nosuch",
        "CANDLEWICK_SYMBOLS_FILE": str(data / "nofile"),
        "CANDLEWICK_SOURCES_FILE": str(data.parent / "kind.json"),
    }
    with mock.patch.dict(os.environ, environment() | broken, clear=True):
        done = CliRunner().invoke(app, ["doctor", "--json", "--data-dir", str(data)])
    assert done.exit_code == 1, done.output
    faults = [row["check"] for row in json.loads(done.stdout) if row["state"] == "fault"]
    assert faults == ["log", "api", "keys", "dashboard", "model", "symbols", "feeds"]


def test_doctor_makes_no_data_directory(tmp_path: Path) -> None:
    with mock.patch.dict(os.environ, environment(), clear=True):
        done = CliRunner().invoke(app, ["doctor", "--data-dir", str(tmp_path / "none")])
    assert "no data directory" in done.stdout
    assert done.exit_code == 0
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("doctor",),
        ("status",),
        ("buckets", "AAPL"),
        ("quarantine", "list"),
        ("publish", "nosuch.jsonl"),
        ("publish", "-", "--as", "cooked"),
        ("publish", "-", "--speed", "fast"),
        ("publish", "-", "--map", "title"),
        ("publish", "-", "--map", "ticker=symbol"),
        ("publish", "-", "--as", "raw", "--map", "polarity=mood"),
        ("publish", "-", "--as", "scored", "--map", "title=headline"),
    ],
)
@pytest.mark.parametrize("folder", [".", "none"])
def test_a_folder_of_something_else_is_left_as_it_is(tmp_path: Path, arguments: tuple[str, ...], folder: str) -> None:
    (tmp_path / "notes.txt").touch()
    with mock.patch.dict(os.environ, environment(), clear=True):
        done = CliRunner().invoke(app, [*arguments, "--data-dir", str(tmp_path / folder)])
    assert done.exit_code == (0 if arguments == ("doctor",) else 2), done.output
    assert [each.name for each in tmp_path.iterdir()] == ["notes.txt"]


def test_databases_without_their_version_are_no_empty_folder(data: Path) -> None:
    (data / "candlewick.json").unlink()
    assert "restore it" in complaint(data, {}, "status")


def test_a_replay_with_a_model_that_is_none_is_refused(data: Path) -> None:
    assert "there is no model 'nosuch'" in complaint(data, {}, "replay", "plan", "--model", "nosuch", code=2)


@pytest.mark.parametrize("option", ["--max-flips", "--max-lost", "--max-close-change", "--max-psi", "--max-time"])
@pytest.mark.parametrize("limit", ["nan", "-1", "many"])
def test_a_limit_that_nothing_or_all_would_pass_is_refused(data: Path, option: str, limit: str) -> None:
    with mock.patch.dict(os.environ, environment() | {"CANDLEWICK_DATA_DIR": str(data)}, clear=True):
        done = CliRunner().invoke(app, ["replay", "compare", "g1", option, limit])
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"'{option}'" in done.stderr


@pytest.mark.parametrize("host", ["", " "])
def test_up_listens_nowhere_without_being_told_where(data: Path, host: str) -> None:
    assert "--host" in complaint(data, {}, "up", "--port", "0", "--host", host, code=2)


@pytest.mark.parametrize("level", ["", "info", "WARNING"])
def test_levels_of_the_log_there_are(data: Path, level: str) -> None:
    """The endpoint is looked at after the level."""
    settings = {"CANDLEWICK_LOG": level}
    assert "CANDLEWICK_LOG" not in complaint(data, settings, "up", "--port", "0", "--endpoint-url", "no")


@pytest.mark.parametrize(
    ("settings", "says"),
    [(AWS | {"CANDLEWICK_ENDPOINT_URL": "foo"}, "foo"), (AWS | {"AWS_PROFILE": "nosuch"}, "nosuch")],
)
def test_every_command_says_what_is_wrong_with_the_way_to_aws(data: Path, settings: dict[str, str], says: str) -> None:
    assert says in complaint(data, settings, "buckets", "AAPL")


@pytest.mark.parametrize("name", [name for name in SOURCES if name != "option.json"])
def test_bad_source_settings_are_named_by_the_sources_commands(data: Path, name: str) -> None:
    assert name in complaint(data, {}, "sources", "test", "a", "--sources", str(data.parent / name))


@pytest.mark.parametrize(
    "settings",
    [
        {"PORT": "70000"},
        {"CANDLEWICK_HOST": "nosuch.invalid"},
        {"CANDLEWICK_HOST": "a..é"},
        {"CANDLEWICK_ENDPOINT_URL": "foo"} | AWS,
        {"AWS_PROFILE": "nosuch"} | AWS,
    ],
)
def test_the_stream_process_says_in_a_line_why_it_cannot_start(data: Path, settings: dict[str, str]) -> None:
    env = environment() | {"CANDLEWICK_DATA_DIR": str(data), "PORT": "0"} | settings
    command = [sys.executable, "-m", "api.stream_app"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert next(iter(settings.values())) in done.stderr


def test_the_stream_process_listens_on_this_machine_only_and_ends_quietly(data: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = environment() | {"CANDLEWICK_DATA_DIR": str(data), "PORT": str(port), "CANDLEWICK_HOST": ""}
    with (data / "said").open("w+b") as said:
        program = subprocess.Popen([sys.executable, "-m", "api.stream_app"], cwd=ROOT, env=env, stderr=said)
        while not answers("127.0.0.1", port) or b"startup complete" not in (data / "said").read_bytes():
            assert program.poll() is None, (data / "said").read_text()
            time.sleep(0.05)
        assert not answers("127.0.0.2", port)
        program.send_signal(signal.SIGINT)
        assert program.wait(timeout=20) == 130
    assert "Traceback" not in (data / "said").read_text()


def answers(host: str, port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex((host, port)) == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("buckets", "AAPL", "--limit", "99999999999999999999"),
        ("tail", "--no-follow", "-n", "99999999999999999999"),
        ("quarantine", "list", "--limit", "99999999999999999999"),
    ],
)
def test_a_number_too_large_is_a_wrong_argument(data: Path, arguments: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, [*arguments, "--data-dir", str(data)])
    assert done.exit_code == 2, repr(done.exception)


@pytest.mark.parametrize("out", ["", ".", "/"])
def test_export_names_a_file_it_cannot_write(data: Path, out: str) -> None:
    assert "--out" in complaint(data, {}, "export", "raw", "--out", out, code=2)


@pytest.mark.parametrize(
    "arguments",
    [
        ("status", "--data-dir"),
        ("drain", "--data-dir"),
        ("up", "--port", "0", "--data-dir"),
        ("symbols", "refresh", "--data-dir"),
        ("replay", "plan", "--data-dir"),
        ("restore", "--data-dir", "new"),
    ],
)
def test_the_home_of_nobody_is_a_wrong_argument(arguments: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, [*arguments, "~nosuch/x"])
    assert done.exit_code == 2, repr(done.exception)
    assert "there is no such user" in done.stderr
