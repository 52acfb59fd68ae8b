"""What hostile feeds try: entities, other files, size and depth, and text that takes parsers quadratic time.

Without the limits each of these took from five seconds to minutes, or gigabytes.
"""

import codecs
import time
from pathlib import Path
from typing import Any

import pytest

from producers.fetch import Answer, FetchFailed
from producers.sources import feed_document as limits
from producers.sources.feed_document import OverLimit, feed_document
from producers.sources.rss import MAX_ENTRIES, parse_feed
from producers.sources.text import plain_text
from tests.fakes.web import FakeSite, page
from tests.unit.producers.test_rss import ask

URL = "https://feeds.example/all"
RSS = '<rss version="2.0"><channel><title>Wire</title>{}</channel></rss>'


def feed(inside: str, before: str = "") -> bytes:
    return (before + RSS.format(inside)).encode()


def titles(body: bytes, content_type: str = "text/xml") -> list[str]:
    parsed = parse_feed(Answer(200, {"Content-Type": content_type}, body, None), URL)
    return [plain_text(str(entry.get("title", ""))) for entry in parsed.entries]


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
DOCUMENT_TYPES = {
    "billion laughs": f'<!DOCTYPE rss [<!ENTITY l0 "lol">{LAUGHS}]>',
    "quadratic blow-up": f'<!DOCTYPE rss [<!ENTITY l9 "{"a" * 50_000}">]>',
    "a file": '<!DOCTYPE rss [<!ENTITY l9 SYSTEM "file:///etc/hostname">]>',
    "an address": '<!DOCTYPE rss [<!ENTITY l9 SYSTEM "http://127.0.0.1:9/x">]>',
    "a parameter": '<!DOCTYPE rss [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x"> %p;]>',
    "an outside subset": '<!DOCTYPE rss SYSTEM "http://127.0.0.1:9/rss.dtd">',
    "hidden in a comment": '<!-- <rss> --><?x <rss> ?><!DOCTYPE rss [<!ENTITY l9 "lol">]>',
}


@pytest.mark.parametrize("name", DOCUMENT_TYPES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_multiply_nothing_and_read_nothing(name: str, encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("something was opened")

    monkeypatch.setattr("urllib.request.urlopen", never)
    monkeypatch.setattr("socket.getaddrinfo", never)
    head = f'<?xml version="1.0" encoding="{encoding}"?>{DOCUMENT_TYPES[name]}'
    body = feed(f"<item><title>Before {'&l9;' * 1_000} after</title></item>", head)
    document = feed_document(body.decode().encode(encoding), "text/xml")
    assert b"ENTITY" not in document
    assert b"DOCTYPE" not in document
    (title,) = titles(body.decode().encode(encoding))
    assert title.startswith("Before")
    assert "lol" not in title
    assert len(title) < 20_000


def test_an_answer_that_is_the_name_of_a_file_is_not_opened(tmp_path: Path) -> None:
    secret = tmp_path / "feed.xml"
    secret.write_bytes(feed("<item><title>Secret</title></item>"))
    for body in (str(secret).encode(), b"/dev/zero", secret.as_uri().encode(), b"http://127.0.0.1:9/"):
        with pytest.raises(FetchFailed, match="not a feed"):
            titles(body)


TOO_MUCH = {
    "size": b" " * (limits.MAX_FEED_BYTES + 1),
    "elements": feed("<a/>" * limits.MAX_ELEMENTS),
    "deep": feed("<a>" * (limits.MAX_DEPTH + 1)),
    "attributes": feed("<item " + " ".join(f'a{n}="1"' for n in range(limits.MAX_ATTRIBUTES + 1)) + "/>"),
    "damaged, and over": feed("<&>" + "x" * limits.MAX_REPAIRED_BYTES),
    "damaged, with more": feed("<&>" + "<a/>" * limits.MAX_ELEMENTS),
}


@pytest.mark.parametrize("what", TOO_MUCH)
def test_what_no_feed_would_be_is_refused_before_it_is_parsed(what: str) -> None:
    with pytest.raises(OverLimit):
        feed_document(TOO_MUCH[what], "text/xml")
    with pytest.raises(FetchFailed, match="not a feed"):
        titles(TOO_MUCH[what])


def test_attributes_are_counted_in_every_encoding() -> None:
    attributes = " ".join(f'a{n}="1"' for n in range(limits.MAX_ATTRIBUTES + 1))
    body = feed(f"<item {attributes}/>", '<?xml version="1.0" encoding="shift_jis"?>')
    with pytest.raises(OverLimit, match="attributes"):
        feed_document(body, "text/xml")


def test_what_is_just_within_the_limits_is_read() -> None:
    attributes = " ".join(f'a{n}="1"' for n in range(limits.MAX_ATTRIBUTES))
    depth = limits.MAX_DEPTH - 3
    item = f"<item {attributes}><title>T</title>{'<a>' * depth}{'</a>' * depth}</item>"
    assert titles(feed(item + "<a/>" * 1_000)) == ["T"]


def test_an_endless_author_is_not_searched_for_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    from feedparser import mixin

    looked: list[int] = []
    real = mixin.re.search

    def search(pattern: Any, text: str, *more: Any, **named: Any) -> object:
        if "@" in str(pattern):
            looked.append(len(text))
        return real(pattern, text, *more, **named)

    monkeypatch.setattr(mixin.re, "search", search)
    authors = [f"<author>{'a.a' * 100_000}</author>", "<author>jo@wire.example (Jo)</author>"]
    assert titles(feed("".join(f"<item><title>T</title>{each}</item>" for each in authors))) == ["T", "T"]
    assert looked, "the search is where it was"
    assert max(looked) <= 200


def test_elements_where_its_extensions_do_not_expect_them_are_the_feeds_fault(site: FakeSite) -> None:
    body = feed('<item><title>T</title><g:pos xmlns:g="http://www.opengis.net/gml">1 2</g:pos></item>')
    with pytest.raises(FetchFailed, match="cannot be read"):
        ask(site.put("/feed", page(body)))


@pytest.mark.parametrize(
    ("text", "encoding", "declared", "content_type"),
    [
        ("Zürich – “quoted” €", "utf-8", "", "text/xml"),
        ("Zürich – “quoted” €", "utf-8-sig", "", "text/xml"),
        ("Zürich", "iso-8859-1", "iso-8859-1", "text/xml"),
        ("Zürich €", "windows-1252", "", "text/xml"),
        ("Zürich", "iso-8859-1", "", "text/xml; charset=ISO-8859-1"),
        ("Zürich", "utf-8", "", 'text/xml; charset="utf-8"'),
        ("株価", "shift_jis", "shift_jis", "text/xml"),
        ("Москва", "koi8-r", "koi8-r", "application/rss+xml"),
        ("سهم 📈", "utf-16", "utf-16", "text/xml"),
        ("Zürich", "utf-8", "punycode", "text/xml"),
        ("Zürich", "utf-8", "no-such", "text/xml; charset=neither"),
        ("Zürich", "utf-8", "ascii", "text/xml; charset=us-ascii"),
    ],
)
def test_encodings(text: str, encoding: str, declared: str, content_type: str) -> None:
    head = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    body = feed(f"<item><title>{text}</title></item>", head).decode().encode(encoding)
    assert titles(body, content_type) == [text]


def test_no_encoding_that_is_none_of_text_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[str] = []
    real = codecs.lookup
    monkeypatch.setattr(codecs, "lookup", lambda name: used.append(name) or real(name))
    for name in ("punycode", "idna", "unicode_escape", "zlib", "rot13", "utf-7"):
        body = feed("<item><title>T</title></item>", f'<?xml version="1.0" encoding="{name}"?>')
        assert titles(body) == ["T"], name
    assert len(used) >= 6


def test_a_document_type_and_comments_before_the_root_do_no_harm() -> None:
    item = "<item><title>A &amp; B &lt; C</title></item>"
    for head in (
        '<?xml version="1.0"?>\n<!DOCTYPE rss PUBLIC "-//Netscape//DTD RSS 0.91//EN" "http://x.example/rss.dtd">\n',
        '<!DOCTYPE rss [<!ENTITY nbsp "&#160;">]>',
        "<!-- made by <b>hand</b> > --><?xml-stylesheet href='x.xsl'?>",
        "\ufeff\n\n  ",
    ):
        assert titles(feed(item, head)) == ["A & B < C"]


@pytest.mark.parametrize("head", ["<!--", "<?xml", "<!DOCTYPE rss [", "<", "\n" * 300_000, "<!ENTITY " * 30_000])
def test_a_head_that_never_ends_is_no_feed_or_none_of_its_business(head: str) -> None:
    document = feed_document(feed("", head), "text/xml")
    assert document.count(b"<?xml") == 1
    assert b"<!" not in document


def test_a_prologue_is_searched_once() -> None:
    """Looking for the list of each declaration to the end of the text took a minute at the limit."""
    item = "<item><title>T</title></item>"
    started_s = time.process_time()
    assert titles(feed(item, "<!a>" * (limits.MAX_FEED_BYTES // 4 - 100))) == ["T"]
    assert time.process_time() - started_s < 8


def test_a_feed_that_was_cut_off_is_asked_for_again(site: FakeSite) -> None:
    whole = feed("".join(f"<item><title>T{n}</title><link>https://x.example/{n}</link></item>" for n in range(9)))
    cut = whole[: len(whole) // 2]
    url = site.put("/feed", page(cut, ETag='"1"', Last_Modified="Sun, 21 Dec 2025 09:00:00 GMT"))
    first = ask(url)
    assert first.cursor == {}
    assert 0 < len(first.articles) < 9
    site.put("/feed", page(whole, ETag='"2"'))
    assert len(ask(url, dict(first.cursor)).articles) == 9
    assert ask(url).cursor == {"etag": '"2"'}


def test_entries_that_are_left_out_are_told(site: FakeSite) -> None:
    items = "".join(
        f"<item><title>T{n}</title><link>https://x.example/{n}</link></item>" for n in range(MAX_ENTRIES + 3)
    )
    fetched = ask(site.put("/feed", page(feed(items))))
    assert len(fetched.articles) == MAX_ENTRIES
    assert fetched.note == "3 entries after the first 1,000 were left out"


# ---- text -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("Q1<Q2, says R&D", "Q1<Q2, says R&D"),
        ('<img alt="a > b" src=x>shown', "shown"),
        ('shown <a href="https://x.example/that-was-cut', "shown"),
        ("x<SCRIPT>alert(1)</script >y", "xy"),
        ("x<script>alert(1)", "x"),
        ("<scripty>shown</scripty>", "shown"),
        ("&lt;b&gt; is a tag", "<b> is a tag"),
        ("red \x1b[31malert\x07 &#27;]0;title", "red [31malert ]0;title"),
        ("a\x85b\u2028c", "a b c"),
    ],
)
def test_what_a_reader_sees(html: str, text: str) -> None:
    assert plain_text(html) == text


def test_damaged_markup_is_read_a_bounded_number_of_times() -> None:
    """The standard library's parser takes five seconds of the processor for some of these, this a few hundredths."""
    for text in ("<a ", "<a/", "<a b=", '<a b="', "<!--", "<a\n", "<script", "</a", "&", "<a 'b", "<svg", "<![CDATA["):
        started_s = time.process_time()
        plain_text(text * 10_000)
        assert time.process_time() - started_s < 2, text


@pytest.mark.parametrize(
    ("told", "meant", "text", "damage", "shown"),
    [
        ("utf-8", "utf-8", "Apple’s “Café”", b"\xc3", "Apple’s “Café”\ufffd"),
        ("", "utf-8", "Apple’s “Café”", b"\xff", "Apple’s “Café”\ufffd"),
        ("utf-8", "windows-1252", "Apple’s “Café”", b"", "Apple’s “Café”"),
        ("iso-8859-1", "windows-1252", "Apple’s “Café”", b"", "Apple’s “Café”"),
        ("iso-8859-1", "utf-8", "Apple’s “Café”", b"", "Apple’s “Café”"),
        ("gb2312", "gbk", "朱镕基", b"", "朱镕基"),
        ("shift_jis", "cp932", "①髙", b"", "①髙"),
        ("euc-kr", "cp949", "똠방", b"", "똠방"),
        ("utf-8", "utf-8", "\ufffd", b"", "\ufffd"),
    ],
)
def test_a_damaged_byte_or_a_smaller_encoding_told_spoils_no_other_text(
    told: str, meant: str, text: str, damage: bytes, shown: str
) -> None:
    body = RSS.format("<item><title>{}</title></item>").encode().replace(b"{}", text.encode(meant) + damage)
    assert titles(body, f"text/xml; charset={told}") == [shown]
