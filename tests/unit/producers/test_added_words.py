"""What providers add to an article, or say in place of one, is no news."""

import pytest

from tests.fakes.web import FakeSite
from tests.unit.producers.asking import Asking, golden, told

AV = golden("alphavantage_news_sentiment.json")["feed"][0]


def test_finnhub_its_advertisement_is_no_summary(site: FakeSite) -> None:
    rows = golden("finnhub_company_news.json")
    advertised = [row for row in rows if "proves results" in row["summary"]]
    asking = Asking(site, "finnhub", {"symbols": ["AAPL"], "category": None})
    asking.put(told(rows))
    articles = {each.url: each.snippet for each in asking.ask().articles}
    assert [articles[row["url"]] for row in advertised] == ["", ""]
    assert all(articles[row["url"]] for row in rows if row["summary"] and row not in advertised)


@pytest.mark.parametrize(
    ("title", "headline"),
    [
        ("Why Is Apple Stock Sliding? - Apple  ( NASDAQ:AAPL ) ", "Why Is Apple Stock Sliding?"),
        ("Yields Dip - Target  ( NYSE:TGT ) , Home Depot  ( NYSE:HD ) ", "Yields Dip"),
        ("Next Year - What To Know - Meta Platforms  ( NASDAQ:META ) ", "Next Year - What To Know"),
        ("Foo (NYSE: FOO) closes - at last", "Foo (NYSE: FOO) closes - at last"),
        ("Foo buys Bar (NYSE: BAR)", "Foo buys Bar (NYSE: BAR)"),
    ],
)
def test_alphavantage_a_headline_ends_before_its_tickers(site: FakeSite, title: str, headline: str) -> None:
    asking = Asking(site, "alphavantage")
    asking.put(told({"feed": [AV | {"title": title}]}))
    assert [each.title for each in asking.ask().articles] == [headline]


def test_alphavantage_no_news_is_no_failure(site: FakeSite) -> None:
    asking = Asking(site, "alphavantage")
    asking.put(told({"Information": "No articles found. Please adjust the time range or refer to the documentation."}))
    fetched = asking.ask()
    assert (fetched.articles, fetched.rejected, fetched.note) == ((), (), None)
