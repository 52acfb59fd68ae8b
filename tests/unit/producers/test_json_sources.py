"""The JSON news APIs: recorded pages, every documented refusal, keys out of every text, cursors, paging, allowances."""

import logging
import socket
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from contracts.instants import iso_ms, parse_ms
from producers.fetch import FetchFailed, OverBudget
from producers.sources.registry import KINDS
from tests.fakes.stores import FakeSecrets
from tests.fakes.web import FakeSite, gzip_bomb
from tests.unit.producers.asking import GOLDEN, KEY, NOW_MS, PAGES, Asking, golden, told

REFUSALS = [
    pytest.param(kind, *row, id=f"{kind}-{number}")
    for kind, rows in golden("refusals.json").items()
    for number, row in enumerate(rows)
]
JSON_KINDS = sorted(set(KINDS) - {"rss"})


def query(path: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}


def test_every_kind_has_a_recorded_page_and_refusals() -> None:
    assert set(PAGES) == set(JSON_KINDS) == set(golden("refusals.json"))
    assert all((GOLDEN / name).exists() for name, _ in PAGES.values())


@pytest.mark.parametrize("kind", JSON_KINDS)
def test_a_recorded_page_gives_articles_and_again_the_same_ones(site: FakeSite, kind: str) -> None:
    asking = Asking(site, kind)
    asking.put(told(golden(PAGES[kind][0])))
    first, again = asking.ask(), asking.ask()
    assert len(first.articles) >= 2
    assert [each.article_id for each in first.articles] == [each.article_id for each in again.articles]
    assert len({each.article_id for each in first.articles}) == len(first.articles)
    assert all(len(each.snippet) <= 200 and "<" not in each.title for each in first.articles)


@pytest.mark.parametrize(("kind", "status", "headers", "body", "shown", "words"), REFUSALS)
def test_every_documented_refusal_is_told_in_its_own_words(
    site: FakeSite, kind: str, status: int, headers: dict[str, str], body: Any, shown: int, words: str
) -> None:
    asking = Asking(site, kind)
    asking.put(told(body, status, **{name.replace("-", "_"): value for name, value in headers.items()}))
    with pytest.raises(FetchFailed, match=words) as caught:
        asking.ask()
    assert caught.value.status == shown
    assert KEY not in str(caught.value)
    if shown == 429:
        assert len(asking.asked) == 1, "a spent allowance is not asked again at once"
        assert caught.value.retry_after_ms is not None


@pytest.mark.parametrize("kind", JSON_KINDS)
@pytest.mark.parametrize(
    "body", ["<html>Sign in</html>", '[{"a": 1', "", '{"items": [', "\x00\x01", "null", '"text"', "[1, 2", "{}"]
)
def test_what_is_not_the_expected_json_is_a_failure(site: FakeSite, kind: str, body: str) -> None:
    asking = Asking(site, kind)
    asking.put((200, {"Content-Type": "text/html"}, body.encode()))
    with pytest.raises(FetchFailed):
        asking.ask()


@pytest.mark.parametrize("kind", JSON_KINDS)
def test_odd_rows_are_rejected_and_the_others_go_on(site: FakeSite, kind: str) -> None:
    asking = Asking(site, kind)
    page = golden(PAGES[kind][0])
    rows = (
        page if isinstance(page, list) else next(page[name] for name in ("articles", "feed", "results") if name in page)
    )
    usable = len(Asking.ask(_serving(asking, page)).articles)
    rows += [None, 7, "text", [], {}, {"title": {"a": 1}, "headline": []}]
    fetched = Asking.ask(_serving(asking, page))
    assert len(fetched.articles) >= usable
    assert len(fetched.rejected) >= 4
    assert all(each.data for each in fetched.rejected)


def _serving(asking: Asking, page: Any) -> Asking:
    asking.put(told(page))
    asking.cursor = {}
    return asking


def test_a_key_goes_into_its_header_and_nowhere_else(
    site: FakeSite, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    expected = {"finnhub": "X-Finnhub-Token", "tiingo": "Authorization", "newsapi": "X-Api-Key"}
    for kind in ("finnhub", "tiingo", "newsapi", "alphavantage"):
        asking = Asking(site, kind)
        asking.put(told(golden(PAGES[kind][0])))
        fetched = asking.ask()
        path, headers = site.asked[-1]
        if kind == "alphavantage":
            assert query(path)["apikey"] == KEY
        else:
            assert KEY in headers[expected[kind]]
            assert KEY not in path
        assert KEY not in repr((fetched, asking.web.pace.changed(), asking.source))
    assert KEY not in caplog.text


def test_a_request_with_a_key_is_never_sent_on_to_another_place(site: FakeSite) -> None:
    asking = Asking(site, "finnhub")
    asking.put((302, {"Location": site.put("/elsewhere", told([]))}, b""))
    with pytest.raises(FetchFailed, match="302"):
        asking.ask()
    assert not any("elsewhere" in path for path in asking.asked)


@pytest.mark.parametrize("kind", ["finnhub", "tiingo", "newsapi", "alphavantage"])
def test_without_its_key_a_source_says_which_one(site: FakeSite, kind: str) -> None:
    asking = Asking(site, kind)
    asking.secrets = FakeSecrets()
    with pytest.raises(FetchFailed, match=f"set {KINDS[kind].secret}"):
        asking.ask()
    assert asking.asked == []


def test_trouble_on_the_way_is_tried_again_and_limits_hold(site: FakeSite) -> None:
    asking = Asking(site, "tiingo")
    asking.put((500, {}, b""), (503, {"Retry-After": "2"}, b""), told(golden("tiingo_news.json")))
    assert asking.ask().articles
    assert len(asking.asked) == 3
    asking.put(gzip_bomb(50 << 20))
    with pytest.raises(FetchFailed, match="over 10 MB"):
        asking.ask()


def test_a_hang_is_given_up(site: FakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producers.fetch.READ_TIMEOUT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        asking = Asking(site, "newsapi")
        asking.source = asking.source.model_copy(update={"url": f"http://127.0.0.1:{silent.getsockname()[1]}/"})
        with pytest.raises(FetchFailed, match="in time"):
            asking.ask()


# ---- Finnhub --------------------------------------------------------------------------------------------------------
def test_finnhub_fields_and_days(site: FakeSite) -> None:
    asking = Asking(site, "finnhub", {"symbols": ["AAPL"], "category": None})
    asking.put(told(golden("finnhub_company_news.json")))
    first = asking.ask().articles[0]
    assert first.title == "Apple's new 'private relay' feature will not be available in China"
    assert (first.published_at, first.publisher, first.tickers) == ("2021-06-07T23:54:39.000Z", "Reuters", ("AAPL",))
    assert query(asking.asked[0]) == {"symbol": "AAPL", "from": "2021-06-06", "to": "2021-06-08"}
    asking.ask()
    assert query(asking.asked[1])["from"] == "2021-06-07", "the day of the newest one seen"


def test_an_article_dated_next_year_does_not_move_the_cursor_there(site: FakeSite) -> None:
    asking = Asking(site, "finnhub", {"symbols": ["AAPL"], "category": None})
    row = golden("finnhub_company_news.json")[0]
    asking.put(told([row | {"datetime": (NOW_MS + 365 * 86_400_000) // 1000}]))
    assert len(asking.ask().articles) == 1
    asking.ask()
    assert query(asking.asked[1])["from"] == "2021-06-07", "an hour before now"


@pytest.mark.parametrize("at_s", [0, -1, True, "now", 1e300, 1_623_110_079_000_000, 10**50])
def test_finnhub_a_row_at_no_time_is_rejected_and_the_next_one_read(site: FakeSite, at_s: object) -> None:
    asking = Asking(site, "finnhub", {"symbols": ["AAPL"], "category": None})
    first, second, *_ = golden("finnhub_company_news.json")
    asking.put(told([first | {"datetime": at_s}, second]))
    fetched = asking.ask()
    assert [each.error.reason for each in fetched.rejected] == ["bad_time"]
    assert len(fetched.articles) == 1


def test_finnhub_an_empty_answer_is_no_failure_and_watched_tickers_are_asked_for(site: FakeSite) -> None:
    asking = Asking(site, "finnhub", {"category": None})
    asking.put(told([]))
    assert asking.ask("MSFT", "tag:ai", "AAPL").articles == ()
    assert [query(path)["symbol"] for path in asking.asked] == ["AAPL", "MSFT"]


def test_finnhub_general_news_goes_on_after_the_newest_id(site: FakeSite) -> None:
    asking = Asking(site, "finnhub", {})
    site.put("/finnhub/news", told(golden("finnhub_company_news.json")))
    fetched = asking.ask()
    assert fetched.articles[0].tickers == ()
    newest_id = max(row["id"] for row in golden("finnhub_company_news.json"))
    assert asking.cursor["min_id"] == newest_id
    asking.ask()
    assert query(asking.asked[-1]) == {"category": "general", "minId": str(newest_id)}


def test_one_symbol_without_access_does_not_stop_the_others(site: FakeSite) -> None:
    asking = Asking(site, "finnhub", {"symbols": ["SAP.DE", "AAPL"], "category": None})
    asking.put(
        told({"error": "You don't have access to this resource."}, 403), told(golden("finnhub_company_news.json"))
    )
    fetched = asking.ask()
    assert fetched.articles
    assert fetched.note is not None
    assert "SAP.DE" in fetched.note


def test_a_round_that_is_cut_short_keeps_what_it_has_and_goes_on_there(site: FakeSite) -> None:
    asking = Asking(site, "finnhub", {"symbols": ["AAPL", "MSFT", "TSLA"], "category": None})
    page = told(golden("finnhub_company_news.json"))
    asking.put(page, told({"error": "API limit reached."}, 429), page)
    fetched = asking.ask()
    assert fetched.articles
    assert fetched.trouble is not None
    assert fetched.trouble.status == 429
    assert asking.cursor["next"] == "MSFT"
    asking.ask()
    assert [query(path)["symbol"] for path in asking.asked] == ["AAPL", "MSFT", "MSFT", "TSLA"], "each once"
    assert "next" not in asking.cursor


def test_an_allowance_is_kept_to_per_key_over_restarts(site: FakeSite) -> None:
    symbols = [f"S{number}" for number in range(40)]
    asking = Asking(site, "finnhub", {"symbols": symbols, "category": None})
    asking.put(told([]))
    asking.ask()  # 30 in a second, the rest after waiting a second
    assert (len(asking.asked), asking.clock.now_ms() - NOW_MS) == (40, 1_000)
    with pytest.raises(OverBudget) as caught:
        asking.ask()
    assert len(asking.asked) == 60
    assert caught.value.retry_after_ms == 60_000 - (asking.clock.now_ms() - NOW_MS)
    spent = asking.web.pace.changed()
    assert list(spent) == ["FINNHUB_API_KEY"]
    restarted = Asking(site, "finnhub", {"symbols": ["AAPL"], "category": None})
    restarted.clock.instant_ms = asking.clock.now_ms()
    restarted.web.pace.merge(spent)
    with pytest.raises(OverBudget):
        restarted.ask()
    restarted.clock.advance(60_000)
    restarted.ask()
    assert len(restarted.asked) == 61


# ---- Tiingo ---------------------------------------------------------------------------------------------------------
def test_tiingo_fields_with_and_without_fractions_and_noisy_tickers(site: FakeSite) -> None:
    asking = Asking(site, "tiingo")
    asking.put(told(golden("tiingo_news.json")))
    fetched = asking.ask("MSFT")
    first, second, third = fetched.articles
    assert (first.published_at, first.tickers) == ("2021-06-07T23:54:39.894Z", ("AAPL",))
    assert (second.published_at, second.tickers) == ("2021-06-07T21:00:00.000Z", ("AAPL", "C", "NE-WS"))
    assert second.snippet == "Stocks were little changed & volumes low."
    assert (third.snippet, third.published_at) == ("", "2021-06-07T20:11:38.894Z")
    assert [each.error.reason for each in fetched.rejected] == ["missing_field", "bad_time"]
    assert query(asking.asked[0]) == {
        "tickers": "aapl,c,msft", "startDate": "2021-06-07", "limit": "1000", "offset": "0", "sortBy": "crawlDate",
    }  # fmt: skip
    assert iso_ms(asking.cursor["since_ms"]) == "2021-06-07T23:55:41.549Z"


def test_tiingo_pages_until_what_is_known_and_resumes_a_walk_that_was_cut(site: FakeSite) -> None:
    asking = Asking(site, "tiingo", {"symbols": ["AAPL"], "page_size": 2})
    rows = golden("tiingo_news.json")
    pages = [rows[0:2], rows[2:4], rows[4:5]]
    for number, page in enumerate(pages):
        path = f"/tiingo?startDate=2021-06-07&limit=2&offset={2 * number}&sortBy=crawlDate&tickers=aapl"
        site.put(path, told(page))
    broken = next(path for path in site.pages if "offset=2" in path)
    site.put(broken, told({"detail": "Error: You have run over your hourly request allocation."}, 429))
    fetched = asking.ask()
    assert (len(fetched.articles), fetched.trouble is None) == (2, False)
    site.put(broken, told(pages[1]))
    fetched = asking.ask()
    assert len(fetched.articles) == 1
    assert [query(path)["offset"] for path in asking.asked] == ["0", "2", "2", "4"]
    assert iso_ms(asking.cursor["since_ms"]) == "2021-06-07T23:55:41.549Z"
    site.asked.clear()
    asking.ask()
    assert [query(path)["offset"] for path in asking.asked] == ["0"], "an hour of overlap, not the whole day"


def test_many_tickers_go_in_as_many_calls_as_needed(site: FakeSite) -> None:
    asking = Asking(site, "tiingo", {"symbols": [f"S{number}" for number in range(120)]})
    asking.put(told([]))
    asking.ask()
    assert [query(path)["tickers"].count(",") + 1 for path in asking.asked] == [50, 50, 20]


# ---- NewsAPI --------------------------------------------------------------------------------------------------------
def test_newsapi_removed_articles_are_passed_over_and_missing_titles_rejected(site: FakeSite) -> None:
    asking = Asking(site, "newsapi", {})
    asking.put(told(golden("newsapi_everything.json")))
    fetched = asking.ask("tag:ai-regulation", "tag:chips", "AAPL")
    assert not any("Removed" in each.title for each in fetched.articles)
    assert [each.error.reason for each in fetched.rejected] == ["missing_field"]
    assert "Apple's new 'private relay' feature will not be available in China" in [e.title for e in fetched.articles]
    assert not any(each.title.endswith(" - Reuters") for each in fetched.articles)
    asked = query(asking.asked[0])
    assert asked["q"] == '(ai AND regulation) OR (chips) OR "AAPL"'
    assert (asked["from"], asked["page"]) == ("2021-06-06T00:10:00Z", "1")
    assert asking.cursor == {"since_ms": parse_ms("2021-06-08T00:00:00Z")}
    asking.ask()
    assert query(asking.asked[1])["from"] == "2021-06-07T23:00:00Z"


def test_newsapi_a_headline_keeps_its_end_when_nobody_published_it(site: FakeSite) -> None:
    asking = Asking(site, "newsapi")
    article = golden("newsapi_everything.json")["articles"][0] | {"source": {"id": None, "name": None}}
    asking.put(told({"status": "ok", "articles": [article | {"title": "Winner of the year - None"}]}))
    assert [each.title for each in asking.ask().articles] == ["Winner of the year - None"]


def newsapi(*minutes: int, total: int) -> Any:
    """A page of articles published so many minutes before now."""
    template = golden("newsapi_everything.json")["articles"][0]
    articles = [
        template | {"url": f"https://x.example/{minute}", "publishedAt": iso_ms(NOW_MS - minute * 60_000)[:19] + "Z"}
        for minute in minutes
    ]
    return told({"status": "ok", "totalResults": total, "articles": articles})


def test_newsapi_asks_for_older_ones_by_time_so_that_no_plan_ends_the_pages(site: FakeSite) -> None:
    asking = Asking(site, "newsapi", {"query": "x", "page_size": 3, "pages": 10})
    asking.put(newsapi(1, 2, 3, total=6), newsapi(3, 4, 5, total=4), newsapi(5, 6, total=2))
    fetched = asking.ask()
    assert len(fetched.articles) == 6
    assert [(query(path).get("to"), query(path)["page"]) for path in asking.asked] == [
        (None, "1"),
        ("2021-06-08T00:07:00Z", "1"),
        ("2021-06-08T00:05:00Z", "1"),
    ]
    assert asking.cursor == {"since_ms": NOW_MS - 60_000}
    assert fetched.note is None


def test_newsapi_leaves_out_what_its_allowance_would_not_last_for_and_says_so(site: FakeSite) -> None:
    asking = Asking(site, "newsapi", {"query": "x", "page_size": 3})
    asking.put(newsapi(1, 2, 3, total=900), newsapi(3, 4, 5, total=898))
    fetched = asking.ask()
    assert (len(fetched.articles), len(asking.asked), fetched.more) == (5, 2, False)
    assert fetched.note is not None
    assert "895 or so older ones were left out" in fetched.note
    assert asking.cursor == {"since_ms": NOW_MS - 60_000}
    asking.put(newsapi(0, 1, 2, total=900), newsapi(2, 3, 4, total=898))
    assert asking.ask().note is None, "what is older than the last answer's newest has been told"


def test_newsapi_resumes_a_walk_that_was_cut_and_ends_one_that_cannot_go_on(site: FakeSite) -> None:
    asking = Asking(site, "newsapi", {"query": "x", "page_size": 3})
    asking.put(newsapi(1, 2, 3, total=9), told({"status": "error", "code": "rateLimited", "message": "Slow down"}, 429))
    fetched = asking.ask()
    assert (len(fetched.articles), fetched.trouble is None) == (3, False)
    asking.put(newsapi(3, 3, 3, total=9))
    fetched = asking.ask()
    assert fetched.trouble is None
    assert [query(path).get("to") for path in asking.asked] == [None] + ["2021-06-08T00:07:00Z"] * 2
    assert asking.cursor == {"since_ms": NOW_MS - 60_000}


# ---- Alpha Vantage --------------------------------------------------------------------------------------------------
def test_alphavantage_relevant_tickers_and_opinions_kept_apart(site: FakeSite) -> None:
    asking = Asking(site, "alphavantage")
    asking.put(told(golden("alphavantage_news_sentiment.json")))
    fetched = asking.ask()
    first, second, third = fetched.articles
    assert (first.published_at, first.tickers, first.author) == (
        "2021-06-07T18:05:00.000Z",
        ("AAPL",),
        "Jane Doe, John Roe",
    )
    assert (second.published_at, second.tickers) == ("2021-06-07T20:15:00.000Z", ())
    assert third.tickers == ("AAPL",)
    assert [each["overall_sentiment_score"] for each in fetched.opinions] == [0.214, 0.01, -0.3]
    assert {each["article_id"] for each in fetched.opinions} == {each.article_id for each in fetched.articles}
    assert "0.214" not in first.encode().decode()
    assert query(asking.asked[0])["time_from"] == "20210607T0010"
    asking.clock.advance(1_000)
    asking.ask()
    assert query(asking.asked[1])["time_from"] == "20210607T2030"
