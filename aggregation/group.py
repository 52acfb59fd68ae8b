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
    Times are milliseconds within the minute."""

    __slots__ = (
        "close_e4", "close_id", "close_ms", "high_e4", "low_e4", "members", "model_versions", "negative", "neutral",
        "open_e4", "open_id", "open_ms", "positive", "repeats", "since", "sources", "start_ms", "sum_e4", "until",
    )  # fmt: skip

    def __init__(self, start_ms: int, since: datetime, until: datetime) -> None:
        self.start_ms = start_ms
        self.since = since
        self.until = until
        self.repeats = 0
        self.clear()

    def clear(self) -> None:
        """Forget the events; the first one added sets everything."""
        self.members: dict[int, Event] = {}
        self.open_ms, self.open_id, self.open_e4 = NO_TIME, "", 0
        self.close_ms, self.close_id, self.close_e4 = -1, "", 0
        self.high_e4, self.low_e4, self.sum_e4 = -NO_TIME, NO_TIME, 0
        self.positive = self.neutral = self.negative = 0
        self.sources: set[str] = set()
        self.model_versions: set[str] = set()

    def add(self, event: Event, hashed: int, within_ms: int) -> None:
        """Add an accepted event that is not a member; `within_ms` is its time after the minute's start."""
        self.members[hashed] = event
        identity = event.event_id
        polarity_e4 = POLARITIES_E4[event.polarity]
        if within_ms > self.close_ms or (within_ms == self.close_ms and identity > self.close_id):
            self.close_ms, self.close_id, self.close_e4 = within_ms, identity, polarity_e4
        if within_ms < self.open_ms or (within_ms == self.open_ms and identity < self.open_id):
            self.open_ms, self.open_id, self.open_e4 = within_ms, identity, polarity_e4
        self.high_e4 = max(self.high_e4, polarity_e4)
        self.low_e4 = min(self.low_e4, polarity_e4)
        self.sum_e4 += polarity_e4
        if event.label == "positive":
            self.positive += 1
        elif event.label == "negative":
            self.negative += 1
        else:
            self.neutral += 1
        self.sources.add(event.source)
        self.model_versions.add(event.model_version)

    def keep(self, members: Iterable[tuple[int, Event]]) -> None:
        """Build anew from some of the events; repeats stay counted."""
        kept = list(members)
        self.clear()
        for hashed, event in kept:
            self.add(event, hashed, instant_ms(event.event_time) - self.start_ms)

    def summary(self) -> Summary:
        """What the events say; there is at least one."""
        assert self.members, "a group without events has nothing to say"
        return Summary(
            len(self.members), self.sum_e4, self.high_e4, self.low_e4,
            self.open_e4, self.start_ms + self.open_ms, self.open_id,
            self.close_e4, self.start_ms + self.close_ms, self.close_id,
            self.positive, self.neutral, self.negative,
            union(tuple(sorted(self.sources)), ()), union(tuple(sorted(self.model_versions)), ()),
        )  # fmt: skip
