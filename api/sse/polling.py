"""`/changes`: what the stream would have sent, asked for in turns with the same ids.

Answered from the hub's memory where it reaches; otherwise, and in a process without a hub (the buffered Lambda), from
the store.
"""

from collections.abc import Mapping
from typing import Any

from api.sse.cursor import Vector, covers, id_of
from api.sse.filters import Filter
from api.sse.hub import Hub
from api.sse.latest import KEPT, Latest
from api.sse.opening import Start, find_since, missed_changes
from api.sse.slots import change_slots
from contracts.ports import BucketStore, StoredChange


def poll_memory(hub: Hub, start: Start, wanted: Filter, limit: int) -> dict[str, Any] | None:
    """The answer from memory; None when it needs the store."""
    point = start.point
    if not hub.healthy or point is None or point.epoch not in (None, hub.generation):
        return None
    if not covers(point.vector, hub.recent_from) or not covers(hub.vector, point.vector):
        return None
    missed = [stored for stored in hub.recent if stored.sequence > point.vector.get(stored.lane, 0)]
    now_ms = hub.clock.now_ms()
    return _answer(missed, point.vector, dict(hub.vector), hub.generation, wanted, limit, now_ms, hub.titles)


def poll_store(
    store: BucketStore, generation: str, start: Start, wanted: Filter, limit: int, now_ms: int
) -> dict[str, Any]:
    """The answer from the store. Blocking. Raises `Transient`."""
    head = store.changes_head()
    point, since_ms = start.point, start.since_ms
    reason, vector = "first", None
    if point is not None and point.epoch not in (None, generation):
        reason = "epoch_changed"
    elif point is not None:
        reason, vector = "too_old", point.vector
    elif since_ms is not None:
        reason, vector = "too_old", find_since(store, since_ms, now_ms)
    if vector is not None:
        missed = missed_changes(store, vector, head)
        if missed is not None:
            return _answer(missed, vector, head, generation, wanted, limit, now_ms)
    return _snapshot(store, generation, head, wanted, reason, now_ms)


def _answer(
    missed: list[StoredChange],
    start: Vector,
    until: Vector,
    generation: str,
    wanted: Filter,
    limit: int,
    now_ms: int,
    titles: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Whole changes until the limit is reached, at least one: a cursor inside a change would repeat it."""
    events: list[dict[str, Any]] = []
    cursor = id_of(generation, {lane: max(start.get(lane, 0), until.get(lane, 0)) for lane in {*start, *until}})
    more = False
    for slot in change_slots(missed, start, generation, now_ms, titles):
        documents = slot.documents(wanted)
        if events and documents and len(events) + len(documents) > limit:
            more, cursor = True, slot.before
            break
        events += [{"event": event.name, "id": name, "data": event.data} for name, event in documents]
    return {
        "epoch": generation,
        "cursor": cursor,
        "resumed": True,
        "reason": "ok",
        "events": events,
        "more": more,
    }


def _snapshot(
    store: BucketStore, generation: str, head: Vector, wanted: Filter, reason: str, now_ms: int
) -> dict[str, Any]:
    subjects = wanted.subjects if wanted.subjects is not None else store.subjects(generation)
    latest = Latest()
    for subject in subjects:
        for resolution in wanted.resolutions:
            buckets = store.range(generation, subject, resolution, limit=KEPT[resolution], newest=True)
            latest.load((subject, resolution), buckets)
    cursor = id_of(generation, head)
    data = {"series": latest.rows(wanted, subjects, now_ms)}
    return {
        "epoch": generation,
        "cursor": cursor,
        "resumed": False,
        "reason": reason,
        "events": [{"event": "snapshot", "id": cursor, "data": data}],
        "more": False,
    }
