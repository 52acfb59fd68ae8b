"""`drain` beside a running `up` or another `drain`: it waits, says what it is waiting for, and does what is left."""

import os
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from contracts.clock import ManualClock
from contracts.events import SCORED_STREAM
from contracts.ports import Entry
from contracts.settings import AggregatorSettings
from local.drain import drain_all, pending
from local.driver import run_until_idle
from local.line import apply_settings, drivers_of
from stores.data_dir import DataDir, UpLock
from stores.home import close_home, open_home


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """Handlers read their settings from it, so `drain` writes them there."""
    with mock.patch.dict(os.environ):
        yield


def test_a_mapping_that_does_not_move_is_named(tmp_path: Path) -> None:
    settings, clock = AggregatorSettings(data_dir=str(tmp_path), synchronous="normal"), ManualClock()
    home = open_home(settings, clock)
    owner = UpLock(DataDir(tmp_path))
    home.log.put_records(SCORED_STREAM, [Entry("AAPL", b"{}")])
    began_ms, said = clock.now_ms(), []

    def say(line: str) -> None:
        said.append((clock.now_ms() - began_ms, line))
        if len(said) == 2:
            owner.release()

    drain_all(home, settings, say)
    assert "waiting for it" in said[0][1]
    after_ms, line = said[1]
    assert "aggregator has not moved for 10 s" in line
    assert 10_000 <= after_ms < 12_000
    assert not pending(home), "what the owner left undone"
    with UpLock(DataDir(tmp_path)):
        close_home(settings)


def test_an_owner_that_ends_when_all_is_done_is_no_trouble(tmp_path: Path) -> None:
    settings, clock = AggregatorSettings(data_dir=str(tmp_path), synchronous="normal"), ManualClock()
    home = open_home(settings, clock)
    owner = UpLock(DataDir(tmp_path))
    home.log.put_records(SCORED_STREAM, [Entry("AAPL", b"{}")])
    said = []

    def say(line: str) -> None:
        said.append(line)
        apply_settings(settings)
        run_until_idle(drivers_of(home), clock, final=True)
        owner.release()

    drain_all(home, settings, say)
    assert len(said) == 1
    assert not pending(home)
    close_home(settings)
