"""`drain` beside a running `up`: it waits, and says what it is waiting for."""

from pathlib import Path

import pytest

from contracts.clock import ManualClock
from contracts.errors import Unusable
from contracts.events import SCORED_STREAM
from contracts.ports import Entry
from contracts.settings import AggregatorSettings
from local.drain import drain_all
from stores.data_dir import DataDir, UpLock
from stores.home import close_home, open_home


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

    with pytest.raises(Unusable, match="ended before everything was processed"):
        drain_all(home, settings, say)
    assert "waiting for it" in said[0][1]
    after_ms, line = said[1]
    assert "aggregator has not moved for 10 s" in line
    assert 10_000 <= after_ms < 12_000
    close_home(settings)
