"""From a batch of events to groups by (subject, minute), each event judged and counted once.

`_collect` is the hot loop of the project. What makes it fast, measured (docs/decisions/0003-hot-loop.md): every event
is touched once, in the order it came; the minute is the first sixteen characters of the time, and times compare as
text, so no time is parsed (their form is checked for the whole batch at once); the verdict is two comparisons with
bounds that are computed once per minute. Whatever the fast path will not vouch for (another spelling of a time, a stamp
outside the bounds, a bad subject) is judged by itself in `_judge`.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import msgspec

from aggregation.event import Event
from aggregation.group import ROUNDER, Group, Single, group_of
from aggregation.instant_table import MINUTE_CHARACTERS, MINUTES, NotCanonical, instant_ms
from aggregation.verdict import ALLOWED_LATENESS_MS, SetAside, judge
from contracts.bucket import E4, LANE_SEPARATOR, BucketKey, new_key
from contracts.errors import BadEvent
from contracts.events import FUTURE_TOLERANCE_MS
from contracts.hashing import member_hash, packed_hash
from contracts.instants import FIRST_MS, MAX_MS, MIN_MS, iso_ms
from contracts.resolution import FINEST, MINUTE_MS, late_from_ms, window_start_ms
from contracts.subjects import is_subject

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: No instant is at or after the one and before the other: every event of such a minute takes the slow path.
_NEVER: Final = (datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC))
_CANONICAL: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:[0-5]\d\.\d{3}Z\Z", re.ASCII)
_SHAPE: Final = b"0000-00-00T00:00:00.000Z\n"
_TENS_OF_SECONDS: Final = slice(17, None, len(_SHAPE))
_DIGITS_TO_0: Final = bytes.maketrans(b"123456789", b"000000000")


class _Subjects(dict[str, str]):
    """A good subject → the one string that stands for it: an event may bring a copy, and buckets keep what they get."""

    def __missing__(self, subject: str) -> str:
        if not is_subject(subject):
            return ""
        if len(self) >= MAX_SUBJECTS:
            self.clear()
        self[subject] = subject
        return subject


MAX_SUBJECTS: Final = 100_000
_SUBJECTS: Final = _Subjects()


class Gathered(NamedTuple):
    """A batch, judged: its `events` in log order, and where each went. `newest_event_ms` is over accepted events only:
    a bad stamp must not move the watermark.

    A tuple lets go of its first field last: so events are freed in the order they were made, after the groups, and the
    next batch is laid into the same memory in order. Freed group by group they would leave it shuffled, which made the
    tenth batch of 10,000 half as slow again as the first."""

    events: Sequence[Event]
    groups: dict[BucketKey, Single | Group]
    too_late: list[SetAside]
    quarantined: list[SetAside]
    newest_event_ms: int | None


def gather(events: Sequence[Event], allowed_lateness_ms: int = ALLOWED_LATENESS_MS, lanes: int = 1) -> Gathered:
    """Group a batch by the 1m bucket (of the event's lane when `lanes` > 1) and set aside what may not count."""
    return in_lanes(gather_chunks((events,), allowed_lateness_ms), lanes)


def gather_chunks(chunks: Iterable[Sequence[Event]], allowed_lateness_ms: int = ALLOWED_LATENESS_MS) -> Gathered:
    """`gather` of a batch in chunks. A chunk that is decoded when it is asked for (`CHUNK` events) is still in the
    processor's cache when it is looked at."""
    events: list[Event] = []
    doubtful: list[Event] = []
    minutes = _Minutes(allowed_lateness_ms)
    for chunk in chunks:
        usual, unusual = _by_spelling(chunk)
        doubtful += unusual
        _collect(usual, minutes, doubtful)
        events += chunk
    name = FINEST.name
    groups: dict[BucketKey, Single | Group] = {}
    for within in minutes.values():
        start_ms = within.start_ms
        for subject, single in within.singles.items():
            groups[new_key((subject, name, start_ms))] = single
        for subject, group in within.groups.items():
            groups[new_key((subject, name, start_ms))] = group
    too_late: list[SetAside] = []
    quarantined: list[SetAside] = []
    if doubtful:
        _judge(events, doubtful, allowed_lateness_ms, groups, too_late, quarantined)
    last_ms = max([group.start_ms for group in groups.values()], default=None)
    newest_ms = max([last_ms + group.close_ms for group in groups.values() if group.start_ms == last_ms], default=None)
    return Gathered(events, groups, too_late, quarantined, newest_ms)


def in_lanes(gathered: Gathered, lanes: int) -> Gathered:
    """The same with its groups split over their subjects' lanes."""
    return gathered if lanes == 1 else gathered._replace(groups=_spread(gathered.groups, lanes))


def _collect(events: Sequence[Event], minutes: "_Minutes", doubtful: list[Event]) -> None:
    """The hot loop: every event is looked at once, in the order it came, while it is still in the processor's cache."""
    first_characters, hash_of, scale, rounder = slice(MINUTE_CHARACTERS), packed_hash, E4, ROUNDER
    minute, within = "", minutes[""]
    for event in events:
        time = event.event_time
        if (text := time[first_characters]) != minute:
            minute, within = text, minutes[text]
        if not within.since <= event.ingested_at < within.until:
            doubtful.append(event)
            continue
        group = within.groups.get(event.subject)
        if group is None:
            within.begin(event, time, doubtful)
            continue
        # From here on it is `Group.add`, written out.
        identity, members = event.event_id, group.members
        if identity in members:
            group.repeats += 1
            continue
        members[identity] = event
        group.hashed += hash_of(identity)
        polarity, label = event.polarity, event.label
        group.total += polarity * scale + rounder - rounder
        if polarity > group.high:
            group.high = polarity
        elif polarity < group.low:
            group.low = polarity
        if label == "positive":
            group.positive += 1
        elif label == "negative":
            group.negative += 1
        if event.source not in group.sources:
            group.sources.add(event.source)
        if event.model_version != group.version:
            group.note_version(event.model_version)
        # News mostly comes in the order of its time: one comparison, and only what is not the newest is looked at.
        if time > group.close_time:
            group.close_time = time
            group.closes = event
        elif time <= group.open_time or time == group.close_time:
            group.order(event, time)


def _by_spelling(events: Sequence[Event]) -> tuple[Sequence[Event], list[Event]]:
    """(events whose time has the canonical form `2025-12-21T10:35:12.345Z`, the others).

    Almost always all have it, and that is seen for the whole batch at once: written one a line, with every digit
    replaced by 0, the text must be a repetition of the form. What a minute may be is checked where groups are made.
    """
    lines = "\n".join([event.event_time for event in events])
    if lines.isascii():
        shape = lines.encode().translate(_DIGITS_TO_0)
        if shape == _SHAPE * (len(events) - 1) + _SHAPE[:-1] and not lines[_TENS_OF_SECONDS].strip("012345"):
            return events, []
    usual: list[Event] = []
    doubtful: list[Event] = []
    for event in events:
        (usual if _CANONICAL.match(event.event_time) else doubtful).append(event)
    return usual, doubtful


def milliseconds(instant: datetime) -> int:
    """Whole milliseconds UTC, cut off; exact (`timestamp()` is a float)."""
    delta = instant - _EPOCH
    return delta.days * 86_400_000 + delta.seconds * 1_000 + delta.microseconds // 1_000


class _Minute(msgspec.Struct):
    """One minute of a batch: what came for each subject, and when it may have come. Ingested at or after `since`, no
    event of the minute is from the future; before `until`, none is late."""

    start_ms: int
    since: datetime
    until: datetime
    singles: dict[str, Single]
    groups: dict[str, Group]

    def begin(self, event: Event, time: str, doubtful: list[Event]) -> None:
        """The first event of a subject stands alone, the second makes a group."""
        subject = _SUBJECTS[event.subject]
        if not subject:
            doubtful.append(event)
            return
        single = self.singles.pop(subject, None)
        if single is None:
            self.singles[subject] = Single(self.start_ms, event, time)
            return
        self.groups[subject] = group = Group(self.start_ms, single.event, single.time)
        group.add(event, time)


class _Minutes(dict[str, _Minute]):
    """`2025-12-21T10:35` → the minute. For what is no minute nothing may have come: its events take the slow path."""

    def __init__(self, allowed_lateness_ms: int) -> None:
        self._allowed_lateness_ms = allowed_lateness_ms

    def __missing__(self, text: str) -> _Minute:
        try:
            start_ms = MINUTES[text]
        except (NotCanonical, BadEvent):
            start_ms = 0
        since, until = _NEVER
        if MIN_MS <= start_ms < MAX_MS:
            since = _EPOCH + timedelta(milliseconds=start_ms + MINUTE_MS - FUTURE_TOLERANCE_MS)
            until = _EPOCH + timedelta(milliseconds=min(late_from_ms(start_ms, self._allowed_lateness_ms), MAX_MS))
        self[text] = minute = _Minute(start_ms, since, until, {}, {})
        return minute


def _judge(
    events: Sequence[Event],
    doubtful: list[Event],
    allowed_lateness_ms: int,
    groups: dict[BucketKey, Single | Group],
    too_late: list[SetAside],
    quarantined: list[SetAside],
) -> None:
    """The slow path, one event at a time in log order: say why it may not count, or add it to its group."""
    order = {id(event): at for at, event in enumerate(events)}
    doubtful.sort(key=lambda event: order[id(event)])
    accepted: defaultdict[BucketKey, list[tuple[Event, str]]] = defaultdict(list)
    for event in doubtful:
        try:
            if not is_subject(event.subject):
                raise BadEvent("bad_subject", f"subject {event.subject!r} is neither a ticker nor tag:name")
            event_ms, ingested_ms = instant_ms(event.event_time), milliseconds(event.ingested_at)
            if not (FIRST_MS <= ingested_ms < MAX_MS and event_ms < MAX_MS):
                raise BadEvent("bad_time", f"{event.event_id}: a time before the year 1 or not before 2100")
        except BadEvent as error:
            quarantined.append(SetAside(event, error.reason, error.detail))
            continue
        verdict = judge(event_ms, ingested_ms, allowed_lateness_ms)
        if verdict != "accepted":
            detail = f"{event.event_id}: event time {iso_ms(event_ms)}, ingested {iso_ms(ingested_ms)}"
            (too_late if verdict == "too_late" else quarantined).append(SetAside(event, verdict, detail))
            continue
        start_ms = window_start_ms(event_ms, MINUTE_MS)
        accepted[BucketKey(event.subject, FINEST.name, start_ms)].append((event, iso_ms(event_ms)))
    for key, more in accepted.items():
        known = groups.get(key)
        if known is not None:
            more += known.times()
        # The first in the log stands, on whichever path it came.
        more.sort(key=lambda pair: order[id(pair[0])])
        groups[key] = group = group_of(key.start_ms, more)
        group.repeats += known.repeats if known else 0


def _spread(groups: dict[BucketKey, Single | Group], lanes: int) -> dict[BucketKey, Single | Group]:
    """Every group split over the subject's lanes: lane = hash of the event id, so duplicates meet."""
    spread: dict[BucketKey, Single | Group] = {}
    for (subject, name, start_ms), group in groups.items():
        parts: defaultdict[int, list[tuple[Event, str]]] = defaultdict(list)
        for event, time in group.times():
            parts[member_hash(event.event_id) % lanes].append((event, time))
        repeats = group.repeats
        for lane, part in parts.items():
            split = spread[BucketKey(f"{subject}{LANE_SEPARATOR}{lane}", name, start_ms)] = group_of(start_ms, part)
            split.repeats, repeats = repeats, 0
    return spread
