"""Of a row no article can be made of nothing is kept that would be an article's text (design section 4)."""

import base64
import json

import pytest

from contracts.aside import list_asides
from contracts.events import MAX_SNIPPET_CHARACTERS
from producers.excerpt import MAX_CHARACTERS, MAX_ROW_CHARACTERS, excerpt
from tests.fakes.web import FakeSite, page
from tests.unit.producers.test_service import Polling, source

BODY = "A sentence of the article. " * 300


PIECES = [f"Sentence {number} of the article. " * 5 for number in range(60)]


@pytest.mark.parametrize(
    "row", [{"body": BODY}, [BODY, {"deep": [BODY]}], BODY, {"body": [BODY, *PIECES]}],
    ids=["object", "list", "text", "pieces"],
)  # fmt: skip
def test_texts_are_cut_and_all_else_is_kept(row: object) -> None:
    kept = excerpt(json.dumps({"id": 7, "at": "yesterday", "row": row}).encode())
    document = json.loads(kept)
    assert (document["id"], document["at"]) == (7, "yesterday")
    assert "A sentence of the article." in kept.decode()
    assert all(len(text) <= MAX_SNIPPET_CHARACTERS for text in texts(document))
    assert sum(len(text) for text in texts(document) if text != "…") <= MAX_ROW_CHARACTERS


def test_a_short_row_is_kept_byte_for_byte() -> None:
    row = b'{"id":  7, "title": "Short \\u00e9"}'
    assert excerpt(row) == row


@pytest.mark.parametrize("row", [b"{" + BODY.encode(), b"\xff\xfe" * 1000, b"[" * 2000, b"[" * 600 + b"]" * 600])
def test_of_what_cannot_be_read_the_beginning_is_kept(row: bytes) -> None:
    assert 0 < len(excerpt(row).decode()) <= MAX_CHARACTERS


def texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for member in members for text in texts(member)]


def test_a_rejected_entry_of_a_feed_is_set_aside_without_its_text(site: FakeSite) -> None:
    entry = f"<item><title>T</title><link>https://a.example/1</link><pubDate>0000-01-01T00:00:00Z</pubDate>{BODY}"
    body = f"<rss version='2.0'><channel>{entry}<description>{BODY}</description></item></channel></rss>"
    polling = Polling(source("desk", site.put("/feed", page(body.encode()))))
    assert polling.service.poll().rejected == 1
    (aside,) = list_asides(polling.lake, "quarantined")
    kept = base64.b64decode(aside["data"]).decode()
    assert "A sentence of the article." in kept
    assert len(kept) < 5 * MAX_SNIPPET_CHARACTERS
