"""Walks that would never end, and places where one would stand still for ever."""

from typing import Any

import pytest

from contracts.resolution import HOUR_MS
from producers.fetch import FetchFailed, OverBudget
from producers.sources import json_feed
from producers.sources.paging import MAX_REFUSALS
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


BROKEN: Reply = (200, {"Content-Type": "application/json", "X-Claimed-Length": "500"}, b"[]")


def test_a_page_that_always_fails_does_not_keep_back_what_is_new(site: FakeSite) -> None:
    polling = desk(site, BY_PAGE)
    rows = [{"id": number, "t": f"News {number}"} for number in range(6)]

    def pages(asked: dict[str, str]) -> Reply:
        first = 2 * int(asked["page"]) - 2
        return told({"rows": rows[first : first + 2]}) if first < 4 else told("down", 500)

    answering(site, pages)
    polling.service.poll()
    rows.insert(0, {"id": "new", "t": "Fresh"})
    site.asked.clear()
    for refusals in range(1, MAX_REFUSALS):
        polling.clock.advance(100_000)
        assert polling.restart().poll().failed == 1
        state = polling.state("desk")
        assert (state["state"], state["cursor"]["refused"]) == ("unreachable", refusals)
        assert {query(path)["page"] for path, _ in site.asked} == {"3"}, "what was published is not asked for again"
    polling.clock.advance(100_000)
    assert polling.restart().poll().published == 1
    assert polling.titles[-1] == "Fresh"
    state = polling.state("desk")
    assert (state["cursor"]["place"], state["cursor"].get("refused")) == (3, None), "counted anew"
    assert "HTTP 500" in state["error"]


@pytest.mark.parametrize("busy", [(500, {}, b""), BROKEN])
def test_a_walk_waits_where_it_stopped_for_as_long_as_the_whole_source_is_down(site: FakeSite, busy: Reply) -> None:
    asking = Asking(site, "json", BY_TOKEN)
    asking.put(told({"rows": ROWS[:1], "next": "T1"}), busy)
    assert asking.ask().trouble is not None
    for _ in range(2 * MAX_REFUSALS):
        with pytest.raises(FetchFailed, match=r"HTTP 500|broke"):
            asking.ask()
    site.asked.clear()
    asking.put(told({"rows": ROWS[1:]}))
    assert [each.title for each in asking.ask().articles] == ["News 1"]
    assert [query(path).get("after") for path in asking.asked] == ["T1"]
    assert asking.cursor == {}


def test_refusals_of_the_source_as_a_whole_are_none_of_a_page(site: FakeSite) -> None:
    asking = Asking(site, "json", BY_TOKEN | {"limits": [[2 + 2 * MAX_REFUSALS, 3_600]]})
    asking.put(told({"rows": ROWS[:1], "next": "T1"}), told("too many requests", 429))
    assert asking.ask().trouble is not None
    before = dict(asking.cursor)
    for _ in range(2 * MAX_REFUSALS):
        with pytest.raises(FetchFailed, match="HTTP 429"):
            asking.ask()
    for _ in range(2 * MAX_REFUSALS):
        with pytest.raises(OverBudget):
            asking.ask()
    assert asking.cursor == before
    assert {query(path).get("after") for path in asking.asked[1:]} == {"T1"}


def tiingo(site: FakeSite, symbols: int, broken: dict[str, str]) -> Asking:
    """Two pages of two articles for each fifty symbols; what is `broken` fails."""
    options = {"symbols": [f"S{n}" for n in range(symbols)], "page_size": 2, "limits": [[1_000, 1]]}
    asking = Asking(site, "tiingo", options)
    asking.clock.advance(HOUR_MS)
    template = golden("tiingo_news.json")[0]

    def news(asked: dict[str, str]) -> Reply:
        place = {"group": asked["tickers"].partition(",")[0], "offset": asked["offset"]}
        if broken and broken.items() <= place.items():
            return told("down", 500)
        number = int(asked["offset"])
        rows = [template | {"url": f"https://x.example/{place['group']}/{number + n}"} for n in range(2)]
        return told(rows if number < 4 else [])

    answering(site, news)
    return asking


@pytest.mark.parametrize(("symbols", "broken", "whole"), [
    (1, {"offset": "2"}, 2),
    (51, {"group": "s50", "offset": "0"}, 4),
    (51, {"group": "s0", "offset": "2"}, 2),
])  # fmt: skip
def test_tiingo_a_page_that_always_fails_is_the_end_of_its_question_after_a_while(
    site: FakeSite, symbols: int, broken: dict[str, str], whole: int
) -> None:
    asking = tiingo(site, symbols, broken)
    assert len(asking.ask().articles) == whole
    began = dict(asking.cursor)
    for refusals in range(1, MAX_REFUSALS):
        asking.clock.advance(60_000)
        with pytest.raises(FetchFailed, match="HTTP 500"):
            asking.ask()
        assert asking.cursor == began | {"refused": refusals}
    fetched = asking.ask()
    assert "taken for the end of the pages: HTTP 500" in str(fetched.note)
    assert (fetched.trouble, list(asking.cursor)) == (None, ["since_ms"])


def test_tiingo_a_walk_waits_for_as_long_as_the_whole_source_is_down(site: FakeSite) -> None:
    broken = {"offset": "2"}
    asking = tiingo(site, 1, broken)
    asking.ask()
    place = asking.cursor["page"]
    del broken["offset"]
    up, site.reply = site.reply, lambda path, headers: told("down", 500)  # type: ignore[method-assign]
    for _ in range(2 * MAX_REFUSALS):
        with pytest.raises(FetchFailed, match="HTTP 500"):
            asking.ask()
    assert asking.cursor["page"] == place
    site.reply = up  # type: ignore[method-assign]
    site.asked.clear()
    assert (len(asking.ask().articles), query(asking.asked[0])["offset"]) == (2, "2")


def test_newsapi_begins_anew_although_it_stopped_at_a_place_the_plan_does_not_tell_of(site: FakeSite) -> None:
    asking = Asking(site, "newsapi", {"query": "x", "page_size": 1})
    asking.cursor = {"since_ms": 1, "question": "x", "page": 5, "asked_ms": 1, "newest_ms": 2, "began_ms": 3}
    asking.put(told({"code": "parameterInvalid", "message": "too far back"}, 426), told({"articles": []}))
    assert "older than the plan tells" in str(asking.ask().note)


@pytest.mark.parametrize("broken", [BROKEN, (410, {}, b""), (402, {}, b"")])
def test_a_symbol_whose_answer_is_never_whole_lets_the_others_have_their_turn(site: FakeSite, broken: Reply) -> None:
    asking = Asking(site, "finnhub", {"symbols": ["AAPL", "MSFT", "NVDA"], "category": None})
    answering(site, lambda asked: broken if asked["symbol"] == "AAPL" else told([]))
    for _ in range(2):
        with pytest.raises(FetchFailed):
            asking.ask()
        asking.ask()
    symbols = [query(path)["symbol"] for path in asking.asked]
    assert list(dict.fromkeys(symbols)) == ["AAPL", "MSFT", "NVDA"]
    assert (symbols.count("MSFT"), symbols.count("NVDA")) == (2, 2)


def test_a_source_that_is_down_is_asked_for_one_symbol_a_round(site: FakeSite) -> None:
    asking = Asking(site, "finnhub", {"symbols": ["AAPL", "MSFT", "NVDA"], "category": None, "limits": [[4, 3_600]]})
    asking.source = asking.source.model_copy(update={"url": "http://127.0.0.1:1"})
    for rounds in range(1, 5):
        with pytest.raises(FetchFailed, match="unreachable"):
            asking.ask()
        (calls,) = asking.web.pace.changed().values()
        assert len(calls) == rounds
    for _ in range(2):
        with pytest.raises(OverBudget):
            asking.ask()
        assert asking.cursor["next"] == "MSFT", "a spent allowance passes nobody over"
