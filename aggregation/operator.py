"""The window operator: `step(state, batch, now_ms) -> Step` is the only state change of the aggregate.

It decides and returns writes as values; the shell (`service.py`) loads what it needs before, commits after, and on a
lost guard re-reads and decides again. `now_ms` only marks `is_partial`, `last_updated` and idleness: never what counts.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from aggregation.event import Event
from aggregation.gather import Gathered
from aggregation.group import Group
from aggregation.rollup import CASCADE, is_lane, parent_of, past_ttl, replace, summary_of
from aggregation.summary import merge
from aggregation.verdict import SetAside
from aggregation.watermark import IDLE_AFTER_MS, NEVER_MS, OUT_OF_ORDERNESS_MS, ShardProgress, advance, combined_ms
from contracts.bucket import LANE_SEPARATOR, Bucket, BucketKey, BucketWrite, Summary
from contracts.resolution import FINEST, WIDTH_MS

_NOTHING: frozenset[int] = frozenset()
#: `BucketKey` from a tuple without the detour through Python that the class itself takes.
_key: Callable[[tuple[str, str, int]], BucketKey] = partial(tuple.__new__, BucketKey)


class Limits(NamedTuple):
    """The operator's parameters. `expire`: buckets past their TTL are as good as gone."""

    out_of_orderness_ms: int = OUT_OF_ORDERNESS_MS
    idle_after_ms: int = IDLE_AFTER_MS
    expire: bool = False


DEFAULT_LIMITS = Limits()


class State(NamedTuple):
    """What the operator knows between steps. Losing it costs nothing but a later "final": the store is the truth.

    `open` holds the touched windows that end after the watermark, by their end.
    """

    shards: Mapping[str, ShardProgress]
    watermark_ms: int
    open: Mapping[int, frozenset[BucketKey]]


EMPTY = State({}, NEVER_MS, {})


class Batch(NamedTuple):
    """Judged events of one shard, with the stored buckets they touch (absent ones are not there)."""

    shard_id: str
    gathered: Gathered
    stored: Mapping[BucketKey, Bucket]


class Step(NamedTuple):
    """What should happen. `writes` are in commit order, 1m first, then up. `touched` holds the current state of every
    bucket of the cascade, changed or not; `fresh` the newly counted events by subject; `too_late` includes the
    events of the `expired` buckets."""

    state: State
    writes: list[BucketWrite]
    touched: dict[BucketKey, Bucket]
    finals: list[BucketKey]
    revised: list[BucketKey]
    too_late: list[SetAside]
    expired: list[BucketKey]
    quarantined: list[SetAside]
    fresh: dict[str, list[Event]]
    counted: int
    duplicates: int


def keys_needed(gathered: Gathered) -> list[BucketKey]:
    """Every bucket a batch may touch: its 1m (or lane) buckets and all above them."""
    needed = dict.fromkeys(gathered.groups)
    minutes = {(key.subject.partition(LANE_SEPARATOR)[0], key.start_ms) for key in needed}
    needed |= dict.fromkeys(BucketKey(subject, FINEST.name, start_ms) for subject, start_ms in minutes)
    level = minutes
    for _fine, coarse in CASCADE:
        width_ms = coarse.width_ms
        level = {(subject, start_ms - start_ms % width_ms) for subject, start_ms in level}
        needed |= dict.fromkeys(BucketKey(subject, coarse.name, start_ms) for subject, start_ms in level)
    return list(needed)


def step(state: State, batch: Batch, now_ms: int, limits: Limits = DEFAULT_LIMITS) -> Step:
    """Apply one batch. Deterministic in its arguments; touches none of them."""
    gathered = batch.gathered
    shards = dict(state.shards)
    if gathered.received:
        before = shards.get(batch.shard_id, ShardProgress())
        newest_ms = NEVER_MS if gathered.newest_event_ms is None else gathered.newest_event_ms
        shards[batch.shard_id] = advance(before, newest_ms, now_ms)

    work = _Cascade(batch.stored, now_ms, limits.expire)
    for key, group in gathered.groups.items():
        work.add_group(key, group)
    work.roll_up()

    watermark_ms = combined_ms(shards, now_ms, state.watermark_ms, limits.out_of_orderness_ms, limits.idle_after_ms)
    open_windows, finals, revised = _windows(state, work.changed, watermark_ms)
    expired = [
        SetAside(event, "expired", f"{event.event_id}: the bucket of its minute is gone")
        for key in work.expired
        for event in gathered.groups[key].members.values()
    ]
    return Step(
        State(shards, watermark_ms, open_windows),
        [BucketWrite(bucket, bucket.rev - 1) for bucket in work.changed.values()],
        work.touched,
        finals,
        revised,
        gathered.too_late + expired,
        work.expired,
        gathered.quarantined,
        work.fresh,
        work.counted,
        work.duplicates,
    )


class _Cascade:
    """One batch working its way up: the buckets it touched, level by level."""

    def __init__(self, stored: Mapping[BucketKey, Bucket], now_ms: int, expire: bool) -> None:
        self._stored = stored
        self._now_ms = now_ms
        self._expire = expire
        self.touched: dict[BucketKey, Bucket] = {}
        self.changed: dict[BucketKey, Bucket] = {}
        self.fresh: dict[str, list[Event]] = {}
        self.expired: list[BucketKey] = []
        self.counted = 0
        self.duplicates = 0

    def add_group(self, key: BucketKey, group: Group) -> None:
        """Add a group's events to its 1m (or lane) bucket; a member is not added again."""
        self.duplicates += group.repeats
        stored = self._stored.get(key)
        # Past its TTL a minute is expired, whether it ever was or not: else its first batch would count and its second
        # would not, and a crash between them would leave half of it above.
        if self._past_ttl(key) or (stored is None and self._is_gone(key)):
            self.expired.append(key)
            return
        members = _NOTHING if stored is None else stored.members
        if not members.isdisjoint(group.members):
            new = [(hashed, event) for hashed, event in group.members.items() if hashed not in members]
            self.duplicates += len(group.members) - len(new)
            if not new:
                assert stored is not None, "a duplicate of nothing"
                self.touched[key] = stored
                return
            fresh = Group(group.start_ms, group.since, group.until)
            fresh.keep(new)
            group = fresh
        self.counted += len(group.members)
        subject = key.subject.partition(LANE_SEPARATOR)[0]
        fresh_events = self.fresh.get(subject)
        if fresh_events is None:
            self.fresh[subject] = list(group.members.values())
        else:
            fresh_events += group.members.values()
        summary = group.summary()
        if stored is not None:
            summary = merge(stored.summary, summary)
        self._put(key, stored, summary, members.union(group.members), ())

    def roll_up(self) -> None:
        """Replace the summaries of all touched buckets in their parents, finest level first."""
        level = list(self.touched.values())
        if any(is_lane(key) for key in self.touched):
            level = self._lift()
        for _fine, coarse in CASCADE:
            width_ms = coarse.width_ms
            updates: dict[tuple[str, int], list[tuple[int, Summary]]] = {}
            for bucket in level:
                start_ms = bucket.start_ms
                above = (bucket.subject, start_ms - start_ms % width_ms)
                found = updates.get(above)
                if found is None:
                    updates[above] = [(start_ms, bucket.summary)]
                else:
                    found.append((start_ms, bucket.summary))
            name, replaced = coarse.name, self._replaced
            level = [replaced(_key((subject, name, start_ms)), new) for (subject, start_ms), new in updates.items()]

    def _lift(self) -> list[Bucket]:
        """From lanes to their subjects' 1m buckets."""
        updates: dict[BucketKey, list[tuple[int, Summary]]] = {}
        for key, bucket in self.touched.items():
            link = parent_of(key) if is_lane(key) else None
            if link is not None:
                updates.setdefault(link[0], []).append((link[1], bucket.summary))
        plain = [bucket for key, bucket in self.touched.items() if not is_lane(key)]
        return plain + [self._replaced(key, summaries) for key, summaries in updates.items()]

    def _replaced(self, key: BucketKey, updates: list[tuple[int, Summary]]) -> Bucket:
        """A bucket with child summaries replaced. The common cases, one new child or one after all others, need no
        second look at the children that are there."""
        stored = self._stored.get(key)
        if stored is None:
            children = tuple(updates) if len(updates) == 1 else replace((), dict(updates))
            return self._put(key, None, summary_of(children), _NOTHING, children)
        assert not stored.members, f"{key} has members of its own: lanes cannot change inside a generation"
        if len(updates) == 1 and updates[0][0] > stored.children[-1][0]:
            return self._put(
                key, stored, merge(stored.summary, updates[0][1]), _NOTHING, (*stored.children, updates[0])
            )
        children = replace(stored.children, dict(updates))
        if children is stored.children:
            self.touched[key] = stored
            return stored
        return self._put(key, stored, summary_of(children), _NOTHING, children)

    def _put(
        self,
        key: BucketKey,
        stored: Bucket | None,
        summary: Summary,
        members: frozenset[int],
        children: tuple[tuple[int, Summary], ...],
    ) -> Bucket:
        subject, resolution, start_ms = key
        rev = 1 if stored is None else stored.rev + 1
        is_partial = start_ms + WIDTH_MS[resolution] > self._now_ms
        bucket = Bucket(subject, resolution, start_ms, summary, members, children, rev, self._now_ms, is_partial)
        self.touched[key] = self.changed[key] = bucket
        return bucket

    def _past_ttl(self, key: BucketKey) -> bool:
        return self._expire and past_ttl(key, self._now_ms)

    def _is_gone(self, key: BucketKey) -> bool:
        """Expired is not empty: a bucket that is missing while something above still holds its summary is gone, and
        writing a fresh one would erase what it said."""
        subject, resolution, start_ms = key
        if is_lane(key):
            subject, _, lane = subject.partition(LANE_SEPARATOR)
            parent = self._stored.get(_key((subject, resolution, start_ms)))
            if parent is not None:
                return _remembers(parent, int(lane))
        for _fine, coarse in CASCADE:
            above_ms = start_ms - start_ms % coarse.width_ms
            parent = self._stored.get(_key((subject, coarse.name, above_ms)))
            if parent is not None:
                return _remembers(parent, start_ms)
            start_ms = above_ms
        return False


def _remembers(parent: Bucket, name: int) -> bool:
    """Whether a parent holds the summary of a child that is not there."""
    return any(child == name for child, _ in parent.children)


def _windows(
    state: State, changed: Mapping[BucketKey, Bucket], watermark_ms: int
) -> tuple[dict[int, frozenset[BucketKey]], list[BucketKey], list[BucketKey]]:
    """(windows still open, windows that became final now, final windows an event landed in)."""
    opened: dict[int, set[BucketKey]] = {}
    revised: list[BucketKey] = []
    for key, bucket in changed.items():
        end_ms = bucket.start_ms + WIDTH_MS[bucket.resolution]
        if LANE_SEPARATOR in bucket.subject:
            continue
        if end_ms <= state.watermark_ms:
            revised.append(key)
        elif end_ms in opened:
            opened[end_ms].add(key)
        else:
            opened[end_ms] = {key}
    still_open = dict(state.open)
    for end_ms, keys in opened.items():
        still_open[end_ms] = still_open.get(end_ms, frozenset()) | keys
    finals: list[BucketKey] = []
    for end_ms in sorted(end for end in still_open if end <= watermark_ms):
        finals += sorted(still_open.pop(end_ms))
    return still_open, finals, revised
