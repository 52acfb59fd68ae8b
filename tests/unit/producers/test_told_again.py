"""An article that a source lists for one symbol after the other is published for each, once."""

import json
from typing import Any

import pytest

from contracts.errors import Transient
from contracts.events import RAW_STREAM, decode_raw
from producers.source_state import told_as
from producers.sources.registry import Source
from tests.fakes.web import FakeSite, page
from tests.unit.consumers.classifying import Line
from tests.unit.producers.test_service import NOW_MS, Polling

ROW = {
    "id": 7,
    "datetime": NOW_MS // 1000 - 600,
    "headline": "A good day for makers of chips",
    "summary": "",
    "source": "Wire",
    "url": "https://wire.example/7",
}


class Listing:
    """Finnhub, where an article is listed for some symbols."""

    def __init__(self, site: FakeSite, symbols: tuple[str, ...], calls: int = 100) -> None:
        self.symbols: set[str] = set()
        site.reply = self._reply  # type: ignore[method-assign]
        options = {"symbols": symbols, "limits": [[calls, 60]]}
        self.polling = Polling(Source(name="finnhub", kind="finnhub", url=site.address, every_s=60, options=options))
        self.polling.secrets.values["FINNHUB_API_KEY"] = "k"

    def _reply(self, path: str, headers: dict[str, str]) -> Any:
        listed = "category=" in path and "GENERAL" in self.symbols
        listed |= any(f"symbol={symbol}&" in path for symbol in self.symbols)
        return page(json.dumps([ROW] if listed else []).encode(), "application/json")

    def poll(self) -> None:
        self.polling.restart().poll()
        self.polling.clock.advance(60_000)

    @property
    def told(self) -> list[tuple[str, ...]]:
        return [decode_raw(data).tickers for data in self.polling.log.data(RAW_STREAM)]

    def counted(self) -> list[str]:
        line = Line()
        line.clock.instant_ms = NOW_MS
        line.process(*self.polling.log.data(RAW_STREAM))
        return [event["subject"] for event in line.scored]


def test_first_general_news_then_one_symbol_after_the_other(site: FakeSite) -> None:
    listing = Listing(site, ("AAPL", "MSFT"))
    for symbols in ({"GENERAL"}, {"GENERAL", "AAPL"}, {"AAPL", "MSFT"}, {"AAPL", "MSFT"}):
        listing.symbols = symbols
        listing.poll()
    assert listing.told == [(), ("AAPL",), ("AAPL", "MSFT")]
    assert listing.counted() == ["AAPL", "MSFT"]


def test_more_symbols_than_calls_and_each_gets_the_article(site: FakeSite) -> None:
    symbols = tuple(f"S{letter}" for letter in "ABCDEFGHIJ")
    listing = Listing(site, symbols, calls=3)
    listing.symbols = set(symbols)
    for _ in range(20):
        listing.poll()
    assert listing.counted() == list(symbols)
    told = len(listing.told)
    for _ in range(20):
        listing.poll()
    assert len(listing.told) <= told + 2 * len(symbols), "each share of the symbols is told once"
    assert listing.counted() == list(symbols)


def test_a_symbol_that_somebody_begins_to_watch_gets_what_is_known_already(site: FakeSite) -> None:
    listing = Listing(site, ("AAPL",))
    listing.symbols = {"AAPL", "NVDA"}
    listing.poll()
    listing.polling.control.put("watch", "me", {"subjects": ["NVDA"]})
    listing.poll()
    assert listing.told == [("AAPL",), ("AAPL", "NVDA")]
    assert listing.counted() == ["AAPL", "NVDA"]


def test_what_is_remembered_of_an_article_without_tickers_is_its_id() -> None:
    known = decode_raw(json.dumps({
        "schema": "raw-article/1", "article_id": "a#1", "source": "a", "title": "t", "tickers": ["MSFT", "AAPL"],
        "published_at": "2025-12-21T09:00:00Z", "ingested_at": "2025-12-21T09:00:00Z",
    }).encode())  # fmt: skip
    assert told_as(known) == told_as(known.model_copy(update={"tickers": ("AAPL", "MSFT")}))
    assert len({told_as(known.model_copy(update={"tickers": each})) for each in ((), ("AAPL",), ("MSFT",))}) == 3


def test_when_the_log_is_down_further_tickers_come_with_the_next_poll(site: FakeSite) -> None:
    listing = Listing(site, ("AAPL", "MSFT"))
    listing.symbols = {"AAPL"}
    listing.poll()
    listing.symbols = {"AAPL", "MSFT"}
    listing.polling.log.down = 100
    with pytest.raises(Transient):
        listing.poll()
    listing.polling.log.down = 0
    listing.poll()
    assert listing.told == [("AAPL",), ("AAPL", "MSFT")]
    assert listing.counted() == ["AAPL", "MSFT"]
