"""A page of a database is damaged: the line begins all the same, so that what can be read is served, and its steps
tell."""

from pathlib import Path

import pytest

from contracts.errors import Damaged
from local.line import drivers_of
from stores.home import close_home, open_home
from tests.e2e.chaos_damage import damage_table
from tests.events import stream
from tests.unit.replay.kit import Live, put, settings_of


@pytest.mark.parametrize(("file", "table"), [("log.db", "records"), ("buckets.db", "buckets")])
def test_the_line_begins_and_its_steps_tell(tmp_path: Path, file: str, table: str) -> None:
    settings = settings_of(tmp_path)
    home = open_home(settings)
    put(home, stream(50, 1))
    for driver in drivers_of(home):
        driver.run_until_idle()
    Live(home, settings).all()
    close_home(settings)
    damage_table(tmp_path / file, table)
    home = open_home(settings)
    assert drivers_of(home)
    with pytest.raises(Damaged, match=f"{file} is damaged"):
        list(home.buckets.scan("g1")) if file == "buckets.db" else drivers_of(home)[1].step()
    close_home(settings)
