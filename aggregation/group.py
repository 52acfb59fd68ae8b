"""The events of one batch that fall into one 1m bucket: distinct by id, with what they say kept up to date.

A mutable accumulator, private to one batch. `gather` fills it in its hot loop, which is `add` written out; a test
compares the two.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from aggregation.event import POLARITIES_E4, Event
from aggregation.instant_table import instant_ms
from aggregation.summary import union
from contracts.bucket import Summary

NO_TIME: Final = 1 << 62


class Group:
    """`members`: hash of the event id → the first event of the batch with it. `repeats`: events after the first.
    `since <= ingested < until` is when an event of this minute may have come in; outside it takes the slow path.
    `opens` and `closes` are the first and the last member by (event time, event id)."""

    __slots__ = ("close_ms", "closes", "members", "open_ms", "opens", "repeats", "since", "start_ms", "until")

    def __init__(self, start_ms: int, since: datetime, until: datetime) -> None:
        self.start_ms = start_ms
        self.since = since
        self.until = until
        self.repeats = 0
        self.clear()

    def clear(self) -> None:
        """Forget the events."""
        self.members: dict[int, Event] = {}
        self.opens: Event | None = None
        self.closes: Event | None = None
        self.open_ms = self.close_ms = NO_TIME  # nothing is later, so the first member is put in `order`

    def add(self, event: Event, hashed: int, within_ms: int) -> None:
        """Add an accepted event that is not a member; `within_ms` is its time after the minute's start."""
        self.members[hashed] = event
        self.order(event, within_ms)

    def order(self, event: Event, within_ms: int) -> None:
        """Let a new member open or close the group if it is the first or the last."""
        identity = event.event_id
        if self.closes is None or (within_ms, identity) > (self.close_ms, self.closes.event_id):
            self.close_ms, self.closes = within_ms, event
        if self.opens is None or (within_ms, identity) < (self.open_ms, self.opens.event_id):
            self.open_ms, self.opens = within_ms, event

    def keep(self, members: Iterable[tuple[int, Event]]) -> None:
        """Build anew from some of the events; repeats stay counted."""
        kept = list(members)
        self.clear()
        for hashed, event in kept:
            self.add(event, hashed, instant_ms(event.event_time) - self.start_ms)

    def summary(self) -> Summary:
        """What the events say; there is at least one. Whole-list built-ins: a few C calls an event."""
        opens, closes, events = self.opens, self.closes, self.members.values()
        assert opens is not None, "a group without events has nothing to say"
        assert closes is not None, "a group without events has nothing to say"
        if opens is closes and len(events) == 1:
            return of_one(opens, self.start_ms + self.open_ms)
        polarities_e4 = [POLARITIES_E4[event.polarity] for event in events]
        labels = [event.label for event in events]
        return Summary(
            len(polarities_e4), sum(polarities_e4), max(polarities_e4), min(polarities_e4),
            POLARITIES_E4[opens.polarity], self.start_ms + self.open_ms, opens.event_id,
            POLARITIES_E4[closes.polarity], self.start_ms + self.close_ms, closes.event_id,
            labels.count("positive"), labels.count("neutral"), labels.count("negative"),
            union(tuple(sorted({event.source for event in events})), ()),
            union(tuple(sorted({event.model_version for event in events})), ()),
        )  # fmt: skip


def of_one(event: Event, event_ms: int) -> Summary:
    """The summary of a single event: what most minutes of most subjects are."""
    polarity_e4, identity, label = POLARITIES_E4[event.polarity], event.event_id, event.label
    return Summary(
        1, polarity_e4, polarity_e4, polarity_e4,
        polarity_e4, event_ms, identity,
        polarity_e4, event_ms, identity,
        int(label == "positive"), int(label == "neutral"), int(label == "negative"),
        union((event.source,), ()), union((event.model_version,), ()),
    )  # fmt: skip
