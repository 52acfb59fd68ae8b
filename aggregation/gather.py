"""From a batch of events to groups by (subject, minute), each event judged and counted once.

This is the hot loop of the project. What makes it fast, measured (docs/decisions/0003-hot-loop.md): the minute is the
first sixteen characters of the time, so no time is parsed; the verdict is two comparisons with bounds that are computed
once per minute; sums, extremes and labels wait until the group is whole (`Group.summary`). Whatever the fast path will
not vouch for (another spelling of a time, a stamp outside the bounds, a bad subject) is judged by itself in `_judge`.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

from aggregation.event import Event
from aggregation.group import Group
from aggregation.instant_table import MINUTE_CHARACTERS, MINUTES, RESTS, NotCanonical, instant_ms
from aggregation.verdict import ALLOWED_LATENESS_MS, SetAside, judge, late_from_ms
from contracts.bucket import LANE_SEPARATOR, BucketKey
from contracts.errors import BadEvent
from contracts.events import FUTURE_TOLERANCE_MS
from contracts.hashing import member_hash
from contracts.instants import MIN_MS, iso_ms
from contracts.resolution import FINEST, MINUTE_MS, window_start_ms
from contracts.subjects import is_subject

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: No instant is at or after the one and before the other: every event of such a group takes the slow path.
_NEVER: Final = (datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC))


class Gathered(NamedTuple):
    """A batch, judged. `newest_event_ms` is over accepted events only: a bad stamp must not move the watermark."""

    groups: dict[BucketKey, Group]
    too_late: list[SetAside]
    quarantined: list[SetAside]
    received: int
    newest_event_ms: int | None


def gather(events: Sequence[Event], allowed_lateness_ms: int = ALLOWED_LATENESS_MS, lanes: int = 1) -> Gathered:
    """Group a batch by the 1m bucket (of the event's lane when `lanes` > 1) and set aside what may not count."""
    minutes: dict[str, dict[str, Group]] = {}
    groups: dict[BucketKey, Group] = {}
    doubtful: list[Event] = []
    rests, hash_of = RESTS, member_hash
    minute, subjects = "", minutes.setdefault("", {})
    for event in events:
        time = event.event_time
        if time[:MINUTE_CHARACTERS] != minute:
            minute = time[:MINUTE_CHARACTERS]
            subjects = minutes.get(minute) or minutes.setdefault(minute, {})
        group = subjects.get(event.subject)
        if group is None:
            group = subjects[event.subject] = _group_of(event.subject, minute, allowed_lateness_ms)
        if not group.since <= event.ingested_at < group.until:
            doubtful.append(event)
            continue
        try:
            within_ms = rests[time[MINUTE_CHARACTERS:]]
        except NotCanonical:
            doubtful.append(event)
            continue
        hashed = hash_of(event.event_id)
        members = group.members
        if hashed in members:
            group.repeats += 1
            continue
        members[hashed] = event
        # News mostly comes in the order of its time: one comparison, and only what is not the newest is looked at.
        if within_ms > group.close_ms:
            group.close_ms = within_ms
            group.closes = event
        else:
            group.order(event, within_ms)

    name = FINEST.name
    for by_subject in minutes.values():
        for subject, group in by_subject.items():
            if group.members:
                groups[BucketKey(subject, name, group.start_ms)] = group
    too_late: list[SetAside] = []
    quarantined: list[SetAside] = []
    if doubtful:
        _judge(events, doubtful, allowed_lateness_ms, groups, too_late, quarantined)
    newest_ms = max((group.start_ms + group.close_ms for group in groups.values()), default=None)
    if lanes > 1:
        groups = _spread(groups, lanes)
    return Gathered(groups, too_late, quarantined, len(events), newest_ms)


def milliseconds(instant: datetime) -> int:
    """Whole milliseconds UTC, cut off; exact (`timestamp()` is a float)."""
    delta = instant - _EPOCH
    return delta.days * 86_400_000 + delta.seconds * 1_000 + delta.microseconds // 1_000


def _group_of(subject: str, minute: str, allowed_lateness_ms: int) -> Group:
    """An empty group with the ingestion bounds within which every event of its minute is accepted."""
    try:
        start_ms = MINUTES[minute]
    except (NotCanonical, BadEvent):
        return Group(0, *_NEVER)
    if start_ms < MIN_MS or not is_subject(subject):
        return Group(start_ms, *_NEVER)
    return Group(start_ms, *_bounds(start_ms, allowed_lateness_ms))


@lru_cache(maxsize=100_000)
def _bounds(start_ms: int, allowed_lateness_ms: int) -> tuple[datetime, datetime]:
    """Ingested at or after the first, no event of the minute is from the future; before the second, none is late."""
    since_ms = start_ms + MINUTE_MS - FUTURE_TOLERANCE_MS
    until_ms = late_from_ms(start_ms, allowed_lateness_ms)
    return _EPOCH + timedelta(milliseconds=since_ms), _EPOCH + timedelta(milliseconds=until_ms)


def _judge(
    events: Sequence[Event],
    doubtful: list[Event],
    allowed_lateness_ms: int,
    groups: dict[BucketKey, Group],
    too_late: list[SetAside],
    quarantined: list[SetAside],
) -> None:
    """The slow path, one event at a time in log order: say why it may not count, or add it to its group."""
    order: dict[int, int] = {}
    for event in doubtful:
        try:
            if not is_subject(event.subject):
                raise BadEvent("bad_subject", f"subject {event.subject!r} is neither a ticker nor tag:name")
            event_ms, ingested_ms = instant_ms(event.event_time), milliseconds(event.ingested_at)
        except BadEvent as error:
            quarantined.append(SetAside(event, error.reason, error.detail))
            continue
        verdict = judge(event_ms, ingested_ms, allowed_lateness_ms)
        if verdict != "accepted":
            detail = f"{event.event_id}: event time {iso_ms(event_ms)}, ingested {iso_ms(ingested_ms)}"
            (too_late if verdict == "too_late" else quarantined).append(SetAside(event, verdict, detail))
            continue
        start_ms = window_start_ms(event_ms, MINUTE_MS)
        group = groups.setdefault(BucketKey(event.subject, FINEST.name, start_ms), Group(start_ms, *_NEVER))
        hashed = member_hash(event.event_id)
        first = group.members.get(hashed)
        if first is None:
            group.add(event, hashed, event_ms - start_ms)
            continue
        group.repeats += 1
        order = order or {id(each): at for at, each in reversed(list(enumerate(events)))}
        if order[id(event)] < order[id(first)]:
            # The fast path met a later event of this id first; the first in the log stands.
            group.keep((group.members | {hashed: event}).items())


def _spread(groups: dict[BucketKey, Group], lanes: int) -> dict[BucketKey, Group]:
    """Split every group over the subject's lanes: lane = hash of the event id, so duplicates meet."""
    spread: dict[BucketKey, Group] = {}
    for (subject, name, start_ms), group in groups.items():
        parts: dict[int, list[tuple[int, Event]]] = {}
        for hashed, event in group.members.items():
            parts.setdefault(hashed % lanes, []).append((hashed, event))
        repeats = group.repeats
        for lane, part in parts.items():
            split = Group(start_ms, group.since, group.until)
            split.keep(part)
            split.repeats, repeats = repeats, 0
            spread[BucketKey(f"{subject}{LANE_SEPARATOR}{lane}", name, start_ms)] = split
    return spread
