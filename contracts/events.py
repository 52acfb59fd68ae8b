"""Events on the log (design section 4), UTF-8 JSON, one per user record.

`raw-article/1` is validated by pydantic where it enters (producers, `publish`). `scored-article/1` is read by the
million, so its frozen value is a msgspec struct, whose typed decoder validates in C (11 × the standard library).
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from contracts.errors import BadEvent
from contracts.identity import article_id, series_of
from contracts.instants import MIN_MS, iso_ms, parse_ms
from contracts.resolution import MINUTE_MS
from contracts.subjects import is_tag, is_ticker, parse_subject

RAW_STREAM: Final = "raw-articles"
SCORED_STREAM: Final = "scored-articles"
RAW_SCHEMA: Final = "raw-article/1"
SCORED_SCHEMA: Final = "scored-article/1"
MAX_EVENT_BYTES: Final = 256 * 1024
#: Levels of a record's JSON. The decoder goes as deep as Python's stack has room below its caller, so each caller would
#: judge differently; this much there is room for everywhere.
MAX_DEPTH: Final = 512
MAX_SNIPPET_CHARACTERS: Final = 200
MAX_WORD_CHARACTERS: Final = 60
MAX_TITLE_CHARACTERS: Final = 1_000
MAX_TICKERS: Final = 100
MAX_TAGS: Final = 50
FUTURE_TOLERANCE_MS: Final = 5 * MINUTE_MS

Label = Literal["positive", "neutral", "negative"]
LABELS: Final[tuple[Label, ...]] = ("positive", "neutral", "negative")


class RawArticle(BaseModel):
    """One news item as a source gave it. No full text is ever stored: `snippet` holds at most 200 characters."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, str_strip_whitespace=True)

    schema_: Literal["raw-article/1"] = Field(
        RAW_SCHEMA, validation_alias=AliasChoices("schema", "schema_"), serialization_alias="schema"
    )
    article_id: str = Field(min_length=3, max_length=200)
    source: str = Field(pattern=r"^[a-z0-9][a-z0-9_\-]{0,39}$")
    publisher: str | None = Field(None, max_length=200)
    url: str | None = Field(None, max_length=4_000)
    title: str = Field(min_length=1, max_length=MAX_TITLE_CHARACTERS)
    snippet: str = Field("", max_length=MAX_SNIPPET_CHARACTERS)
    author: str | None = Field(None, max_length=300)
    language: str | None = Field(None, max_length=20)
    published_at: str
    ingested_at: str
    tickers: tuple[str, ...] = Field((), max_length=MAX_TICKERS)
    tags: tuple[str, ...] = Field((), max_length=MAX_TAGS)
    raw_key: str | None = None

    @field_validator("published_at", "ingested_at")
    @classmethod
    def _canonical_time(cls, value: str, info: ValidationInfo) -> str:
        with _told_of(str(info.field_name)):
            return iso_ms(parse_ms(value))

    @field_validator("tickers")
    @classmethod
    def _canonical_tickers(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        with _told_of("tickers"):
            return tuple(dict.fromkeys(series_of(parse_subject(value)) for value in values))

    @field_validator("tags")
    @classmethod
    def _canonical_tags(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            if not is_tag(value):
                raise BadEvent("bad_subject", f"tags: {value[:60]!r} is not a tag (^[a-z0-9][a-z0-9-]{{0,49}}$)")
        return tuple(dict.fromkeys(values))

    @property
    def published_ms(self) -> int:
        return parse_ms(self.published_at)

    @property
    def ingested_ms(self) -> int:
        return parse_ms(self.ingested_at)

    def encode(self) -> bytes:
        """The record's bytes: compact JSON in the order of the fields above."""
        return self.model_dump_json(by_alias=True).encode()


@contextmanager
def _told_of(field: str) -> Iterator[None]:
    """What is wrong within is told of a field; pydantic passes a `BadEvent` on as it is."""
    try:
        yield
    except BadEvent as error:
        raise BadEvent(error.reason, f"{field}: {error.detail}") from None


def parse_ticker(text: str) -> str:
    """The canonical ticker for what a source wrote. A tag is none: it counts where its words are. Raises
    `BadEvent`."""
    ticker = parse_subject(text)
    if not is_ticker(ticker):
        raise BadEvent("bad_subject", f"{text[:60]!r} is no ticker; tags are told as `tags`")
    return ticker


def check_raw_times(published_ms: int, ingested_ms: int) -> None:
    """Raises `BadEvent` for an article published before 2000 or over five minutes after it was ingested."""
    if published_ms < MIN_MS:
        raise BadEvent("before_2000", f"published {iso_ms(published_ms)}")
    if published_ms > ingested_ms + FUTURE_TOLERANCE_MS:
        raise BadEvent("future", f"published {iso_ms(published_ms)}, ingested {iso_ms(ingested_ms)}")


def cut_snippet(text: str) -> str:
    """At most 200 characters, cut between words where there are some: half a word can be another company's ticker."""
    if len(text) <= MAX_SNIPPET_CHARACTERS:
        return text
    cut = text[: MAX_SNIPPET_CHARACTERS - 1]
    if not text[len(cut)].isspace() and (space := cut.rfind(" ")) >= len(cut) - MAX_WORD_CHARACTERS:
        cut = cut[:space]
    return cut.rstrip(" ,;:") + "…"


def _own_title(title: str, publisher: object) -> str:
    """A headline without its publisher's name at the end, which aggregators add (`… - Reuters`, `… By Investing.com`):
    the same headline from elsewhere has none, and they are one story."""
    for joint in (" - ", " | ", " – ", " — ", " By ") if publisher else ():
        if (own := title.removesuffix(f"{joint}{publisher}").rstrip()) not in ("", title):
            return own
    return title


def make_raw(source: str, fields: dict[str, Any]) -> RawArticle:
    """A valid article from what a source gave (times already ISO); fills in `article_id`, cuts the snippet, and the
    publisher's name off the title.

    Raises `BadEvent`, naming the field.
    """
    title = str(fields.get("title") or "").strip()
    snippet = cut_snippet(str(fields.get("snippet") or "").strip())
    with _told_of("published_at"):
        published_ms = parse_ms(str(fields.get("published_at") or ""))
    url = fields.get("url") or None
    if url is not None and not isinstance(url, str):
        raise BadEvent("bad_value", f"url: expected text, got {type(url).__name__}")
    identity = fields.get("article_id") or article_id(source, url, title, published_ms)
    title = _own_title(title, fields.get("publisher"))
    article = validate_raw(
        fields | {"source": source, "title": title, "snippet": snippet, "url": url, "article_id": identity}
    )
    with _told_of("tickers"):
        for ticker in article.tickers:  # what is stored may hold tags
            parse_ticker(ticker)
    return article


def validate_raw(fields: object) -> RawArticle:
    """A `raw-article/1` from decoded JSON. Raises `BadEvent` with the first fault and its field."""
    if not isinstance(fields, dict):
        raise BadEvent("unparseable", f"expected a JSON object, got {type(fields).__name__}")
    if fields.get("schema", RAW_SCHEMA) != RAW_SCHEMA:
        raise BadEvent("unknown_schema", f"schema {str(fields.get('schema'))[:40]!r}, expected {RAW_SCHEMA!r}")
    try:
        return RawArticle.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "event"
        is_empty = first["type"] == "string_too_short" and first["input"] == ""
        reason = "missing_field" if first["type"] == "missing" or is_empty else "bad_value"
        raise BadEvent(reason, f"{place}: {first['msg']}") from None


_quoted: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_brackets: Final = re.compile(rb"[\[\]{}]")


def is_too_deep(data: bytes) -> bool:
    """Whether JSON is nested deeper than `MAX_DEPTH`. Shorter records are not looked at: they cannot be."""
    if len(data) <= 2 * MAX_DEPTH or data.count(b"[") + data.count(b"{") <= MAX_DEPTH:
        return False
    depth = 0
    for bracket in _brackets.findall(_quoted.sub(b"", data)):
        depth += 1 if bracket in (b"[", b"{") else -1
        if depth > MAX_DEPTH:
            return True
    return False


def _check_size(data: bytes) -> None:
    if len(data) > MAX_EVENT_BYTES:
        raise BadEvent("oversized", f"{len(data)} bytes, at most {MAX_EVENT_BYTES}")
    if is_too_deep(data):
        raise BadEvent("unparseable", f"nested more than {MAX_DEPTH} levels deep")


def decode_fields(data: bytes) -> Any:
    """What JSON says, of bytes from outside. Raises `BadEvent`."""
    _check_size(data)
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadEvent("unparseable", str(error)) from None


def decode_raw(data: bytes) -> RawArticle:
    """A `raw-article/1` from a record's bytes. Raises `BadEvent`."""
    return validate_raw(decode_fields(data))


_Identifier = Annotated[str, msgspec.Meta(min_length=3, max_length=300)]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class ScoredEvent(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What one article says about one subject. `polarity` = P(positive) − P(negative), in [−1, 1], at most four
    decimals; `confidence` = probability of the winning label. Times are ISO-8601 text; the fold reads them."""

    schema: Literal["scored-article/1"]
    event_id: _Identifier
    article_id: _Identifier
    subject: Annotated[str, msgspec.Meta(min_length=1, max_length=54)]
    source: _Name
    event_time: str
    ingested_at: str
    scored_at: str
    label: Label
    confidence: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
    polarity: Annotated[float, msgspec.Meta(ge=-1.0, le=1.0)]
    model_version: _Name


Struct = TypeVar("Struct", bound=msgspec.Struct)
_scored_decoder: Final = msgspec.json.Decoder(ScoredEvent)
_encoder: Final = msgspec.json.Encoder()


def decode_scored(data: bytes) -> ScoredEvent:
    """A `scored-article/1` from a record's bytes; shape and ranges are checked, times and subject are not. Raises
    `BadEvent`."""
    return decode_with(_scored_decoder, data)


def decode_with(decoder: "msgspec.json.Decoder[Struct]", data: bytes) -> Struct:
    """Decode one event with a typed decoder; every fault becomes a `BadEvent` with its reason."""
    _check_size(data)
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise BadEvent(_reason_of(str(error)), str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadEvent("unparseable", str(error)) from None


def _reason_of(message: str) -> str:
    if "missing required field" in message or "length >= 1 " in message:
        return "missing_field"
    if "$.schema" in message:
        return "unknown_schema"
    if "RFC3339" in message or "$.ingested_at" in message:
        return "bad_time"
    return "unparseable" if message.startswith("Expected `object`") else "bad_value"


def encode_scored(event: ScoredEvent) -> bytes:
    """The record's bytes: compact JSON in the order of the fields."""
    return _encoder.encode(event)
