"""`candlewick quarantine show`: all that was set aside under a number, and no commands for a screen."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from contracts.aside import Aside, put_asides
from contracts.events import RAW_STREAM
from ops import asides_cmd
from ops.cli import app
from stores.home import forget_homes
from tests.events import BASE_MS
from tests.unit.replay.kit import home_of

RECORDS = (b"first \x1b]0;owned\x07\nrecord", b"second \xff record")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[str]:
    """Two records of one aggregate, and one of another."""
    places = [("4", 0, RECORDS[0]), ("4", 1, RECORDS[1]), ("5", 0, b"other")]
    asides = [
        Aside("quarantined", "unparseable", "no JSON", RAW_STREAM, "shardId-0", number, part, BASE_MS, "k", data)
        for number, part, data in places
    ]
    put_asides(home_of(tmp_path).lake, asides)
    yield str(tmp_path)
    forget_homes()


def show(folder: str, *more: str) -> bytes:
    done = CliRunner().invoke(app, ["quarantine", "show", "4", *more, "--data-dir", folder])
    assert done.exit_code == 0, done.output
    return done.stdout_bytes


def test_all_records_that_share_a_number_are_shown(folder: str) -> None:
    assert show(folder) == b"".join(record + b"\n" for record in RECORDS)
    assert [json.loads(line)["part"] for line in show(folder, "--json").splitlines()] == [0, 1]


def test_a_screen_gets_a_line_each_and_no_commands(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Screen:
        """The runner's output, which says that it is one."""

        def __getattr__(self, name: str) -> object:
            return getattr(sys.stdout, name)

        def isatty(self) -> bool:
            return True

    class System:
        stdout = Screen()

    monkeypatch.setattr(asides_cmd, "sys", System)
    assert show(folder).decode() == "first  ]0;owned  record\nsecond \N{REPLACEMENT CHARACTER} record\n"
