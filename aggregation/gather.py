"""From a batch of events to groups by (subject, minute), each event judged. The hot loop: one pass, one dictionary hit
per event; everything else is done with whole-list built-ins, once per group.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from aggregation.event import Event
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


class Group(NamedTuple):
    """Accepted events of one 1m bucket in log order, their times and membership hashes."""

    events: list[Event]
    times_ms: list[int]
    hashes: list[int]


class Gathered(NamedTuple):
    """A batch, judged. `newest_event_ms` is over accepted events only: a bad stamp must not move the watermark."""

    groups: dict[BucketKey, Group]
    too_late: list[SetAside]
    quarantined: list[SetAside]
    received: int
    newest_event_ms: int | None


def gather(events: Sequence[Event], allowed_lateness_ms: int = ALLOWED_LATENESS_MS, lanes: int = 1) -> Gathered:
    """Group a batch by the 1m bucket (of the event's lane when `lanes` > 1) and set aside what may not count."""
    by_minute: defaultdict[tuple[str, str], list[Event]] = defaultdict(list)
    for event in events:
        by_minute[event.subject, event.event_time[:MINUTE_CHARACTERS]].append(event)

    groups: dict[BucketKey, Group] = {}
    doubtful: list[Event] = []
    name = FINEST.name
    for (subject, minute), members in by_minute.items():
        try:
            start_ms = MINUTES[minute]
            times_ms = [start_ms + RESTS[event.event_time[MINUTE_CHARACTERS:]] for event in members]
        except (NotCanonical, BadEvent):
            doubtful += members
            continue
        ingested = [event.ingested_at for event in members]
        if (
            start_ms < MIN_MS
            or milliseconds(max(ingested)) >= late_from_ms(start_ms, allowed_lateness_ms)
            or max(times_ms) > milliseconds(min(ingested)) + FUTURE_TOLERANCE_MS
            or not is_subject(subject)
        ):
            doubtful += members
            continue
        hashes = [member_hash(event.event_id) for event in members]
        groups[BucketKey(subject, name, start_ms)] = Group(members, times_ms, hashes)

    judged = _judge_each(events, doubtful, allowed_lateness_ms) if doubtful else Judged({}, [], [])
    for key, slow in judged.groups.items():
        groups[key] = _in_log_order(events, groups[key], slow) if key in groups else slow
    newest_ms = max((max(group.times_ms) for group in groups.values()), default=None)
    if lanes > 1:
        groups = _spread(groups, lanes)
    return Gathered(groups, judged.too_late, judged.quarantined, len(events), newest_ms)


def milliseconds(instant: datetime) -> int:
    """Whole milliseconds UTC, cut off; exact (`timestamp()` is a float)."""
    delta = instant - _EPOCH
    return delta.days * 86_400_000 + delta.seconds * 1_000 + delta.microseconds // 1_000


class Judged(NamedTuple):
    """What the slow path made of the events the fast path would not vouch for."""

    groups: dict[BucketKey, Group]
    too_late: list[SetAside]
    quarantined: list[SetAside]


def _judge_each(events: Sequence[Event], doubtful: list[Event], allowed_lateness_ms: int) -> Judged:
    """One event at a time, in log order: judge it, then say why it may not count or group it."""
    judged = Judged({}, [], [])
    chosen = {id(event) for event in doubtful}
    for event in events:
        if id(event) not in chosen:
            continue
        try:
            if not is_subject(event.subject):
                raise BadEvent("bad_subject", f"subject {event.subject!r} is neither a ticker nor tag:name")
            event_ms, ingested_ms = instant_ms(event.event_time), milliseconds(event.ingested_at)
        except BadEvent as error:
            judged.quarantined.append(SetAside(event, error.reason, error.detail))
            continue
        verdict = judge(event_ms, ingested_ms, allowed_lateness_ms)
        if verdict != "accepted":
            detail = f"{event.event_id}: event time {iso_ms(event_ms)}, ingested {iso_ms(ingested_ms)}"
            (judged.too_late if verdict == "too_late" else judged.quarantined).append(SetAside(event, verdict, detail))
            continue
        key = BucketKey(event.subject, FINEST.name, window_start_ms(event_ms, MINUTE_MS))
        group = judged.groups.setdefault(key, Group([], [], []))
        group.events.append(event)
        group.times_ms.append(event_ms)
        group.hashes.append(member_hash(event.event_id))
    return judged


def _in_log_order(events: Sequence[Event], fast: Group, slow: Group) -> Group:
    """Both paths found events of one bucket: the first in the log must stand first."""
    order = {id(event): index for index, event in enumerate(events)}
    rows = [*zip(*fast, strict=True), *zip(*slow, strict=True)]
    rows.sort(key=lambda row: order[id(row[0])])
    return Group([row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows])


def _spread(groups: dict[BucketKey, Group], lanes: int) -> dict[BucketKey, Group]:
    """Split every group over the subject's lanes: lane = hash of the event id, so duplicates meet."""
    spread: dict[BucketKey, Group] = {}
    for (subject, name, start_ms), group in groups.items():
        for event, time_ms, hashed in zip(*group, strict=True):
            key = BucketKey(f"{subject}{LANE_SEPARATOR}{hashed % lanes}", name, start_ms)
            lane = spread.setdefault(key, Group([], [], []))
            lane.events.append(event)
            lane.times_ms.append(time_ms)
            lane.hashes.append(hashed)
    return spread
