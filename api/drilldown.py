"""The articles behind a bucket, and which of them made its open, high, low and close.

The bucket is the authority, not the item store: an article belongs to it when its event is a *member* of one of the
bucket's minutes (exact, whatever was late, set aside or told twice), and its score is what the generation counted. A
replay with another model changes buckets, not items: there an item's own score is not the one that counts. The minute
then tells the polarity of its first and last event, and of one more by what is left of its sum; what it does not tell
is null, never the other model's. Open and close are named by the bucket; high and low are the earliest events, by
(event time, event id), with the bucket's high and low.

Minutes live shorter than the coarse buckets above them. Where a minute is gone nobody can tell its members any more,
and the item's own stamps decide.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from contracts.bucket import E4, LANE_SEPARATOR, MEMBER_BYTES, Bucket, BucketKey, Summary
from contracts.documents import bucket_document, end_ms
from contracts.hashing import member_hash
from contracts.identity import event_id
from contracts.instants import iso_ms, parse_ms
from contracts.ports import BucketStore, Item, ItemStore
from contracts.resolution import FINEST, WIDTH_MS, window_start_ms
from contracts.shown import shown

DEFAULT_LIMIT = 200
#: Most items looked at for one bucket; a day of a busy subject has some thousands.
MAX_ITEMS = 20_000
KEYS_AT_ONCE = 200
#: Readings in search of a bucket that its minutes are not ahead of; a writer that died between the two leaves it behind
#: until the finaliser mends it.
READS = 5


def past_ttl(at_ms: int, now_ms: int) -> bool:
    """Whether the minute of an instant is so old that it may be gone."""
    return window_start_ms(at_ms, FINEST.width_ms) + FINEST.width_ms + FINEST.ttl_ms <= now_ms


class Behind(NamedTuple):
    """What the minutes of a bucket know: members by hash, the polarity of events they name, and what each minute (by
    its start) says. `kept` are the minutes with all of their members; `whole` is the bucket's own summary, for minutes
    that are gone."""

    members: frozenset[int]
    known_e4: dict[str, int]
    minutes: dict[int, Summary]
    kept: frozenset[int]
    whole: Summary

    def names(self, identity: str) -> bool:
        """Whether an event is a member, as far as the minutes tell."""
        return identity in self.known_e4 or member_hash(identity) in self.members

    def may_hold(self, at_ms: int, now_ms: int) -> bool:
        """Whether an event of an instant may be a member that nothing tells of any more: fewer are stored than were
        counted, and its minute is not, and is so old that it may be gone."""
        start_ms = window_start_ms(at_ms, FINEST.width_ms)
        return past_ttl(at_ms, now_ms) and start_ms not in self.kept and len(self.members) < self.whole.count

    def says(self, at_ms: int) -> Summary:
        """The summary of the minute of an instant; the whole bucket's where the minute is gone."""
        return self.minutes.get(window_start_ms(at_ms, FINEST.width_ms), self.whole)

    def counted_e4(self, identity: str, item: Item, at_ms: int) -> int | None:
        """The polarity counted for an event, as far as this tells; the item's own where its model was counted."""
        known = self.known_e4.get(identity)
        if known is None and item.get("polarity") is not None and self.scored_by(item, at_ms):
            return round(float(item["polarity"]) * E4)
        return known

    def scored_by(self, item: Item, at_ms: int) -> bool:
        """Whether what the item says of its score is what was counted."""
        return item.get("model_version") in self.says(at_ms).model_versions


def articles_behind(
    buckets: BucketStore, items: ItemStore, generation: str, key: BucketKey, limit: int, now_ms: int
) -> dict[str, Any] | None:
    """The answer of the drill-down; None when there is no such bucket. Raises `Transient`."""
    found = _read(buckets, generation, key)
    if found is None:
        return None
    bucket, minutes = found
    known = behind(bucket, minutes)
    stored = items.by_subject(key.subject, key.start_ms, end_ms(bucket), MAX_ITEMS)
    rows = [row for item in stored if (row := _row(item, key.subject, known, now_ms)) is not None]
    rows.sort(key=lambda row: (row["published_at"], row["event_id"]))
    _infer(rows, known)
    _assign_roles(bucket, rows)
    for row in rows:
        row.pop("_at_ms")
        counted_e4 = row.pop("_e4")
        row["polarity"] = counted_e4 / E4 if counted_e4 is not None else None
    kept = _cut(rows, limit)
    return {
        "articles": kept,
        "count": bucket.summary.count,
        "missing": max(0, bucket.summary.count - len(kept)),
        "bucket": bucket_document(bucket, now_ms),
    }


def _read(buckets: BucketStore, generation: str, key: BucketKey) -> tuple[Bucket, list[Bucket]] | None:
    """A bucket and its minutes as they belong together: minutes are written first, so one that an article has just
    reached may be ahead of the bucket. None when there is no such bucket. Raises `Transient`."""
    found: tuple[Bucket, list[Bucket]] | None = None
    for _ in range(READS):
        bucket = shown(buckets, buckets.get_many(generation, [key])).get(key)
        if bucket is None:
            return None
        found = bucket, minutes_of(buckets, generation, bucket)
        if sum(minute.summary.count for minute in found[1] if minute.subject == key.subject) <= bucket.summary.count:
            break
    return found


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
    minutes = list(minutes)
    members: set[int] = set()
    known: dict[str, int] = {}
    for each in (*minutes, bucket):
        members |= each.members
        for summary in (each.summary, *(summary for _, summary in each.children)):
            known[summary.open_id] = summary.open_e4
            known[summary.close_id] = summary.close_e4
    whole_minutes = {
        each.start_ms: each.summary
        for each in (*minutes, bucket)
        if each.resolution == FINEST.name and each.subject == bucket.subject
    }
    stored: Counter[int] = Counter()
    for each in minutes:
        stored[each.start_ms] += len(each.packed) // MEMBER_BYTES
    kept = frozenset(start_ms for start_ms, says in whole_minutes.items() if stored[start_ms] >= says.count)
    return Behind(frozenset(members), known, whole_minutes, kept, bucket.summary)


def _row(item: Item, subject: str, known: Behind, now_ms: int) -> dict[str, Any] | None:
    """The article as a row; None when its event is no member of the bucket."""
    identity = event_id(item["source_id"], subject)
    metadata = item.get("metadata") or {}
    at_ms = parse_ms(str(metadata["published_at"]))
    if not (known.names(identity) or known.may_hold(at_ms, now_ms)):
        return None
    own = known.scored_by(item, at_ms)
    models = known.says(at_ms).model_versions
    return {
        "event_id": identity,
        "article_id": item["source_id"],
        "title": metadata.get("title"),
        "publisher": metadata.get("source_name"),
        "source": item.get("source_type"),
        "url": item.get("source_url") or None,
        "published_at": iso_ms(at_ms),
        "ingested_at": item.get("ingested_at"),
        "scored_at": item.get("scored_at") if own else None,
        "label": item.get("sentiment") if own else None,
        "confidence": float(item["score"]) if own and item.get("score") is not None else None,
        "polarity": None,
        "model_version": item.get("model_version") if own else (models[0] if len(models) == 1 else None),
        "roles": [],
        "_at_ms": at_ms,
        "_e4": known.counted_e4(identity, item, at_ms),
    }


def _infer(rows: list[dict[str, Any]], known: Behind) -> None:
    """Where all events of a minute are here and all but one are known, the minute's sums tell the last one."""
    minutes: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        minutes[window_start_ms(row["_at_ms"], FINEST.width_ms)].append(row)
    for start_ms, inside in minutes.items():
        says = known.minutes.get(start_ms)
        if says is None or len(inside) != says.count:
            continue
        unknown = [row for row in inside if row["_e4"] is None]
        if len(unknown) == 1:
            unknown[0]["_e4"] = says.sum_e4 - sum(row["_e4"] for row in inside if row is not unknown[0])
        labels = {"positive": says.positive, "neutral": says.neutral, "negative": says.negative}
        unlabelled = [row for row in inside if row["label"] is None]
        for row in inside:
            if row["label"] is not None:
                labels[row["label"]] -= 1
        left = [label for label, count in labels.items() if count]
        if len(left) == 1 and labels[left[0]] == len(unlabelled):
            for row in unlabelled:
                row["label"] = left[0]


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
