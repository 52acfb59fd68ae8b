"""Paging cursors: opaque to the caller, bound to the question they continue."""

import base64
import binascii
from typing import Any

import msgspec
from xxhash import xxh3_64_hexdigest

from contracts.errors import BadRequest

MAX_CURSOR_CHARACTERS = 2_000
NOT_OURS = "cursor: not a cursor this API made; start again without it"


def question_hash(*parts: object) -> str:
    """Eight characters that tell one question from another."""
    return xxh3_64_hexdigest(repr(parts))[:8]


def encode_page(question: str, position: Any) -> str:
    """The cursor of the page after `position` (JSON-ready)."""
    raw = msgspec.json.encode([question, position])
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode_page(text: str, question: str, kind: type) -> Any:
    """The position a cursor holds, of type `kind`. Raises `BadRequest` for one we did not make, or made for another
    question: continuing somewhere else would repeat or skip."""
    if len(text) > MAX_CURSOR_CHARACTERS:
        raise BadRequest("cursor: too long to be one of ours")
    try:
        raw = base64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4))
        asked, position = msgspec.json.decode(raw, type=tuple[str, kind])  # type: ignore[valid-type]
    except (binascii.Error, msgspec.DecodeError, UnicodeError, ValueError):
        raise BadRequest(NOT_OURS) from None
    if asked != question:
        raise BadRequest("cursor: it continues another question; repeat the parameters of the first page")
    return position
