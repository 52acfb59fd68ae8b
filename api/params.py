"""Reading what a caller asked for: subjects, resolutions, instants. Every fault names what would be allowed."""

import re
from typing import Literal

from contracts.errors import BadEvent, BadRequest
from contracts.identity import series_of
from contracts.instants import MAX_MS, parse_ms
from contracts.resolution import NAMES
from contracts.subjects import parse_subject

ResolutionName = Literal[NAMES]  # type: ignore[valid-type]  # for pydantic; mypy cannot compute a type
MAX_SUBJECTS = 20
#: For the OpenAPI document; `contracts.subjects` decides.
SUBJECT_PATTERN = r"([A-Za-z][A-Za-z0-9.\-]{0,9}|tag:[a-z0-9][a-z0-9\-]{0,49})"
SUBJECT_SCHEMA = {"pattern": f"^{SUBJECT_PATTERN}$"}
SUBJECTS_SCHEMA = {"pattern": f"^{SUBJECT_PATTERN}(,{SUBJECT_PATTERN}){{0,19}}$"}
RESOLUTIONS_SCHEMA = {"pattern": f"^({'|'.join(NAMES)})(,({'|'.join(NAMES)}))*$"}
INSTANT_SCHEMA = {"format": "date-time"}
_LOST_PLUS = re.compile(r" (\d{2}:?\d{2})\Z")


def subject_of(text: str) -> str:
    """A canonical subject, by the name of its series. Raises `BadRequest`."""
    try:
        return series_of(parse_subject(text))
    except BadEvent as error:
        raise BadRequest(error.detail) from None


def subjects_of(text: str, at_most: int = MAX_SUBJECTS) -> tuple[str, ...]:
    """Distinct subjects of a comma-separated list, in its order. Raises `BadRequest`."""
    found = tuple(dict.fromkeys(subject_of(part) for part in text.split(",") if part.strip()))
    if not found:
        raise BadRequest("tickers: at least one subject is needed, as in tickers=AAPL,tag:ai-regulation")
    if len(found) > at_most:
        raise BadRequest(f"tickers: {len(found)} subjects, at most {at_most}")
    return found


def resolution_of(text: str) -> str:
    """A resolution's name. Raises `BadRequest`."""
    if text not in NAMES:
        raise BadRequest(f"unknown resolution {text[:40]!r}", NAMES)
    return text


def resolutions_of(text: str) -> tuple[str, ...]:
    """Distinct resolutions of a comma-separated list. Raises `BadRequest`."""
    found = tuple(dict.fromkeys(resolution_of(part.strip()) for part in text.split(",") if part.strip()))
    if not found:
        raise BadRequest("resolutions: at least one is needed", NAMES)
    return found


def instant_of(text: str, name: str) -> int:
    """Milliseconds UTC of an ISO-8601 instant with a zone. Raises `BadRequest`.

    A `+` that was not escaped in a query arrives as a space and is put back.
    """
    try:
        instant_ms = parse_ms(_LOST_PLUS.sub(r"+\1", text.strip()))
    except BadEvent as error:
        raise BadRequest(f"{name}: {error.detail}; give a zone, as in 2025-12-21T10:35:00Z") from None
    if not 0 <= instant_ms <= MAX_MS:
        raise BadRequest(f"{name}: {text[:40]!r} is outside 1970-01-01 … 2100-01-01")
    return instant_ms


def instant_or_none(text: str | None, name: str) -> int | None:
    """`instant_of` a parameter that may be left out."""
    return None if text is None else instant_of(text, name)


def range_of(start: str | None, end: str | None) -> tuple[int | None, int | None]:
    """The range `[start, end)` in milliseconds. Raises `BadRequest` when it runs backwards."""
    start_ms = instant_or_none(start, "start")
    end_ms = instant_or_none(end, "end")
    if start_ms is not None and end_ms is not None and start_ms > end_ms:
        raise BadRequest(f"start {start} is after end {end}; start is inclusive, end is exclusive")
    return start_ms, end_ms
