"""Instants: integer milliseconds UTC inside, ISO-8601 with `Z` at the edges."""

import re
from datetime import UTC, datetime
from typing import Final

from contracts.errors import BadEvent

MIN_MS: Final = 946_684_800_000  # 2000-01-01: nothing older is news
MAX_MS: Final = 4_102_444_800_000  # 2100-01-01
FIRST_MS: Final = -62_135_596_800_000  # the year 1, where the calendar begins
LAST_MS: Final = 253_402_300_799_999  # the last of the year 9999
_ISO: Final = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?(Z|z|[+-]\d{2}:?\d{2})\Z", re.ASCII
)


def parse_ms(text: str) -> int:
    """Milliseconds UTC of an ISO-8601 instant; digits past the millisecond are cut off, never rounded up.

    Raises `BadEvent` for anything else, a missing zone included: a naive time is a guess; and for what `iso_ms` could
    not write, because its zone takes it out of the calendar.
    """
    found = _ISO.match(text)
    if not found:
        raise BadEvent("bad_time", f"not an ISO-8601 instant with a zone: {text[:40]!r}")
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    try:
        moment = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0), tzinfo=UTC)
    except ValueError as error:
        raise BadEvent("bad_time", f"no such instant: {text[:40]!r}: {error}") from None
    offset_s = 0
    if zone not in "Zz":
        hours, minutes = int(zone[1:3]), int(zone[-2:])
        if hours > 23 or minutes > 59:
            raise BadEvent("bad_time", f"no such zone: {text[:40]!r}")
        offset_s = (1 if zone[0] == "+" else -1) * (hours * 3600 + minutes * 60)
    millis = int((fraction or "0").ljust(3, "0")[:3])
    instant_ms = (int(moment.timestamp()) - offset_s) * 1000 + millis
    if not FIRST_MS <= instant_ms <= LAST_MS:
        raise BadEvent("bad_time", f"not in the years 1 to 9999: {text[:40]!r}")
    return instant_ms


def iso_ms(instant_ms: int) -> str:
    """`2025-12-21T10:35:12.345Z`: the canonical fixed-width form events carry."""
    seconds, millis = divmod(instant_ms, 1000)
    return f"{_text_of(seconds)}.{millis:03d}Z"


def iso_s(instant_ms: int) -> str:
    """`2025-12-21T10:35:00Z`: the form bucket keys carry; the instant must be a whole second."""
    assert instant_ms % 1000 == 0, f"{instant_ms} is not a whole second"
    return f"{_text_of(instant_ms // 1000)}Z"


def date_of(instant_ms: int) -> str:
    """`2025-12-21`: the UTC day of an instant."""
    return _text_of(instant_ms // 1000)[:10]


def _text_of(seconds: int) -> str:
    """`2025-12-21T10:35:12`. Not with `%Y`, which writes the year 1 as `1`."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]
