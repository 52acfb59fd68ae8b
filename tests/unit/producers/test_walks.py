"""Walks that would never end, and places where one would stand still for ever."""

from typing import Any

import pytest

from contracts.resolution import HOUR_MS
from producers.fetch import FetchFailed
from producers.sources import json_feed
from producers.sources.registry import Source
from tests.fakes.web import FakeSite, Reply, page
from tests.unit.producers.asking import SECRETS, Asking, golden, told
from tests.unit.producers.test_json_recovery import answering
from tests.unit.producers.test_json_sources import query
from tests.unit.producers.test_service import Polling

FIELDS: dict[str, Any] = {"fields": {"id": "id", "title": "t"}, "items": "rows"}
BY_ADDRESS = FIELDS | {"paging": {"by": "next", "next": "next"}}
BY_TOKEN = FIELDS | {"paging": {"by": "next", "next": "next", "parameter": "after"}}
BY_PAGE = FIELDS | {"paging": {"by": "page", "size": 2}}
ROWS = [{"id": number, "t": f"News {number}"} for number in range(2)]
ENDLESS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "the last page's next is itself": (BY_ADDRESS, {"rows": ROWS, "next": "/desk"}),
    "a token that is always there, and no rows": (BY_TOKEN, {"rows": [], "next": "T"}),
    "the site ignores the page": (BY_PAGE, {"rows": ROWS}),
    "the site ignores the page, and its rows are odd": (BY_PAGE, {"rows": [{}, {"t": ""}]}),
}


def desk(site: FakeSite, options: dict[str, Any]) -> Polling:
    return Polling(Source(name="desk", kind="json", url=site.address + "/desk", every_s=3_600, options=options))


@pytest.mark.parametrize("name", ENDLESS)
def test_pages_that_never_end_are_given_up_with_a_note(site: FakeSite, name: str) -> None:
    options, answer = ENDLESS[name]
    site.put("/desk", told(answer))
    polling = desk(site, options)
    for _ in range(60):
        polling.service.poll()
        polling.clock.advance(60_000)
    assert len(site.asked) <= json_feed.MAX_PAGES_A_POLL + 1
    state = polling.state("desk")
    assert (state["state"], "taken for the end" in state["note"]) == ("healthy", True)


def test_pages_that_go_round_are_walked_once(site: FakeSite) -> None:
    polling = desk(site, BY_ADDRESS)
    numbers = iter(range(1_000))

    def circle(asked: dict[str, str]) -> Reply:
        following = {"1": "2", "2": "3", "3": "1"}[asked.get("p", "1")]
        return told({"rows": [{"id": next(numbers), "t": "x"}], "next": f"?p={following}"})

    answering(site, circle)
    polling.service.poll()
    assert len(site.asked) == 4, "the first page has another address than the same page in the circle"
    assert "taken for the end" in polling.state("desk")["note"]


def test_a_walk_is_so_long_at_most_and_what_is_newest_is_asked_for_next_time(site: FakeSite) -> None:
    polling = desk(site, BY_PAGE)
    answering(site, lambda asked: told({"rows": [{"id": f"{asked['page']} {n}", "t": "x"} for n in range(2)]}))
    for _ in range(60):
        polling.service.poll()
        polling.clock.advance(1_000)
    assert len(site.asked) == json_feed.MAX_PAGES_A_WALK
    assert "left out" in polling.state("desk")["note"]
    polling.clock.advance(HOUR_MS)
    polling.service.poll()
    assert query(site.asked[json_feed.MAX_PAGES_A_WALK][0])["page"] == "1"


def test_a_walk_of_many_pages_ends_as_one_of_few_does(site: FakeSite) -> None:
    polling = desk(site, BY_PAGE)

    def pages(asked: dict[str, str]) -> Reply:
        rows = [{"id": f"{asked['page']} {n}", "t": "x"} for n in range(2)]
        return told({"rows": rows[: 57 - 2 * int(asked["page"])]})

    answering(site, pages)
    for _ in range(60):
        polling.service.poll()
        polling.clock.advance(1_000)
    assert (len(site.asked), polling.state("desk")["published"], polling.state("desk")["note"]) == (28, 55, None)


# ---- a page, or a symbol, at which everything else would wait -------------------------------------------------------
@pytest.mark.parametrize("status", [400, 404, 422])
def test_tiingo_a_page_that_is_refused_again_is_the_end_of_its_question(site: FakeSite, status: int) -> None:
    options = {"symbols": ["AAPL"], "page_size": 2, "limits": [[1_000, 1]]}
    polling = Polling(
        Source(name="tiingo", kind="tiingo", url=site.address + "/tiingo", every_s=3_600, options=options)
    )
    polling.secrets = SECRETS
    template = golden("tiingo_news.json")[0]

    def news(asked: dict[str, str]) -> Reply:
        if int(asked["offset"]) >= 4:
            return told({"detail": "Error: offset is too large."}, status)
        urls = [f"https://x.example/{polling.clock.now_ms()}/{asked['offset']}{n}" for n in "ab"]
        now = {"crawlDate": "2025-12-21T09:40:00Z", "publishedDate": "2025-12-21T09:40:00Z"}
        return told([template | now | {"url": url} for url in urls])

    answering(site, news)
    polling.restart().poll()
    assert polling.state("tiingo")["state"] == "unreachable"
    polling.clock.advance(HOUR_MS)
    polling.service.poll()
    state = polling.state("tiingo")
    assert (state["state"], "page" in state["cursor"]) == ("healthy", False)
    assert "taken for the end" in state["note"]
    polling.clock.advance(HOUR_MS)
    polling.service.poll()
    assert polling.state("tiingo")["published"] == 8


TOO_LARGE = {"bytes": page(b" " * 2_000, "application/json"), "rows": told([{}] * 30)}


@pytest.mark.parametrize("what", TOO_LARGE)
def test_a_symbol_whose_answer_is_too_large_lets_the_others_have_their_turn(
    site: FakeSite, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producers.fetch.MAX_BODY_BYTES", 1_000)
    monkeypatch.setattr("producers.sources.json_api.MAX_ROWS", 20)
    asking = Asking(site, "finnhub", {"symbols": ["AAPL", "MSFT"], "category": None})
    answering(site, lambda asked: TOO_LARGE[what] if asked["symbol"] == "AAPL" else told([]))
    for _ in range(2):
        with pytest.raises(FetchFailed, match=r"over|more than"):
            asking.ask()
        asking.ask()
    assert [query(path)["symbol"] for path in asking.asked] == ["AAPL", "MSFT"] * 2
