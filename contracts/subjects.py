"""Subjects: what a series is about. A ticker (`AAPL`, `BRK.B`) or a tag (`tag:ai-regulation`)."""

import re
from typing import Final

from contracts.errors import BadEvent

TAG_PREFIX: Final = "tag:"
_TICKER: Final = re.compile(r"[A-Z][A-Z0-9.\-]{0,9}\Z", re.ASCII)
_TAG: Final = re.compile(r"[a-z0-9][a-z0-9\-]{0,49}\Z", re.ASCII)


def is_ticker(text: str) -> bool:
    """True for a ticker in canonical (upper-case) form."""
    return bool(_TICKER.match(text))


def is_tag(text: str) -> bool:
    """True for a tag without its `tag:` prefix."""
    return bool(_TAG.match(text))


def is_subject(text: str) -> bool:
    """True for a canonical ticker, or `tag:` and a tag."""
    return is_tag(text[4:]) if text.startswith(TAG_PREFIX) else is_ticker(text)


def parse_subject(text: str) -> str:
    """The canonical subject for what a person or a source wrote: tickers are upper-cased on entry.

    Raises `BadEvent("bad_subject")`; `#` and `~` never pass (they separate keys).
    """
    stripped = text.strip()
    subject = stripped if stripped.startswith(TAG_PREFIX) else stripped.upper()
    # Upper-casing alone makes a ticker of what is none: `ß` becomes SS, `ﬁ` FI.
    if not stripped.isascii() or not is_subject(subject):
        raise BadEvent("bad_subject", f"{text[:60]!r} is neither a ticker (^[A-Z][A-Z0-9.-]{{0,9}}$) nor tag:name")
    return subject
