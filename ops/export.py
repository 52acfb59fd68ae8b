"""`candlewick export`: buckets, events, articles and what was set aside, as jsonl or parquet.

A file appears whole or not at all: it is written beside its place and moved there at the end. What is no file, such as
a pipe, is written into.
"""

import itertools
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any, BinaryIO, Final

from contracts.bucket import LANE_SEPARATOR
from contracts.documents import bucket_document
from contracts.errors import BadEvent, BadRequest, Unusable
from contracts.events import RAW_STREAM, SCORED_STREAM, ScoredEvent, decode_raw, decode_scored
from contracts.generation import live_generation
from contracts.identity import series_of
from contracts.instants import parse_ms
from contracts.ports import Scanning
from contracts.shown import shown
from contracts.subjects import parse_subject
from ops.asides import end_partial, standing
from ops.export_columns import COLUMNS, row_of
from ops.home import expanded
from ops.replay.stitch import Start, heads, pieces
from stores.durable_files import write_atomically
from stores.home import Home

WHAT: Final = tuple(COLUMNS)
FORMATS: Final = ("jsonl", "parquet")
#: What belongs to no subject: raw articles are found before anybody knows what they are about.
_WITHOUT_SUBJECT: Final = ("raw", "late", "quarantined")
GROUP_ROWS: Final = 20_000
TOLD_ROWS: Final = 1_000


def export(
    home: Home,
    what: str,
    form: str,
    out: str | None,
    subject: str | None,
    start: str | None,
    end: str | None,
    progress: Callable[[int], None] = lambda rows: None,
) -> int:
    """Write all rows; returns how many. Times bound buckets by their start, events by their own time, raw articles by
    their publication, items and what was set aside by their arrival. Raises `BadRequest` naming what is allowed,
    `Unusable` without pyarrow, `typer.Exit` (3) at the end where the lake is damaged."""
    if what not in WHAT:
        raise BadRequest(f"cannot export {what!r}", WHAT)
    if form not in FORMATS:
        raise BadRequest(f"no format {form!r}", FORMATS)
    if form == "parquet" and out is None and sys.stdout.isatty():
        raise BadRequest("parquet is not for a screen; name a file with --out, or send it into one")
    if subject is not None and what in _WITHOUT_SUBJECT:
        raise BadRequest(
            f"--subject: {what} has no subjects", tuple(each for each in WHAT if each not in _WITHOUT_SUBJECT)
        )
    try:
        wanted = series_of(parse_subject(subject)) if subject is not None else None
        start_ms = parse_ms(start) if start else 0
        end_ms = parse_ms(end) if end else 1 << 62
    except BadEvent as error:
        raise BadRequest(error.detail) from None
    if start_ms >= end_ms:
        raise BadRequest(f"--start {start} is not before --end {end}" if start else f"--end {end} is before everything")
    damaged: list[str] = []
    rows = _told(_rows(home, what, wanted, start_ms, end_ms, damaged), progress)
    count = 0

    def fill(file: BinaryIO) -> None:
        nonlocal count
        count = _write_jsonl(file, rows) if form == "jsonl" else _write_parquet(file, what, rows)

    _write(out, fill)
    end_partial(damaged)
    return count


def _told(rows: Iterable[dict[str, Any]], progress: Callable[[int], None]) -> Iterator[dict[str, Any]]:
    """The rows; a bar that moved for each would take longer than they."""
    for number, row in enumerate(rows, 1):
        yield row
        if number % TOLD_ROWS == 0:
            progress(TOLD_ROWS)


def _rows(
    home: Home, what: str, subject: str | None, start_ms: int, end_ms: int, damaged: list[str]
) -> Iterator[dict[str, Any]]:
    match what:
        case "buckets":
            return _buckets(home, subject, start_ms, end_ms)
        case "scored":
            return _scored(home, subject, start_ms, end_ms)
        case "items":
            return _items(home, subject, start_ms, end_ms)
        case "raw":
            return _raw(home, start_ms, end_ms)
    return _set_aside(home, what, start_ms, end_ms, damaged)


def _write(out: str | None, fill: Callable[[BinaryIO], None]) -> None:
    if out is None:
        fill(sys.stdout.buffer)
        return
    place = expanded(out)
    if not out or place.is_dir():
        raise BadRequest(f"--out {out!r} is no file")
    if place.exists() and not place.is_file():  # before links are followed: that of an open pipe leads nowhere
        with place.open("wb") as file:
            fill(file)
        return
    place = place.resolve()
    if not place.parent.is_dir():
        raise BadRequest(f"--out {out!r}: there is no folder {place.parent}")
    write_atomically(place, fill)


def _buckets(home: Home, subject: str | None, start_ms: int, end_ms: int) -> Iterator[dict[str, Any]]:
    now_ms = home.clock.now_ms()
    for bucket in home.buckets.scan(live_generation(home.control)):
        if not shown(home.buckets, {bucket.key: bucket}):
            continue
        if LANE_SEPARATOR in bucket.subject or subject not in (None, series_of(bucket.subject)):
            continue
        if start_ms <= bucket.start_ms < end_ms:
            yield {"ticker": bucket.subject, "resolution": bucket.resolution} | bucket_document(bucket, now_ms)


def _lines(home: Home, stream: str) -> Iterator[bytes]:
    """Every record of lake and log, once, in the order of the log."""
    for piece in pieces(home, "auto", stream, heads(home.log, stream), Start()):
        yield from piece.lines


def _raw(home: Home, start_ms: int, end_ms: int) -> Iterator[dict[str, Any]]:
    """Every article as it was published; what cannot be read is left out (it is among the quarantined)."""
    for line in _lines(home, RAW_STREAM):
        try:
            article = decode_raw(line)
        except BadEvent:
            continue
        if start_ms <= article.published_ms < end_ms:
            yield article.model_dump(by_alias=True, mode="json")


def _scored(home: Home, subject: str | None, start_ms: int, end_ms: int) -> Iterator[dict[str, Any]]:
    """Every event; what cannot be read is left out (it is among the quarantined)."""
    for line in _lines(home, SCORED_STREAM):
        try:
            event = decode_scored(line)
            at_ms = parse_ms(event.event_time)
        except BadEvent:
            continue
        if start_ms <= at_ms < end_ms and subject in (None, series_of(event.subject)):
            yield {name: getattr(event, name) for name in ScoredEvent.__struct_fields__}


def _items(home: Home, subject: str | None, start_ms: int, end_ms: int) -> Iterator[dict[str, Any]]:
    """Every article of the primary table, in no order."""
    assert isinstance(home.items, Scanning), "both homes' item stores can be scanned"
    for item in home.items.scan_primary():
        subjects = [*(item.get("matched_tickers") or ()), *(f"tag:{tag}" for tag in item.get("matched_tags") or ())]
        if start_ms <= parse_ms(item["ingested_at"]) < end_ms and subject in (None, *map(series_of, subjects)):
            yield item


def _set_aside(home: Home, what: str, start_ms: int, end_ms: int, damaged: list[str]) -> Iterator[dict[str, Any]]:
    for aside in standing(home.lake, "late" if what == "late" else "quarantined", damaged.append):
        if start_ms <= parse_ms(aside["arrived_at"]) < end_ms:
            yield aside


def _json_value(value: object) -> float | str:
    return float(value) if isinstance(value, Decimal) else str(value)


def _write_jsonl(file: BinaryIO, rows: Iterable[dict[str, Any]]) -> int:
    count = 0
    for row in rows:
        file.write(json.dumps(row, separators=(",", ":"), default=_json_value).encode() + b"\n")
        count += 1
    file.flush()
    return count


def _write_parquet(file: BinaryIO, what: str, rows: Iterable[dict[str, Any]]) -> int:
    """In row groups, so that memory does not grow with the export; without rows a table without rows."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise Unusable("parquet needs the package pyarrow: pip install 'candlewick[parquet]'") from None
    schema = pyarrow.schema([(name, pyarrow.type_for_alias(kind)) for name, kind in COLUMNS[what].items()])
    source = (row_of(what, row) for row in rows)
    count = 0
    with pyarrow.parquet.ParquetWriter(file, schema) as writer:
        while group := list(itertools.islice(source, GROUP_ROWS)):
            writer.write_table(pyarrow.Table.from_pylist(group, schema=schema))
            count += len(group)
    return count
