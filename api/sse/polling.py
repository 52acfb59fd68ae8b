"""`/changes`: what the stream would have sent, asked for in turns with the same ids.

Answered from the hub's memory where it reaches; otherwise, and in a process without a hub (the buffered Lambda), from
the store.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

from api.epoch import generation_of
from api.pieces import in_pieces
from api.sse.cursor import Vector, id_of
from api.sse.filters import Filter
from api.sse.hub import POLLER_STAYS_MS, Hub
from api.sse.latest import Latest, read_latest
from api.sse.opening import Opener, Run, Start, find_since, missed_changes, recent_changes
from api.sse.slots import change_slots
from contracts.ports import BucketStore, StoredChange


class Poll(NamedTuple):
    """What is asked for: from where on, of what, and at most how many events."""

    start: Start
    wanted: Filter
    limit: int


def poll_memory(hub: Hub, poll: Poll) -> dict[str, Any] | None:
    """The answer from memory, with what has begun within the last minute, which is no change; None when it needs the
    store."""
    point = poll.start.point
    if not hub.healthy or point is None or point.epoch not in (None, hub.epoch):
        return None
    missed = recent_changes(hub, point.vector, poll.wanted)
    if missed is None:
        return None
    now_ms = hub.clock.now_ms()
    answer = _answer(missed, point.vector, hub.vector, hub.epoch, poll, now_ms, hub.titles)
    if not answer["more"]:
        begun = hub.begun(poll.wanted, now_ms - POLLER_STAYS_MS)[: poll.limit - len(answer["events"])]
        answer["events"] += [{"event": each.name, "id": answer["cursor"], "data": each.data} for each in begun]
    return answer


async def poll_store(
    run: Run, store: BucketStore, epoch: str, poll: Poll, now_ms: int, opener: Opener | None
) -> dict[str, Any]:
    """The answer from the store; a state from the memory of the opener where there is one. Raises `Transient`."""
    head, reason, answer = await run("buckets", _missed, store, epoch, poll, now_ms)
    if answer is not None:
        found: dict[str, Any] = answer
        return found
    if opener is not None:
        opening = await opener.open(Start(None, None), poll.wanted)
        return _state(opening.epoch, opening.place, opening.slots[0].events[0].data, reason)
    generation, subjects, latest = generation_of(epoch), poll.wanted.subjects, Latest()
    if subjects is None:
        subjects = frozenset(await run("buckets", store.subjects, generation))
    series = [(subject, resolution) for subject in subjects for resolution in poll.wanted.resolutions]
    async for loaded in in_pieces(run, "buckets", partial(read_latest, store, generation), series):
        for each, buckets in loaded.items():
            latest.load(each, buckets)
    return _state(epoch, id_of(epoch, head), {"series": latest.rows(poll.wanted, subjects, now_ms)}, reason)


def _missed(store: BucketStore, epoch: str, poll: Poll, now_ms: int) -> tuple[Vector, str, dict[str, Any] | None]:
    """The log's head, and the answer, or why there is none but the state. Blocking. Raises `Transient`."""
    head = store.changes_head()
    point, since_ms = poll.start.point, poll.start.since_ms
    reason, vector = "first", None
    if point is not None and point.epoch not in (None, epoch):
        reason = "epoch_changed"
    elif point is not None:
        reason, vector = "too_old", point.vector
    elif since_ms is not None:
        reason, vector = "too_old", find_since(store, since_ms, now_ms)
    missed = missed_changes(store, vector, head) if vector is not None else None
    if vector is None or missed is None:
        return head, reason, None
    return head, "ok", _answer(missed, vector, head, epoch, poll, now_ms)


def _answer(
    missed: Iterable[StoredChange],
    start: Vector,
    until: Vector,
    epoch: str,
    poll: Poll,
    now_ms: int,
    titles: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Whole changes until the limit is reached, at least one: a cursor inside a change would repeat it."""
    events: list[dict[str, Any]] = []
    cursor = id_of(epoch, {lane: max(start.get(lane, 0), until.get(lane, 0)) for lane in {*start, *until}})
    more = False
    for slot in change_slots(missed, start, epoch, now_ms, poll.wanted, titles):
        documents = slot.documents(poll.wanted)
        if events and documents and len(events) + len(documents) > poll.limit:
            more, cursor = True, slot.before
            break
        events += [{"event": event.name, "id": name, "data": event.data} for name, event in documents]
    return {
        "epoch": generation_of(epoch),
        "cursor": cursor,
        "resumed": True,
        "reason": "ok",
        "events": events,
        "more": more,
    }


def _state(epoch: str, cursor: str, data: dict[str, Any], reason: str) -> dict[str, Any]:
    return {
        "epoch": generation_of(epoch),
        "cursor": cursor,
        "resumed": False,
        "reason": reason,
        "events": [{"event": "snapshot", "id": cursor, "data": data}],
        "more": False,
    }
