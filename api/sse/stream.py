"""One connection of the stream: a pure ASGI response that sends everything since its place in the ring, in one write
at a time."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from starlette.responses import Response

from api.epoch import generation_of
from api.sse.connections import Connections
from api.sse.filters import Filter
from api.sse.opening import Opening
from api.sse.ring import MAX_SEND_BYTES, Overrun
from api.sse.slots import Slot, control_event, control_slot
from contracts.instants import iso_ms

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

#: Where a server that knows us puts the connection, in `scope["extensions"]`.
WIRE = "candlewick.wire"
#: Where a stream waits until the application's own frames are gone, in the scope.
HANDOVER = "candlewick.stream"
HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
]
JITTER = 0.2
#: How soon a client may come back, by reason of the farewell.
RECONNECT_MS = {
    "lifetime": 500,
    "shutdown": 1_000,
    "epoch_changed": 250,
    "too_slow": 2_000,
    "until": 0,
    "configuration_deleted": 0,
    "too_many_series": 0,
}
#: Ends after which a client goes on where it stands. It is told all there is first, and where that is, so that it hears
#: nothing twice.
GOES_ON = {"lifetime", "shutdown", "until"}


def planned_lifetime_ms(lifetime_s: float) -> float:
    """A connection's lifetime ± 20 %, so that many clients do not come back at once."""
    return lifetime_s * 1000 * random.uniform(1 - JITTER, 1 + JITTER)


class Wire(Protocol):
    """The connection underneath, when the server gives it."""

    def bound(self) -> None: ...

    async def send_chunk(self, chunk: bytes) -> None: ...

    def abort(self) -> None: ...

    def when_lost(self, callback: Callable[[], None] | None) -> None: ...


def framed(payload: bytes) -> bytes:
    """The payload as a chunk of HTTP/1.1."""
    assert payload, "an empty chunk ends the answer"
    return b"%x\r\n%s\r\n" % (len(payload), payload)


#: The same for what the ring tells: clients with equal filters get equal payloads at about the same time.
chunk_of = lru_cache(maxsize=64)(framed)


def in_sends(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The parts in pieces as large as one send may be, each made when the one before it is on its way."""
    piece = bytearray()
    for part in parts:
        at = 0
        while at < len(part):
            end = at + MAX_SEND_BYTES - len(piece)
            piece += part[at:end]
            at = end
            if len(piece) == MAX_SEND_BYTES:
                yield bytes(piece)
                piece.clear()
    if piece:
        yield bytes(piece)


class Handover(Response):
    """The answer of a route that begins a stream. It sends nothing: the outermost middleware runs the stream once
    routing, validation and the other middlewares have returned, so that a connection does not keep their frames."""

    def __init__(self, stream: "EventStream") -> None:
        self.status_code = 200
        self.background = None
        self.raw_headers = []
        self._stream = stream

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        scope[HANDOVER].append(self._stream)


class Edit(NamedTuple):
    """An edited watch list that its client has not heard of: the list it knows, what of that it hears until then and up
    to where in the ring, and the state it gets there."""

    known: Filter
    stays: Filter
    end: int
    slot: Slot


class EventStream:
    """The stream of one client. `index` is its place in the ring; `ending` is set by others: the reason for a farewell.
    One whose `until` was past when it was asked for is `over` with its opening: what the ring holds was written
    later."""

    __slots__ = (
        "_chunked",
        "_connections",
        "_edit",
        "_hub",
        "_lifetime_s",
        "_opening",
        "_task",
        "_wake",
        "_wire",
        "address",
        "configuration",
        "ending",
        "expires_ms",
        "gone",
        "index",
        "over",
        "sending_since_ms",
        "until_ms",
        "wanted",
    )

    def __init__(
        self,
        connections: Connections,
        wanted: Filter,
        opening: Opening,
        until_ms: int | None,
        configuration: tuple[str, str] | None = None,
        over: bool = False,
        address: str = "",
    ) -> None:
        self._connections = connections
        self.address = address
        self._hub = connections.hub
        self.wanted = wanted
        self._opening: Opening | None = opening
        self.until_ms = until_ms
        self.configuration = configuration
        self.index = opening.ring_index
        lifetime_s = self._hub.options.max_lifetime_s
        self._lifetime_s = lifetime_s
        self.expires_ms = self._hub.clock.monotonic_ms() + planned_lifetime_ms(lifetime_s)
        self.over = over
        self.ending: str | None = "until" if over else None
        self.gone = False
        self.sending_since_ms: float | None = None
        self._edit: Edit | None = None
        self._wake: asyncio.Future[None] | None = None
        self._task: asyncio.Task[Any] | None = None
        self._wire: Wire | None = None
        self._chunked: Wire | None = None

    # ---- for others ------------------------------------------------------------------------------------------------
    def end(self, reason: str) -> None:
        """Say farewell at the next occasion. What follows a change of the epoch belongs to another stream, so that ends
        it at once, whatever else was planned."""
        self.ending = reason if reason == "epoch_changed" else self.ending or reason
        self.nudge()

    def refilter(self, wanted: Filter, slot: Slot, index: int) -> None:
        """Follow an edited watch list: what is still unsent of the subjects that stay (the id of what follows is past
        it), the state of the list's series, then what happens from there on. An edit that the client has not heard of
        makes place for this one, so however many there are, one waits."""
        known = self._edit.known if self._edit is not None else self.wanted
        self._edit = Edit(known, known.common(wanted), index, slot)
        self.wanted = wanted
        self.nudge()

    def nudge(self) -> None:
        """Wake the connection, and nobody else."""
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def abort(self) -> None:
        """Drop a client that does not read: no farewell would reach it."""
        self.gone = True
        if self._wire is not None:
            self._wire.abort()
        if self._task is not None:
            self._task.cancel()

    # ---- the connection --------------------------------------------------------------------------------------------
    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        self._task = asyncio.current_task()
        self._wire = scope.get("extensions", {}).get(WIRE)
        self._connections.add(self)
        watcher = None
        try:
            if self._wire is None:
                watcher = asyncio.create_task(self._watch(receive))
            else:
                self._wire.bound()
                if scope["http_version"] == "1.1":
                    self._chunked = self._wire
                self._wire.when_lost(self._lost)
            await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
            for piece in in_sends(self._greeting()):
                await self._write(send, framed, piece)
                if self.gone:
                    return
            await self._pump(send)
        except asyncio.CancelledError:
            if not self.gone:
                raise
        finally:
            self._connections.remove(self)
            if watcher is not None:
                watcher.cancel()
            if self._wire is not None:
                self._wire.when_lost(None)

    async def _watch(self, receive: Receive) -> None:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                self._lost()
                return

    def _lost(self) -> None:
        self.gone = True
        self.nudge()

    def _greeting(self) -> list[bytes]:
        opening = self._opening
        assert opening is not None
        self._opening = None
        hub = self._hub
        if opening.epoch != hub.epoch:
            # It went live between the opening and now, when this connection was not among those that were told.
            self.end("epoch_changed")
        hello = {
            "epoch": generation_of(opening.epoch),
            "resumed": opening.resumed,
            "reason": opening.reason,
            "server_time": iso_ms(hub.clock.now_ms()),
            "heartbeat_s": hub.options.heartbeat_s,
            "max_lifetime_s": self._lifetime_s,
            "filters": self.wanted.document(),
        }
        heartbeat = control_slot(opening.place, hub.heartbeat(opening.place)).render(self.wanted)
        return [control_event("hello", hello).body, *opening.parts(self.wanted), heartbeat]

    async def _pump(self, send: Send) -> None:
        while not self.gone:
            if self.ending is not None and (self.over or self.ending not in GOES_ON):
                await self._farewell(send, self.ending)
                return
            try:
                payload = self._read()
            except Overrun:
                self.ending = "too_slow"
                continue
            if payload:
                await self._write(send, chunk_of, payload)
            elif self.ending is not None:
                await self._farewell(send, self.ending)
                return
            elif not self.gone:
                self._wake = self._hub.ring.waiter()
                await self._wake

    def _read(self) -> bytes:
        """What to send next; empty when there is nothing. Raises `Overrun`."""
        edit = self._edit
        if edit is not None:
            payload, self.index = self._hub.ring.read(self.index, edit.stays, edit.end)
            if not payload:
                self._edit = None
                payload = edit.slot.render(self.wanted)
            return payload
        payload, self.index = self._hub.ring.read(self.index, self.wanted)
        return payload

    async def _write(self, send: Send, frame: Callable[[bytes], bytes], payload: bytes) -> None:
        self.sending_since_ms = self._hub.clock.monotonic_ms()
        if self._chunked is not None:
            await self._chunked.send_chunk(frame(payload))
        else:
            await send({"type": "http.response.body", "body": payload, "more_body": True})
        self.sending_since_ms = None

    async def _farewell(self, send: Send, reason: str) -> None:
        pause_ms = round(RECONNECT_MS[reason] * random.uniform(0.5, 1.5))
        data = {"reason": reason, "reconnect_in_ms": pause_ms}
        body = b"retry: %d\n" % max(pause_ms, 1) + control_event("bye", data).body
        if reason in GOES_ON and not self.over:
            held = b"".join(event.body for event in self._hub.held(self.wanted))
            body = b"%sid: %s\n%s" % (held, self._hub.newest_id.encode(), body)
        await self._write(send, framed, body)
        await send({"type": "http.response.body", "body": b"", "more_body": False})
