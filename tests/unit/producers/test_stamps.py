"""When an article was published, when it came, and what names it: the feeds and answers that get one of them wrong."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest
from pydantic import ValidationError

from contracts.events import RAW_STREAM, decode_raw
from contracts.instants import iso_ms
from contracts.resolution import HOUR_MS
from producers.fetch import Web
from producers.sources import json_feed, rss
from producers.sources.feed_document import feed_document
from producers.sources.registry import Source
from producers.sources.times import iso_time, zoned_ms
from tests.fakes.stores import FakeSecrets
from tests.fakes.web import FakeSite, Reply, fake_site, page
from tests.unit.consumers.classifying import Line
from tests.unit.producers.test_service import FEED, NOW_MS, Polling, source

DATE = "<pubDate>Sun, 21 Dec 2025 09:30:00 GMT</pubDate>"


@pytest.fixture
def site() -> Iterator[FakeSite]:
    with fake_site() as up:
        yield up


def feed(*items: str) -> Reply:
    rows = "".join(f"<item>{item}</item>" for item in items)
    return page(f"<?xml version='1.0'?><rss version='2.0'><channel><title>c</title>{rows}</channel></rss>".encode())


def test_what_is_published_while_a_long_round_goes_on_counts(site: FakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stamped when the round began it would be ingested before it was published, and from the future."""
    symbols = [f"A{chr(65 + n // 26)}{chr(65 + n % 26)}" for n in range(80)]
    options = {"symbols": symbols, "category": None}
    polling = Polling(Source(name="finnhub", kind="finnhub", url=site.address, options=options))
    polling.secrets = FakeSecrets(FINNHUB_API_KEY="KEY")
    polling.restart()
    plain = Web._get_once

    def slow(self: Web, url: str, headers: Any, params: Any, key: Any = None) -> Any:
        polling.clock.advance(5_000)
        symbol = params["symbol"]
        row = {"id": 1, "headline": f"{symbol} wins a good contract", "datetime": polling.clock.now_ms() // 1000 - 20,
               "summary": "", "source": "Reuters", "url": f"https://r.example/{symbol}", "related": symbol}  # fmt: skip
        site.put("/company-news", (200, {"Content-Type": "application/json"}, json.dumps([row]).encode()))
        return plain(self, url, headers, params, key)

    monkeypatch.setattr(Web, "_get_once", slow)
    polling.service.poll()
    while polling.service._round.is_expecting:
        polling.service.poll()
    counts = Line().process(*polling.log.data(RAW_STREAM)).counts
    assert (counts["scored"], counts["quarantined"]) == (80, 0)


def test_what_is_dated_ahead_is_refused_told_and_counts_when_its_time_has_come(site: FakeSite) -> None:
    def entry(minutes_ahead: int) -> str:
        at = datetime.fromtimestamp(NOW_MS / 1000 + 60 * minutes_ahead, UTC)
        date = format_datetime(at, usegmt=True)
        return f"<title>Apple {minutes_ahead}</title><link>https://x.example/{minutes_ahead}</link><pubDate>{date}</pubDate>"

    polling = Polling(source("zone", site.put("/zone", feed(*map(entry, (4, 100, 110))))))
    assert polling.service.poll().published == 3
    note = polling.state("zone")["note"]
    assert note.startswith(f"2 of 3 articles are dated in the future, up to {iso_ms(NOW_MS + 110 * 60_000)}")
    line = Line()
    assert line.process(*polling.log.data(RAW_STREAM)).counts["quarantined"] == 2
    polling.clock.advance(300_000)
    assert polling.service.poll().published == 0, "it is refused once"
    polling.clock.advance(2 * HOUR_MS)
    assert polling.service.poll().published == 2
    assert polling.state("zone")["note"] is None
    assert line.process(*polling.log.data(RAW_STREAM)[3:]).counts["scored"] == 2


def test_an_entry_without_a_link_is_named_by_its_guid(site: FakeSite) -> None:
    def item(title: str, guid: str, date: str = DATE) -> str:
        return f"<title>{title}</title><guid isPermaLink='false'>{guid}</guid>{date}"

    polling = Polling(
        source("halts", site.put("/a", feed(item("Trading halt", "h-1"), item("Trading halt", "h-2")))),
        source("undated", site.put("/b", feed(item("Apple wins", "u-1", "")))),
        source("edited", site.put("/c", feed(item("Apple profit falls", "e-1")), feed(item("Profit falls 5%", "e-1")))),
    )
    assert polling.service.poll().published == 4
    polling.clock.advance(301_000)
    assert polling.service.poll().published == 0
    assert polling.lake.keys("quarantined/") == []


def test_utf_8_is_read_as_such_whatever_the_header_says() -> None:
    text = "<rss><title>Nestlé and Microsoft – €2bn</title></rss>"
    for header in ("text/xml; charset=iso-8859-1", "text/xml; charset=windows-1252", "text/xml"):
        assert "Nestlé and Microsoft – €2bn".encode() in feed_document(text.encode(), header)
    assert "Nestlé".encode() in feed_document("<rss>Nestlé</rss>".encode("latin-1"), "text/xml; charset=iso-8859-1")


@pytest.mark.parametrize("zone", ["-0000", "+0000", "GMT", "UTC", "Z"])
def test_rfc_822_times_with_a_weekday(zone: str) -> None:
    assert iso_time(f"Sun, 21 Dec 2025 09:30:00 {zone}") == "2025-12-21T09:30:00.000Z"
    for name, hour in (("CET", 10), ("JST", 18), ("GMT+0200", 11)):
        assert iso_time(f"Sun, 21 Dec 2025 {hour}:30:00 {name}") == "2025-12-21T09:30:00.000Z"


@pytest.mark.parametrize("text", ["1748938298", "1748938298000", "2025/06/03 08:11:38 GMT", "2025/06/03T08:11:38Z"])
def test_times_that_are_no_guess(text: str) -> None:
    assert zoned_ms(text) == 1_748_938_298_000


def test_a_guess_in_the_future_is_none(site: FakeSite) -> None:
    odd = "<title>Apple</title><link>https://x.example/1</link><pubDate>12/31/2025 08:00</pubDate>"
    polling = Polling(source("odd", site.put("/odd", feed(odd))))
    polling.service.poll()
    (data,) = polling.log.data(RAW_STREAM)
    assert decode_raw(data).published_at == iso_ms(NOW_MS), "news when it is first met"


def test_a_clock_that_is_set_back_while_an_answer_is_under_way_stops_nobody(
    site: FakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    polling = Polling(source("good", site.put("/good", page(FEED))))
    polling.clock.advance(24 * HOUR_MS)
    plain = rss._asked

    def slow(request: Any, url: str) -> Any:
        answer = plain(request, url)
        polling.clock.advance(-24 * HOUR_MS)
        return answer

    with monkeypatch.context() as patched:
        patched.setattr(rss, "_asked", slow)
        polling.service.poll()
    polling.clock.advance(601_000)
    assert polling.service.poll().polled == 1


def test_records_that_are_refused_are_told(site: FakeSite) -> None:
    polling = Polling(source("mixed", site.put("/mixed", feed("<title>Apple</title>", f"<title>Tesla</title>{DATE}"))))
    assert polling.service.poll().published == 1
    assert polling.state("mixed")["note"].startswith("1 of 2 records are refused")


def test_a_path_that_is_empty_is_named_when_the_settings_are_read() -> None:
    with pytest.raises(ValidationError, match="title"):
        json_feed.Options.model_validate({"fields": {"title": ""}})
