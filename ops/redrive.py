"""`candlewick quarantine redrive`: records that were set aside and are good now, back onto their stream.

Nothing is deleted: an object below `redriven/` names the records that went back, and the books count them no more as
quarantined. What is still bad stays; so do rejected lines of files and rows of sources, which belong to no stream: the
file is published again, the source asked again. Doing it twice is harmless: an event is a member of its bucket or it is
not.
"""

import base64
import hashlib
import json
from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

from aggregation.event import decode
from aggregation.gather import gather
from aggregation.rollup import past_ttl
from contracts.aside import MAX_KEPT_BYTES, Place, place_of
from contracts.bucket import LANE_SEPARATOR, BucketKey
from contracts.errors import QUARANTINE_REASONS, BadEvent, BadRequest
from contracts.events import RAW_STREAM, SCORED_STREAM, check_raw_times, decode_raw
from contracts.hashing import member_hash
from contracts.instants import date_of
from contracts.ports import MAX_PUT_RECORDS, Entry
from contracts.resolution import FINEST, window_start_ms
from contracts.settings import AggregatorSettings
from ops.asides import REDRIVEN_PREFIX, standing
from producers.publish import ASIDE_STREAM
from producers.publisher import Publisher
from stores.home import Home


class Redriven(NamedTuple):
    """Records looked at, put back, still bad; `kept_in_part`: larger than what is kept of a record; `of_files`:
    rejected lines of files; `of_sources`: rejected rows of sources; `damaged`: objects of the lake that could not be
    read to their end."""

    read: int
    redriven: int
    still_bad: int
    kept_in_part: int
    of_files: int
    of_sources: int
    damaged: list[str]


def redrive(
    home: Home,
    settings: AggregatorSettings,
    sequence_number: str | None = None,
    reason: str | None = None,
    dry_run: bool = False,
    problem: Callable[[str], None] = lambda line: None,
) -> Redriven:
    """Put back what is good now, of one record or one reason or all. Raises `Transient` when the log refuses,
    `BadRequest` when there is no such record or reason."""
    if reason not in (None, *QUARANTINE_REASONS):
        raise BadRequest(f"no reason {reason!r}", tuple(QUARANTINE_REASONS))
    read = bad = partial = of_files = of_sources = 0
    damaged: list[str] = []
    good: defaultdict[str, list[tuple[Entry, Place]]] = defaultdict(list)
    for line in standing(home.lake, "quarantined", damaged.append):
        if sequence_number not in (None, line["sequence_number"]) or reason not in (None, line["reason"]):
            continue
        read += 1
        if line["stream"] == ASIDE_STREAM:
            of_files += 1
            continue
        if not line["stream"].endswith((RAW_STREAM, SCORED_STREAM)):
            of_sources += 1
            continue
        if line["bytes"] > MAX_KEPT_BYTES:
            partial += 1
            continue
        data = base64.b64decode(line["data"])
        try:
            entry = _entry(line["stream"], data, settings, home.clock.now_ms())
            good[line["stream"]].append((entry, place_of(line)))
        except BadEvent as error:
            bad += 1
            problem(f"{line['sequence_number']} is still bad: {error}")
    if sequence_number is not None and not read and not damaged:
        raise BadRequest(f"no quarantined record {sequence_number!r}; `candlewick quarantine list` shows them")
    if not dry_run:
        for stream, pairs in good.items():
            for at in range(0, len(pairs), MAX_PUT_RECORDS):
                _put(home, stream, pairs[at : at + MAX_PUT_RECORDS])
    return Redriven(read, sum(map(len, good.values())), bad, partial, of_files, of_sources, damaged)


def _entry(stream: str, data: bytes, settings: AggregatorSettings, now_ms: int) -> Entry:
    """Raises `BadEvent` for what would only be set aside again."""
    if not stream.endswith(SCORED_STREAM):
        article = decode_raw(data)
        check_raw_times(article.published_ms, article.ingested_ms)
        minute = BucketKey("", FINEST.name, window_start_ms(article.published_ms, FINEST.width_ms))
        if settings.expire and past_ttl(minute, now_ms):
            raise BadEvent("expired", "its minute is past its time to live: what it tells would not count")
        return Entry(article.article_id, data)
    event = decode(data)
    judged = gather([event], settings.allowed_lateness_ms)
    for aside in (*judged.quarantined, *judged.too_late):
        raise BadEvent(aside.reason, aside.detail)
    if settings.expire and any(past_ttl(minute, now_ms) for minute in judged.groups):
        raise BadEvent("expired", "its minute is past its time to live: a replay counts it")
    lanes = settings.lanes
    lane = f"{LANE_SEPARATOR}{member_hash(event.event_id) % lanes}" if lanes > 1 else ""
    return Entry(event.subject + lane, data)


def _put(home: Home, stream: str, pairs: list[tuple[Entry, Place]]) -> None:
    """Publish first, mark second: a crash between the two repeats, and repeats are harmless."""
    Publisher(home.log, home.clock).publish(stream, (entry for entry, _ in pairs))
    lines = [json.dumps(place).encode() for _, place in pairs]
    digest = hashlib.sha256(b"\n".join(lines)).hexdigest()[:16]
    home.lake.put(f"{REDRIVEN_PREFIX}date={date_of(home.clock.now_ms())}/{digest}.jsonl.gz", lines)
