"""Rows as sources and files give them: what is no article is a `BadEvent` that names its field."""

from typing import Any

import pytest

from contracts.errors import BadEvent
from contracts.events import make_raw
from contracts.subjects import parse_subject

NOW = "2025-12-21T09:00:00.000Z"
ROW: dict[str, Any] = {"title": "t", "published_at": NOW, "ingested_at": NOW}
OPTIONAL_TEXTS = ("url", "article_id", "publisher", "author", "language", "raw_key")


@pytest.mark.parametrize("field", OPTIONAL_TEXTS)
@pytest.mark.parametrize("value", [5, ["http://a.example/"], {"a": 1}, True], ids=repr)
def test_a_field_that_is_no_text_is_named(field: str, value: object) -> None:
    with pytest.raises(BadEvent, match=f"bad_value: {field}: "):
        make_raw("wire", ROW | {field: value})


@pytest.mark.parametrize("text", ["ﬁ", "aß", "ſ", "Å", "ﬀ.b"])
def test_a_ticker_is_ascii_before_it_is_upper_cased(text: str) -> None:
    with pytest.raises(BadEvent, match="bad_subject"):
        parse_subject(text)


def test_a_ticker_is_upper_cased_on_entry() -> None:
    assert [parse_subject(text) for text in (" aapl ", "brk.b", "tag:ai")] == ["AAPL", "BRK.B", "tag:ai"]
