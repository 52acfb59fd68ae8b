"""Counting what a replay would read: one pass, eight bytes an event."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy

from aggregation.event import CHUNK, Event, decode, decode_all
from aggregation.gather import Gathered, gather_chunks
from aggregation.instant_table import instant_ms
from contracts.bucket import member_hashes
from contracts.errors import BadEvent
from contracts.hashing import member_hash
from contracts.instants import date_of
from contracts.resolution import DAY_MS, FINEST, HOUR_MS, RESOLUTIONS
from ops.replay.sources import Segment

#: Bytes a bucket takes in DynamoDB besides its members or children, and one child summary: measured on made-up news.
BUCKET_BYTES: Final = 420
CHILD_BYTES: Final = 230
MEMBER_BYTES: Final = 8
WRITE_UNIT_BYTES: Final = 1_024


class Census(msgspec.Struct, frozen=True):
    """What the sources hold. `events` are distinct ones that count; times in milliseconds; `buckets` that a run writes,
    by resolution, those of lanes (expected) with the minutes; `write_units` as DynamoDB bills them, estimated from the
    number of children and members of every bucket."""

    records: int
    by_kind: dict[str, int]
    events: int
    duplicates: int
    too_late: int
    quarantined: int
    articles: int
    subjects: int
    buckets: dict[str, int]
    write_units: int
    first_ms: int
    last_ms: int


class Filter:
    """Which events a replay is about; `without`: those of no such news source."""

    def __init__(
        self, start_ms: int | None, end_ms: int | None, subjects: frozenset[str], without: frozenset[str]
    ) -> None:
        self._start_ms = start_ms
        self._end_ms = end_ms
        self._subjects = subjects
        self.without = without
        self.everything = start_ms is None and end_ms is None and not subjects and not without

    def passes(self, subject: str, event_time: str, source: str) -> bool:
        """Whether an event is one of them."""
        return source not in self.without and self.is_about(subject, event_time)

    def is_about(self, subject: str, event_time: str) -> bool:
        """The same, whatever its source. An unreadable time passes: it is judged, and quarantined, like everywhere."""
        if self._subjects and subject not in self._subjects:
            return False
        if self._start_ms is None and self._end_ms is None:
            return True
        try:
            at_ms = instant_ms(event_time)
        except BadEvent:
            return True
        return (self._start_ms is None or at_ms >= self._start_ms) and (self._end_ms is None or at_ms < self._end_ms)


class Scan:
    """Takes records in log order, answers with a census and the work units. `expires_ms`: the present where buckets
    expire, whose time to live is then over for some; None where they stay."""

    def __init__(self, allowed_lateness_ms: int, wanted: Filter, lanes: int = 1, expires_ms: int | None = None) -> None:
        self._allowed_lateness_ms = allowed_lateness_ms
        self._filter = wanted
        self._lanes = lanes
        self._expires_ms = expires_ms
        self.left_out: set[str] = set()
        """News sources that were met and left out."""
        self._identities: list[numpy.ndarray] = []
        self._articles: list[numpy.ndarray] = []
        #: Subject → (minutes, records in each) of every batch.
        self._minutes: dict[str, list[tuple[numpy.ndarray, numpy.ndarray]]] = {}
        self._accepted = 0
        self._too_late = 0
        self._quarantined = 0
        self._first_ms = self._last_ms = 0

    def add(self, lines: Sequence[bytes]) -> None:
        """Judge a batch."""
        chunks = [self._decoded(lines[at : at + CHUNK]) for at in range(0, len(lines), CHUNK)]
        if any(chunks):
            self._take(gather_chunks(chunks, self._allowed_lateness_ms))

    def _decoded(self, lines: Sequence[bytes]) -> list[Event]:
        """The events that the replay is about."""
        events = decode_all(lines)
        if events is None:
            events = []
            for line in lines:
                try:
                    events.append(decode(line))
                except BadEvent:
                    self._quarantined += 1
        if self._filter.everything:
            return events
        about = [event for event in events if self._filter.is_about(event.subject, event.event_time)]
        self.left_out |= self._filter.without & {event.source for event in about}
        return [event for event in about if event.source not in self._filter.without]

    def _take(self, gathered: Gathered) -> None:
        self._too_late += len(gathered.too_late)
        self._quarantined += len(gathered.quarantined)
        identities: list[int] = []
        articles: list[int] = []
        minutes: dict[str, tuple[list[int], list[int]]] = {}
        for (subject, _, start_ms), group in gathered.groups.items():
            salt = member_hash(f"{subject} {start_ms}")
            identities += [hashed ^ salt for hashed in member_hashes(group.packed())]
            articles += [member_hash(event.article_id) for event in group.members.values()]
            starts, counts = minutes.setdefault(subject, ([], []))
            records = len(group.members) + group.repeats
            starts.append(start_ms)
            counts.append(records)
            if not self._accepted or start_ms + group.open_ms < self._first_ms:
                self._first_ms = start_ms + group.open_ms
            self._last_ms = max(self._last_ms, start_ms + group.close_ms)
            self._accepted += records
        for subject, (starts, counts) in minutes.items():
            pair = (numpy.array(starts, dtype=numpy.int64), numpy.array(counts, dtype=numpy.int64))
            self._minutes.setdefault(subject, []).append(pair)
        self._identities.append(numpy.array(identities, dtype=numpy.uint64))
        self._articles.append(numpy.array(articles, dtype=numpy.uint64))

    def result(self, segments: Sequence[Segment]) -> tuple[Census, list[tuple[str, str, tuple[int, ...], int]]]:
        """(the census, (subject, day, hours with events, records) of every group, ascending)."""
        by_kind: Counter[str] = Counter()
        for one in segments:
            by_kind[one.kind] += one.records or 0
        events = _distinct(self._identities)
        buckets: Counter[str] = Counter()
        write_units = 0
        groups = []
        for subject in sorted(self._minutes):
            starts, counts = _added_up(self._minutes[subject])
            counted, units = _buckets_of(starts, counts, self._lanes, self._expires_ms)
            buckets.update(counted)
            write_units += units
            groups += _groups_of(subject, starts, counts)
        census = Census(
            records=sum(by_kind.values()),
            by_kind=dict(by_kind),
            events=events,
            duplicates=self._accepted - events,
            too_late=self._too_late,
            quarantined=self._quarantined,
            articles=_distinct(self._articles),
            subjects=len(self._minutes),
            buckets={row.name: buckets[row.name] for row in RESOLUTIONS},
            write_units=write_units,
            first_ms=self._first_ms,
            last_ms=self._last_ms,
        )
        return census, groups


def _added_up(parts: list[tuple[numpy.ndarray, numpy.ndarray]]) -> tuple[numpy.ndarray, numpy.ndarray]:
    """(distinct minutes, ascending, and the records of each)."""
    starts, places = numpy.unique(numpy.concatenate([part[0] for part in parts]), return_inverse=True)
    counts = numpy.zeros(len(starts), dtype=numpy.int64)
    numpy.add.at(counts, places, numpy.concatenate([part[1] for part in parts]))
    return starts, counts


def _distinct(parts: list[numpy.ndarray]) -> int:
    """How many different numbers there are. Sorted in place: `numpy.unique` puts whole numbers into a hash table, which
    takes a hundred times as long, and longer the more there are."""
    if not parts:
        return 0
    everything = numpy.concatenate(parts)
    everything.sort()
    return 1 + int(numpy.count_nonzero(everything[1:] != everything[:-1]))


def _buckets_of(
    starts: numpy.ndarray, counts: numpy.ndarray, lanes: int, expires_ms: int | None
) -> tuple[dict[str, int], int]:
    """(buckets by resolution, write units) of a subject with events in these minutes. A bucket past its time to live is
    not written; its parents hold its summary."""
    counted: dict[str, int] = {}
    write_units = 0
    windows, sizes = starts, MEMBER_BYTES * counts
    for resolution in RESOLUTIONS:
        if resolution is not FINEST:
            windows, children = numpy.unique(windows - windows % resolution.width_ms, return_counts=True)
            sizes = CHILD_BYTES * children
        lives = numpy.full(len(windows), expires_ms is None)
        if expires_ms is not None:
            lives = windows + (resolution.width_ms + resolution.ttl_ms) > expires_ms
        counted[resolution.name] = int(numpy.count_nonzero(lives))
        write_units += int(numpy.sum(-(-(BUCKET_BYTES + sizes[lives]) // WRITE_UNIT_BYTES)))
        if resolution is FINEST and lanes > 1:
            in_lanes = round(float(numpy.sum(lanes * (1 - (1 - 1 / lanes) ** counts[lives]))))
            counted[resolution.name] += in_lanes
            write_units += in_lanes
    return counted, write_units + sum(counted.values())  # each is told to the index of what was touched, too


def _groups_of(
    subject: str, starts: numpy.ndarray, counts: numpy.ndarray
) -> list[tuple[str, str, tuple[int, ...], int]]:
    days, first = numpy.unique(starts - starts % DAY_MS, return_index=True)
    bounds = [*first.tolist(), len(starts)]
    found = []
    for number, day_ms in enumerate(days.tolist()):
        part = slice(bounds[number], bounds[number + 1])
        hours = numpy.unique((starts[part] - day_ms) // HOUR_MS)
        found.append((subject, date_of(day_ms), tuple(hours.tolist()), int(counts[part].sum())))
    return found
