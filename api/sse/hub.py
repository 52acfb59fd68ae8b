"""The heart of the stream: takes changes from the poller, keeps the ring and the newest buckets, counts connections.

Everything here runs on the event loop; the poller's thread and store reads hand their results over.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from api.epoch import Epoch, generation_of
from api.logs import note
from api.options import ApiOptions
from api.sse.ahead import Ahead
from api.sse.coalescer import Coalescer
from api.sse.cursor import Vector, id_of
from api.sse.filters import Filter
from api.sse.headlines import Headlines, Titles
from api.sse.latest import Latest
from api.sse.poller import Poller
from api.sse.recent import Recent
from api.sse.ring import Ring
from api.sse.slots import Slot, StreamEvent, bucket_event, control_event, control_slot, item_events
from contracts.bucket import Bucket, BucketKey
from contracts.clock import Clock
from contracts.documents import end_ms
from contracts.instants import iso_ms
from contracts.ports import BucketStore, StoredChange

HEALTHY_FOR_MS = 1_000.0
#: A busy process may be late by some seconds; a heartbeat comes every ten.
HANGS_AFTER_MS = 5_000.0
MAX_TITLES = 100
#: Headlines kept for clients that resume.
RECENT_TITLES = 2_000
#: Who polled so lately may come back.
POLLER_STAYS_MS = 60_000
EVENTS_A_SLOT = 200


class Ingest(NamedTuple):
    """The newest article the stream has seen: when it was accepted, and when its change was written."""

    origin_ms: int
    written_ms: int


def newest_ingest(store: BucketStore, head: Vector) -> Ingest | None:
    """The newest article that a change at the log's head tells of. Blocking. Raises `Transient`."""
    last = store.changes_after({lane: sequence - 1 for lane, sequence in head.items()}, len(head) or 1)
    stamps = [Ingest(s.change.origin_ms, s.change.written_ms) for s in last if s.change.origin_ms]
    return max(stamps, default=None)


class Hub:
    """One per process. `start` reads the log's head and starts the poller; until then it is idle."""

    def __init__(
        self, buckets: BucketStore, epoch: Epoch, clock: Clock, options: ApiOptions, titles: Titles | None = None
    ) -> None:
        self._store = buckets
        self._headlines = Headlines(titles, clock) if titles is not None else None
        self._live = epoch
        self.clock = clock
        self.options = options
        self.ring = Ring()
        self.latest = Latest()
        self._ahead = Ahead()
        self.epoch = self.generation = ""
        self.vector: Vector = {}
        self.recent = Recent({})
        self.newest: Ingest | None = None
        self.titles: OrderedDict[str, str] = OrderedDict()
        #: Changes of a series since its generation went live, and how many swaps this process saw, its start included.
        self.versions: dict[tuple[str, str], int] = {}
        self.swaps = 0
        self.store_up = True
        self.connections = 0
        self._polled_ms = float("-inf")
        self.on_epoch_change: list[Callable[[str], None]] = []
        self.on_tidy: list[Callable[[], None]] = []
        self._coalescer = Coalescer()
        self._safe = ""
        self._base = 0
        self._flush_timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._poller: Poller | None = None

    # ---- life ------------------------------------------------------------------------------------------------------
    @property
    def started(self) -> bool:
        """True once the poller runs."""
        return self._poller is not None

    @property
    def healthy(self) -> bool:
        """True while the change log is read: what is cached can be trusted until a change says otherwise."""
        return self._poller is not None and self.clock.monotonic_ms() - self._poller.last_read_ms < HEALTHY_FOR_MS

    @property
    def _read_lately(self) -> bool:
        """False while a read of the change log hangs, which raises nothing."""
        return self._poller is None or self.clock.monotonic_ms() - self._poller.last_read_ms < HANGS_AFTER_MS

    def read_head(self) -> tuple[str, Vector, Ingest | None]:
        """The live epoch, the log's head, and the newest change. Blocking. Raises `Transient`."""
        epoch = self._live.refresh()
        head = self._store.changes_head()
        return epoch, head, newest_ingest(self._store, head)

    def start(self, epoch: str, head: Vector, newest: Ingest | None) -> None:
        """Begin at a head that `read_head` found; call on the event loop, once."""
        assert self._poller is None, "the hub was started twice"
        self._loop = asyncio.get_running_loop()
        self.epoch, self.generation = epoch, generation_of(epoch)
        self.swaps += 1
        self.vector = dict(head)
        self.recent = Recent(head)
        self.newest = newest
        self._safe = self._id_of(self.vector)
        self._poller = Poller(
            self._store,
            self._live,
            self.clock,
            self.options.poll_every_ms,
            self._hand_over,
            lambda epoch: self._call(self._check_epoch, epoch),
            lambda up: self._call(self._set_health, up) if up is not self.store_up else None,
        )
        self._poller.start(head)

    @property
    def is_busy(self) -> bool:
        """Whether headlines are still being looked up."""
        return self._headlines is not None and self._headlines.is_busy

    def stop(self) -> None:
        """Stop the poller. Blocking, up to two seconds."""
        if self._flush_timer is not None:
            self._flush_timer.cancel()
        if self._poller is not None:
            self._poller.stop()
        if self._headlines is not None:
            self._headlines.close()

    def _call(self, function: Callable[..., None], *arguments: Any) -> None:
        assert self._loop is not None
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *arguments)

    # ---- what the poller brings ------------------------------------------------------------------------------------
    def _set_health(self, up: bool) -> None:
        self.store_up = up

    def _check_epoch(self, epoch: str) -> None:
        if epoch == self.epoch:
            return
        note(logging.INFO, "another generation is live", epoch=epoch, before=self.epoch)
        self.epoch, self.generation = epoch, generation_of(epoch)
        self.latest.clear()
        self._ahead.clear()
        self._coalescer.clear()
        self.versions.clear()
        self.swaps += 1
        self._safe = self._id_of(self.vector)
        self._base = 0
        for listener in self.on_epoch_change:
            listener(epoch)

    def _hand_over(self, changes: list[StoredChange]) -> None:
        """In the poller's thread: look up headlines, if anybody listens, and pass the batch to the event loop."""
        titles: dict[str, str] = {}
        if self._headlines is not None and self.heard:
            wanted = list(dict.fromkeys(event.article_id for s in changes for event in s.change.events))
            titles = self._headlines.of(wanted[-MAX_TITLES:]) if wanted else {}
        self._call(self._feed_and_release, changes, titles)

    def _feed_and_release(self, changes: list[StoredChange], titles: dict[str, str]) -> None:
        assert self._poller is not None
        self._poller.taken()
        self.feed(changes, titles)

    def feed(self, changes: list[StoredChange], titles: Mapping[str, str] | None = None) -> None:
        """Take in changes past the vector and tell the connections."""
        now_ms, at_ms = self.clock.now_ms(), self.clock.monotonic_ms()
        self.titles.update(titles or {})
        while len(self.titles) > RECENT_TITLES:
            self.titles.popitem(last=False)
        for stored in changes:
            self.vector[stored.lane] = max(stored.sequence, self.vector.get(stored.lane, 0))
            self._remember(stored)
            if stored.change.generation == self.generation:
                self._append(self._events_of(stored, now_ms, at_ms, titles or {}))
        self._settle()
        self.ring.announce()
        self._schedule_flush(at_ms)

    def _remember(self, stored: StoredChange) -> None:
        self.recent.put(stored)
        newest = Ingest(stored.change.origin_ms, stored.change.written_ms)
        if newest.origin_ms and (self.newest is None or newest > self.newest):
            self.newest = newest

    def _events_of(
        self, stored: StoredChange, now_ms: int, at_ms: float, titles: Mapping[str, str]
    ) -> list[tuple[int, StreamEvent]]:
        """The events that go out now, with their place in the change."""
        change = stored.change
        events = []
        for place, bucket in enumerate(change.buckets, 1):
            self.latest.put(bucket)
            self._ahead.note(bucket.key, now_ms)
            series = (bucket.subject, bucket.resolution)
            self.versions[series] = self.versions.get(series, 0) + 1
            final = end_ms(bucket) <= now_ms
            if final:
                self._coalescer.supersede(bucket)
            if final or self._coalescer.offer(bucket, change.origin_ms, stored.lane, stored.sequence, at_ms):
                events.append((place, bucket_event(bucket, change.origin_ms, now_ms)))
        events += enumerate(item_events(change, titles), len(change.buckets) + 1)
        return events

    def _append(self, placed: list[tuple[int, StreamEvent]]) -> None:
        before = self._safe
        after = before if self._coalescer.holds else self._id_of(self.vector)
        if placed:
            events = tuple(event for _, event in placed)
            self.ring.append(Slot(before, after, self._base, events, tuple(place for place, _ in placed)))
        self._move(after, placed[-1][0] if placed else 0)

    def _move(self, after: str, places: int) -> None:
        if after == self._safe:
            self._base += places
        else:
            self._safe, self._base = after, 0

    def _settle(self) -> None:
        """The safe position after a batch: below everything that is held back."""
        self._move(self._id_of(self._coalescer.hold_back(self.vector)), 0)

    # ---- held partials ---------------------------------------------------------------------------------------------
    def _schedule_flush(self, at_ms: float) -> None:
        due_ms = self._coalescer.next_ms()
        if due_ms is not None and self._flush_timer is None and self._loop is not None:
            self._flush_timer = self._loop.call_later(max(0.0, due_ms - at_ms) / 1000, self._flush)

    def _flush(self) -> None:
        self._flush_timer = None
        self.flush()

    def flush(self) -> None:
        """Send the held partials whose pause is over."""
        now_ms, at_ms = self.clock.now_ms(), self.clock.monotonic_ms()
        ready = self._coalescer.due(at_ms)
        if ready:
            before = self._safe
            after = self._id_of(self._coalescer.hold_back(self.vector))
            events = tuple(bucket_event(held.bucket, held.origin_ms, now_ms) for held in ready)
            self.ring.append(Slot(before, after, self._base, events, tuple(range(1, len(events) + 1))))
            self._move(after, len(events))
            self.ring.announce()
        self._schedule_flush(at_ms)

    # ---- what connections ask --------------------------------------------------------------------------------------
    def _id_of(self, vector: Mapping[str, int]) -> str:
        return id_of(self.epoch, vector)

    @property
    def safe_id(self) -> str:
        """The id from which a client that has everything in the ring goes on."""
        return self._safe

    @property
    def newest_id(self) -> str:
        """The id from which a client that has everything in the ring, and what is `held` for it, goes on."""
        return self._id_of(self.vector)

    def held(self, wanted: Filter) -> list[StreamEvent]:
        """The wanted partials that are held back."""
        now_ms = self.clock.now_ms()
        return [
            bucket_event(bucket, origin_ms, now_ms)
            for bucket, origin_ms, _ in self._coalescer.held
            if wanted.takes(bucket.subject, bucket.resolution)
        ]

    @property
    def cursor(self) -> str:
        """What follows the generation in `safe_id`."""
        return self._safe.partition(".")[2]

    def heartbeat(self, place: str) -> StreamEvent:
        """The event that shows the stream lives, to clients that have everything up to a place."""
        newest = self.newest
        data = {
            "server_time": iso_ms(self.clock.now_ms()),
            "newest_ingest_at": iso_ms(newest.origin_ms) if newest else None,
            "lag_ms": max(0, newest.written_ms - newest.origin_ms) if newest else None,
            "cursor": place,
            "connections": self.connections,
            "store": "up" if self.store_up and self._read_lately else "down",
        }
        return control_event("heartbeat", data)

    def broadcast(self, event: StreamEvent) -> None:
        """Send a control event to everyone."""
        self.ring.append(control_slot(self._safe, event))
        self.ring.announce()

    def tidy(self) -> None:
        """Tell what has begun and forget what has not moved for a while; called twice a second."""
        self._tell_begun()
        self._coalescer.forget(self.clock.monotonic_ms() - 1_000)
        for listener in self.on_tidy:
            listener()

    def _tell_begun(self) -> None:
        events = self._states(self._ahead.begin(self.clock.now_ms()))
        for start in range(0, len(events), EVENTS_A_SLOT):
            self.ring.append(control_slot(self._safe, *events[start : start + EVENTS_A_SLOT]))
        if events:
            self.ring.announce()

    def _states(self, keys: list[BucketKey]) -> list[StreamEvent]:
        now_ms = self.clock.now_ms()
        return [bucket_event(bucket, 0, now_ms) for bucket in map(self.latest.get, keys) if bucket is not None]

    def begun(self, wanted: Filter, since_ms: int) -> list[StreamEvent]:
        """The wanted windows that began after an instant though they were written before, as they are now."""
        return self._states(self._ahead.since(wanted, since_ms))

    def polled(self) -> None:
        """Somebody asked for what the stream would have sent."""
        self._polled_ms = self.clock.monotonic_ms()

    @property
    def heard(self) -> bool:
        """True when somebody listens, or polled lately."""
        return self.connections > 0 or self.clock.monotonic_ms() - self._polled_ms < POLLER_STAYS_MS

    def load_latest(self, series: tuple[str, str], buckets: list[Bucket]) -> None:
        """Take in what the store holds of a series."""
        self.latest.load(series, buckets)
        now_ms = self.clock.now_ms()
        for bucket in buckets:
            self._ahead.note(bucket.key, now_ms)
