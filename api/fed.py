"""Which candles an article fed: the way from a record to the chart, the drill-down's other direction.

When it got there is told by the change log, which names the events of every write and is kept for a day.

An article is in a candle when its event is a *member* of the minute of its publication; the coarser candles are made of
that minute, so it is then in all eight. Where the minute, or a lane of it, is gone by TTL nobody can tell any more, and
of an article on its way nobody can tell yet.
"""

from typing import Any

from api.drilldown import Behind, behind, minutes_of, past_ttl
from api.sse.hub import newest_ingest
from api.sse.opening import CLOCKS_DIFFER_MS, find_since
from contracts.bucket import Bucket, BucketKey
from contracts.documents import bucket_document
from contracts.errors import BadEvent
from contracts.identity import event_id
from contracts.instants import iso_ms, iso_s, parse_ms
from contracts.ports import BucketStore, Item
from contracts.resolution import DAY_MS, FINEST, RESOLUTIONS, window_start_ms
from contracts.shown import shown
from contracts.subjects import TAG_PREFIX

MAX_SUBJECTS = 20
#: How far behind the score the write is looked for.
MAX_CHANGES = 1_000
#: Stages that gather batches take five seconds.
ON_ITS_WAY_MS = 10_000
#: How late an article may come, unless that was set otherwise; then this goes for articles on their way alone.
LATE_MS = DAY_MS


def candles_fed(buckets: BucketStore, generation: str, item: Item, now_ms: int) -> dict[str, Any]:
    """The answer of `/items/{id}/candles`. Blocking. Raises `Transient`; `BadEvent` for an item without a readable time
    of publication, which no classifier writes."""
    published_ms = parse_ms(str((item.get("metadata") or {}).get("published_at")))
    subjects = [
        *sorted(set(item.get("matched_tickers") or ())),
        *sorted(TAG_PREFIX + tag for tag in set(item.get("matched_tags") or ())),
    ][:MAX_SUBJECTS]
    keys = [
        BucketKey(subject, row.name, window_start_ms(published_ms, row.width_ms))
        for subject in subjects
        for row in RESOLUTIONS
    ]
    awaited = _on_its_way(buckets, item, published_ms, now_ms)  # asked first: what is written meanwhile is then found
    stored = shown(buckets, buckets.get_many(generation, keys))
    written = _written(
        buckets, generation, item, {event_id(item["source_id"], subject) for subject in subjects}, now_ms
    )
    return {
        "article_id": item["source_id"],
        "generation": generation,
        "subjects": [
            _subject(
                buckets, generation, item, [key for key in keys if key.subject == subject], stored, awaited, now_ms
            )
            | {"stored_at": written.get(event_id(item["source_id"], subject))}
            for subject in subjects
        ],
    }


def _written(buckets: BucketStore, generation: str, item: Item, wanted: set[str], now_ms: int) -> dict[str, str]:
    """When each event was first written into its buckets, as far as the change log still tells."""
    try:
        scored_ms = parse_ms(str(item.get("scored_at")))
    except BadEvent:
        return {}
    vector = find_since(buckets, scored_ms - CLOCKS_DIFFER_MS, now_ms) if scored_ms > now_ms - DAY_MS else None
    found: dict[str, str] = {}
    if vector is None:
        return found
    for _, _, change in buckets.changes_after(vector, MAX_CHANGES):
        if change.generation == generation:
            for event in change.events:
                if event.event_id in wanted:
                    found.setdefault(event.event_id, iso_ms(change.written_ms))
    return found


def _subject(
    buckets: BucketStore,
    generation: str,
    item: Item,
    keys: list[BucketKey],
    stored: dict[BucketKey, Bucket],
    awaited: bool,
    now_ms: int,
) -> dict[str, Any]:
    identity = event_id(item["source_id"], keys[0].subject)
    minute = next((stored[key] for key in keys if key.resolution == FINEST.name and key in stored), None)
    known = behind(minute, minutes_of(buckets, generation, minute)) if minute is not None else None
    counted = _is_counted(known, identity, item, awaited, now_ms)
    return {
        "subject": keys[0].subject,
        "event_id": identity,
        "counted": counted,
        "candles": [
            {
                "resolution": key.resolution,
                "start": iso_s(key.start_ms),
                "bucket": bucket_document(stored[key], now_ms) if key in stored else None,
                "roles": _roles(stored.get(key), identity, item, known) if counted else [],
            }
            for key in keys
        ],
    }


def _on_its_way(buckets: BucketStore, item: Item, published_ms: int, now_ms: int) -> bool:
    """Whether the line may not have come to an article yet: it was scored a moment ago, or nothing that was accepted as
    late as it has been written (as far as the change log tells, a day). What its own stamps call late never counts.
    Where one lane is behind and another is not, this does not see it. Raises `Transient`."""
    try:
        ingested_ms, scored_ms = parse_ms(str(item.get("ingested_at"))), parse_ms(str(item.get("scored_at")))
    except BadEvent:
        return False
    minute_end_ms = window_start_ms(published_ms, FINEST.width_ms) + FINEST.width_ms
    if minute_end_ms + LATE_MS <= ingested_ms or scored_ms <= now_ms - DAY_MS:
        return False
    if now_ms < scored_ms + ON_ITS_WAY_MS:
        return True
    newest = newest_ingest(buckets, buckets.changes_head())
    return newest is None or newest.origin_ms < ingested_ms


def _is_counted(known: Behind | None, identity: str, item: Item, awaited: bool, now_ms: int) -> bool | None:
    """Whether an event is a member of its minute; None where what would tell is gone, or still awaited."""
    if known is not None and known.names(identity):
        return True
    at_ms = parse_ms(str(item["metadata"]["published_at"]))
    gone = past_ttl(at_ms, now_ms) if known is None else known.may_hold(at_ms, now_ms)
    return None if gone or awaited else False


def _roles(bucket: Bucket | None, identity: str, item: Item, known: Behind | None) -> list[str]:
    """Open and close by name; high and low by value, so articles that tie all have the role."""
    if bucket is None or known is None:
        return []
    summary = bucket.summary
    counted_e4 = known.counted_e4(identity, item, parse_ms(str(item["metadata"]["published_at"])))
    held = {
        "open": summary.open_id == identity,
        "high": summary.high_e4 == counted_e4,
        "low": summary.low_e4 == counted_e4,
        "close": summary.close_id == identity,
    }
    return [role for role, holds in held.items() if holds]
