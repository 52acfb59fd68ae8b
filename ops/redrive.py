"""`candlewick quarantine redrive`: records that were set aside and are good now, back onto their stream.

Nothing is deleted: an object below `redriven/` names the records that went back, and the books count them no more as
quarantined. What is still bad stays. Doing it twice is harmless: an event is a member of its bucket or it is not.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from aggregation.event import decode
from aggregation.gather import gather
from contracts.aside import MAX_KEPT_BYTES, list_asides
from contracts.bucket import LANE_SEPARATOR
from contracts.errors import BadEvent, Transient
from contracts.events import SCORED_STREAM, check_raw_times, decode_raw
from contracts.hashing import member_hash
from contracts.instants import date_of
from contracts.ports import MAX_PUT_RECORDS, Entry, Lake
from contracts.settings import AggregatorSettings
from stores.home import Home

PREFIX: Final = "redriven/"
Place = tuple[str, str, str, int]


class Redriven(NamedTuple):
    """Records looked at, put back, still bad; `kept_in_part`: larger than what is kept of a record."""

    read: int
    redriven: int
    still_bad: int
    kept_in_part: int


def place_of(line: dict[str, Any]) -> Place:
    """Where a record that was set aside had been."""
    return line["stream"], line["shard_id"], line["sequence_number"], line["part"]


def redriven_places(lake: Lake) -> set[Place]:
    """Every record that went back."""
    return {
        (place[0], place[1], place[2], place[3])
        for key in lake.keys(PREFIX)
        for line in lake.read(key)
        for place in [json.loads(line)]
    }


def redrive(
    home: Home,
    settings: AggregatorSettings,
    sequence_number: str | None = None,
    reason: str | None = None,
    dry_run: bool = False,
    problem: Callable[[str], None] = lambda line: None,
) -> Redriven:
    """Put back what is good now, of one record or one reason or all. Raises `Transient` when the log refuses."""
    read = bad = partial = 0
    entries: list[tuple[str, Entry, Place]] = []
    done = redriven_places(home.lake)
    for line in list_asides(home.lake, "quarantined"):
        if place_of(line) in done or sequence_number not in (None, line["sequence_number"]):
            continue
        if reason not in (None, line["reason"]):
            continue
        read += 1
        if line["bytes"] > MAX_KEPT_BYTES:
            partial += 1
            continue
        data = base64.b64decode(line["data"])
        try:
            entries.append((line["stream"], _entry(line["stream"], data, settings), place_of(line)))
        except BadEvent as error:
            bad += 1
            problem(f"{line['sequence_number']} is still bad: {error}")
    if not dry_run:
        for chunk in _chunks(entries):
            _put(home, chunk)
    return Redriven(read, len(entries), bad, partial)


def _entry(stream: str, data: bytes, settings: AggregatorSettings) -> Entry:
    """Raises `BadEvent` for what would only be set aside again."""
    if not stream.endswith(SCORED_STREAM):
        article = decode_raw(data)
        check_raw_times(article.published_ms, article.ingested_ms)
        return Entry(article.article_id, data)
    event = decode(data)
    judged = gather([event], settings.allowed_lateness_ms)
    for aside in (*judged.quarantined, *judged.too_late):
        raise BadEvent(aside.reason, aside.detail)
    lanes = settings.lanes
    lane = f"{LANE_SEPARATOR}{member_hash(event.event_id) % lanes}" if lanes > 1 else ""
    return Entry(event.subject + lane, data)


def _chunks(entries: list[tuple[str, Entry, Place]]) -> Iterator[list[tuple[str, Entry, Place]]]:
    """Of one stream each."""
    for stream in sorted({stream for stream, _, _ in entries}):
        mine = [each for each in entries if each[0] == stream]
        for at in range(0, len(mine), MAX_PUT_RECORDS):
            yield mine[at : at + MAX_PUT_RECORDS]


def _put(home: Home, chunk: list[tuple[str, Entry, Place]]) -> None:
    """Publish first, mark second: a crash between the two repeats, and repeats are harmless."""
    stream = chunk[0][0]
    failed = [result for result in home.log.put_records(stream, [entry for _, entry, _ in chunk]) if result.error_code]
    if failed:
        raise Transient("log", f"{len(failed)} records were refused ({failed[0].error_code}); run it again")
    lines = [json.dumps(place).encode() for _, _, place in chunk]
    digest = hashlib.sha256(b"\n".join(lines)).hexdigest()[:16]
    home.lake.put(f"{PREFIX}date={date_of(home.clock.now_ms())}/{digest}.jsonl.gz", lines)
