"""The events of one batch that fall into one 1m bucket: distinct by id, with what they say kept up to date.

Two forms with one face: `Single`, what most minutes of most subjects are, costs next to nothing; `Group` holds any
number. A `Group` is a mutable accumulator, private to one batch; `gather` fills it in its hot loop, which is `add`
written out (a test compares the two).
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Final

import msgspec

from aggregation.event import Event
from aggregation.instant_table import within_minute_ms
from contracts.bucket import E4, LANE_SEPARATOR, BucketKey, Summary
from contracts.hashing import packed_hash

#: Adding and taking away 1.5 × 2^52 rounds a float to the nearest whole number, halves to even, exactly as `round`
#: does, at a fifth of its price: up there one step of a float is one. Sums of such whole floats are exact.
ROUNDER: Final = 6_755_399_441_055_744.0


class Single(msgspec.Struct, gc=False):
    """One event alone in its minute; `time` is its event time in the canonical form."""

    start_ms: int
    event: Event
    time: str
    repeats = 0  # not a field: the same of every one
    count = 1

    @property
    def members(self) -> dict[str, Event]:
        """Event id → the event."""
        return {self.event.event_id: self.event}

    @property
    def respelled(self) -> bool:
        """Whether its time was not in the canonical form."""
        return self.event.event_time != self.time

    def packed(self) -> bytes:
        """The member by its hash, packed."""
        return packed_hash(self.event.event_id)

    def times(self) -> Iterator[tuple[Event, str]]:
        """The event with its time in the canonical form."""
        return iter([(self.event, self.time)])

    @property
    def open_ms(self) -> int:
        """Milliseconds after the minute's start."""
        return within_minute_ms(self.time)

    close_ms = open_ms

    def summary(self) -> Summary:
        """What the event says."""
        return of_one(self.event, self.start_ms + within_minute_ms(self.time))


class Group:
    """`members`: event id → the first event of the batch with it; `hashed`: their hashes, packed as they come: later
    they would have to be fetched from cold memory. `repeats`: events after the first. `opens` and `closes` are the
    first and the last member by (event time, event id); times are in the canonical form, so they compare as text."""

    __slots__ = (
        "close_time", "closes", "hashed", "high", "low", "members", "negative", "open_time", "opens", "positive",
        "repeats", "respelled", "sources", "start_ms", "total", "version", "versions",
    )  # fmt: skip

    def __init__(self, start_ms: int, event: Event, time: str) -> None:
        """A group begins with its first event."""
        self.start_ms = start_ms
        self.repeats = 0
        self.members = {event.event_id: event}
        self.hashed = bytearray(packed_hash(event.event_id))
        self.opens = self.closes = event
        self.open_time = self.close_time = time
        self.high = self.low = event.polarity
        self.total = event.polarity * E4 + ROUNDER - ROUNDER
        self.positive = 1 if event.label == "positive" else 0
        self.negative = 1 if event.label == "negative" else 0
        self.sources = {event.source}
        self.version = event.model_version
        self.versions: set[str] | None = None  # only where there is more than one
        self.respelled: dict[int, str] | None = None  # only where a time was not in the canonical form
        if event.event_time != time:
            self.respell(event, time)

    def add(self, event: Event, time: str) -> None:
        """Add an accepted event; one that repeats an id is only counted."""
        if event.event_id in self.members:
            self.repeats += 1
            return
        self.members[event.event_id] = event
        self.hashed += packed_hash(event.event_id)
        polarity, label = event.polarity, event.label
        self.total += polarity * E4 + ROUNDER - ROUNDER
        self.high, self.low = max(self.high, polarity), min(self.low, polarity)
        self.positive += label == "positive"
        self.negative += label == "negative"
        self.sources.add(event.source)
        if event.model_version != self.version:
            self.note_version(event.model_version)
        if event.event_time != time:
            self.respell(event, time)
        self.order(event, time)

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.members)

    def order(self, event: Event, time: str) -> None:
        """Let a new member open or close the group if it is the first or the last."""
        identity = event.event_id
        if (time, identity) > (self.close_time, self.closes.event_id):
            self.close_time, self.closes = time, event
        if (time, identity) < (self.open_time, self.opens.event_id):
            self.open_time, self.opens = time, event

    def note_version(self, version: str) -> None:
        """Remember a second model version, a third …"""
        self.versions = (self.versions or {self.version}) | {version}

    def respell(self, event: Event, time: str) -> None:
        """Remember the canonical form of a member's time."""
        if self.respelled is None:
            self.respelled = {}
        self.respelled[id(event)] = time

    def packed(self) -> bytes:
        """The members by their hashes, packed."""
        return bytes(self.hashed)

    def times(self) -> Iterator[tuple[Event, str]]:
        """The members in the order they came, each with its time in the canonical form."""
        other = self.respelled or {}
        return ((event, other.get(id(event), event.event_time)) for event in self.members.values())

    @property
    def open_ms(self) -> int:
        """Milliseconds after the minute's start."""
        return within_minute_ms(self.open_time)

    @property
    def close_ms(self) -> int:
        """Milliseconds after the minute's start."""
        return within_minute_ms(self.close_time)

    def summary(self) -> Summary:
        """What the members say."""
        opens, closes, count = self.opens, self.closes, len(self.members)
        return Summary(
            count, int(self.total), round(self.high * E4), round(self.low * E4),
            round(opens.polarity * E4), self.start_ms + self.open_ms, opens.event_id,
            round(closes.polarity * E4), self.start_ms + self.close_ms, closes.event_id,
            self.positive, count - self.positive - self.negative, self.negative,
            names(self.sources), NAMES[self.version] if self.versions is None else names(self.versions),
        )  # fmt: skip


def group_of(start_ms: int, members: Iterable[tuple[Event, str]]) -> Group:
    """A group of some events, each with its time in the canonical form; at least one."""
    rest = iter(members)
    group = Group(start_ms, *next(rest))
    for event, time in rest:
        group.add(event, time)
    return group


def of_one(event: Event, event_ms: int) -> Summary:
    """The summary of a single event."""
    polarity_e4, identity, label = round(event.polarity * E4), event.event_id, event.label
    return Summary(
        1, polarity_e4, polarity_e4, polarity_e4,
        polarity_e4, event_ms, identity,
        polarity_e4, event_ms, identity,
        1 if label == "positive" else 0, 1 if label == "neutral" else 0, 1 if label == "negative" else 0,
        NAMES[event.source], NAMES[event.model_version],
    )  # fmt: skip


class _Names(dict[str | frozenset[str], tuple[str, ...]]):
    """A name, or a set of names → the same as a sorted tuple. There are few distinct ones, so each is made once and
    shared."""

    def __missing__(self, key: str | frozenset[str]) -> tuple[str, ...]:
        if len(self) >= MAX_NAMES:
            self.clear()
        if isinstance(key, str):
            self[key] = found = self[frozenset((key,))]
        else:
            self[key] = found = tuple(sorted(key))
        return found


MAX_NAMES: Final = 10_000
NAMES: Final = _Names()


def names(distinct: Collection[str]) -> tuple[str, ...]:
    """Names as a sorted tuple."""
    return NAMES[frozenset(distinct)]


def newest_of_subjects(groups: Mapping[BucketKey, Single | Group], limit: int) -> dict[str, list[Event]]:
    """The newest events of every subject, its lanes together: `newest` of each."""
    by_subject: defaultdict[str, list[Single | Group]] = defaultdict(list)
    for (subject, _, _), group in groups.items():
        by_subject[subject.partition(LANE_SEPARATOR)[0] if LANE_SEPARATOR in subject else subject].append(group)
    return {subject: newest(found, limit) for subject, found in by_subject.items()}


def newest(groups: list[Single | Group], limit: int) -> list[Event]:
    """The newest events of a subject's groups, in any order, their times in the canonical form."""
    found: list[Event] = []
    earliest_ms = groups[0].start_ms
    for group in sorted(groups, key=attrgetter("start_ms"), reverse=True):
        if len(found) >= limit and group.start_ms < earliest_ms:
            break  # a minute is taken whole: its lanes are groups of their own
        found += _canonical(group.times()) if group.respelled else group.members.values()
        earliest_ms = group.start_ms
    return newest_of(found, limit)


def _canonical(members: Iterable[tuple[Event, str]]) -> list[Event]:
    return [
        event if event.event_time == time else msgspec.structs.replace(event, event_time=time)
        for event, time in members
    ]


def newest_of(events: list[Event], limit: int) -> list[Event]:
    """The newest events by (event time, event id), in any order; times are in the canonical form."""
    if len(events) <= limit:
        return events
    return sorted(events, key=attrgetter("event_time", "event_id"))[-limit:]
