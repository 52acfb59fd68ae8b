"""What all articles of a source are about, of every kind of source, and how many subjects an article may have."""

import json

import pytest

from consumers.classifier.subjects import shipped_symbols, subjects_of
from contracts.errors import Unusable
from contracts.events import MAX_TAGS, MAX_TICKERS, decode_raw
from producers.sources.json_api import MAX_ROW_TICKERS
from producers.sources.registry import read_sources
from tests.fakes.web import FakeSite
from tests.unit.producers.asking import PAGES, Asking, golden, told
from tests.unit.producers.test_json_sources import query


@pytest.mark.parametrize("kind", PAGES)
def test_the_tickers_of_a_source_are_those_of_all_its_articles(site: FakeSite, kind: str) -> None:
    asking = Asking(site, kind, tickers=("ZTS",), tags=("chips",))
    asking.put(told(golden(PAGES[kind][0])))
    articles = asking.ask().articles
    assert articles
    assert {(each.tickers[0], each.tags) for each in articles} == {("ZTS", ("chips",))}


@pytest.mark.parametrize("name", ["tiingo", "tiingo-europe", "wire", "tiingos"])
def test_what_tiingo_guesses_is_no_subject_whatever_the_source_is_called(site: FakeSite, name: str) -> None:
    asking = Asking(site, "tiingo", {"symbols": ["NVDA", "BRK-B"]})
    asking.source = asking.source.model_copy(update={"name": name})
    row = golden("tiingo_news.json")[0]
    asking.put(told([row | {"title": "Markets drift", "description": "", "tickers": ["nvda", "the", "zzzq", "brk-b"]}]))
    (article,) = asking.ask().articles
    subjects = subjects_of(article.source, article.tickers, (), article.title, (), shipped_symbols())
    assert subjects == ("BRK.B", "NVDA")


def test_of_many_guesses_those_that_were_asked_for_are_kept(site: FakeSite) -> None:
    asking = Asking(site, "tiingo", {"symbols": ["NVDA", "BRK-B"]})
    asking.source = asking.source.model_copy(update={"name": "tiingo"})
    noise = [f"x{number}" for number in range(MAX_ROW_TICKERS + 10)]
    asking.put(told([golden("tiingo_news.json")[0] | {"tickers": [*noise, "brk-b", "nvda"]}]))
    (article,) = asking.ask().articles
    assert article.tickers[:2] == ("BRK.B", "NVDA")


@pytest.mark.parametrize(
    ("own", "watched"), [("BRK-B", ()), ("BRK.B", ()), ("NVDA", ("BRK.B",)), ("BRK-B", ("BRK.B",))]
)
def test_tiingo_is_asked_once_for_a_share_in_its_own_spelling_and_believed_in_any(
    site: FakeSite, own: str, watched: tuple[str, ...]
) -> None:
    asking = Asking(site, "tiingo", {"symbols": [own]})
    asking.source = asking.source.model_copy(update={"name": "wire"})
    row = golden("tiingo_news.json")[0] | {"title": "Markets drift", "description": ""}
    asking.put(told([row | {"tickers": ["brk-b"]}, row | {"url": "https://a.example/2", "tickers": ["brk.b"]}]))
    fetched = asking.ask(*watched)
    assert query(asking.asked[0])["tickers"] == ("nvda,brk-b" if own == "NVDA" else "brk-b")
    assert [each.tickers for each in fetched.articles] == [("BRK.B",), ("BRK.B",)]
    assert fetched.note is None


@pytest.mark.parametrize(("field", "most"), [("tickers", MAX_TICKERS), ("tags", MAX_TAGS)])
def test_settings_that_would_reject_every_article_are_refused(field: str, most: int) -> None:
    def text(count: int) -> str:
        values = [f"{'T' if field == 'tickers' else 't'}{number}" for number in range(count)]
        return json.dumps([{"name": "a", "kind": "rss", "url": "https://x.example/", field: values}])

    assert len(getattr(read_sources(text(most), "x")[0], field)) == most
    with pytest.raises(Unusable, match=field):
        read_sources(text(most + 1), "x")


def test_a_tag_is_no_ticker_of_a_source() -> None:
    text = json.dumps([{"name": "a", "kind": "rss", "url": "https://x.example/", "tickers": ["tag:ai"]}])
    with pytest.raises(Unusable, match=r"tickers: .*tag:ai.* is no ticker; tags are told as `tags`"):
        read_sources(text, "x")


def test_a_row_that_tells_a_tag_as_its_ticker_is_an_article_without_it(site: FakeSite) -> None:
    asking = Asking(site, "tiingo")
    asking.put(told([golden("tiingo_news.json")[0] | {"tickers": ["tag:ai", "c"]}]))
    (article,) = asking.ask().articles
    assert article.tickers == ("C",)


def test_an_article_that_is_told_for_very_many_symbols_is_kept_for_those_there_is_room_for(site: FakeSite) -> None:
    symbols = [f"S{number}" for number in range(MAX_TICKERS + 20)]
    asking = Asking(site, "finnhub", {"symbols": symbols, "category": None, "limits": [[5_000, 1]]})
    row = golden("finnhub_company_news.json")[0]
    asking.put(told([row]))
    (article,) = asking.ask().articles
    assert len(asking.asked) == len(symbols) == len({query(path)["symbol"] for path in asking.asked})
    assert decode_raw(article.encode()).tickers == tuple(symbols[:MAX_TICKERS])
