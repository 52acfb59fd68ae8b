"""What `drain` says and how it ends: law 3 in an exit code."""

import json
import os
from pathlib import Path
from unittest import mock

import pytest
from click.testing import Result
from typer.testing import CliRunner

from ops.cli import app
from ops.console import ERROR
from stores.home import forget_homes
from tests.e2e.harness import environment
from tests.events import BASE_MS, scored
from tests.unit.replay.kit import home_of, pass_by, put


@pytest.fixture
def folder(tmp_path: Path):
    put(home_of(tmp_path), [scored(number, "AAPL", BASE_MS + number, 0.1) for number in range(3)])
    yield tmp_path
    forget_homes()


def drained(folder: Path) -> Result:
    with mock.patch.dict(os.environ, environment(), clear=True):
        return CliRunner().invoke(app, ["drain", "--data-dir", str(folder)])


def test_a_home_that_balances(folder: Path) -> None:
    done = drained(folder)
    assert done.exit_code == 0, done.output
    assert "law 3" not in done.stderr
    told = json.loads(done.stdout)
    assert (told["received"], told["counted"]) == (3, 3)


def test_an_event_that_was_passed_by(folder: Path) -> None:
    """The numbers come all the same."""
    pass_by(home_of(folder), 1)
    done = drained(folder)
    assert done.exit_code == ERROR == 1
    assert "candlewick: law 3 does not hold: received ≠ counted + too_late + quarantined" in done.stderr
    told = json.loads(done.stdout)
    assert (told["received"], told["counted"]) == (3, 2)
