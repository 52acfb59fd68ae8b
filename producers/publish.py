"""`candlewick publish FILE`: rows of a file become events on a stream.

Every row is published or rejected; a rejected one is a clear line (`file:line: reason: detail`) and is kept in the
lake with the records set aside. Publishing a file again is harmless: events have identities.
"""

import ast
import hashlib
import re
import threading
import zlib
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from pathlib import PurePath
from typing import Any, BinaryIO, Final, Literal, NamedTuple

import msgspec

from contracts.aside import Aside, digest_key, put_asides
from contracts.bucket import LANE_SEPARATOR
from contracts.clock import Clock
from contracts.errors import BadEvent, BadRequest
from contracts.events import (
    FUTURE_TOLERANCE_MS,
    RAW_STREAM,
    SCORED_SCHEMA,
    SCORED_STREAM,
    RawArticle,
    ScoredEvent,
    decode_fields,
    decode_scored,
    encode_scored,
    make_raw,
    validate_raw,
)
from contracts.hashing import member_hash
from contracts.identity import event_id, series_of
from contracts.instants import iso_ms, parse_ms
from contracts.ports import MAX_PUT_RECORDS, Entry, EventLog, Lake
from contracts.resolution import DAY_MS
from contracts.subjects import parse_subject
from producers.excerpt import excerpt
from producers.publisher import Publisher
from producers.sources.files import Row, read_rows
from producers.sources.times import iso_time

Kind = Literal["raw", "scored"]
DEFAULT_SOURCE: Final = "file"
#: Where rejected lines are listed under, beside the names of streams.
ASIDE_STREAM: Final = "publish"
MAX_PENDING_ASIDES: Final = 500
#: What a column may be mapped to.
FIELDS: Final[Mapping[Kind, tuple[str, ...]]] = {
    "raw": tuple(field.serialization_alias or name for name, field in RawArticle.model_fields.items()),
    "scored": ScoredEvent.__struct_fields__,
}


class Report(NamedTuple):
    """What became of a file: read = published + rejected."""

    read: int
    published: int
    rejected: int


class Made(NamedTuple):
    """An event ready to be put."""

    stream: str
    entry: Entry
    event_ms: int


class Publication:
    """One file on its way to the log.

    Without `kind` each row says by its schema or fields what it is. `speed`: times real time by event time (None: as
    fast as it goes). `on_problem` gets one line a rejected row, `on_progress` the counts so far after every put.
    """

    def __init__(
        self,
        log: EventLog,
        lake: Lake,
        clock: Clock,
        *,
        kind: Kind | None = None,
        speed: float | None = None,
        backfill: bool = False,
        lanes: int = 1,
        columns: Mapping[str, str] | None = None,
        source: str = DEFAULT_SOURCE,
        on_problem: Callable[[str], None] = lambda line: None,
        on_progress: Callable[[Report], None] = lambda report: None,
    ) -> None:
        self._publisher = Publisher(log, clock)
        self._lake = lake
        self._clock = clock
        self._kind = kind
        self._speed = speed
        self._columns = columns
        self._on_problem = on_problem
        self._on_progress = on_progress
        self._maker = Maker(backfill, lanes, source)
        self._pending: dict[str, list[Entry]] = {RAW_STREAM: [], SCORED_STREAM: []}
        self._asides: list[Aside] = []
        self._read = self._published = self._rejected = 0
        self._first: tuple[int, float] | None = None

    def run(self, path: str, stdin: BinaryIO | None = None) -> Report:
        """Publish the whole file. Raises `BadRequest` when it cannot be read at all, `Transient` when the log fails
        for good: what was published stays, and the file may be published again."""
        shard = _shard_name(path)
        try:
            for row in read_rows(path, self._columns, stdin, self._flush):
                self._read += 1
                self._take(path, shard, row)
        except KeyboardInterrupt:
            self._flush()
            self._on_problem(f"{path}: stopped; {self._published} published, {self._rejected} rejected so far")
            raise
        self._flush()
        if self._read == 0:
            self._on_problem(f"{path}: empty, nothing to publish")
        return self._report()

    def _take(self, path: str, shard: str, row: Row) -> None:
        try:
            made = self._maker.make(row, self._kind, self._clock.now_ms())
            if self._speed is not None and self._pace(made.event_ms, self._speed):
                made = self._maker.make(row, self._kind, self._clock.now_ms())  # stamped when it goes out
        except BadEvent as error:
            self._reject(path, shard, row, error)
            return
        pending = self._pending[made.stream]
        pending.append(made.entry)
        if len(pending) >= MAX_PUT_RECORDS:
            self._flush()

    def _pace(self, event_ms: int, speed: float) -> bool:
        """Wait until the event's turn; what is pending goes out before. Whether there was anything to wait for."""
        if self._first is None:
            self._first = (event_ms, self._clock.monotonic_ms())
        due_ms = self._first[1] + (event_ms - self._first[0]) / speed
        has_waited = False
        while (ahead_ms := due_ms - self._clock.monotonic_ms()) > 1:
            if not has_waited:
                self._flush()
            has_waited = True
            self._clock.wait(threading.Event(), min(ahead_ms, DAY_MS))
        return has_waited

    def _reject(self, path: str, shard: str, row: Row, error: BadEvent) -> None:
        self._rejected += 1
        self._on_problem(f"{path}:{row.line}: {error}{self._hint(row, error)}")
        self._asides.append(
            Aside(
                kind="quarantined",
                reason=error.reason,
                detail=f"{path}:{row.line}: {error.detail}"[:1_000],
                stream=ASIDE_STREAM,
                shard_id=shard,
                sequence_number=f"{row.line}.{zlib.crc32(row.data)}",
                part=0,
                arrival_ms=self._clock.now_ms(),
                event_key=digest_key(row.data),
                data=excerpt(row.data),
            )
        )
        if len(self._asides) >= MAX_PENDING_ASIDES:
            self._flush()

    def _hint(self, row: Row, error: BadEvent) -> str:
        """Of the first row of a table that lacks a field: which columns there are."""
        if self._rejected > 1 or error.reason != "missing_field" or not row.fields:
            return ""
        field = error.detail.partition(":")[0]
        return f" (its columns are {', '.join(map(str, row.fields))}; --map {field}=COLUMN names one)"

    def _flush(self) -> None:
        for stream, entries in self._pending.items():
            if entries:
                self._published += self._publisher.publish(stream, entries)
                entries.clear()
        put_asides(self._lake, self._asides)
        self._asides.clear()
        self._on_progress(self._report())

    def _report(self) -> Report:
        return Report(self._read, self._published, self._rejected)


def parse_speed(text: str) -> float | None:
    """`max` → None, `60x` → 60.0. Raises `BadRequest`."""
    if text == "max":
        return None
    try:
        speed = float(text.removesuffix("x"))
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise BadRequest(f"speed {text!r} is not one", ("max", "60x", "any other number of times real time"))
    return speed


class Maker:
    """Events from rows. `backfill` stamps each as ingested when it was published, whatever it says itself."""

    def __init__(self, backfill: bool, lanes: int, source: str) -> None:
        self._backfill = backfill
        self._lanes = lanes
        self._source = source

    def make(self, row: Row, kind: Kind | None, now_ms: int) -> Made:
        """An event from a row. Raises `BadEvent` naming the field."""
        if row.error:
            raise row.error
        if row.fields is None and kind != "raw":
            try:
                event = decode_scored(row.data)
            except BadEvent as error:
                if error.reason == "oversized":
                    raise
            else:
                return self._scored(event, row.data, now_ms)
        fields = _told(row.fields if row.fields is not None else _decoded(row.data))
        if kind == "scored" or (kind is None and _looks_scored(fields)):
            event = decode_scored(msgspec.json.encode(self._stamped(_typed(fields), now_ms)))
            return self._scored(event, encode_scored(event), now_ms)
        return self._raw(fields, now_ms)

    def _scored(self, event: ScoredEvent, data: bytes, now_ms: int) -> Made:
        event_ms, ingested_ms = _checked_ms(event.event_time), _checked_ms(event.ingested_at)
        _checked_ms(event.scored_at)
        if self._backfill:
            ingested_ms = event_ms
        _check_past(event_ms, ingested_ms, now_ms)
        ingested_at, subject = iso_ms(ingested_ms), _subject(event.subject)
        if (event.ingested_at, event.subject) != (ingested_at, subject):  # the aggregator reads few other spellings
            identity = event.event_id
            if identity == event_id(event.article_id, event.subject):
                identity = event_id(event.article_id, subject)
            event = msgspec.structs.replace(event, event_id=identity, ingested_at=ingested_at, subject=subject)
            data = encode_scored(event)
        key = event.subject
        if self._lanes > 1:
            key = f"{key}{LANE_SEPARATOR}{member_hash(event.event_id) % self._lanes}"
        return Made(SCORED_STREAM, Entry(key, data), event_ms)

    def _stamped(self, fields: dict[str, Any], now_ms: int) -> dict[str, Any]:
        now = iso_ms(now_ms)
        fields.setdefault("schema", SCORED_SCHEMA)
        fields.setdefault("ingested_at", fields.get("event_time", now) if self._backfill else now)
        fields.setdefault("scored_at", now)
        return fields

    def _raw(self, fields: dict[str, Any], now_ms: int) -> Made:
        given = dict(fields)
        for name in ("published_at", "ingested_at"):
            if given.get(name, "") != "":
                given[name] = iso_time(given[name])
        for name in ("tickers", "tags"):
            if isinstance(given.get(name), str):
                given[name] = split_list(given[name])
        if self._backfill or not given.get("ingested_at"):
            given["ingested_at"] = given.get("published_at", "") if self._backfill else iso_ms(now_ms)
        if not given.get("published_at"):
            raise BadEvent("missing_field", "published_at: Field required")
        if given.get("article_id"):
            article = validate_raw({"source": self._source} | given)
        else:
            article = make_raw(str(given.get("source") or self._source), given)
        _check_past(article.published_ms, article.ingested_ms, now_ms)
        return Made(RAW_STREAM, Entry(article.article_id, article.encode()), article.published_ms)


def split_list(text: str) -> list[str]:
    """`AAPL|MSFT`, `AAPL, MSFT`, `AAPL MSFT` or `['AAPL', 'MSFT']` as a list."""
    if text.startswith("["):
        try:
            value = ast.literal_eval(text)
            if isinstance(value, list):
                return [str(each) for each in value]
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            pass  # no list after all
    for separator in "|;, ":
        if separator in text:
            return [each.strip() for each in text.split(separator) if each.strip()]
    return [text] if text else []


def _looks_scored(fields: Mapping[str, Any]) -> bool:
    return fields.get("schema") == SCORED_SCHEMA or ("schema" not in fields and "polarity" in fields)


def _decoded(data: bytes) -> dict[str, Any]:
    fields = decode_fields(data)
    if not isinstance(fields, dict):
        raise BadEvent("unparseable", f"expected a JSON object, got {type(fields).__name__}")
    return fields


def _told(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that are there: one that is null is as one that is left out."""
    return {name: value for name, value in fields.items() if value is not None}


def _typed(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a scored row with numbers as numbers (CSV has text) and times as ISO-8601."""
    typed = dict(fields)
    for name in ("polarity", "confidence"):
        if isinstance(typed.get(name), str | Decimal):
            try:
                typed[name] = float(typed[name])
            except ValueError:
                raise BadEvent("bad_value", f"{name}: {str(typed[name])[:40]!r} is not a number") from None
    for name in ("event_time", "ingested_at", "scored_at"):
        if name in typed:
            typed[name] = iso_time(typed[name])
    return typed


_minute_ms = lru_cache(maxsize=10_000)(parse_ms)


@lru_cache(maxsize=10_000)
def _subject(written: str) -> str:
    """The series that a subject belongs to, however it is written. Raises `BadEvent`."""
    return series_of(parse_subject(written))


def _checked_ms(text: str) -> int:
    """`parse_ms`, remembering the minute: most events share theirs with others. Raises `BadEvent`."""
    if len(text) == 24 and text[16] == ":" and text[19] == "." and text[23] == "Z":
        seconds, millis = text[17:19], text[20:23]
        if (seconds + millis).isdecimal() and seconds < "60" and text.isascii():
            return _minute_ms(text[:17] + "00Z") + int(seconds) * 1000 + int(millis)
    return parse_ms(text)


def _check_past(event_ms: int, ingested_ms: int, now_ms: int) -> None:
    """Raises `BadEvent` for a row of the future: as history it would count, and take the watermark along."""
    latest_ms = max(event_ms, ingested_ms)
    if latest_ms > now_ms + FUTURE_TOLERANCE_MS:
        raise BadEvent("future", f"dated {iso_ms(latest_ms)}, and it is {iso_ms(now_ms)}")


def _shard_name(path: str) -> str:
    """A file's name as part of an object's name, told apart from files of the same name elsewhere."""
    name = re.sub(r"[^A-Za-z0-9.]+", "_", PurePath(path).name)[:60].strip("._")
    return f"{name or 'file'}.{hashlib.sha256(path.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"
