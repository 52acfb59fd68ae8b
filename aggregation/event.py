"""A `scored-article/1` as the window engine reads it: validated in C by the typed decoder, once.

Same fields and ranges as `contracts.events.ScoredEvent` (a test compares them), but `ingested_at` is decoded to a
datetime, which checks its form at a quarter of the price of parsing text. `event_time` stays text: its first sixteen
characters are the window.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final, Generic, Literal, TypeAlias, TypeVar

import msgspec

from aggregation.known_names import KnownNames
from contracts.events import MAX_DEPTH, MAX_EVENT_BYTES, Label, decode_with, is_too_deep

MAX_ID_CHARACTERS: Final = 300
MAX_NAME_CHARACTERS: Final = 100
"""Of a source and of a model version."""

Subject = TypeVar("Subject")
Source = TypeVar("Source")
Version = TypeVar("Version")


class EventOf(msgspec.Struct, Generic[Subject, Source, Version], frozen=True, gc=False, kw_only=True):
    """What one article says about one subject (design section 4). The names that repeat are parameters for
    `KnownNames`."""

    schema: Literal["scored-article/1"]
    event_id: Annotated[str, msgspec.Meta(min_length=3, max_length=MAX_ID_CHARACTERS)]
    article_id: Annotated[str, msgspec.Meta(min_length=3, max_length=MAX_ID_CHARACTERS)]
    subject: Subject
    source: Source
    event_time: str
    ingested_at: Annotated[datetime, msgspec.Meta(tz=True)]
    scored_at: str
    label: Label
    confidence: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
    polarity: Annotated[float, msgspec.Meta(ge=-1.0, le=1.0)]
    model_version: Version


Event: TypeAlias = EventOf[str, str, str]
NAME_TYPES: Final = {
    "subject": Annotated[str, msgspec.Meta(min_length=1, max_length=54)],
    "source": Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME_CHARACTERS)],
    "model_version": Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME_CHARACTERS)],
}

CHUNK: Final = 1_000
"""Events that are decoded, then looked at, before the next are: half a megabyte, which a core's own cache holds."""
EVENTS: Final = KnownNames[Event](EventOf, NAME_TYPES)


def decode(data: bytes) -> Event:
    """An event from a record's bytes; the subject and the event time are checked by `gather`. Raises `BadEvent`."""
    return decode_with(EVENTS.exact, data)


def decode_all(payloads: Sequence[bytes]) -> list[Event] | None:
    """The events of a batch, or None when one of them is none: then each is decoded by itself, for its reason."""
    longest = max(map(len, payloads), default=0)
    if longest > MAX_EVENT_BYTES or (longest > 2 * MAX_DEPTH and any(map(is_too_deep, payloads))):
        return None
    try:
        return EVENTS.read(lambda decoder: list(map(decoder.decode, payloads)))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
