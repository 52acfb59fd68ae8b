"""What watchers are told of a commit, subject by subject."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from aggregation.event import MAX_ID_CHARACTERS, MAX_NAME_CHARACTERS, Event
from aggregation.gather import milliseconds
from contracts.bucket import E4, LANE_SEPARATOR, Bucket
from contracts.ports import Change, NewEvent

#: A watcher is told of the newest of them; the bucket itself holds all.
MAX_CHANGE_EVENTS: Final = 200
#: A change must fit an item of DynamoDB (400 KB). A bucket is some 140 bytes of it, with the longest names over 3 KB.
MAX_CHANGE_BYTES: Final = 300_000
#: At most, beside its names: numbers, resolution, subject; and what a change has beside its buckets and events.
_BUCKET_BYTES: Final = 250
_EVENT_BYTES: Final = 60
_CHANGE_BYTES: Final = 500
_PREFIX_BYTES: Final = 5
_ROOM: Final = MAX_CHANGE_BYTES - _CHANGE_BYTES
#: Bytes of a character at most.
_WIDEST: Final = 4
#: Of the longest names an event may have.
_LONGEST_ID: Final = _WIDEST * MAX_ID_CHARACTERS + _PREFIX_BYTES
_LONGEST_NAME: Final = _WIDEST * MAX_NAME_CHARACTERS + _PREFIX_BYTES
_LONGEST_BUCKET: Final = _BUCKET_BYTES + 2 * _LONGEST_ID
_LONGEST_EVENT: Final = _EVENT_BYTES + 2 * _LONGEST_ID + _LONGEST_NAME


def changes_of(
    generation: str, buckets: Iterable[Bucket], fresh: Mapping[str, Sequence[Event]], now_ms: int
) -> list[Change]:
    """The changes that tell of these buckets (not of lanes), and of each subject's `fresh` events.

    The aggregator hands in every bucket it touched, changed or not, so that a retry after a crash between the buckets
    and the change still tells the watchers (at least once; they apply by `rev`)."""
    by_subject: defaultdict[str, list[Bucket]] = defaultdict(list)
    for bucket in buckets:
        subject = bucket.key[0]
        if LANE_SEPARATOR not in subject:
            by_subject[subject].append(bucket)
    changes: list[Change] = []
    for subject, found in by_subject.items():
        events = fresh.get(subject, ())
        news = [
            NewEvent(
                event.event_id, event.article_id, event.event_time, event.source, event.label,
                round(event.polarity * E4),
            )
            for event in events
        ]  # fmt: skip
        origin_ms = milliseconds(max([event.ingested_at for event in events])) if events else 0
        if _surely_fits(found, news):
            changes.append(Change(generation, subject, tuple(found), tuple(news), origin_ms, now_ms))
            continue
        for told, told_news in _pieces(found, news):
            when_ms = origin_ms if told_news else 0
            changes.append(Change(generation, subject, tuple(told), tuple(told_news), when_ms, now_ms))
    return changes


def _surely_fits(buckets: list[Bucket], events: list[NewEvent]) -> bool:
    """Whether they fit whatever they are called, or else if all had the longest names among them. One or the other
    is true of most changes, which so need not be measured; the first takes a third of the second's time."""
    said = [each.summary for each in buckets]
    names = sum([len(each.sources) + len(each.model_versions) for each in said])
    if len(said) * _LONGEST_BUCKET + names * _LONGEST_NAME + len(events) * _LONGEST_EVENT <= _ROOM:
        return True
    ids = max([len(each.open_id) + len(each.close_id) for each in said])
    named = sum(
        [max(map(_most_bytes, {*found})) for found in ([s.sources for s in said], [s.model_versions for s in said])]
    )
    most = len(buckets) * (_BUCKET_BYTES + _WIDEST * ids + 2 * _PREFIX_BYTES + named)
    if events:
        longest = max([len(each.event_id) + len(each.article_id) for each in events])
        most += len(events) * (_EVENT_BYTES + _WIDEST * longest + 2 * _PREFIX_BYTES + _LONGEST_NAME)
    return most <= _ROOM


def _most_bytes(names: tuple[str, ...]) -> int:
    return sum([_WIDEST * len(name) + _PREFIX_BYTES for name in names])


def _pieces(buckets: list[Bucket], events: list[NewEvent]) -> Iterator[tuple[list[Bucket], list[NewEvent]]]:
    """Runs of them that fit, events first."""
    told: list[Bucket] = []
    news: list[NewEvent] = []
    size = _CHANGE_BYTES
    everything: list[Bucket | NewEvent] = [*events, *buckets]
    for each in everything:
        more = _bytes_of(each)
        if size + more > MAX_CHANGE_BYTES and (told or news):
            yield told, news
            told, news, size = [], [], _CHANGE_BYTES
        if isinstance(each, Bucket):
            told.append(each)
        else:
            news.append(each)
        size += more
    yield told, news


def _bytes_of(each: Bucket | NewEvent) -> int:
    """What it takes in a change, or a little more."""
    if isinstance(each, NewEvent):
        return _EVENT_BYTES + _text_bytes(each.event_id, each.article_id, each.source)
    said = each.summary
    return _BUCKET_BYTES + _text_bytes(said.open_id, said.close_id, *said.sources, *said.model_versions)


def _text_bytes(*names: str) -> int:
    return sum([_PREFIX_BYTES + len(name.encode()) for name in names])
