"""What the JSON sources refuse, cut off or tell late: they are asked on, and nothing in between is passed over."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from contracts.errors import Transient
from contracts.instants import date_of, iso_ms, parse_ms
from contracts.resolution import DAY_MS, HOUR_MS, MINUTE_MS
from producers.fetch import FetchFailed
from producers.service import PACE_KIND
from producers.sources.json_api import decoded
from producers.sources.registry import Source
from tests.fakes.web import FakeSite, Reply
from tests.unit.producers.asking import NOW_MS, SECRETS, Asking, golden, told
from tests.unit.producers.test_json_sources import query
from tests.unit.producers.test_service import Polling

ROWS: dict[str, Any] = {"fields": {"id": "id", "title": "t"}}
BY_TOKEN = ROWS | {"items": "rows", "paging": {"by": "next", "parameter": "token", "next": "next"}}
REFUSALS = [400, 404, 410, 422]


def row(number: int) -> dict[str, Any]:
    return {"id": number, "t": f"News {number}"}


def answering(site: FakeSite, answer: Callable[[dict[str, str]], Reply]) -> None:
    """The site answers by what is in the query."""

    def reply(path: str, headers: dict[str, str]) -> Reply:
        site.asked.append((path, headers))
        return answer(query(path))

    site.reply = reply  # type: ignore[method-assign]


# ---- pages that are refused -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("status", REFUSALS)
def test_a_page_beyond_the_end_that_is_refused_is_the_end(site: FakeSite, status: int) -> None:
    asking = Asking(site, "json", ROWS | {"paging": {"by": "page", "size": 2}})
    asking.put(told([row(1), row(2)]), told({"detail": "Invalid page."}, status))
    fetched = asking.ask()
    assert (len(fetched.articles), fetched.trouble, fetched.gone, asking.cursor) == (2, None, False, {})
    assert f"HTTP {status}" in str(fetched.note)


@pytest.mark.parametrize("status", [*REFUSALS, 403])
def test_a_walk_that_cannot_go_on_where_it_stopped_begins_anew(site: FakeSite, status: int) -> None:
    asking = Asking(site, "json", BY_TOKEN)
    first = told({"rows": [row(1)], "next": "T1"})
    asking.put(
        first, *[told("busy", 500)] * 3, told({"error": "token expired"}, status), first, told({"rows": [row(2)]})
    )
    assert asking.ask().trouble is not None
    assert asking.cursor["place"] == "T1"
    fetched = asking.ask()
    assert ([each.title for each in fetched.articles], fetched.trouble) == (["News 1", "News 2"], None)
    assert [query(path).get("token") for path in asking.asked[-3:]] == ["T1", None, "T1"]


def test_a_walk_waits_where_it_stopped_while_the_source_is_only_busy(site: FakeSite) -> None:
    asking = Asking(site, "json", BY_TOKEN)
    asking.put(told({"rows": [row(1)], "next": "T1"}), told("busy", 500))
    assert asking.ask().trouble is not None
    with pytest.raises(FetchFailed, match="HTTP 500"):
        asking.ask()
    assert (asking.cursor["place"], {query(path).get("token") for path in asking.asked[1:]}) == ("T1", {"T1"})


def test_only_the_first_page_says_that_a_source_is_gone(site: FakeSite) -> None:
    polling = Polling(Source(name="desk", kind="json", url=site.address + "/desk", options=BY_TOKEN))
    site.put("/desk", told({"rows": [row(1)], "next": "T1"}), (410, {}, b""))
    assert polling.service.poll().published == 1
    assert polling.state("desk")["state"] == "healthy"
    polling.clock.advance(HOUR_MS)
    polling.service.poll()
    assert polling.state("desk")["state"] == "gone"


def test_the_next_pages_address_may_be_relative_and_stays_on_the_site(site: FakeSite) -> None:
    asking = Asking(site, "json", ROWS | {"items": "rows", "paging": {"by": "next", "next": "next"}})
    site.put("/json?page=2", told({"rows": [row(2)]}))
    for address in ("/json?page=2", "?page=2", "json?page=2"):
        asking.put(told({"rows": [row(1)], "next": address}))
        fetched = asking.ask()
        assert ([each.title for each in fetched.articles], fetched.trouble) == (["News 1", "News 2"], None), address
    for address, words in (("//elsewhere.example/steal", "another site"), ("http://[bad/x", "no address")):
        asking.put(told({"rows": [row(1)], "next": address}))
        for _ in range(2):  # what was told wrong is not asked for ever
            fetched = asking.ask()
            assert ([each.title for each in fetched.articles], fetched.note) == (["News 1"], None)
            assert words in str(fetched.trouble)


# ---- half of an emoji -----------------------------------------------------------------------------------------------
def test_half_of_an_emoji_does_not_lose_the_answer(site: FakeSite) -> None:
    asking = Asking(site, "finnhub", {"symbols": ["AAPL"], "category": None})
    first, second, *_ = golden("finnhub_company_news.json")
    text = json.dumps([first | {"summary": "cut …\ud83d", "\ude00": 1}, second, {"headline": "\ud83d", "datetime": 0}])
    asking.put(told(text))
    fetched = asking.ask()
    assert [each.snippet[-2:] for each in fetched.articles[:1]] == ["…\ufffd"]
    assert (len(fetched.articles), [each.error.reason for each in fetched.rejected]) == (2, ["bad_time"])
    assert "\ufffd" in fetched.rejected[0].data.decode()


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (r"\ud83d\ude00", "😀"),
        (r"\ud83d", "\ufffd"),
        (r"\uDE00\uD83D", "\ufffd\ufffd"),
        (r"\ud83d\ud83d\ude00", "\ufffd😀"),
        (r"\ud83d\u0041", "\ufffdA"),
        (r"\ud83d \\ud83d \\\ud83d", "\ufffd \\ud83d \\\ufffd"),
    ],
)
def test_only_halves_of_surrogate_pairs_are_replaced(text: str, meant: str) -> None:
    assert decoded(f'["{text}"]'.encode()) == [meant]


@pytest.mark.parametrize(
    "text", [r'["\ud83d", NaN]', r'["\ud83d", 1e400]', r'["\ud83d', r'["\ud83"]', '["\\ud83d\t\x01"]']
)
def test_what_is_no_json_besides_is_refused_all_the_same(site: FakeSite, text: str) -> None:
    asking = Asking(site, "json", ROWS)
    asking.put(told(text))
    with pytest.raises(FetchFailed, match="cut off or damaged"):
        asking.ask()
    asking.put(told('["\\ud83d", ' + "[" * 100_000))
    with pytest.raises(FetchFailed, match="cut off or damaged"):
        asking.ask()


# ---- articles that are indexed late ---------------------------------------------------------------------------------
def finnhub_row(published: str) -> dict[str, Any]:
    at_s = parse_ms(published) // 1000
    return {"datetime": at_s, "headline": published, "id": 1, "url": f"https://x.example/{at_s}", "source": "s"}


def test_finnhub_an_article_of_yesterday_that_came_after_midnight_is_published_once(site: FakeSite) -> None:
    rows = [finnhub_row("2025-12-21T00:05:00Z")]
    answering(site, lambda asked: told([each for each in rows if asked["from"] <= each["headline"][:10]]))
    options = {"symbols": ["AAPL"], "category": None}
    polling = Polling(Source(name="finnhub", kind="finnhub", url=site.address + "/finnhub", options=options))
    polling.secrets = SECRETS
    polling.restart().poll()
    rows.append(finnhub_row("2025-12-20T23:58:00Z"))
    for _ in range(2):
        polling.clock.advance(HOUR_MS)
        polling.service.poll()
    assert polling.titles == [each["headline"] for each in rows]


def stamped(instant_ms: int) -> dict[str, str]:
    stamp = iso_ms(instant_ms)[:19].replace("-", "").replace(":", "")
    return {"title": stamp, "url": f"https://x.example/{stamp}", "time_published": stamp}


def alphavantage(site: FakeSite, rows: list[dict[str, str]]) -> None:
    def feed(asked: dict[str, str]) -> Reply:
        found = sorted(each["title"] for each in rows if each["title"] >= asked["time_from"])
        return told({"feed": [each for name in found for each in rows if each["title"] == name][: int(asked["limit"])]})

    answering(site, feed)


def test_alphavantage_asks_again_for_the_last_hour(site: FakeSite) -> None:
    asking = Asking(site, "alphavantage")
    rows = [stamped(NOW_MS - 10 * MINUTE_MS)]
    alphavantage(site, rows)
    asking.ask()
    rows += [stamped(NOW_MS - 15 * MINUTE_MS), stamped(NOW_MS + HOUR_MS)]
    asking.clock.advance(3 * HOUR_MS)
    assert {each.title for each in asking.ask().articles} == {each["title"] for each in rows}
    assert len(asking.asked) == 2


def test_alphavantage_more_in_an_hour_than_one_answer_holds_does_not_stand_still(site: FakeSite) -> None:
    asking = Asking(site, "alphavantage", {"symbols": ["AAPL"], "page_size": 3})
    rows = [stamped(NOW_MS + minute * MINUTE_MS) for minute in range(20)]
    alphavantage(site, rows)
    asking.clock.advance(HOUR_MS)
    seen: set[str] = set()
    for _ in range(12):
        seen |= {each.title for each in asking.ask().articles}
        asking.clock.advance(MINUTE_MS)
    assert seen == {each["title"] for each in rows}


# ---- walks that take long -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("status", [426, 400])
def test_newsapi_begins_anew_when_it_was_off_for_longer_than_the_plans_history(site: FakeSite, status: int) -> None:
    asking = Asking(site, "newsapi", {"query": "x"})
    article = golden("newsapi_everything.json")["articles"][0]

    def everything(asked: dict[str, str]) -> Reply:
        if parse_ms(asked["from"]) < asking.clock.now_ms() - 30 * DAY_MS:
            return told({"status": "error", "code": "parameterInvalid", "message": "too far in the past"}, status)
        published = iso_ms(asking.clock.now_ms() - DAY_MS)
        return told({"status": "ok", "totalResults": 1, "articles": [article | {"publishedAt": published}]})

    answering(site, everything)
    asking.ask()
    asking.clock.advance(40 * DAY_MS)
    fetched = asking.ask()
    assert (len(fetched.articles), asking.cursor) == (1, {"since_ms": asking.clock.now_ms() - DAY_MS})
    assert "older than the plan tells" in str(fetched.note)
    asking.clock.advance(DAY_MS)
    assert (asking.ask().note, len(asking.asked)) == (None, 4)


def test_newsapi_a_refused_question_is_not_put_twice(site: FakeSite) -> None:
    asking = Asking(site, "newsapi", {"query": "x"})
    asking.put(told(golden("newsapi_everything.json")), told({"code": "parameterInvalid", "message": "bad q"}, 400))
    asking.ask()
    with pytest.raises(FetchFailed, match="bad q"):
        asking.ask()
    assert len(asking.asked) == 2


def test_tiingo_what_came_for_the_first_group_while_the_second_failed_is_not_passed_over(site: FakeSite) -> None:
    symbols = [f"A{number}" for number in range(60)]
    asking = Asking(site, "tiingo", {"symbols": symbols})
    rows: list[dict[str, Any]] = []
    down = False

    def news(asked: dict[str, str]) -> Reply:
        tickers = asked["tickers"].split(",")
        if down and symbols[-1].lower() in tickers:
            return told("down", 500)
        found = [
            each for each in rows if each["tickers"][0] in tickers and each["crawlDate"][:10] >= asked["startDate"]
        ]
        return told(sorted(found, key=lambda each: each["crawlDate"], reverse=True))

    def crawled(symbol: str) -> None:
        at = iso_ms(asking.clock.now_ms() - MINUTE_MS)
        name = f"{symbol} {at}"
        rows.append({"title": name, "url": f"https://x.example/{name}", "publishedDate": at, "crawlDate": at,
                     "tickers": [symbol.lower()]})  # fmt: skip

    answering(site, news)
    seen: set[str] = set()
    for hours, is_down in ((20, False), (1, True), (1, True), (4, False), (1, False)):
        asking.clock.advance(hours * HOUR_MS)
        down = is_down
        crawled(symbols[0])
        crawled(symbols[-1])
        try:
            seen |= {each.title for each in asking.ask().articles}
        except FetchFailed:
            assert down
    assert seen == {each["title"] for each in rows}
    assert date_of(asking.cursor["since_ms"]) == "2021-06-09"


def test_finnhub_one_id_out_of_all_order_does_not_end_the_general_news(site: FakeSite) -> None:
    asking = Asking(site, "finnhub", {})
    template = golden("finnhub_company_news.json")[0]
    rows: list[dict[str, Any]] = []

    def add(number: int) -> None:
        rows.append(template | {"id": number, "headline": f"News {number}", "url": f"https://x.example/{number}"})

    answering(site, lambda asked: told([each for each in rows if each["id"] > int(asked["minId"])]))
    for number in (1, 10**12, 10**30):
        add(number)
    assert len(asking.ask().articles) == 3
    add(2)
    seen = {each.title for _ in range(2) for each in asking.ask().articles}
    assert "News 2" in seen
    assert [query(path)["minId"] for path in asking.asked] == ["0", str(10**12), str(0)]


# ---- rows that are odd ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("odd", [5, "AAPL", {"ticker": "AAPL"}, [{"ticker": "AAPL", "relevance_score": 10**400}], [7]])
def test_alphavantage_odd_sentiments_are_no_tickers(site: FakeSite, odd: object) -> None:
    asking = Asking(site, "alphavantage")
    asking.put(told({"feed": [stamped(NOW_MS - HOUR_MS) | {"ticker_sentiment": odd}]}))
    assert [each.tickers for each in asking.ask().articles] == [()]


# ---- allowances -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("also_down", [0, 1])
def test_what_a_key_spent_is_kept_when_our_own_log_fails(
    site: FakeSite, monkeypatch: pytest.MonkeyPatch, also_down: int
) -> None:
    url = site.put("/av", told({"feed": [stamped(NOW_MS - HOUR_MS)]}))
    polling = Polling(Source(name="av", kind="alphavantage", url=url, options={"symbols": ["AAPL"]}))
    polling.secrets = SECRETS
    asked_ms = polling.clock.now_ms()

    def fails(*_: object, **__: object) -> None:
        polling.control.down = also_down
        raise Transient("log", "the first error")

    monkeypatch.setattr(polling.log, "put_records", fails)
    with pytest.raises(Transient, match="the first error"):
        polling.restart().poll()
    spent = {} if also_down else {"ALPHAVANTAGE_API_KEY": {"calls": [asked_ms]}}
    assert polling.control.list(PACE_KIND) == spent
