"""Any JSON address: identity by record, templates, conditional GET, paging, secrets; and settings of all kinds."""

import json
from typing import Any

import pytest

from contracts.errors import Unusable
from contracts.instants import iso_ms, parse_ms
from contracts.resolution import DAY_MS
from producers.fetch import FetchFailed
from producers.sources.json_api import limits_of
from producers.sources.registry import read_sources
from tests.fakes.web import FakeSite, Reply
from tests.unit.producers.asking import KEY, NOW_MS, POSTS, Asking, golden, told
from tests.unit.producers.test_json_sources import query


# ---- generic JSON ---------------------------------------------------------------------------------------------------
def test_a_page_changed_in_one_record_adds_exactly_one(site: FakeSite) -> None:
    asking = Asking(site, "json", POSTS)
    page = golden("jsonplaceholder_posts.json")
    asking.put(told(page))
    before = {each.article_id for each in asking.ask().articles}
    asking.clock.advance(300_000)
    assert {each.article_id for each in asking.ask().articles} == before
    page[2]["body"] = "something else"
    asking.put(told(page))
    after = {each.article_id for each in asking.ask().articles}
    assert (len(before), len(after - before), len(before - after)) == (5, 1, 1)


def test_json_templates_paths_and_conditional_get(site: FakeSite) -> None:
    asking = Asking(site, "json")
    asking.put(told(golden("randomuser.json"), ETag='"v1"'), (304, {}, b""))
    fetched = asking.ask()
    assert [(each.title, each.snippet) for each in fetched.articles] == [
        ("Jennie Nichols", "Billings, United States"),
        ("Loïc Müller", "Zürich, Switzerland"),
    ]
    assert fetched.articles[0].published_at == iso_ms(NOW_MS)
    assert asking.ask().articles == ()
    assert site.asked[-1][1]["If-None-Match"] == '"v1"'
    asking.put((410, {}, b""))
    assert asking.ask().gone


def test_json_pages_by_number_offset_and_address(site: FakeSite) -> None:
    rows = golden("jsonplaceholder_posts.json")
    for paging, queries in (
        ({"by": "page", "parameter": "p", "size": 2, "size_parameter": "n"}, ["n=2&p=1", "n=2&p=2", "n=2&p=3"]),
        ({"by": "offset", "parameter": "skip", "size": 2}, ["skip=0", "skip=2", "skip=4"]),
    ):
        asking = Asking(site, "json", POSTS | {"paging": paging})
        asking.put(told(rows[0:2]), told(rows[2:4]), told(rows[4:5]))
        site.asked.clear()
        assert len(asking.ask().articles) == 5
        assert [path.partition("?")[2] for path in asking.asked] == queries
    asking = Asking(site, "json", POSTS | {"items": "rows", "paging": {"by": "next", "next": "links.next"}})
    last = site.put("/last", told({"rows": rows[3:], "links": {"next": None}}))
    asking.put(told({"rows": rows[:3], "links": {"next": last}}))
    assert len(asking.ask().articles) == 5
    asking.put(told({"rows": rows[:3], "links": {"next": "https://elsewhere.example/steal"}}))
    fetched = asking.ask()
    assert fetched.trouble is not None
    assert "another site" in str(fetched.trouble)


@pytest.mark.parametrize(("by", "places"), [("page", ["1", "2", "3", "4"]), ("offset", ["0", "2", "4", "5"])])
def test_pages_of_a_size_nobody_declared_are_read_until_an_empty_one(
    site: FakeSite, by: str, places: list[str]
) -> None:
    rows = golden("jsonplaceholder_posts.json")
    asking = Asking(site, "json", POSTS | {"paging": {"by": by}})
    asking.put(told(rows[0:2]), told(rows[2:4]), told(rows[4:5]), told([]))
    fetched = asking.ask()
    assert (len(fetched.articles), fetched.note, asking.cursor) == (5, None, {})
    assert [query(path)[by] for path in asking.asked] == places


def test_a_size_is_asked_for_and_not_relied_on_unless_it_is_declared(site: FakeSite) -> None:
    asking = Asking(site, "json", POSTS | {"paging": {"by": "page", "start": 0, "size_parameter": "n"}})
    asking.put(told(golden("jsonplaceholder_posts.json")[:2]), told([]))
    asking.ask()
    assert [path.partition("?")[2] for path in asking.asked] == ["n=100&page=0", "n=100&page=1"]


def test_json_asks_for_what_is_new_and_takes_headers_from_secrets(site: FakeSite) -> None:
    options = {
        "fields": {"id": "id", "title": "t", "time": "at", "tickers": "symbols"},
        "headers": {"X-Token": {"secret": "MY_TOKEN", "before": "Bearer "}},
        "since": {"parameter": "after", "form": "s"},
    }
    asking = Asking(site, "json", options)
    rows = [{"id": 1, "t": "One", "at": 1_623_110_079, "symbols": ["aapl", "?"]}, {"id": 2, "t": "Two", "at": "later"}]
    asking.put(told(rows))
    fetched = asking.ask()
    assert (fetched.articles[0].published_at, fetched.articles[0].tickers) == ("2021-06-07T23:54:39.000Z", ("AAPL",))
    assert fetched.rejected[0].error.reason == "bad_time"
    assert site.asked[0][1]["X-Token"] == f"Bearer {KEY}"
    asking.ask()
    assert query(asking.asked[1]) == {"after": str(1_623_110_079 - 3_600)}, "an hour of overlap"
    asking.put(told({"message": f"bad token {KEY}"}, 401))
    with pytest.raises(FetchFailed, match="bad token …"):
        asking.ask()


def test_a_first_walk_over_many_rounds_asks_from_one_instant(site: FakeSite) -> None:
    times = {"fields": {"id": "id", "title": "t", "time": "at"}, "since": {"parameter": "after", "form": "ms"}}
    asking = Asking(site, "json", times | {"paging": {"by": "offset", "size": 10}})
    rows = [{"id": n, "t": f"Row {n}", "at": iso_ms(NOW_MS - DAY_MS + n * 172_800)} for n in range(1, 500)]

    def reply(path: str, headers: dict[str, str]) -> Reply:
        asked = query(path)
        found = [row for row in rows if parse_ms(str(row["at"])) >= int(asked["after"])]
        return told(found[int(asked["offset"]) :][:10])

    site.reply = reply
    titles: set[str] = set()
    is_going_on = True
    while is_going_on:
        fetched = asking.ask()
        titles |= {each.title for each in fetched.articles}
        is_going_on = fetched.more
        asking.clock.advance(3_600_000)
    assert titles == {row["t"] for row in rows}
    assert asking.cursor == {"since_ms": parse_ms(str(rows[-1]["at"]))}


# ---- settings -------------------------------------------------------------------------------------------------------
def test_a_plan_of_many_calls_is_kept_to_by_a_stricter_limit() -> None:
    (limit,) = limits_of({"limits": [[10_000, 3_600]]}, ())
    assert (limit.calls, limit.period_ms) == (5_000, 1_800_000)
    assert limits_of({}, (limit,)) == (limit,)


@pytest.mark.parametrize(
    ("kind", "options", "fault"),
    [
        ("finnhub", {"symbol": ["AAPL"]}, "symbol"),
        ("tiingo", {"limits": [[0, 5]]}, "limits"),
        ("newsapi", {"query": "x" * 501}, "query"),
        ("alphavantage", {"min_relevance": 7}, "min_relevance"),
        ("json", {}, "fields"),
        ("json", {"fields": {"title": "t"}, "paging": {"by": "magic"}}, "paging"),
        ("json", {"fields": {"title": "t"}, "paging": {"by": "next"}}, "needs `next`"),
        ("rss", {"x": 1}, "no options"),
    ],
)
def test_wrong_options_are_named_when_the_settings_are_read(kind: str, options: dict[str, Any], fault: str) -> None:
    text = json.dumps([{"name": "a", "kind": kind, "url": "https://x.example", "options": options}])
    with pytest.raises(Unusable, match=fault):
        read_sources(text, "sources.json")


def test_a_symbol_that_is_no_ticker_of_ours_is_asked_for_all_the_same(site: FakeSite) -> None:
    asking = Asking(site, "finnhub", {"symbols": ["BINANCE:BTCUSDT"], "category": None})
    asking.put(told(golden("finnhub_company_news.json")))
    fetched = asking.ask()
    assert (len(fetched.articles), fetched.rejected, fetched.articles[0].tickers) == (12, (), ())
