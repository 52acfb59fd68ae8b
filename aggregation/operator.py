"""The window operator: `step(state, batch, now_ms) -> Step` is the only state change of the aggregate.

It decides and returns writes as values; the shell (`service.py`) loads what it needs before, commits after, and on a
lost guard re-reads and decides again. `now_ms` only marks `is_partial`, `last_updated` and idleness: never what counts.
"""

import itertools
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping
from operator import attrgetter
from typing import NamedTuple

from aggregation.event import Event
from aggregation.gather import Gathered
from aggregation.group import Group, Single, group_of, newest_of_subjects
from aggregation.instant_table import WINDOWS
from aggregation.rollup import CASCADE, child_key, is_lane, parent_of, past_ttl, replace, summary_of
from aggregation.summary import merge
from aggregation.verdict import SetAside
from aggregation.watermark import IDLE_AFTER_MS, NEVER_MS, OUT_OF_ORDERNESS_MS, ShardProgress, advance, combined_ms
from contracts.bucket import (
    LANE_SEPARATOR,
    NO_MEMBERS,
    Bucket,
    BucketKey,
    BucketWrite,
    FlatChildren,
    Summary,
    flat,
    in_both,
    member_hashes,
    new_key,
    new_write,
)
from contracts.resolution import FINEST, MINUTE_MS, NAMES, RESOLUTIONS

_NOTHING = b""
_key_of = attrgetter("key")
_LEVELS = [(each.name, each.width_ms) for each in RESOLUTIONS]  # those above a lane, finest first
_ABOVE = _LEVELS[1:]  # those above a minute


class Limits(NamedTuple):
    """The operator's parameters. `expire`: buckets past their TTL are as good as gone."""

    out_of_orderness_ms: int = OUT_OF_ORDERNESS_MS
    idle_after_ms: int = IDLE_AFTER_MS
    expire: bool = False


DEFAULT_LIMITS = Limits()


class State(NamedTuple):
    """What the operator knows between steps. Losing it costs nothing but a later "final": the store is the truth.

    `open` holds the touched windows that end after the watermark, by their end, in the order they were touched: the
    keys of a dictionary, which is copied at every step and hashes nothing again.
    """

    shards: Mapping[str, ShardProgress]
    watermark_ms: int
    open: Mapping[int, Mapping[BucketKey, None]]


EMPTY = State({}, NEVER_MS, {})


class Batch(NamedTuple):
    """Judged events of one shard, with the stored buckets they touch (absent ones are not there)."""

    shard_id: str
    gathered: Gathered
    stored: Mapping[BucketKey, Bucket]


class Step(NamedTuple):
    """What should happen. `buckets` holds the current state of every bucket of the cascade, changed or not, each once,
    a child before its parent; `changed` are those to write; `added` the newly counted events by 1m (or lane) bucket;
    `too_late` includes what expired of the `expired` buckets' events."""

    state: State
    buckets: list[Bucket]
    changed: list[Bucket]
    finals: list[BucketKey]
    revised: list[BucketKey]
    too_late: list[SetAside]
    expired: list[BucketKey]
    quarantined: list[SetAside]
    added: Mapping[BucketKey, Single | Group]
    counted: int
    duplicates: int

    @property
    def finest_first(self) -> list[Bucket]:
        """The changed buckets in commit order: 1m first, then up."""
        levels: dict[str, list[Bucket]] = {name: [] for name in NAMES}
        for bucket in self.changed:
            levels[bucket.key[1]].append(bucket)
        return list(itertools.chain.from_iterable(levels.values()))

    @property
    def writes(self) -> list[BucketWrite]:
        """The changed buckets in commit order, each guarded by the revision it was made from."""
        return [new_write((bucket, bucket.rev - 1)) for bucket in self.finest_first]

    def put_into(self, stored: dict[BucketKey, Bucket]) -> None:
        """Make what was stored what is stored now."""
        stored.update(zip(map(_key_of, self.buckets), self.buckets, strict=True))

    def newest(self, limit: int) -> dict[str, list[Event]]:
        """The newly counted events by subject, the newest `limit` of each, in any order. Only the last minutes are
        looked into: touching every event once more costs a tenth of all."""
        return newest_of_subjects(self.added, limit)


def keys_needed(groups: Iterable[BucketKey], known: Container[BucketKey] = ()) -> list[BucketKey]:
    """Every bucket that events of these 1m (or lane) buckets may touch, they and all above them; but what is known, and
    all above that. This is `ancestors` written out: 10 % of an invocation of 100."""
    needed: dict[BucketKey, None] = {}
    for key in groups:
        if key in known:
            continue
        needed[key] = None
        subject, _, start_ms = key
        subject, _, lane = subject.partition(LANE_SEPARATOR)
        for name, width_ms in _LEVELS if lane else _ABOVE:
            start_ms -= start_ms % width_ms
            above = (subject, name, start_ms)
            if above in known or above in needed:
                break
            needed[new_key(above)] = None
    return list(needed)


def step(state: State, batch: Batch, now_ms: int, limits: Limits = DEFAULT_LIMITS) -> Step:
    """Apply one batch. Deterministic in its arguments; touches none of them."""
    gathered = batch.gathered
    shards = dict(state.shards)
    if gathered.events:
        before = shards.get(batch.shard_id, ShardProgress())
        newest_ms = NEVER_MS if gathered.newest_event_ms is None else gathered.newest_event_ms
        shards[batch.shard_id] = advance(before, newest_ms, now_ms)

    work = _Cascade(batch.stored, now_ms, state.watermark_ms, limits.expire)
    work.run(gathered.groups)
    if work.forgotten:
        # Something above remembers a bucket that is not there. That is rare, so the question is put to every group only
        # now, and the batch is decided again without those whose buckets are gone.
        work = _Cascade(batch.stored, now_ms, state.watermark_ms, limits.expire, careful=True)
        work.run(gathered.groups)

    watermark_ms = combined_ms(shards, now_ms, state.watermark_ms, limits.out_of_orderness_ms, limits.idle_after_ms)
    open_windows, finals = _windows(state, work.opened, watermark_ms)
    expired = [
        SetAside(event, "expired", f"{event.event_id}: the bucket of its minute is gone or past its TTL")
        for events in work.expired.values()
        for event in events
    ]
    return Step(
        State(shards, watermark_ms, open_windows),
        work.buckets,
        work.changed(),
        finals,
        work.revised,
        gathered.too_late + expired,
        list(work.expired),
        gathered.quarantined,
        work.added(gathered.groups),
        work.counted,
        work.duplicates,
    )


class _Cascade:
    """One batch working its way up: the buckets it touched. Changed windows that end after
    `before_ms`, the watermark before the batch, are `opened`, by their end; the others are `revised`. Noted apart is
    what is rare: buckets that stay the `same`, groups added only `partly` (None: not at all). `forgotten`: a bucket was
    made anew that something above remembers; with `careful` set that cannot happen."""

    def __init__(
        self, stored: Mapping[BucketKey, Bucket], now_ms: int, before_ms: int, expire: bool, careful: bool = False
    ) -> None:
        self._stored = stored
        self._now_ms = now_ms
        self._before_ms = before_ms
        self._expire = expire
        self._careful = careful
        self.forgotten = False
        self.buckets: list[Bucket] = []
        self.same: set[BucketKey] = set()
        self.partly: dict[BucketKey, Group | None] = {}
        self.opened: defaultdict[int, list[BucketKey]] = defaultdict(list)
        self.revised: list[BucketKey] = []
        self.expired: dict[BucketKey, list[Event]] = {}
        self.counted = 0
        self.duplicates = 0

    def run(self, groups: Mapping[BucketKey, Single | Group]) -> None:
        """Add the groups to their 1m (or lane) buckets, then replace the summaries of all touched buckets in their
        parents, finest level first."""
        level: defaultdict[str, list[tuple[int, Summary]]] = defaultdict(list)
        for key, group in groups.items():
            summary = self._add(key, group)
            if summary is not None:
                subject, _, start_ms = key
                level[subject].append((start_ms, summary))
        if any(LANE_SEPARATOR in subject for subject in level):
            level = self._lift(level)
        for children in level.values():
            children.sort()  # by start: no two are equal, so summaries are never compared
        for subject, children in level.items():
            # All levels of a subject, then the next: what was just made is still in the processor's cache.
            for fine, coarse in CASCADE:
                children = self._roll_up(subject, children, fine.name, coarse.name)

    def changed(self) -> list[Bucket]:
        """The buckets to write."""
        if not self.same:
            return self.buckets
        return [bucket for bucket in self.buckets if bucket.key not in self.same]

    def added(self, groups: Mapping[BucketKey, Single | Group]) -> Mapping[BucketKey, Single | Group]:
        """The groups as they were added."""
        if not self.partly:
            return groups
        found = {key: self.partly.get(key, group) for key, group in groups.items()}
        return {key: group for key, group in found.items() if group is not None}

    def _add(self, key: BucketKey, group: Single | Group) -> Summary | None:
        """Add a group's events to its 1m (or lane) bucket; a member is not added again. None when nothing of it
        goes up: it is expired."""
        stored = self._stored.get(key)
        self.duplicates += group.repeats
        if self._expire and past_ttl(key, self._now_ms):
            return self._add_past_ttl(key, group, stored)
        if self._careful and stored is None and self._is_gone(key):
            self.expired[key] = list(group.members.values())
            self.partly[key] = None
            return None
        if stored is None:
            summary = self._put(key, key.start_ms + MINUTE_MS, 0, group.summary(), group.packed(), ())
        else:
            packed = group.packed()
            known = in_both(packed, stored.packed)
            if known:
                new = _unknown(group, packed, known)
                self.duplicates += group.count - len(new)
                if not new:
                    self.partly[key] = None
                    return self._keep(key, stored)
                group = self.partly[key] = group_of(group.start_ms, new)
                packed = group.packed()
            together = merge(stored.summary, group.summary())
            summary = self._put(key, key.start_ms + MINUTE_MS, stored.rev, together, stored.packed + packed, ())
        self.counted += group.count
        return summary

    def _add_past_ttl(self, key: BucketKey, group: Single | Group, stored: Bucket | None) -> Summary | None:
        """Past its TTL a minute is expired, whether it ever was or not: else its first batch would count and its second
        would not. But the members of one that is still there were counted, maybe by a commit that then went no further:
        what they say still goes up, unless something on its way is gone."""
        packed = group.packed()
        known = in_both(packed, stored.packed) if stored is not None and not self._is_gone(key) else NO_MEMBERS
        late = [event for event, _ in _unknown(group, packed, known)]
        self.duplicates += group.count - len(late)
        self.partly[key] = None
        if late:
            self.expired[key] = late
        return self._keep(key, stored) if stored is not None and known else None

    def _lift(self, level: dict[str, list[tuple[int, Summary]]]) -> defaultdict[str, list[tuple[int, Summary]]]:
        """From lanes to their subjects' 1m buckets. A lane is no window: it neither opens nor is revised."""
        self.revised = [key for key in self.revised if not is_lane(key)]
        for end_ms, keys in self.opened.items():
            self.opened[end_ms] = [key for key in keys if not is_lane(key)]
        lifted: defaultdict[str, list[tuple[int, Summary]]] = defaultdict(list)
        minutes: defaultdict[BucketKey, list[tuple[int, Summary]]] = defaultdict(list)
        for name, children in level.items():
            subject, _, lane = name.partition(LANE_SEPARATOR)
            if not lane:
                lifted[subject] += children
            for start_ms, summary in children if lane else ():
                minutes[new_key((subject, FINEST.name, start_ms))].append((int(lane), summary))
        for key, found in minutes.items():
            subject, name, start_ms = key
            summary = self._parent(subject, name, start_ms, start_ms + MINUTE_MS, flat(sorted(found)), "")
            lifted[subject].append((start_ms, summary))
        return lifted

    def _roll_up(
        self, subject: str, children: list[tuple[int, Summary]], fine: str, coarse: str
    ) -> list[tuple[int, Summary]]:
        """One subject, one level up: runs of children that share a parent. Summaries in, summaries out, ascending."""
        parents = []
        windows = WINDOWS[coarse]
        start_ms = end_ms = 0
        run: FlatChildren = ()
        for child in children:
            if child[0] < end_ms:
                run += child
                continue
            if run:
                parents.append((start_ms, self._parent(subject, coarse, start_ms, end_ms, run, fine)))
            run = child
            start_ms, end_ms = windows[child[0]]
        parents.append((start_ms, self._parent(subject, coarse, start_ms, end_ms, run, fine)))
        return parents

    def _parent(self, subject: str, coarse: str, start_ms: int, end_ms: int, run: FlatChildren, fine: str) -> Summary:
        """A coarse bucket with the summaries of children. Most are new: for them it is `_put` written out, 1 or 2 % at
        5,000 subjects."""
        # A tuple that equals the key: it costs a seventh of one, and what is stored has its own.
        stored = self._stored.get((subject, coarse, start_ms))  # type: ignore[call-overload]
        if stored is not None:
            return self._replaced(stored.key, end_ms, stored, run, fine)
        key = new_key((subject, coarse, start_ms))
        summary = run[1] if len(run) == 2 else summary_of(run)
        now_ms = self._now_ms
        self.buckets.append(Bucket(key, summary, _NOTHING, run, 1, now_ms, end_ms > now_ms))
        if end_ms > self._before_ms:
            self.opened[end_ms].append(key)
        else:
            self.revised.append(key)
        return summary

    def _replaced(self, key: BucketKey, end_ms: int, stored: Bucket, updates: FlatChildren, fine: str) -> Summary:
        """What a bucket says with the summaries of children, ascending, replaced; `fine` is their resolution, empty for
        lanes. Most come after all others: then nothing is merged again."""
        assert not stored.packed, f"{key} has members of its own: lanes cannot change inside a generation"
        before = stored.flat_children
        if updates[0] > before[-2]:
            together = merge(stored.summary, summary_of(updates))
            return self._put(key, end_ms, stored.rev, together, _NOTHING, before + updates)
        children = replace(before, updates)
        if len(children) < len(before) + len(updates):  # some were there
            for name in updates[::2]:
                child = (key[0], fine, name) if fine else child_key(stored, name)
                self.forgotten |= child not in self._stored and _remembers(stored, name)
        if children is before:
            return self._keep(key, stored)
        return self._put(key, end_ms, stored.rev, summary_of(children), _NOTHING, children)

    def _keep(self, key: BucketKey, stored: Bucket) -> Summary:
        self.buckets.append(stored)
        self.same.add(key)
        return stored.summary

    def _put(
        self, key: BucketKey, end_ms: int, rev: int, summary: Summary, packed: bytes, children: FlatChildren
    ) -> Summary:
        """`rev`: of the bucket it was made from, 0 when there was none."""
        now_ms = self._now_ms
        self.buckets.append(Bucket(key, summary, packed, children, rev + 1, now_ms, end_ms > now_ms))
        if end_ms > self._before_ms:
            self.opened[end_ms].append(key)
        else:
            self.revised.append(key)
        return summary

    def _is_gone(self, key: BucketKey) -> bool:
        """Expired is not empty: a bucket, this one or one above, that is missing while the next above still holds its
        summary is gone, and writing a fresh one would erase what it said."""
        missing, link = key not in self._stored, parent_of(key)
        while link:
            above, name = link
            parent = self._stored.get(above)
            if missing and parent is not None and _remembers(parent, name):
                return True
            missing, link = parent is None, parent_of(above)
        return False


def _unknown(group: Single | Group, packed: bytes, known: frozenset[int]) -> list[tuple[Event, str]]:
    """The group's events with their times, but those of known members; `packed`: its members."""
    return [pair for hashed, pair in zip(member_hashes(packed), group.times(), strict=True) if hashed not in known]


def _remembers(parent: Bucket, name: int) -> bool:
    """Whether a parent holds the summary of a child that is not there."""
    return name in parent.flat_children[::2]


def _windows(
    state: State, opened: Mapping[int, list[BucketKey]], watermark_ms: int
) -> tuple[dict[int, Mapping[BucketKey, None]], list[BucketKey]]:
    """(windows still open, windows that became final now)."""
    still_open = dict(state.open)
    finals: list[BucketKey] = []
    for end_ms in sorted({*state.open, *opened}):
        known, keys = still_open.get(end_ms), opened.get(end_ms, ())
        if end_ms > watermark_ms:
            if keys:
                more = dict.fromkeys(keys)
                still_open[end_ms] = {**known, **more} if known else more
        elif known:
            finals += {**still_open.pop(end_ms), **dict.fromkeys(keys)} if keys else still_open.pop(end_ms)
        else:
            finals += keys  # a replayed day ends as it is read: nothing is hashed for it
    return still_open, finals
