"""All open streams of this process: the cap, heartbeats, planned ends, clients that do not read, and the farewell."""

import asyncio
import logging
from collections import Counter
from typing import TYPE_CHECKING

from api.duties import end, kept_up
from api.logs import note
from api.sse.hub import Hub
from api.sse.opening import Run
from contracts.errors import Transient
from contracts.telemetry import observe, record

if TYPE_CHECKING:
    from api.sse.stream import EventStream

TIDY_EVERY_S = 0.5
RETRY_START_S = 0.5
#: What a refused client is told to wait, at least.
RETRY_AFTER_S = 5


class Connections:
    """The open streams. `ensure_started` begins the hub and the timers on first use."""

    def __init__(self, hub: Hub, run: Run) -> None:
        self.hub = hub
        self._run = run
        self.open: set[EventStream] = set()
        self.refused = 0
        self.reserved = 0
        #: Streams that are open or about to, by the address they came from.
        self._held: Counter[str] = Counter()
        self.draining = False
        self._passed = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._starting: asyncio.Lock | None = None
        hub.on_epoch_change.append(lambda _: self.end_all("epoch_changed"))

    # ---- places ----------------------------------------------------------------------------------------------------
    def reserve(self, address: str) -> bool:
        """Take a place for a connection that is about to open; false when the address has as many as one may, at the
        cap, or while draining."""
        if self.has_its_share(address):
            self.refused += 1
            return False
        if self.draining or len(self.open) + self.reserved >= self.hub.options.max_connections:
            self.refused += 1
            record({"StreamRefusals": 1})
            return False
        self.reserved += 1
        self._held[address] += 1
        return True

    def has_its_share(self, address: str) -> bool:
        """An address holds as many streams as one may."""
        most = self.hub.options.streams_per_address
        return most is not None and self._held[address] >= most

    def release(self, address: str) -> None:
        """Give a reserved place back, because the stream will not be."""
        self.reserved -= 1
        self._leave(address)

    def add(self, stream: "EventStream") -> None:
        """A stream takes its reserved place; one that was being opened when the drain began is told so now."""
        self.reserved -= 1
        self.open.add(stream)
        if self.draining:
            stream.end("shutdown")
        self.hub.connections = len(self.open)
        observe({"StreamConnections": len(self.open)})

    def remove(self, stream: "EventStream") -> None:
        """A stream is closed."""
        self.open.discard(stream)
        self._leave(stream.address)
        self.hub.connections = len(self.open)
        observe({"StreamConnections": len(self.open)})

    def _leave(self, address: str) -> None:
        self._held[address] -= 1
        if not self._held[address]:
            del self._held[address]

    def end_all(self, reason: str) -> None:
        """Say farewell to everyone."""
        for stream in list(self.open):
            stream.end(reason)

    # ---- life ------------------------------------------------------------------------------------------------------
    async def ensure_started(self) -> None:
        """Start the hub, if it is not. Raises `Transient` when the store is down."""
        if self.hub.started:
            return
        if self._starting is None:
            self._starting = asyncio.Lock()
        async with self._starting:
            if self.hub.started:
                return
            self.hub.start(*await self._run("buckets", self.hub.read_head))
            self._tasks += [asyncio.create_task(kept_up(duty)) for duty in (self._heartbeats, self._tidy)]

    async def start_when_up(self) -> None:
        """Start as soon as the store answers."""
        while not self.draining:
            try:
                await self.ensure_started()
                return
            except Transient as error:
                note(logging.WARNING, "stream waits for its store", cause=str(error))
                await asyncio.sleep(RETRY_START_S)

    def drain(self) -> None:
        """Take no more connections and say farewell to the open ones; call on the event loop."""
        self.draining = True
        self.end_all("shutdown")

    def abort_rest(self) -> None:
        """Drop who has not taken the farewell."""
        for stream in list(self.open):
            stream.abort()

    async def stop(self) -> None:
        """Drain, and stop the timers and the poller."""
        self.drain()
        await end(self._tasks)
        self._tasks.clear()
        await asyncio.get_running_loop().run_in_executor(None, self.hub.stop)

    # ---- timers ----------------------------------------------------------------------------------------------------
    async def _heartbeats(self) -> None:
        while True:
            await asyncio.sleep(self.hub.options.heartbeat_s)
            self.hub.broadcast(self.hub.heartbeat(self.hub.safe_id))

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(TIDY_EVERY_S)
            self.tidy()

    def tidy(self) -> None:
        """End what is over, drop who does not read, forget what everybody has been sent."""
        self.hub.tidy()
        self.forget_passed()
        at_ms, now_ms = self.hub.clock.monotonic_ms(), self.hub.clock.now_ms()
        stall_ms = self.hub.options.stall_s * 1000
        for stream in list(self.open):
            if stream.sending_since_ms is not None and at_ms - stream.sending_since_ms >= stall_ms:
                note(logging.INFO, "closing a stream whose client reads nothing")
                stream.abort()
            elif at_ms >= stream.expires_ms:
                stream.end("lifetime")
            elif stream.until_ms is not None and now_ms >= stream.until_ms:
                stream.end("until")

    def forget_passed(self) -> None:
        """Let go of what everybody is past since the last turn or longer; what is newer serves those who come back
        within the second (`opening`). While a stream is being opened all is kept: it may go on from anywhere."""
        if self.reserved:
            return
        ring = self.hub.ring
        passed = min((stream.index for stream in self.open), default=ring.next_index)
        ring.forget(min(passed, self._passed))
        self._passed = passed
