"""How commands end and what they write: exit codes, letters a screen does not have, texts of others."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from contracts.clock import SystemClock
from contracts.errors import BadEvent, BadRequest, Conflict, Transient
from ops.console import plain_errors, printable, say
from ops.doctor import Finding, examine, print_findings
from stores.aws_client import Service
from tests.e2e.harness import CANDLEWICK, ROOT, environment
from tests.events import BASE_MS, scored
from tests.unit.replay.kit import Live, home_of, put, settings_of


def code_of(error: Exception) -> int:
    with pytest.raises(typer.Exit) as ended, plain_errors():
        raise error
    return ended.value.exit_code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BadRequest("no"), 2),
        (Conflict("no"), 5),
        (Transient("log", "no"), 1),
        (BadEvent("unparseable", "a lake object"), 1),
        (OSError("no"), 1),
    ],
)
def test_an_exit_code_says_what_kind_of_error_it_was(error: Exception, code: int) -> None:
    assert code_of(error) == code


def test_aws_without_credentials_or_rights_has_a_code_of_its_own() -> None:
    exceptions = pytest.importorskip("botocore.exceptions")
    service = Service("dynamodb", lambda: None, SystemClock())
    refusals = {
        code: exceptions.ClientError({"Error": {"Code": code}}, "Query") for code in ("AccessDenied", "NoSuchKey")
    }
    for cause, code in (
        (exceptions.NoCredentialsError(), 4), (refusals["AccessDenied"], 4), (refusals["NoSuchKey"], 2),
        (exceptions.UnauthorizedSSOTokenError(), 4), (exceptions.NoRegionError(), 1),
        (exceptions.EndpointConnectionError(endpoint_url="x"), 1),
    ):  # fmt: skip
        error = service.translated(cause)
        error.__cause__ = cause
        assert code_of(error) == code, cause


def test_what_a_source_says_of_itself_commands_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert code_of(Transient("rss", "text/\x1b[2J\x07 is no feed")) == 1
    say("cannot deploy:\n  - Node \x9b is missing")
    written: list[str] = []
    print_findings([Finding("source rss", "warning", "text/\x1b[2J", "try `\x1b`")], written.append)
    told = capsys.readouterr().err + "".join(written)
    assert told.count("\n") == 5
    assert all(each.isprintable() or each == "\n" for each in told)


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_a_screen_that_lacks_letters_shows_the_rest(tmp_path: Path, encoding: str) -> None:
    home = home_of(tmp_path)
    put(home, [scored(1, "AAPL", BASE_MS, -0.5)])
    Live(home, settings_of(tmp_path)).all()
    home.close()
    env = environment() | {"PYTHONIOENCODING": encoding}
    for arguments in (("buckets", "AAPL"), ("doctor",), ("tail", "--no-follow")):
        done = subprocess.run(
            [*CANDLEWICK, *arguments, "--data-dir", str(tmp_path)], cwd=ROOT, env=env, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert b"Traceback" not in done.stderr


def test_no_text_of_others_commands_the_terminal() -> None:
    assert printable("up \x1b[31mred\x9b2J\r\n\u202eétoile 🚀") == "up  [31mred 2J   étoile 🚀"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is full")
def test_a_full_disk_is_one_line_for_short_output_too() -> None:
    env = {name: value for name, value in environment().items() if name != "PYTHONUNBUFFERED"}
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*CANDLEWICK, "version"], cwd=ROOT, env=env, stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stderr) == (1, b"candlewick: [Errno 28] No space left on device\n")


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_the_caller_has_closed_are_written_to_nowhere(tmp_path: Path, closed: str) -> None:
    """Nor are they lent to a database, which would then be what others write to."""
    asked = tmp_path / "asked"
    program = (
        "import os; from ops.console import replace_closed_streams, say; replace_closed_streams()\n"
        "print('told'); say('told'); file = open(os.environ['ASKED'], 'w'); print(file.fileno() > 2, file=file)"
    )
    env = environment() | {"ASKED": str(asked)}
    for command in ([sys.executable, "-c", program], [*CANDLEWICK, "version"]):
        done = subprocess.run(["bash", "-c", f'"$@" {closed}', "-", *command], cwd=ROOT, env=env, check=False)
        assert done.returncode == 0, command
    assert asked.read_text() == "True\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_doctor_tells_of_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    home_of(tmp_path / "data")
    (tmp_path / "data" / "log.db").chmod(0o400)
    found = {row.check: row for row in examine(settings_of(tmp_path / "data"))}
    assert "log.db" in found["folder"].detail
