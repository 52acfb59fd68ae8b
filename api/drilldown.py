"""The articles behind a bucket, and which of them made its open, high, low and close.

The bucket is the authority, not the item store: an article belongs to it when its event is a *member* of one of the
bucket's minutes (exact, whatever was late, set aside or told twice), and its polarity is what the live generation
counted, as far as the minutes tell (a replay with another model changes buckets, not items). Open and close are named
by the bucket; high and low are the earliest events, by (event time, event id), with the bucket's high and low.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from contracts.bucket import E4, LANE_SEPARATOR, Bucket, BucketKey
from contracts.documents import bucket_document, end_ms
from contracts.hashing import member_hash
from contracts.identity import event_id
from contracts.instants import iso_ms, parse_ms
from contracts.ports import BucketStore, Item, ItemStore
from contracts.resolution import FINEST, WIDTH_MS

DEFAULT_LIMIT = 200
#: Most items looked at for one bucket; a day of a busy subject has some thousands.
MAX_ITEMS = 20_000
KEYS_AT_ONCE = 200


class Behind(NamedTuple):
    """What the minutes of a bucket know: members by hash, and the polarity of events they name."""

    members: frozenset[int]
    known_e4: dict[str, int]


def articles_behind(
    buckets: BucketStore, items: ItemStore, generation: str, key: BucketKey, limit: int, now_ms: int
) -> dict[str, Any] | None:
    """The answer of the drill-down; None when there is no such bucket. Raises `Transient`."""
    bucket = buckets.get_many(generation, [key]).get(key)
    if bucket is None:
        return None
    known = behind(bucket, minutes_of(buckets, generation, bucket))
    found = items.by_subject(key.subject, key.start_ms, end_ms(bucket), MAX_ITEMS)
    rows = [row for item in found if (row := _row(item, key.subject, known)) is not None]
    rows.sort(key=lambda row: (row["published_at"], row["event_id"]))
    _assign_roles(bucket, rows)
    for row in rows:
        row.pop("_e4")
    kept = _cut(rows, limit)
    return {
        "articles": kept,
        "count": bucket.summary.count,
        "missing": max(0, bucket.summary.count - len(kept)),
        "bucket": bucket_document(bucket, now_ms),
    }


def minutes_of(buckets: BucketStore, generation: str, bucket: Bucket) -> list[Bucket]:
    """The bucket's 1m buckets (lanes included), with members; those gone by TTL are missing."""
    keys = [bucket.key]
    if bucket.resolution != FINEST.name:
        slim = buckets.range(
            generation,
            bucket.subject,
            FINEST.name,
            bucket.start_ms,
            end_ms(bucket),
            limit=WIDTH_MS[bucket.resolution] // FINEST.width_ms,
        )
        keys = [minute.key for minute in slim]
    minutes = _get(buckets, generation, keys)
    laned = [
        BucketKey(f"{minute.subject}{LANE_SEPARATOR}{lane}", FINEST.name, minute.start_ms)
        for minute in minutes
        for lane, _ in minute.children
    ]
    return minutes + _get(buckets, generation, laned)


def _get(buckets: BucketStore, generation: str, keys: list[BucketKey]) -> list[Bucket]:
    found: list[Bucket] = []
    for at in range(0, len(keys), KEYS_AT_ONCE):
        found += buckets.get_many(generation, keys[at : at + KEYS_AT_ONCE]).values()
    return found


def behind(bucket: Bucket, minutes: Iterable[Bucket]) -> Behind:
    """What a bucket and its minutes know of their events."""
    members: set[int] = set()
    known: dict[str, int] = {}
    for each in (*minutes, bucket):
        members |= each.members
        for summary in (each.summary, *(summary for _, summary in each.children)):
            known[summary.open_id] = summary.open_e4
            known[summary.close_id] = summary.close_e4
    return Behind(frozenset(members), known)


def _row(item: Item, subject: str, known: Behind) -> dict[str, Any] | None:
    """The article as a row; None when its event is no member of the bucket. Where the minutes are gone by TTL there
    are no members to ask, and the item's own stamps decide."""
    identity = event_id(item["source_id"], subject)
    if known.members and member_hash(identity) not in known.members and identity not in known.known_e4:
        return None
    metadata = item.get("metadata") or {}
    own_e4 = round(float(item["polarity"]) * E4) if item.get("polarity") is not None else None
    counted_e4 = known.known_e4.get(identity, own_e4)
    return {
        "event_id": identity,
        "article_id": item["source_id"],
        "title": metadata.get("title"),
        "publisher": metadata.get("source_name"),
        "source": item.get("source_type"),
        "url": item.get("source_url") or None,
        "published_at": iso_ms(parse_ms(str(metadata["published_at"]))),
        "ingested_at": item.get("ingested_at"),
        "scored_at": item.get("scored_at"),
        "label": item.get("sentiment"),
        "confidence": float(item["score"]) if item.get("score") is not None else None,
        "polarity": counted_e4 / E4 if counted_e4 is not None else None,
        "model_version": item.get("model_version"),
        "roles": [],
        "_e4": counted_e4,
    }


def _assign_roles(bucket: Bucket, rows: list[dict[str, Any]]) -> None:
    """Rows are in the order of (event time, event id), so the first with the value is the one."""
    summary = bucket.summary
    by_id = {row["event_id"]: row for row in rows}
    high = next((row for row in rows if row["_e4"] == summary.high_e4), None)
    low = next((row for row in rows if row["_e4"] == summary.low_e4), None)
    makers = [
        ("open", by_id.get(summary.open_id)),
        ("high", high),
        ("low", low),
        ("close", by_id.get(summary.close_id)),
    ]
    for role, row in makers:
        if row is not None:
            row["roles"].append(role)


def _cut(rows: list[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    """At most `limit` rows: those with a role, and the newest of the others; order kept."""
    if len(rows) <= limit:
        return rows
    plain = [at for at, row in enumerate(rows) if not row["roles"]]
    room = max(0, limit - (len(rows) - len(plain)))
    dropped = set(plain[: len(plain) - room])
    return [row for at, row in enumerate(rows) if at not in dropped]
