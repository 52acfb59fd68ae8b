"""What watchers are told of a commit, subject by subject."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from aggregation.event import Event
from aggregation.gather import milliseconds
from contracts.bucket import E4, LANE_SEPARATOR, Bucket
from contracts.ports import Change, NewEvent

#: A watcher is told of the newest of them; the bucket itself holds all.
MAX_CHANGE_EVENTS: Final = 200
#: A change must fit an item of DynamoDB (400 KB). A bucket is some 140 bytes of it, with long names three times that.
MAX_CHANGE_BUCKETS: Final = 500


def changes_of(
    generation: str, buckets: Iterable[Bucket], fresh: Mapping[str, Sequence[Event]], now_ms: int
) -> list[Change]:
    """The changes that tell of these buckets (not of lanes), and of each subject's `fresh` events beside its first.

    The aggregator hands in every bucket it touched, changed or not, so that a retry after a crash between the buckets
    and the change still tells the watchers (at least once; they apply by `rev`)."""
    by_subject: defaultdict[str, list[Bucket]] = defaultdict(list)
    for bucket in buckets:
        if LANE_SEPARATOR not in bucket.subject:
            by_subject[bucket.subject].append(bucket)
    changes: list[Change] = []
    for subject, found in by_subject.items():
        events = fresh.get(subject, ())
        news = tuple([
            NewEvent(
                event.event_id, event.article_id, event.event_time, event.source, event.label,
                round(event.polarity * E4),
            )
            for event in events
        ])  # fmt: skip
        origin_ms = milliseconds(max([event.ingested_at for event in events])) if events else 0
        changes.append(Change(generation, subject, tuple(found[:MAX_CHANGE_BUCKETS]), news, origin_ms, now_ms))
        for at in range(MAX_CHANGE_BUCKETS, len(found), MAX_CHANGE_BUCKETS):
            more = tuple(found[at : at + MAX_CHANGE_BUCKETS])
            changes.append(Change(generation, subject, more, (), 0, now_ms))
    return changes
