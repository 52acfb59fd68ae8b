"""Events of the stream, and slots: the events of one change with the ids around them.

A slot is encoded once, whoever reads it; what differs between clients is only which of its events they want. The last
one a client gets carries the id `after` the change, the ones before it `before!k` (see `sse.cursor`), so a client cut
in the middle of a change gets that change again, and one cut behind it does not.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache, partial
from typing import Any, NamedTuple

import msgspec

from api.epoch import generation_of
from api.sse.cursor import Vector, id_of
from api.sse.filters import Filter
from contracts.bucket import E4, Bucket
from contracts.documents import bucket_document, end_ms, partial_document
from contracts.instants import iso_ms
from contracts.ports import Change, NewEvent, StoredChange

#: Events of each kind that are kept encoded: after a restart everybody comes back and asks for the same ones.
EVENTS_KEPT = 4_096
#: Of windows that have ended there is one a series and minute, not one an article: a quarter is as long a time.
FINALS_KEPT = 1_024
#: Of an event as the stream carries it.
PARTS = 2
_encoder = msgspec.json.Encoder()


class StreamEvent:
    """One event: its name, what it is about (None: everyone), and what it says, worked out when first asked for:
    most events interest nobody."""

    __slots__ = ("_body", "_make", "name", "resolution", "subject")

    def __init__(
        self,
        name: str,
        make: Callable[[], dict[str, Any]],
        subject: str | None = None,
        resolution: str | None = None,
    ) -> None:
        self.name = name
        self._make = make
        self.subject = subject
        self.resolution = resolution
        self._body: bytes | None = None

    @property
    def data(self) -> dict[str, Any]:
        """The event's data."""
        return self._make()

    @property
    def body(self) -> bytes:
        """The `event:` and `data:` lines with the closing blank line."""
        if self._body is None:
            self._body = b"event: %s\ndata: %s\n\n" % (self.name.encode(), _encoder.encode(self._make()))
        return self._body


def control_event(name: str, data: dict[str, Any]) -> StreamEvent:
    """An event for everyone."""
    return StreamEvent(name, lambda: data)


class Slot(NamedTuple):
    """The events of one change. `before` and `after` are ids; `places` number the events within the change, the same
    in every process. `base` keeps `before!k` unique while `before` stands still (partials held back by coalescing).
    `after` None: what is no change, which repeats the id `before`."""

    before: str
    after: str | None
    base: int
    events: tuple[StreamEvent, ...]
    places: tuple[int, ...]

    def documents(self, wanted: Filter) -> list[tuple[str, StreamEvent]]:
        """The wanted events with their ids."""
        chosen = [
            (place, event)
            for place, event in zip(self.places, self.events, strict=True)
            if wanted.takes(event.subject, event.resolution)
        ]
        if self.after is None:
            return [(self.before, event) for _, event in chosen]
        whole = self.after != self.before
        last = len(chosen) - 1
        return [
            (self.after if whole and at == last else f"{self.before}!{self.base + place}", event)
            for at, (place, event) in enumerate(chosen)
        ]

    def parts(self, wanted: Filter) -> list[bytes]:
        """The wanted events as the stream carries them: ids, and bodies that all share."""
        return [part for name, event in self.documents(wanted) for part in (b"id: %s\n" % name.encode(), event.body)]

    def render(self, wanted: Filter) -> bytes:
        """The parts in one."""
        return b"".join(self.parts(wanted))


def _origin(origin_ms: int) -> str | None:
    """When the newest article was accepted; null for a change that is a retry and brought nothing new."""
    return iso_ms(origin_ms) if origin_ms else None


def bucket_event(bucket: Bucket, origin_ms: int, now_ms: int) -> StreamEvent:
    """`bucket_update` for a window that has ended, `partial_bucket` for one that has not."""
    if end_ms(bucket) <= now_ms:
        return _final_event(bucket, origin_ms)
    make = partial(_partial_data, bucket, origin_ms, now_ms)
    return StreamEvent("partial_bucket", make, bucket.subject, bucket.resolution)


@lru_cache(maxsize=FINALS_KEPT)
def _final_event(bucket: Bucket, origin_ms: int) -> StreamEvent:
    make = partial(_final_data, bucket, origin_ms, end_ms(bucket))
    return StreamEvent("bucket_update", make, bucket.subject, bucket.resolution)


def _final_data(bucket: Bucket, origin_ms: int, now_ms: int) -> dict[str, Any]:
    return {
        "ticker": bucket.subject,
        "resolution": bucket.resolution,
        "bucket": bucket_document(bucket, now_ms),
        "origin_timestamp": _origin(origin_ms),
    }


def _partial_data(bucket: Bucket, origin_ms: int, now_ms: int) -> dict[str, Any]:
    document = partial_document(bucket, now_ms)
    return {
        "ticker": bucket.subject,
        "resolution": bucket.resolution,
        "bucket": document,
        "progress_pct": document["progress_pct"],
        "origin_timestamp": _origin(origin_ms),
    }


@lru_cache(maxsize=EVENTS_KEPT)
def _item_event(subject: str, event: NewEvent, origin_ms: int, title: str | None) -> StreamEvent:
    return StreamEvent("new_item", partial(_item_data, subject, event, origin_ms, title), subject)


def _item_data(subject: str, event: NewEvent, origin_ms: int, title: str | None) -> dict[str, Any]:
    return {
        "ticker": subject,
        "event_id": event.event_id,
        "article_id": event.article_id,
        "title": title,
        "event_time": event.event_time,
        "source": event.source,
        "label": event.label,
        "polarity": event.polarity_e4 / E4,
        "origin_timestamp": _origin(origin_ms),
    }


@lru_cache(maxsize=EVENTS_KEPT)
def _newest_event(subject: str, event: NewEvent, origin_ms: int, title: str | None, count: int) -> StreamEvent:
    return StreamEvent(
        "sentiment_update", lambda: _item_data(subject, event, origin_ms, title) | {"count": count}, subject
    )


def item_events(change: Change, titles: Mapping[str, str]) -> list[StreamEvent]:
    """`new_item` for each newly scored article, and one `sentiment_update`: the subject's newest."""
    if not change.events:
        return []
    ordered = sorted(change.events, key=lambda event: (event.event_time, event.event_id))
    subject, origin_ms, newest = change.subject, change.origin_ms, ordered[-1]
    items = [_item_event(subject, event, origin_ms, titles.get(event.article_id)) for event in ordered]
    last = _newest_event(subject, newest, origin_ms, titles.get(newest.article_id), len(ordered))
    return [*items, last]


def change_slots(
    changes: Iterable[StoredChange],
    start: Vector,
    epoch: str,
    now_ms: int,
    wanted: Filter,
    titles: Mapping[str, str] | None = None,
) -> Iterator[Slot]:
    """The slots of a replay: every change of a wanted subject past `start`, uncoalesced, with exact ids. Other changes,
    and those of other generations, move the cursor and say nothing."""
    vector, generation = dict(start), generation_of(epoch)
    for stored in changes:
        change = stored.change
        told = change.generation == generation and wanted.takes(change.subject, None)
        before = id_of(epoch, vector) if told else ""
        vector[stored.lane] = max(stored.sequence, vector.get(stored.lane, 0))
        if told:
            buckets = [bucket_event(bucket, change.origin_ms, now_ms) for bucket in change.buckets]
            events = (*buckets, *item_events(change, titles or {}))
            yield whole_slot(before, id_of(epoch, vector), events)


def whole_slot(before: str, after: str, events: tuple[StreamEvent, ...]) -> Slot:
    """A slot of all the events of a change."""
    return Slot(before, after, 0, events, tuple(range(1, len(events) + 1)))


def control_slot(before: str, *events: StreamEvent) -> Slot:
    """A slot of something that is no change."""
    return Slot(before, None, 0, events, (0,) * len(events))
