"""The kinds of sources, one row each, and the sources that are set up.

A new kind of source is a module in this package with one function, and a row in `KINDS`:

    def fetch(request: Request) -> Fetched

It asks for what is new since `request.cursor`, makes articles with `contracts.events.make_raw`, and returns the next
cursor. It keeps nothing, publishes nothing and raises `FetchFailed` when the source does not answer usably; an entry
it cannot use goes into `rejected`. Publishing, pacing, circuit breaking and remembering are the service's. A kind with
`options` has a pydantic model `Options` in its module.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, cast
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from contracts.errors import BadEvent, Unusable
from contracts.events import MAX_TAGS, MAX_TICKERS, RawArticle, parse_ticker
from contracts.identity import series_of
from contracts.ports import Secrets
from contracts.subjects import TAG_PREFIX, is_tag
from producers.fetch import FetchFailed, Web


class Kind(NamedTuple):
    """One kind: the module with `fetch`, loaded on first use; where it is asked when the source names no URL; the name
    of its key in Secrets; what it asks for of the subjects of the watch lists."""

    module: str
    url: str = ""
    secret: str | None = None
    watches: Literal["nothing", "tickers", "subjects"] = "nothing"
    options: bool = True


KINDS: Final[dict[str, Kind]] = {
    "rss": Kind("producers.sources.rss", options=False),
    "finnhub": Kind("producers.sources.finnhub", "https://finnhub.io/api/v1", "FINNHUB_API_KEY", "tickers"),
    "tiingo": Kind("producers.sources.tiingo", "https://api.tiingo.com/tiingo/news", "TIINGO_API_KEY", "tickers"),
    "newsapi": Kind("producers.sources.newsapi", "https://newsapi.org/v2/everything", "NEWSAPI_API_KEY", "subjects"),
    "alphavantage": Kind(
        "producers.sources.alphavantage", "https://www.alphavantage.co/query", "ALPHAVANTAGE_API_KEY", "tickers"
    ),
    "json": Kind("producers.sources.json_feed"),
}


#: A source that is asked by symbol asks for so many.
MAX_SYMBOLS: Final = 200


class Source(BaseModel):
    """One source that is polled. `tags`: watch tags its articles are searched for; `tickers`: what all of its
    articles are about; `options`: what its kind needs beyond that; `secret`: the name of its key in Secrets, when it
    is not the kind's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_\-]{0,39}$")
    kind: str
    url: str = Field(pattern=r"^https?://")
    title: str | None = None
    tags: tuple[str, ...] = Field((), max_length=MAX_TAGS)
    tickers: tuple[str, ...] = Field((), max_length=MAX_TICKERS)
    every_s: int = Field(300, ge=1, le=86_400)
    enabled: bool = True
    options: dict[str, Any] = Field(default_factory=dict)
    secret: str | None = Field(None, pattern=r"^[A-Z][A-Z0-9_]{2,79}$")

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_the_kind(cls, fields: Any) -> Any:
        kind = KINDS.get(str(fields.get("kind"))) if isinstance(fields, dict) else None
        if kind is None:
            return fields
        return ({"url": kind.url} if kind.url else {}) | ({"secret": kind.secret} if kind.secret else {}) | fields

    @model_validator(mode="after")
    def _good_options(self) -> "Source":
        if KINDS[self.kind].options:
            try:
                import_module(KINDS[self.kind].module).Options.model_validate(self.options)
            except ValidationError as error:
                raise _below("options", error) from None
        elif self.options:
            raise ValueError(f"sources of kind {self.kind} have no options")
        return self

    @field_validator("url")
    @classmethod
    def _whole_url(cls, value: str) -> str:
        parts = urlsplit(value)  # `ValueError` for an address or a port that is none
        if not parts.hostname or parts.port == 0:
            raise ValueError("no host")
        if "@" in parts.netloc:
            raise ValueError("a user or a password in the address is not sent; an API's key goes into Secrets")
        return value

    @field_validator("kind")
    @classmethod
    def _known_kind(cls, value: str) -> str:
        if value not in KINDS:
            raise ValueError(f"no such kind of source; there are: {', '.join(KINDS)}")
        return value

    @field_validator("tickers")
    @classmethod
    def _canonical_tickers(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(parse_ticker(value) for value in values)
        except BadEvent as error:
            raise ValueError(error.detail) from None

    @field_validator("tags")
    @classmethod
    def _canonical_tags(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        if not all(is_tag(value) for value in values):
            raise ValueError("tags are lower-case letters, digits and hyphens")
        return values


class Request(NamedTuple):
    """What an adapter is given: the source, where it left off, the world, and the subjects of all watch lists, those
    first that are to have room first."""

    source: Source
    cursor: Mapping[str, Any]
    web: Web
    secrets: Secrets
    now_ms: int
    watched: tuple[str, ...] = ()

    @property
    def watched_tickers(self) -> tuple[str, ...]:
        """In their order."""
        return tuple(subject for subject in self.watched if not subject.startswith(TAG_PREFIX))


class Rejected(NamedTuple):
    """An entry no article can be made of, and why."""

    error: BadEvent
    data: bytes


class Fetched(NamedTuple):
    """What a source answered. `gone`: it said it is gone for good (410); it is not asked again. `more`: there is more
    to have right away. `trouble`: what stopped it after it had answered in part; the cursor says where to go on.
    `note`: what an operator should know although it works. `opinions`: what the source itself thinks of its articles,
    kept in the lake for comparison, never used."""

    articles: tuple[RawArticle, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    cursor: Mapping[str, Any] = {}
    gone: bool = False
    more: bool = False
    trouble: FetchFailed | None = None
    note: str | None = None
    opinions: tuple[Mapping[str, Any], ...] = ()


def notes(*each: str | None) -> str | None:
    """Notes as one."""
    return "; ".join(filter(None, each)) or None


Fetch = Callable[[Request], Fetched]

_sources: Final = TypeAdapter(tuple[Source, ...])


def adapter(kind: str) -> Fetch:
    """The `fetch` of a kind."""
    return cast(Fetch, import_module(KINDS[kind].module).fetch)


def secrets_of(source: Source) -> tuple[str, ...]:
    """The names of all secrets a source is asked with: its key's, then those in its headers and parameters."""
    filled = [value for part in ("headers", "params") for value in source.options.get(part, {}).values()]
    named = [value["secret"] for value in filled if isinstance(value, Mapping)]
    return tuple(dict.fromkeys([*([source.secret] if source.secret else []), *named]))


def own_symbols(source: Source) -> tuple[str, ...]:
    """The symbols that the settings of a source name, whoever watches what."""
    symbols = [str(each).upper() for each in source.options.get("symbols", ())]
    return tuple(dict.fromkeys([*symbols, *source.tickers]))[:MAX_SYMBOLS]


def asked_for(source: Source, watched: Iterable[str]) -> tuple[str, ...]:
    """Those of the watched subjects that a source asks for besides its own: as many as there is room for."""
    watches = KINDS[source.kind].watches
    if watches == "nothing" or source.options.get("query"):
        return ()
    if watches == "subjects":
        return cast(tuple[str, ...], import_module(KINDS[source.kind].module).chosen_of(watched))
    own = own_symbols(source)
    series = set(map(series_of, own))
    others = [
        each for each in dict.fromkeys(watched) if not each.startswith(TAG_PREFIX) and series_of(each) not in series
    ]
    return tuple(others[: MAX_SYMBOLS - len(own)])


def _below(field: str, error: ValidationError) -> ValidationError:
    """The same faults, told of a field that holds what was looked at."""
    faults = [
        InitErrorDetails(
            type=PydanticCustomError("bad_option", "{text}", {"text": each["msg"]}),
            loc=(field, *each["loc"]),
            input=each["input"],
        )
        for each in error.errors()
    ]
    return ValidationError.from_exception_data(error.title, faults)


def _place(rows: list[Any], place: tuple[int | str, ...]) -> str:
    """Where a fault is: the source by its name, or its number from 0, and the field."""
    number, *rest = place
    row = rows[int(number)]
    name = row.get("name") if isinstance(row, dict) else None
    return ".".join([name if isinstance(name, str) and name else str(number), *map(str, rest)])


def read_sources(text: str, origin: str) -> tuple[Source, ...]:
    """Sources from JSON text (a list of `Source`). Raises `Unusable` that lists every fault."""
    try:
        rows = json.loads(text)
        if not isinstance(rows, list):
            raise ValueError("it is to be a list of sources, [{…}, {…}]")
        sources = _sources.validate_python(rows)
    except ValidationError as error:
        faults = "; ".join(f"{_place(rows, each['loc'])}: {each['msg']}" for each in error.errors())
        raise Unusable(f"bad source settings in {origin}: {faults}") from None
    except ValueError as error:
        raise Unusable(f"bad source settings in {origin}: {error}") from None
    names = [source.name for source in sources]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Unusable(f"bad source settings in {origin}: two sources named {', '.join(twice)}")
    return sources


def load_sources(path: str | None) -> tuple[Source, ...]:
    """The sources of a settings file, or the shipped feed list. Raises `Unusable`."""
    if path is None:
        shipped = files("producers.sources").joinpath("default_feeds.json")
        return read_sources(shipped.read_text(encoding="utf-8"), "the shipped feed list")
    try:
        return read_sources(Path(path).read_text(encoding="utf-8"), path)
    except OSError as error:
        raise Unusable(f"source settings {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise Unusable(f"source settings {path}: {error}") from None
