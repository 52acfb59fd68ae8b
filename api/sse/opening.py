"""How a stream begins: where the client stands, whether it can go on from there, and what it is told first."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from api.epoch import generation_of
from api.pieces import in_pieces
from api.sse.cursor import Point, Vector, covers, decode_point, encode_vector, id_of
from api.sse.filters import Filter
from api.sse.hub import Hub
from api.sse.latest import read_latest
from api.sse.slots import PARTS, Slot, change_slots, control_event, control_slot
from contracts.errors import BadRequest
from contracts.ports import BucketStore, StoredChange
from contracts.resolution import DAY_MS, MINUTE_MS

MAX_REPLAY_EVENTS = 500
#: Changes looked at in search of the client's events; past it a snapshot is cheaper.
MAX_REPLAY_CHANGES = 5_000
PAGE = 1_000
#: A stream follows an edit of its list within a second, and a client that reads slowly hears of it within another 55;
#: the clocks of those who write differ. An edit that long before the client's newest change was surely told.
EDIT_TOLD_MS = MINUTE_MS
#: Of two machines.
CLOCKS_DIFFER_MS = 2_000
#: How often, and how many times, it is looked whether this process has come as far as the client.
CATCH_UP_EVERY_S = 0.05
CATCH_UP_LOOKS = 60

#: A position of no epoch: whoever stands there gets a snapshot.
NOWHERE = Point("", {})

Run = Callable[..., Awaitable[Any]]


class Start(NamedTuple):
    """What the client said of its place: a position, an instant, or nothing; and whether it comes back by itself."""

    point: Point | None
    since_ms: int | None
    again: bool = False


@dataclass(slots=True)
class Opening:
    """How to begin in an epoch: `slots` to send first, `ring_index` to go on from, and the id of the `place` behind the
    slots. Shared by all who stand at one place with one filter."""

    epoch: str
    resumed: bool
    reason: str
    slots: list[Slot]
    ring_index: int
    place: str
    _parts: list[bytes] | None = None

    def parts(self, wanted: Filter) -> list[bytes]:
        """The slots as the stream carries them; worked out once, so always for the same filter."""
        if self._parts is None:
            self._parts = [part for slot in self.slots for part in slot.parts(wanted)]
        return self._parts


def start_of(last_event_id: str | None, cursor: str | None, since_ms: int | None) -> Start:
    """The client's place; `Last-Event-ID` wins, being the newest. Raises `BadRequest` for a bad `cursor`."""
    if last_event_id:
        try:
            return Start(decode_point(last_event_id), since_ms, again=True)
        except BadRequest:
            # A browser sends its last id with every attempt: refusing it would keep that client out for ever.
            return Start(NOWHERE, since_ms, again=True)
    return Start(decode_point(cursor) if cursor else None, since_ms)


def find_since(store: BucketStore, since_ms: int, now_ms: int) -> Vector | None:
    """The position just before the first change written at or after an instant, by bisection in every lane (changes
    of a lane are written in order). None when changes since then may be trimmed: those that are, are older than a day.
    """
    heads = store.changes_head()
    tail = store.changes_tail()
    vector: Vector = {}
    # A lane that is born meanwhile is not among the heads, and so it is read from its beginning.
    for lane, head in heads.items():
        low, high = tail.get(lane, head + 1), head + 1
        trimmed = low > 1 and since_ms < now_ms - DAY_MS
        if trimmed and (low > head or _written_ms(store, lane, low) >= since_ms):
            return None
        while low < high:
            middle = (low + high) // 2
            if _written_ms(store, lane, middle) >= since_ms:
                high = middle
            else:
                low = middle + 1
        vector[lane] = low - 1
    return vector


def _written_ms(store: BucketStore, lane: str, sequence: int) -> int:
    """When a change was written. The other lanes are asked from their heads on, so that few of theirs come along."""
    place = dict(store.changes_head()) | {lane: sequence - 1}
    for limit in (len(place), PAGE):
        found = next((stored for stored in store.changes_after(place, limit) if stored.lane == lane), None)
        if found is not None:
            return found.change.written_ms
    return 0


def missed_changes(store: BucketStore, start: Vector, until: Vector) -> list[StoredChange] | None:
    """The changes in `(start, until]` of every lane, in each lane's order; None when some are trimmed, the position
    lies beyond the log's head (another log), or there are too many to replay. Numbers have no gaps, so what is missing
    shows in what is found."""
    if not covers(until, start) and not covers(store.changes_head(), start):
        return None
    found: list[StoredChange] = []
    vector = dict(start)
    while not covers(vector, until):
        page = store.changes_after(vector, PAGE)
        for stored in page:
            if stored.sequence != vector.get(stored.lane, 0) + 1:
                return None
            vector[stored.lane] = stored.sequence
        found += [stored for stored in page if stored.sequence <= until.get(stored.lane, 0)]
        if len(page) < PAGE and not covers(vector, until):
            return None
        if len(found) > MAX_REPLAY_CHANGES:
            return None
    return found


def recent_changes(hub: Hub, start: Vector, wanted: Filter) -> Iterator[StoredChange] | None:
    """The missed changes from memory; None when memory does not reach back so far or the place is ahead of ours."""
    return hub.recent.since(start, wanted) if covers(hub.vector, start) else None


class Missed(NamedTuple):
    """What a client asks for that comes back: where it stands and what it wants; and the moment it asked: the hub's
    position with the place in the ring that goes on from there, the time, and the headlines known."""

    start: Vector
    wanted: Filter
    until_ms: int | None
    epoch: str
    until: Vector
    ring_index: int
    now_ms: int
    titles: Mapping[str, str]

    def read(self, store: BucketStore) -> Opening | None:
        """`replay` of what the store holds. Blocking. Raises `Transient`."""
        changes = missed_changes(store, self.start, self.until)
        return None if changes is None else self.replay(changes)

    def replay(self, changes: Iterable[StoredChange]) -> Opening | None:
        """How to go on with the changes that were missed, encoded; None when it is too much."""
        vector = dict(self.start)

        def before_the_end() -> Iterator[StoredChange]:
            for each in changes:
                if self.until_ms is None or each.change.written_ms < self.until_ms:
                    vector[each.lane] = max(each.sequence, vector.get(each.lane, 0))
                    yield each

        slots: list[Slot] = []
        parts: list[bytes] = []
        for slot in change_slots(before_the_end(), self.start, self.epoch, self.now_ms, self.wanted, self.titles):
            slots.append(slot)
            parts += slot.parts(self.wanted)
            if len(parts) > PARTS * MAX_REPLAY_EVENTS:
                return None
        return Opening(self.epoch, True, "ok", slots, self.ring_index, id_of(self.epoch, vector), parts)


def _seen_ms(hub: Hub, start: Start, vector: Vector) -> int:
    """When the newest change the client has seen was written, as far as it says or memory tells; else 0."""
    if start.point is None:
        return start.since_ms or 0
    return hub.recent.seen_ms(vector)


class Opener:
    """Begins streams. `run(dependency, function, *args)` makes blocking calls elsewhere."""

    def __init__(self, hub: Hub, store: BucketStore, run: Run) -> None:
        self._hub = hub
        self._store = store
        self._run = run
        self._snapshots: dict[tuple[Any, ...], Slot] = {}
        self._loads: dict[tuple[str, Filter], asyncio.Future[frozenset[str]]] = {}
        self._resumes: dict[tuple[Any, ...], tuple[int, asyncio.Future[Opening | None]]] = {}
        hub.on_tidy.append(self.forget_past)

    async def open(
        self, start: Start, wanted: Filter, until_ms: int | None = None, edited_ms: int | None = None
    ) -> Opening:
        """Resume if possible, else a snapshot; of what was written before `until_ms`. Who resumes on a list that was
        edited since (`edited_ms`) gets both. Raises `Transient` when the store is needed and down."""
        while True:
            epoch = self._hub.epoch
            opening = await self._open(start, wanted, until_ms, edited_ms)
            # Another generation went live while the store was read: what was read is half of each.
            if self._hub.epoch == epoch:
                return opening

    async def _open(self, start: Start, wanted: Filter, until_ms: int | None, edited_ms: int | None) -> Opening:
        hub = self._hub
        point, since_ms = start.point, start.since_ms
        reason = "first"
        vector = None
        if point is not None:
            if point.epoch is not None and point.epoch != hub.epoch:
                reason = "epoch_changed"
            else:
                vector = point.vector
        elif since_ms is not None:
            vector = await self._run("buckets", find_since, self._store, since_ms, hub.clock.now_ms())
            reason = "too_old"
        if vector is not None:
            opening = await self._resume(vector, wanted, until_ms)
            if opening is not None:
                if edited_ms is not None and _seen_ms(hub, start, vector) < edited_ms + EDIT_TOLD_MS:
                    return await self._with_state(opening, vector, wanted)
                # One whose end is past tells what was written before it, and who has heard that does not come back.
                if until_ms is None or hub.clock.now_ms() < until_ms:
                    opening = self._with_begun(opening, _seen_ms(hub, start, vector), wanted)
            if opening is not None:
                return opening
            reason = "too_old"
        slot, index = await self.snapshot(wanted)
        return Opening(hub.epoch, False, reason, [slot], index, slot.before)

    async def _with_state(self, opening: Opening, vector: Vector, wanted: Filter) -> Opening:
        """The same with the state of the wanted series before what was missed, at the client's own position: one that
        is cut anywhere behind the state has it, one that is cut before it asks from the same place again."""
        slot, _ = await self.snapshot(wanted)
        here = control_slot(id_of(opening.epoch, vector), slot.events[0])
        return Opening(opening.epoch, True, opening.reason, [here, *opening.slots], opening.ring_index, opening.place)

    def _with_begun(self, opening: Opening, seen_ms: int, wanted: Filter) -> Opening | None:
        """The same with the windows that have begun since what the client has seen, of those this process knows; None
        when they are too many."""
        begun = self._hub.begun(wanted, seen_ms - CLOCKS_DIFFER_MS)
        if not begun:
            return opening
        if len(begun) > MAX_REPLAY_EVENTS:
            return None
        extra = control_slot(opening.place, *begun)
        slots, parts = [*opening.slots, extra], [*opening.parts(wanted), *extra.parts(wanted)]
        return Opening(opening.epoch, True, opening.reason, slots, opening.ring_index, opening.place, parts)

    def _moment(self) -> tuple[str, int, int]:
        """Who comes at one moment is shown the same state."""
        return self._hub.safe_id, self._hub.ring.next_index, self._second()

    def _second(self) -> int:
        return self._hub.clock.now_ms() // 1000

    def forget_past(self) -> None:
        """Let go of what was worked out for those who came at moments that are over."""
        self._forget_states()
        second = self._second()
        self._resumes = {key: kept for key, kept in self._resumes.items() if kept[0] == second or not kept[1].done()}

    def _forget_states(self) -> None:
        now = self._moment()
        self._snapshots = {key: slot for key, slot in self._snapshots.items() if key[-1] == now}

    async def _resume(self, vector: Vector, wanted: Filter, until_ms: int | None) -> Opening | None:
        """After a restart everybody comes back, most of them from one place: what they missed is read once. The ring
        tells what happened since to those who come a little later."""
        key = (self._hub.epoch, encode_vector(vector), wanted, until_ms)
        second, found = self._resumes.get(key, (0, None))
        if found is None or (found.done() and not (second == self._second() and self._goes_on(found))):
            found = asyncio.ensure_future(self._read_missed(vector, wanted, until_ms))
            found.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._resumes[key] = self._second(), found
        return await asyncio.shield(found)

    def _goes_on(self, found: "asyncio.Future[Opening | None]") -> bool:
        """Whether what was read can be told to another one."""
        if found.cancelled() or found.exception() is not None:
            return False
        opening = found.result()
        return opening is None or self._hub.ring.holds(opening.ring_index)

    async def _catch_up(self, vector: Vector) -> None:
        """A client that was told by another process may be ahead of this one, for as long as a read of the log takes;
        what it has would be told again. One that is ahead of the log itself is not waited for."""
        hub = self._hub
        if covers(hub.vector, vector) or not covers(await self._run("buckets", self._store.changes_head), vector):
            return
        for _ in range(CATCH_UP_LOOKS):
            if covers(hub.vector, vector):
                return
            await asyncio.sleep(CATCH_UP_EVERY_S)

    async def _read_missed(self, vector: Vector, wanted: Filter, until_ms: int | None) -> Opening | None:
        await self._catch_up(vector)
        hub = self._hub
        now_ms, titles = hub.clock.now_ms(), dict(hub.titles)
        missed = Missed(vector, wanted, until_ms, hub.epoch, dict(hub.vector), hub.ring.next_index, now_ms, titles)
        changes = recent_changes(hub, vector, wanted)
        if changes is not None:
            return missed.replay(changes)
        opening: Opening | None = await self._run("buckets", missed.read, self._store)
        return opening

    async def snapshot(self, wanted: Filter) -> tuple[Slot, int]:
        """A slot with the current state of every wanted series, and the ring index that continues it."""
        hub = self._hub
        epoch = hub.epoch
        subjects = await self._loaded(wanted)
        index = hub.ring.next_index
        key = (wanted, self._moment())
        known = self._snapshots.get(key)
        if known is not None:
            return known, index
        if wanted.subjects is None:
            subjects |= hub.latest.subjects()  # with those that came while the others were read
        rows = hub.latest.rows(wanted, subjects, hub.clock.now_ms())
        slot = control_slot(hub.safe_id, control_event("snapshot", {"series": rows}))
        self._forget_states()
        if epoch == hub.epoch:
            self._snapshots[key] = slot
        return slot, index

    async def _loaded(self, wanted: Filter) -> frozenset[str]:
        """The wanted subjects, when the newest buckets of their series are in memory; who asks meanwhile waits for the
        same reading."""
        key = (self._hub.epoch, wanted)

        def forget(done: asyncio.Future[frozenset[str]]) -> None:
            del self._loads[key]
            done.cancelled() or done.exception()

        found = self._loads.get(key)
        if found is None:
            found = self._loads[key] = asyncio.ensure_future(self._load(*key))
            found.add_done_callback(forget)
        return await asyncio.shield(found)

    async def _load(self, epoch: str, wanted: Filter) -> frozenset[str]:
        hub, subjects, generation = self._hub, wanted.subjects, generation_of(epoch)
        if subjects is None:
            subjects = frozenset(await self._run("buckets", self._store.subjects, generation))
        series = [(subject, resolution) for subject in subjects for resolution in wanted.resolutions]
        read = partial(read_latest, self._store, generation)
        async for loaded in in_pieces(self._run, "buckets", read, hub.latest.missing(series)):
            if epoch == hub.epoch:
                for each, buckets in loaded.items():
                    hub.load_latest(each, buckets)
        return subjects


def check_until(until_ms: int | None, since_ms: int | None) -> None:
    """Raises `BadRequest` when the stream would end before it begins."""
    if until_ms is not None and since_ms is not None and until_ms <= since_ms:
        raise BadRequest("until: must be after since")
    if until_ms is not None and since_ms is None and until_ms < MINUTE_MS:
        raise BadRequest("until: before 1970-01-01T00:01:00Z")
