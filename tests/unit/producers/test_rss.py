"""RSS and Atom: identity, times, text, conditional GET."""

import contextlib
from pathlib import Path
from typing import Any

import pytest

from contracts.clock import ManualClock
from contracts.errors import Unusable
from contracts.identity import article_id
from contracts.instants import parse_ms
from producers.fetch import FetchFailed, Web
from producers.sources.registry import Fetched, Request, Source, adapter, load_sources, read_sources
from producers.sources.text import plain_text
from tests.fakes.stores import FakeSecrets
from tests.fakes.web import HERE, FakeSite, Reply, page

GOLDEN = Path(__file__).parents[2] / "golden" / "sources"
NOW_MS = parse_ms("2025-12-21T09:40:00Z")


def ask(url: str, cursor: dict[str, Any] | None = None, **fields: Any) -> Fetched:
    source = Source(name="rss-test", kind="rss", url=url, **fields)
    web = Web(ManualClock(NOW_MS), "test/1", HERE)
    return adapter("rss")(Request(source, cursor or {}, web, FakeSecrets(), NOW_MS))


def test_rss_with_html_scripts_and_entities(site: FakeSite) -> None:
    url = site.put("/feed", page((GOLDEN / "rss_cnbc.xml").read_bytes()))
    fetched = ask(url, title="CNBC", tickers=("aapl",), tags=("chips",))
    first, second = fetched.articles
    assert first.title == "Apple’s suppliers see a strong start to the year & beyond"
    assert first.snippet == "Apple's biggest suppliers said demand for the iPhone is holding up."
    assert first.published_at == "2025-12-21T09:12:44.000Z"
    assert first.ingested_at == "2025-12-21T09:40:00.000Z"
    assert (first.publisher, first.language, first.tickers, first.tags) == ("CNBC", "en-us", ("AAPL",), ("chips",))
    link = "https://www.cnbc.com/2025/12/21/apple-supplier-outlook.html"
    assert first.article_id == article_id("rss-test", link, "", 0)
    assert second.title == "Markets: the week ahead, in AT&T's words"
    assert second.article_id == article_id("rss-test", "https://www.cnbc.com/2025/12/21/markets-week-ahead.html", "", 0)
    assert second.published_at == "2025-12-21T09:00:01.000Z"
    (rejected,) = fetched.rejected
    assert "no-title" in rejected.error.detail


def test_what_a_feed_gathers_from_others_is_theirs(site: FakeSite) -> None:
    item = "<link>https://a.example/1</link><pubDate>Sun, 21 Dec 2025 09:00:00 GMT</pubDate>"
    item = (
        f"<item><title>Apple falls - Reuters</title>{item}<source url='https://reuters.example'>Reuters</source></item>"
    )
    body = f"<rss version='2.0'><channel><title>Search</title>{item}</channel></rss>"
    (told,) = ask(site.put("/feed", page(body.encode())), title="Gathered").articles
    assert (told.title, told.publisher) == ("Apple falls", "Reuters")


def test_atom_with_strange_scripts_and_missing_dates(site: FakeSite) -> None:
    fetched = ask(site.put("/feed", page((GOLDEN / "atom.xml").read_bytes(), "application/atom+xml")))
    arabic, updated, undated = fetched.articles
    assert arabic.title == "سهم Tesla يرتفع 📈"
    assert arabic.published_at == "2025-12-21T08:19:30.250Z"
    assert (arabic.author, arabic.publisher) == ("Jane Doe", "The Wire")
    assert arabic.snippet == "First paragraph. Second paragraph."
    assert updated.published_at == "2025-12-21T08:00:00.000Z"
    assert undated.published_at == "2025-12-21T09:40:00.000Z"
    assert fetched.rejected[0].error.reason == "bad_time"


@pytest.mark.parametrize("date", ["0000-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:00"])
def test_an_entry_in_a_year_no_calendar_has_is_rejected_and_the_next_one_read(site: FakeSite, date: str) -> None:
    entry = "<item><title>t</title><link>https://example.com/{0}</link><pubDate>{1}</pubDate></item>"
    entries = entry.format(1, date) + entry.format(2, "2025-12-21T09:00:00Z")
    body = f"<rss version='2.0'><channel><title>c</title>{entries}</channel></rss>"
    fetched = ask(site.put("/feed", page(body.encode())))
    assert [each.error.reason for each in fetched.rejected] == ["bad_time"]
    assert [each.url for each in fetched.articles] == ["https://example.com/2"]


@pytest.mark.parametrize(
    ("date", "published"),
    [
        ("Sun, 21 Dec 2025 04:30:00 EST", "2025-12-21T09:30:00.000Z"),
        ("Sun, 21 Dec 2025 09:30:00 +0000 (UTC)", "2025-12-21T09:30:00.000Z"),
        ("Sun, 21 Dec 2025 04:30:00 GMT-0500", "2025-12-21T09:30:00.000Z"),
        ("Sun, 21 Dec 2025 10:30:00 CET", "2025-12-21T09:30:00.000Z"),
        ("Sun, 21 Dec 2025 11:30:00 CEST", "2025-12-21T09:30:00.000Z"),
        ("Sun, 21 Dec 2025 18:30:00 JST", "2025-12-21T09:30:00.000Z"),
        ("2025-12-21T15:00:00+0530", "2025-12-21T09:30:00.000Z"),
        ("2025-12-21 09:30:00Z", "2025-12-21T09:30:00.000Z"),
        ("Sun, 21 Dec 2025 09:30:00 BST", "2025-12-21T09:40:00.000Z"),
        ("Sun, 21 Dec 2025 04:30:00 ET", "2025-12-21T09:40:00.000Z"),
        ("Sun, 21 Dec 2025 17:30:00 HKT", "2025-12-21T09:40:00.000Z"),
        ("Sun, 21 Dec 2025 09:30:00", "2025-12-21T09:40:00.000Z"),
        ("2025-12-21T18:30:00", "2025-12-21T09:40:00.000Z"),
        ("2025-12-21", "2025-12-21T09:40:00.000Z"),
        ("2025-12-19T18:30:00", "2025-12-19T18:30:00.000Z"),
        ("Sun, 22 Jun 2025 05:30:00 ET", "2025-06-22T10:30:00.000Z"),
    ],
)
def test_a_fresh_entry_whose_zone_is_a_guess_is_news_when_it_is_first_met(
    site: FakeSite, date: str, published: str
) -> None:
    entry = f"<item><title>t</title><link>https://example.com/1</link><pubDate>{date}</pubDate></item>"
    body = f"<rss version='2.0'><channel><title>c</title>{entry}</channel></rss>"
    (article,) = ask(site.put("/feed", page(body.encode()))).articles
    assert article.published_at == published


FIRST_MET = None


@pytest.mark.parametrize(
    ("date", "told"),
    [
        ("2025-12-21 10:00:00 UTC", "10:00"),
        ("2025-12-21 10:00:00 +0000 UTC", "10:00"),
        ("2025-12-21 10:00:00 EST", "15:00"),
        ("2025-12-21 10:00:00 -0500 EST", "15:00"),
        ("2025-12-21T10:00:00 -05:00", "15:00"),
        ("2025-12-21T10:00:00.5Z", "10:00"),
        ("Sun, 21 Dec 2025 10:00:00 GMT+08:00", "02:00"),
        ("Sun, 21 Dec 2025 10:00:00 -05:00 (EST)", "15:00"),
        ("Sun, 21 Dec 25 10:00 EST", "15:00"),
        ("Sunday, December 21, 2025 10:00 EST", "15:00"),
        ("20251221T100000Z", FIRST_MET),
        ("2025-12-21T10:00:00-05", FIRST_MET),
        ("2025-12-21T10:00:00+00:00Z", FIRST_MET),
        ("Sun, 21 Dec 2025 01:00:00 PM EST", FIRST_MET),
        ("Dec 21, 2025 10:00 AM EST", FIRST_MET),
        ("Sun Dec 21 10:00:00 EST 2025", FIRST_MET),
        ("Sun, 21 Dec 2025 10:00:00 UTC+8", FIRST_MET),
        ("12/21/2025 10:00:00 AM -0500", FIRST_MET),
    ],
)
def test_a_time_counts_as_told_only_in_a_form_that_is_read_whole(site: FakeSite, date: str, told: str | None) -> None:
    entry = f"<item><title>t</title><link>https://example.com/1</link><pubDate>{date}</pubDate></item>"
    body = f"<rss version='2.0'><channel><title>c</title>{entry}</channel></rss>"
    (article,) = ask(site.put("/feed", page(body.encode()))).articles
    assert article.published_at[:16] == (f"2025-12-21T{told}" if told else "2025-12-21T09:40")


def test_a_guess_keeps_an_entry_without_a_link_the_same_on_the_next_fetch(site: FakeSite) -> None:
    entry = "<item><title>t</title><pubDate>2025-12-21T09:30:00</pubDate></item>"
    body = f"<rss version='2.0'><channel><title>c</title>{entry}</channel></rss>"
    (article,) = ask(site.put("/feed", page(body.encode()))).articles
    assert article.published_at == "2025-12-21T09:30:00.000Z"


@pytest.mark.parametrize(
    "odd",
    [
        "<link>https://example.com/2</link><guid isPermaLink='false'>http://[id]/7</guid>",
        "<link>http://[news]/x</link><guid>https://example.com/2</guid>",
        f"<link>https://example.com/2</link><description>&amp;#{'1' * 5_000};</description>",
    ],
)
def test_an_odd_entry_does_not_take_the_others_with_it(site: FakeSite, odd: str) -> None:
    entry = "<item><title>t</title>{}<pubDate>2025-12-21T09:00:00Z</pubDate></item>"
    entries = entry.format("<link>https://example.com/1</link>") + entry.format(odd)
    body = f"<rss version='2.0'><channel><title>c</title>{entries}</channel></rss>"
    assert len(ask(site.put("/feed", page(body.encode()))).articles) == 2


def test_conditional_get(site: FakeSite) -> None:
    body = (GOLDEN / "atom.xml").read_bytes()
    url = site.put("/feed", page(body, ETag='"v1"', Last_Modified="Sun, 21 Dec 2025 09:00:00 GMT"), (304, {}, b""))
    fetched = ask(url)
    assert fetched.cursor == {"etag": '"v1"', "modified": "Sun, 21 Dec 2025 09:00:00 GMT"}
    again = ask(url, dict(fetched.cursor))
    assert (again.articles, again.cursor) == ((), fetched.cursor)
    _, headers = site.asked[-1]
    assert headers["If-None-Match"] == '"v1"'
    assert headers["If-Modified-Since"] == "Sun, 21 Dec 2025 09:00:00 GMT"


def test_a_permanent_move_is_remembered_and_gone_is_gone(site: FakeSite) -> None:
    new = site.put("/new", page((GOLDEN / "atom.xml").read_bytes()))
    old = site.put("/old", (301, {"Location": "/new"}, b""))
    cursor = dict(ask(old).cursor)
    assert cursor["url"] == new
    site.asked.clear()
    assert ask(old, cursor).cursor["url"] == new
    assert [path for path, _ in site.asked] == ["/new"]
    assert ask(site.put("/gone", (410, {}, b""))).gone


@pytest.mark.parametrize(
    "elsewhere", [(404, {}, b""), (410, {}, b""), (500, {}, b""), page(b"<html>For sale</html>", "text/html")]
)
def test_a_move_is_forgotten_when_it_leads_to_no_feed_any_more(site: FakeSite, elsewhere: Reply) -> None:
    body = (GOLDEN / "atom.xml").read_bytes()
    moved = {"url": site.put("/new", elsewhere), "etag": '"of the new place"'}
    fetched = ask(site.put("/old", page(body)), moved)
    assert (len(fetched.articles), fetched.cursor) == (3, {})
    assert "If-None-Match" not in site.asked[-1][1]
    for status in (404, 410):
        site.put("/old", (status, {}, b""))
        with contextlib.suppress(FetchFailed):
            assert ask(site.address + "/old", moved).gone


def test_a_place_that_is_only_busy_is_not_forgotten(site: FakeSite) -> None:
    moved = {"url": site.put("/new", (429, {"Retry-After": "900"}, b""))}
    with pytest.raises(FetchFailed, match="429"):
        ask(site.put("/old", page((GOLDEN / "atom.xml").read_bytes())), moved)
    assert [path for path, _ in site.asked] == ["/new"]


@pytest.mark.parametrize("etag", ['\u00a0"x"', '"abc\r\n  def"', "\u00e9", " "])
def test_what_may_not_be_sent_back_is_not(site: FakeSite, etag: str) -> None:
    url = site.put("/feed", page((GOLDEN / "atom.xml").read_bytes()))
    held = {"etag": etag, "modified": "Sun, 21 Dec 2025 09:00:00 GMT"}
    assert len(ask(url, held).articles) == 3
    headers = site.asked[-1][1]
    assert ("If-None-Match" in headers, "If-Modified-Since" in headers) == (False, True)


@pytest.mark.parametrize("body", [b"<html><body>Sign in</body></html>", b"", b'{"error": 1}', b"\x89PNG\r\n\x1a\n\0\0"])
def test_what_is_no_feed_is_a_failure(site: FakeSite, body: bytes) -> None:
    with pytest.raises(FetchFailed, match="not a feed"):
        ask(site.put("/feed", page(body, "text/html; charset=utf-8")))


def test_an_entry_without_a_title_has_the_beginning_of_its_description(site: FakeSite) -> None:
    entry = "<item><description>&lt;b&gt;Apple&lt;/b&gt; rises {}</description><guid>https://a.example/1</guid></item>"
    body = f"<rss version='2.0'><channel><title>c</title>{entry.format('x' * 300)}</channel></rss>"
    fetched = ask(site.put("/feed", page(body.encode())))
    assert [each.title for each in fetched.articles] == [f"Apple rises {'x' * 300}"[:200]]


def test_a_cut_feed_gives_what_it_has(site: FakeSite) -> None:
    body = (GOLDEN / "rss_cnbc.xml").read_bytes()
    fetched = ask(site.put("/feed", page(body[: body.index(b'<guid isPermaLink="true"')])))
    assert fetched.articles[0].title.startswith("Apple")


def test_a_page_changed_by_one_entry_keeps_the_others_identities(site: FakeSite) -> None:
    body = (GOLDEN / "rss_cnbc.xml").read_bytes()
    changed = body.replace(b"apple-supplier-outlook", b"another-story").replace(b"09:30 GMT", b"09:31 GMT")
    before = {each.article_id for each in ask(site.put("/feed", page(body))).articles}
    after = {each.article_id for each in ask(site.put("/feed", page(changed))).articles}
    assert len(after - before) == 1


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("AT&T &amp; S&amp;P", "AT&T & S&P"),
        ("<p>One</p><p>two<br>three</p>", "One two three"),
        ("5 < 6 <b>bold</b>ly", "5 < 6 boldly"),
        ("<style>p{}</style>x<script>y</script>", "x"),
        ("<!-- hidden -->shown <img src=x onerror=alert(1)>", "shown"),
        ("a\n\t b\u00a0c", "a b c"),
        ("<div" * 10_000, ""),
        (f"a &#{'1' * 5_000}; b", "a \ufffd b"),
        (f"a &#{'1' * 3_000}<b></b>{'1' * 3_000}", "a \ufffd"),
    ],
)
def test_plain_text(html: str, text: str) -> None:
    assert plain_text(html)[:50] == text or not text


def test_the_shipped_feeds_are_well_formed() -> None:
    sources = load_sources(None)
    assert len(sources) >= 10
    assert all(source.url.startswith("https://") for source in sources)
    assert all(source.kind == "rss" or source.secret for source in sources), "what needs no key, or waits for one"


def test_bad_source_settings_are_all_named() -> None:
    text = '[{"name": "A B", "kind": "rss", "url": "https://x"}, {"name": "b", "kind": "smoke", "url": "ftp://x"}]'
    with pytest.raises(Unusable, match=r"A B\.name") as caught:
        read_sources(text, "sources.json")
    assert all(part in str(caught.value) for part in ("b.kind", "no such kind", "b.url", "sources.json"))
    option = '[{"name": "c", "kind": "json", "url": "https://x", "options": {"fields": {"id": "i"}, "pagin": {}}}, 7]'
    with pytest.raises(Unusable, match=r"c\.options\.fields\.title: Field required; c\.options\.pagin: .*; 1: "):
        read_sources(option, "sources.json")
    with pytest.raises(Unusable, match="it is to be a list of sources"):
        read_sources('{"name": "a"}', "sources.json")
    twice = '[{"name": "a", "kind": "rss", "url": "https://x"}, {"name": "a", "kind": "rss", "url": "https://y"}]'
    with pytest.raises(Unusable, match="two sources named a"):
        read_sources(twice, "sources.json")
