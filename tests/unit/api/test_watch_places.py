"""How many tokens have watch lists, on either home: no more than there is room for, and who comes back stays."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.app import create_app
from api.watch_lists import KIND, WatchLists
from api.watch_places import COUNT_EVERY_MS, MAX_GIVEN_UP, UNUSED_AFTER_MS
from contracts.errors import Conflict
from contracts.resolution import DAY_MS, HOUR_MS
from stores.home import forget_homes
from tests.ports.conftest import HOMES, Installation
from tests.unit.api.kit import TestHome, calling, live, options
from tests.unit.api.test_auth import signed_in

MOST = 3


@pytest.fixture(autouse=True)
def _few_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.watch_places.MAX_TOKENS", MOST)


@pytest.fixture(params=["embedded", "aws"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    with HOMES[request.param](tmp_path) as opened:
        yield opened
        forget_homes()


def lists_of(home: Installation) -> WatchLists:
    return WatchLists(home.home.control, home.clock, 5)


def fill(lists: WatchLists) -> None:
    for number in range(MOST):
        lists.create(f"u{number}", "Chips", ["NVDA"])


def users(home: Installation) -> list[str]:
    return sorted(home.home.control.list(KIND))


@live
async def test_when_all_places_are_taken_a_new_token_is_told_so(home: TestHome) -> None:
    async with calling(create_app(home, options())) as client:
        new = {"name": "Chips", "subjects": ["NVDA"]}
        mine = [await signed_in(client) for _ in range(MOST + 1)]
        answers = [await client.post("/api/v2/configurations", headers=each, json=new) for each in mine]
        assert [answer.status_code for answer in answers] == [201, 201, 201, 409]
        assert answers[-1].headers["content-type"] == "application/problem+json"
        assert "3 others have watch lists" in answers[-1].json()["detail"]
        assert (await client.get("/api/v2/configurations", headers=mine[-1])).json() == {"configurations": []}
        second = await client.post("/api/v2/configurations", headers=mine[0], json=new)
        assert second.status_code == 201, "who has a place makes more lists"
        for made in (answers[0], second):
            assert (await client.delete(made.headers["location"], headers=mine[0])).status_code == 204
        assert (await client.post("/api/v2/configurations", headers=mine[0], json=new)).status_code == 201
        assert len(home.control.list(KIND)) == MOST


def test_a_token_that_was_used_on_its_first_day_only_makes_room(either: Installation) -> None:
    lists = lists_of(either)
    fill(lists)
    for _ in range(3):
        either.clock.advance(DAY_MS)
        lists.all_of("u1")
    either.clock.advance(-1)
    with pytest.raises(Conflict):
        lists.create("new", "Chips", ["AMD"])
    either.clock.advance(COUNT_EVERY_MS)
    for user in ("new", "newer"):
        lists.create(user, "Chips", ["AMD"])
    assert users(either) == ["new", "newer", "u1"]
    with pytest.raises(Conflict):
        lists.create("newest", "Chips", ["AMD"])
    assert lists.all_of("u0") == {}


def test_who_comes_every_day_or_came_back_once_stays(either: Installation) -> None:
    lists = lists_of(either)
    fill(lists)
    for day in range(5):
        either.clock.advance(DAY_MS - 1)
        lists.all_of("u0")
        if day == 1:
            lists.all_of("u1")
            lists.all_of("u2")
    with pytest.raises(Conflict):
        lists.create("new", "Chips", ["AMD"])
    assert users(either) == ["u0", "u1", "u2"]


def test_a_use_on_the_second_morning_counts_though_it_is_not_noted(either: Installation) -> None:
    lists = lists_of(either)
    fill(lists)
    either.clock.advance(DAY_MS - HOUR_MS // 2)
    assert lists.all_of("u0")
    either.clock.advance(DAY_MS + HOUR_MS // 2)
    with pytest.raises(Conflict):
        lists.create("new", "Chips", ["AMD"])
    assert lists.all_of("u0")


def test_who_makes_a_list_while_the_place_is_given_up_keeps_both(
    either: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists, other = lists_of(either), lists_of(either)
    fill(lists)
    either.clock.advance(UNUSED_AFTER_MS)
    plain = either.home.control.delete
    back: list[str] = []

    def delete(kind: str, name: str, expected_version: int | None = None) -> None:
        if not back:
            back.append(name)
            other.create(name, "Second", ["INTC"])
        plain(kind, name, expected_version)

    monkeypatch.setattr(either.home.control, "delete", delete)
    lists.create("new", "Chips", ["AMD"])
    assert sorted(each["name"] for each in lists.all_of(back[0]).values()) == ["Chips", "Second"]
    assert "new" in users(either)
    assert len(users(either)) == MOST


def test_who_came_back_after_the_count_keeps_the_place(either: Installation) -> None:
    lists, other = lists_of(either), lists_of(either)
    fill(other)
    either.clock.advance(UNUSED_AFTER_MS)
    lists.create("new", "Chips", ["AMD"])
    (first, second) = [user for user in users(either) if user != "new"]
    other.all_of(first)
    lists.create("newer", "Chips", ["AMD"])
    assert users(either) == sorted(["new", "newer", first])
    assert lists.all_of(second) == {}


def test_a_place_without_lists_is_given_up_too(either: Installation) -> None:
    lists = lists_of(either)
    fill(lists)
    for number in range(MOST):
        (made,) = lists.all_of(f"u{number}")
        lists.delete(f"u{number}", made)
    either.clock.advance(UNUSED_AFTER_MS)
    lists.create("new", "Chips", ["AMD"])
    assert "new" in users(either)
    assert len(users(either)) == MOST


def test_whoever_is_refused_again_and_again_costs_no_count_each_time(
    either: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[str] = []
    plain = either.home.control.list

    def counting(kind: str) -> dict[str, dict[str, Any]]:
        counted.append(kind)
        return plain(kind)

    monkeypatch.setattr(either.home.control, "list", counting)
    lists = lists_of(either)
    fill(lists)
    for number in range(2 * MAX_GIVEN_UP):
        with pytest.raises(Conflict):
            lists.create(f"new{number}", "Chips", ["AMD"])
    assert counted == [KIND]
