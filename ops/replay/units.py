"""Work units: the buckets of one subject's hour, built from its events and written whole.

All eight resolutions lie within a UTC day, so a subject's day is closed in itself: its buckets are a function of its
events alone. A task is a few days of one subject or of several; its units are the hours. What is written is absolute
and the same whoever writes it, so a unit may be repeated; its state only saves work. The levels above an hour belong to
the day and are written last.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from aggregation.event import EVENTS, Event, decode
from aggregation.gather import Gathered, gather
from aggregation.operator import EMPTY, Batch, step
from contracts.bucket import E4, Bucket, content_bytes
from contracts.errors import BadEvent
from contracts.ports import ControlStore
from contracts.resolution import DAY_MS
from ops.replay.plan import Group, Plan
from ops.replay.spool import Spool

KIND: Final = "replay-units-"
SCORE_BINS: Final = 20
Score = tuple[str, int, int]
#: Article id → (label, confidence, polarity in 1/10,000), for the ids asked for.
Scores = Callable[[Sequence[str]], dict[str, Score]]


class Tally(msgspec.Struct):
    """What a task came to. `flips` counts `before>after` labels of counted events; `before` and `after` are histograms
    of polarity in 20 bins of [−1, 1]; `digests` maps `subject/day` to the digest of its buckets."""

    records: int = 0
    counted: int = 0
    duplicates: int = 0
    too_late: int = 0
    quarantined: int = 0
    buckets: int = 0
    unscored: int = 0
    flips: dict[str, int] = {}
    before: list[int] = []
    after: list[int] = []
    digests: dict[str, str] = {}


class UnitStates:
    """States of a run's units: a document a task, naming the hours that are written."""

    def __init__(self, control: ControlStore, run: str) -> None:
        self._control = control
        self._kind = f"{KIND}{run}"

    def done(self) -> dict[str, Tally]:
        """Finished tasks and what they came to."""
        return {
            name: msgspec.convert(value["tally"], Tally)
            for name, value in self._control.list(self._kind).items()
            if value["state"] == "done"
        }

    def hours_written(self, task: str) -> set[int]:
        """Starts of the hours of a task that need not be written again."""
        value = self._control.get(self._kind, task).value
        return set(value["hours"]) if value else set()

    def keep(self, task: str, hours: set[int]) -> None:
        """Some of the task's hours are durable."""
        self._control.put(self._kind, task, {"state": "running", "hours": sorted(hours)})

    def finish(self, task: str, hours: set[int], tally: Tally) -> None:
        """All of the task is durable."""
        self._control.put(
            self._kind, task, {"state": "done", "hours": sorted(hours), "tally": msgspec.to_builtins(tally)}
        )

    def drop(self) -> None:
        """Forget them all."""
        for name in self._control.list(self._kind):
            self._control.delete(self._kind, name)


def task_name(groups: Sequence[Group]) -> str:
    """`AAPL/2025-12-21`: first subject and day; a plan is always cut into the same tasks."""
    return f"{groups[0].subject}/{groups[0].day}"


def build(
    plan: Plan, spool: Spool, subject: str, day: str, now_ms: int, scores: Scores | None = None
) -> tuple[list[Bucket], Tally]:
    """The buckets of a subject's day, and what its events came to."""
    tally = Tally()
    events: list[Event] = []
    for lines in spool.lines(subject, day):
        found, bad = decode_lines(lines)
        events += found
        tally.records += len(found) + bad
        tally.quarantined += bad
    gathered = gather(events, plan.allowed_lateness_ms, plan.lanes)
    tally.duplicates = sum(group.repeats for group in gathered.groups.values())
    if scores is not None:
        gathered = _rescored(plan, gathered, scores, tally)
    tally.counted = sum(len(group.members) for group in gathered.groups.values())
    tally.too_late += len(gathered.too_late)
    tally.quarantined += len(gathered.quarantined)
    buckets = step(EMPTY, Batch("replay", gathered, {}), now_ms).finest_first
    tally.buckets = len(buckets)
    tally.digests = digests_of(buckets)
    return buckets, tally


def decode_lines(lines: bytes) -> tuple[list[Event], int]:
    """(the events of JSON lines, how many lines are none). All at once in C; a bad one sends all through `decode`."""
    try:
        return EVENTS.read(lambda decoder: decoder.decode_lines(lines)), 0
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        events, bad = [], 0
        for line in lines.split(b"\n"):
            try:
                events.append(decode(line))
            except BadEvent:
                bad += 1
        return events, bad


def digests_of(buckets: Sequence[Bucket]) -> dict[str, str]:
    """`subject/day start` → SHA-256 over the canonical content of its buckets by (resolution, start)."""
    by_day: defaultdict[str, list[Bucket]] = defaultdict(list)
    for bucket in buckets:
        by_day[f"{bucket.subject}/{bucket.start_ms - bucket.start_ms % DAY_MS}"].append(bucket)
    found = {}
    for name, members in by_day.items():
        members.sort(key=_by_key)
        found[name] = hashlib.sha256(b"".join(map(content_bytes, members))).hexdigest()
    return found


def _by_key(bucket: Bucket) -> tuple[str, int]:
    return bucket.resolution, bucket.start_ms


def digest_of(digests: dict[str, str]) -> str:
    """One digest of a whole generation: equal digests, equal content."""
    lines = [f"{name} {digests[name]}\n" for name in sorted(digests)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _rescored(plan: Plan, gathered: Gathered, scores: Scores, tally: Tally) -> Gathered:
    """The events that were counted, with the scores of another model; those without a text keep what they have. What
    was refused stays refused: a verdict does not depend on a score."""
    counted = [event for group in gathered.groups.values() for event in group.members.values()]
    known = scores(list({event.article_id for event in counted}))
    flips: Counter[str] = Counter()
    before, after = [0] * SCORE_BINS, [0] * SCORE_BINS
    events = []
    for event in counted:
        again = rescore(event, known.get(event.article_id), plan.model_version or "")
        events.append(again)
        tally.unscored += again is event
        flips[f"{event.label}>{again.label}"] += 1
        before[_bin(event.polarity)] += 1
        after[_bin(again.polarity)] += 1
    tally.flips, tally.before, tally.after = dict(flips), before, after
    return gathered._replace(groups=gather(events, plan.allowed_lateness_ms, plan.lanes).groups)


def rescore(event: Event, score: Score | None, version: str) -> Event:
    """The event with another score of its text; the same object when there is none."""
    if score is None:
        return event
    label, confidence_e4, polarity_e4 = score
    return msgspec.structs.replace(
        event, label=label, confidence=confidence_e4 / E4, polarity=polarity_e4 / E4, model_version=version
    )


def _bin(polarity: float) -> int:
    return min(SCORE_BINS - 1, int((polarity + 1) * SCORE_BINS / 2))


def add_up(tallies: Iterable[Tally]) -> Tally:
    """The total of several tasks."""
    total = Tally(before=[0] * SCORE_BINS, after=[0] * SCORE_BINS)
    flips: Counter[str] = Counter()
    for tally in tallies:
        for name in ("records", "counted", "duplicates", "too_late", "quarantined", "buckets", "unscored"):
            setattr(total, name, getattr(total, name) + getattr(tally, name))
        flips.update(tally.flips)
        for mine, theirs in ((total.before, tally.before), (total.after, tally.after)):
            for number, count in enumerate(theirs):
                mine[number] += count
        total.digests |= tally.digests
    total.flips = dict(flips)
    return total
