"""Rows as sources and files give them: what is no article is a `BadEvent` that names its field."""

import re
from typing import Any

import pytest

from contracts.errors import BadEvent
from contracts.events import decode_raw, make_raw
from contracts.identity import series_of
from contracts.subjects import parse_subject

NOW = "2025-12-21T09:00:00.000Z"
ROW: dict[str, Any] = {"title": "t", "published_at": NOW, "ingested_at": NOW}
OPTIONAL_TEXTS = ("url", "article_id", "publisher", "author", "language", "raw_key")


@pytest.mark.parametrize("before", range(180, 201))
def test_a_snippet_is_cut_between_words_so_that_no_other_ticker_is_made(before: int) -> None:
    """`(NASDAQ: MSTR)` cut behind its second letter is Morgan Stanley."""
    text = "x" * (before - 1) + " (NASDAQ: MSTR) today and tomorrow"
    snippet = make_raw("wire", ROW | {"snippet": text}).snippet
    assert set(re.findall(r"NASDAQ: (\w+)", snippet)) <= {"MSTR"}
    assert before - 1 <= len(snippet) <= 200


@pytest.mark.parametrize("text", ["x" * 300, "漢" * 300, "word " * 50, "a " * 100, "x" * 200])
def test_a_snippet_has_at_most_200_characters_and_keeps_nearly_all_of_them(text: str) -> None:
    snippet = make_raw("wire", ROW | {"snippet": text}).snippet
    assert len(text.strip()) > 200 or snippet == text.strip()
    assert 190 < len(snippet) <= 200


@pytest.mark.parametrize(
    ("title", "publisher", "kept"),
    [
        ("Apple shares fall - Reuters", "Reuters", "Apple shares fall"),
        ("Apple shares fall | The Wire", "The Wire", "Apple shares fall"),
        ("iPhone Cuts to Grow By Investing.com", "Investing.com", "iPhone Cuts to Grow"),
        ("Apple shares fall - Reuters", "CNBC", "Apple shares fall - Reuters"),
        ("Apple shares fall - Reuters", None, "Apple shares fall - Reuters"),
        (" - Reuters", "Reuters", "- Reuters"),
        ("Apple buys Reuters", "Reuters", "Apple buys Reuters"),
    ],
)  # fmt: skip
def test_a_title_loses_its_publishers_name(title: str, publisher: str | None, kept: str) -> None:
    told = make_raw("wire", ROW | {"title": title, "publisher": publisher})
    assert told.title == kept
    assert told.article_id == make_raw("wire", ROW | {"title": title}).article_id, "as it was known before"


@pytest.mark.parametrize("field", OPTIONAL_TEXTS)
@pytest.mark.parametrize("value", [5, ["http://a.example/"], {"a": 1}, True], ids=repr)
def test_a_field_that_is_no_text_is_named(field: str, value: object) -> None:
    with pytest.raises(BadEvent, match=f"bad_value: {field}: "):
        make_raw("wire", ROW | {field: value})


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("published_at", "soon", "bad_time"),
        ("published_at", None, "bad_time"),
        ("ingested_at", "yesterday", "bad_time"),
        ("tickers", ["AAPL", "AA PL!"], "bad_subject"),
        ("tickers", ["tag:ai-regulation"], "bad_subject"),
        ("tags", ["Not a tag"], "bad_subject"),
    ],
)
def test_a_time_a_ticker_or_a_tag_that_is_none_is_named(field: str, value: object, reason: str) -> None:
    with pytest.raises(BadEvent, match=f"^{reason}: {field}: "):
        make_raw("wire", ROW | {field: value})


def test_a_tag_among_the_tickers_of_what_is_stored_is_read_as_it_was_counted() -> None:
    stored = make_raw("wire", ROW | {"tickers": ["AAPL"]}).encode().replace(b'["AAPL"]', b'["AAPL","tag:ai"]')
    assert decode_raw(stored).tickers == ("AAPL", "tag:ai")


@pytest.mark.parametrize("title", ["", "  ", None])
def test_an_empty_title_is_a_missing_field(title: str | None) -> None:
    with pytest.raises(BadEvent, match="missing_field: title: "):
        make_raw("wire", ROW | {"title": title})


@pytest.mark.parametrize("text", ["ﬁ", "aß", "ſ", "Å", "ﬀ.b"])
def test_a_ticker_is_ascii_before_it_is_upper_cased(text: str) -> None:
    with pytest.raises(BadEvent, match="bad_subject"):
        parse_subject(text)


def test_a_ticker_is_upper_cased_on_entry() -> None:
    assert [parse_subject(text) for text in (" aapl ", "brk.b", "tag:ai")] == ["AAPL", "BRK.B", "tag:ai"]


@pytest.mark.parametrize("url", ["", " ", "N/A", "n.a.", "-", "nan", "none", "#", "https://", None])
def test_what_is_no_address_is_no_identity(url: str | None) -> None:
    told = [make_raw("wire", ROW | {"url": url, "title": title}).article_id for title in ("Apple good", "Apple bad")]
    assert told == [make_raw("wire", ROW | {"title": title}).article_id for title in ("Apple good", "Apple bad")]
    assert len(set(told)) == 2


@pytest.mark.parametrize("url", ["/news/{}", "www.a.example/{}", "//a.example/{}", "s3://b/k{}", "urn:x:{}"])
def test_an_address_that_is_not_of_the_web_tells_apart_what_has_one_title(url: str) -> None:
    rows = [ROW | {"url": url.format(1)}, ROW | {"url": url.format(2)}, ROW | {"url": url.format(1), "title": "u"}, ROW]
    assert len({make_raw("wire", row).article_id for row in rows}) == 4
    assert make_raw("wire", rows[0]).article_id == make_raw("wire", ROW | {"url": f" {url.format(1)} "}).article_id


@pytest.mark.parametrize("url", ["https://a.example/1", " HTTP://a.example/1", "http://[id]/7", "http://a.example:x/1"])
def test_an_address_is_an_identity_whatever_the_title(url: str) -> None:
    assert len({make_raw("wire", ROW | {"url": url, "title": title}).article_id for title in ("A", "B")}) == 1


def test_a_share_class_is_one_series_however_it_is_written() -> None:
    written = ("BRK-B", "BRK.B", "brk-b", "NE-WS", "BTC-USD", "A.B-C")
    assert make_raw("wire", ROW | {"tickers": written}).tickers == ("BRK.B", "NE-WS", "BTC-USD", "A.B-C")
    assert series_of("BAC-PK") == "BAC.PK"
    assert series_of("tag:plan-b") == "tag:plan-b"
