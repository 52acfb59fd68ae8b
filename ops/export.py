"""`candlewick export buckets|scored|items`: everything as jsonl or parquet, to a file or standard output."""

import itertools
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, Final

from contracts.bucket import LANE_SEPARATOR
from contracts.documents import bucket_document
from contracts.errors import BadEvent, BadRequest, Unusable
from contracts.events import SCORED_STREAM, ScoredEvent, decode_scored
from contracts.generation import live_generation
from contracts.instants import date_of, parse_ms
from contracts.resolution import COARSEST, DAY_MS
from ops.bucket_output import flat
from ops.replay.stitch import Start, heads, pieces
from stores.home import Home

WHAT: Final = ("buckets", "scored", "items")
FORMATS: Final = ("jsonl", "parquet")
GROUP_ROWS: Final = 20_000
DAY_ITEMS: Final = 500


def export(
    home: Home, what: str, form: str, out: str | None, subject: str | None, start: str | None, end: str | None
) -> int:
    """Write all rows; returns how many. Times bound buckets by their start, events and items by their own time.
    Raises `BadRequest` naming what is allowed, `Unusable` without pyarrow."""
    if what not in WHAT:
        raise BadRequest(f"cannot export {what!r}", WHAT)
    if form not in FORMATS:
        raise BadRequest(f"no format {form!r}", FORMATS)
    try:
        start_ms = parse_ms(start) if start else 0
        end_ms = parse_ms(end) if end else 1 << 62
    except BadEvent as error:
        raise BadRequest(error.detail) from None
    rows = {"buckets": _buckets, "scored": _scored, "items": _items}[what](home, subject, start_ms, end_ms)
    with ExitStack() as stack:
        file: BinaryIO = stack.enter_context(Path(out).open("wb")) if out else sys.stdout.buffer
        return _write_jsonl(file, rows) if form == "jsonl" else _write_parquet(file, rows)


def _buckets(home: Home, subject: str | None, start_ms: int, end_ms: int) -> Iterator[dict[str, Any]]:
    now_ms = home.clock.now_ms()
    for bucket in home.buckets.scan(live_generation(home.control)):
        if LANE_SEPARATOR in bucket.subject or subject not in (None, bucket.subject):
            continue
        if start_ms <= bucket.start_ms < end_ms:
            yield {"ticker": bucket.subject, "resolution": bucket.resolution} | bucket_document(bucket, now_ms)


def _scored(home: Home, subject: str | None, start_ms: int, end_ms: int) -> Iterator[dict[str, Any]]:
    """Every event of lake and log, once a record, in the order of the log; what cannot be read is left out."""
    for piece in pieces(home, "auto", SCORED_STREAM, heads(home.log, SCORED_STREAM), Start()):
        for line in piece.lines:
            try:
                event = decode_scored(line)
                at_ms = parse_ms(event.event_time)
            except BadEvent:
                continue
            if start_ms <= at_ms < end_ms and subject in (None, event.subject):
                yield {name: getattr(event, name) for name in ScoredEvent.__struct_fields__}


def _items(home: Home, subject: str | None, start_ms: int, end_ms: int) -> Iterator[dict[str, Any]]:
    """Every article of the read model, by the day it came in, newest first within the day."""
    live = live_generation(home.control)
    oldest = [home.buckets.range(live, each, COARSEST.name, limit=1) for each in home.buckets.subjects(live)]
    first_ms = max(start_ms, min((found[0].start_ms for found in oldest if found), default=home.clock.now_ms()))
    for day_ms in range(first_ms - first_ms % DAY_MS, min(end_ms, home.clock.now_ms() + DAY_MS), DAY_MS):
        before = None
        while page := home.items.dashboard_day(date_of(day_ms), before, DAY_ITEMS):
            before = page[-1]["item_key"]
            found = home.items.get_primaries([each["source_id"] for each in page])
            for item in found.values():
                tags = [f"tag:{tag}" for tag in item["matched_tags"]]
                if subject is None or subject in [*item["matched_tickers"], *tags]:
                    yield item


def _write_jsonl(file: BinaryIO, rows: Iterable[dict[str, Any]]) -> int:
    count = 0
    for row in rows:
        file.write(json.dumps(row, separators=(",", ":"), default=str).encode() + b"\n")
        count += 1
    file.flush()
    return count


def _write_parquet(file: BinaryIO, rows: Iterable[dict[str, Any]]) -> int:
    """In row groups, so that memory does not grow with the export."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise Unusable("parquet needs the package pyarrow: pip install 'candlewick[parquet]'") from None
    source = map(_flat, rows)
    count = 0
    writer = None
    while group := list(itertools.islice(source, GROUP_ROWS)):
        table = pyarrow.Table.from_pylist(group, schema=writer.schema if writer else None)
        if writer is None:
            writer = pyarrow.parquet.ParquetWriter(file, table.schema)
        writer.write_table(table)
        count += len(group)
    if writer is None:
        raise BadRequest("there is nothing to export, and parquet cannot say nothing; use --format jsonl")
    writer.close()
    return count


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    if "open_at" in row:
        return flat(row)
    return {
        name: json.dumps(value, default=str) if isinstance(value, (dict, list)) else value
        for name, value in row.items()
    }
