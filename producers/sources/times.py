"""Times as sources and files write them."""

import re
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from contracts.errors import BadEvent
from contracts.instants import iso_ms, parse_ms
from contracts.resolution import HOUR_MS, MINUTE_MS

MAX_CHARACTERS: Final = 60
#: Of seconds and milliseconds since 1970, from 2001 to 2286.
_SINCE_1970_DIGITS: Final = (10, 13)
_SLASHED: Final = re.compile(r"\A(\d{4})/(\d\d)/(\d\d)(?=[ T])")
#: Zones that mean one thing everywhere, in hours: what RFC 822 names, and a few more.
_HOURS: Final = {
    "Z": 0, "UT": 0, "UTC": 0, "GMT": 0, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8,
    "PDT": -7, "CET": 1, "CEST": 2, "JST": 9,
}  # fmt: skip
#: A date and time, and its zone: an offset, perhaps with a name after it, or a name; perhaps with a remark.
_ZONED: Final = re.compile(
    r"(?P<time>.*:\d\d(?:[.,]\d+)?)\s*"
    r"(?:(?:GMT|UTC)?(?P<sign>[+-])(?P<hours>\d\d):?(?P<minutes>\d\d)(?:\s+[A-Z]{1,5})?|(?P<name>[A-Za-z]{1,4}))"
    r"(?:\s*\([^()]*\))?"
)


def iso_time(value: object) -> str:
    """ISO-8601 text from what files and sources hold: ISO, seconds or milliseconds since 1970, RFC 822 or a datetime.

    A time without a zone is refused (it would be a guess) by whoever parses the result.
    """
    if isinstance(value, datetime):
        return _in_utc(value)
    text = str(value).strip()
    at_ms = _since_1970_ms(text)
    if at_ms is None:
        at_ms = zoned_ms(text)
    if at_ms is not None:
        return iso_ms(at_ms)
    if "," in text[:5]:
        with suppress(ValueError, OverflowError):  # no instant that a calendar has
            return _in_utc(parsedate_to_datetime(text))
    return text


def _since_1970_ms(text: str) -> int | None:
    """Milliseconds of seconds or milliseconds since 1970."""
    try:
        number = float(text)
    except ValueError:
        return None
    return round(number if number > 1e11 else number * 1000) if 0 < number < 1e14 else None


def zoned_ms(text: str) -> int | None:
    """Milliseconds UTC of an ISO or RFC 822 time as feeds write them, or of seconds since 1970; None when it is another
    form, has no zone that means one thing, or is no instant that a calendar has."""
    if text.strip().isdecimal() and len(text.strip()) in _SINCE_1970_DIGITS:
        return _since_1970_ms(text)
    found = _ZONED.fullmatch(text.strip()[: MAX_CHARACTERS + 1])
    if not found:
        return None
    if found["name"]:
        offset_ms = _HOURS[found["name"].upper()] * HOUR_MS if found["name"].upper() in _HOURS else None
    else:
        offset_ms = int(found["sign"] + "1") * (int(found["hours"]) * HOUR_MS + int(found["minutes"]) * MINUTE_MS)
    naive_ms = _utc_ms(found["time"])
    if offset_ms is None or naive_ms is None:
        return None
    try:
        iso_ms(naive_ms - offset_ms)
    except (ValueError, OverflowError):
        return None
    return naive_ms - offset_ms


def _utc_ms(text: str) -> int | None:
    """A time without a zone as if it were in UTC."""
    text = _SLASHED.sub(r"\1-\2-\3", text)
    try:
        return parse_ms(f"{text}Z")
    except BadEvent:
        pass
    try:
        return int(parsedate_to_datetime(f"{text} +0000").timestamp() * 1000)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _in_utc(moment: datetime) -> str:
    try:
        return moment.astimezone(UTC).isoformat() if moment.tzinfo else moment.isoformat()
    except OverflowError:  # at either end of all years; refused as too far from now
        return moment.isoformat()
