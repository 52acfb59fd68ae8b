"""How long watch lists live: as long as somebody with a token can come back to them, on either home."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from api.watch_lists import KIND, WatchLists
from contracts.resolution import DAY_MS, MINUTE_MS
from stores.home import forget_homes
from tests.ports.conftest import HOMES, Installation

DAYS = 10


@pytest.fixture(params=["embedded", "aws"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    with HOMES[request.param](tmp_path) as opened:
        yield opened
        forget_homes()


def lists_of(home: Installation) -> WatchLists:
    return WatchLists(home.home.control, home.clock, 5, DAYS)


def test_lists_that_nobody_uses_are_gone_after_the_life_of_a_token(home: Installation) -> None:
    lists = lists_of(home)
    lists.create("somebody", "Chips", ["NVDA"])
    home.clock.advance(DAYS * DAY_MS)
    assert home.home.control.list(KIND)["somebody"]["subjects"] == ["NVDA"]
    home.clock.advance(DAY_MS)
    assert home.home.control.list(KIND) == {}
    assert lists.all_of("somebody") == {}
    lists.create("somebody", "Chips", ["AMD"])
    assert [each["subjects"] for each in lists.all_of("somebody").values()] == [["AMD"]]


def test_reading_a_list_keeps_it_and_is_a_write_once_a_day(home: Installation) -> None:
    lists = lists_of(home)
    made = lists.create("somebody", "Chips", ["NVDA"])
    version = home.home.control.get(KIND, "somebody").version
    for _ in range(10):
        home.clock.advance(MINUTE_MS)
        lists.one_of("somebody", made["id"])
    assert home.home.control.get(KIND, "somebody").version == version
    for _ in range(3):
        home.clock.advance((DAYS - 1) * DAY_MS)
        assert lists.one_of("somebody", made["id"]) == made
    assert home.home.control.get(KIND, "somebody").version == version + 3


def test_a_list_without_an_end_gets_one_when_it_is_used(home: Installation) -> None:
    home.home.control.put(KIND, "somebody", {"lists": {}, "subjects": []})
    lists_of(home).all_of("somebody")
    home.clock.advance((DAYS + 1) * DAY_MS)
    assert home.home.control.list(KIND) == {}


def test_a_list_of_before_names_its_subjects_as_their_series_are_called(home: Installation) -> None:
    lists = lists_of(home)
    old = lists.create("somebody", "Shares", ["BRK-B", "BRK.B", "AAPL"])
    assert lists.one_of("somebody", old["id"])["subjects"] == ["BRK.B", "AAPL"]
    assert lists.update("somebody", old["id"], "Mine", None)["subjects"] == ["BRK.B", "AAPL"]
    assert home.home.control.list(KIND)["somebody"]["subjects"] == ["AAPL", "BRK.B"]
