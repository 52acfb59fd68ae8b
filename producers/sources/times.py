"""Times as sources and files write them."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from contracts.instants import iso_ms


def iso_time(value: object) -> str:
    """ISO-8601 text from what files hold: ISO, seconds or milliseconds since 1970, RFC 2822, or a datetime.

    A time without a zone is refused (it would be a guess) by whoever parses the result.
    """
    if isinstance(value, datetime):
        return _in_utc(value)
    text = str(value).strip()
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if 0 < number < 1e14:
        return iso_ms(round(number if number > 1e11 else number * 1000))
    if "," in text[:5]:
        try:
            return _in_utc(parsedate_to_datetime(text))
        except (ValueError, OverflowError):
            return text  # no instant that a calendar has
    return text


def _in_utc(moment: datetime) -> str:
    try:
        return moment.astimezone(UTC).isoformat() if moment.tzinfo else moment.isoformat()
    except OverflowError:  # at either end of all years; refused as too far from now
        return moment.isoformat()
