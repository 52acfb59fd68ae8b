"""`restore` makes nothing up: of an object in which bytes changed nobody knows which records were ever written."""

from pathlib import Path

import pytest

from contracts.errors import BadEvent
from contracts.events import SCORED_STREAM
from contracts.ports import Position
from ops.restore import print_restored, restore
from stores.home import Home
from tests.events import BASE_MS, scored
from tests.unit.replay.kit import Live, alter, home_of, put, settings_of


def events_of(home: Home) -> list[bytes]:
    oldest = Position("TRIM_HORIZON")
    iterators = [home.log.iterator(SCORED_STREAM, shard.shard_id, oldest) for shard in home.log.shards(SCORED_STREAM)]
    return [record.data for iterator in iterators for record in home.log.get_records(iterator).records]


@pytest.mark.parametrize("take", [False, True])
def test_of_an_altered_object_nothing_is_taken_unless_that_is_asked_for(tmp_path: Path, take: bool) -> None:
    old, settings = home_of(tmp_path / "old"), settings_of(tmp_path / "old")
    for first in (0, 5):
        put(old, [scored(n, "AAPL", BASE_MS, 0.5) for n in range(first, first + 5)])
        Live(old, settings).archive()
    first, second = old.lake.keys("scored/")
    alter(tmp_path / "old" / "lake" / first, b'"polarity": 0.5', b'"polarity": 0.1')
    with pytest.raises(BadEvent, match="CRC check failed"):
        [*old.lake.read(first)]
    old.close()
    new, of_new = home_of(tmp_path / "new"), settings_of(tmp_path / "new")
    found = restore(new, of_new, tmp_path / "old", take_altered=take)
    assert (found.scored, found.damaged, found.altered) == (10 if take else 5, [], [first])
    assert any(b'"polarity": 0.1' in data for data in events_of(new)) is take
    said: list[str] = []
    print_restored(found, of_new, said.append)
    assert f"altered    {first}" in "".join(said)
    assert second not in "".join(said)
