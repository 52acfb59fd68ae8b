"""uvicorn for the stream: bounded send buffers, a deadline for headers, and a farewell before the end."""

import asyncio
import gc
import logging
import os
import resource
import socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from api.logs import note
from api.sse.stream import WIRE

#: What the kernel keeps for a client that does not read; without it a stalled client swallows megabytes.
SEND_BUFFER_BYTES = 32 * 1024
#: What the process keeps beyond that before a send waits.
WRITE_BUFFER_BYTES = 16 * 1024
#: Longer than a balancer keeps a quiet connection (60 s): who closes first must be the one that asks.
KEEP_ALIVE_S = 75
BACKLOG = 4_096
HEADER_DEADLINE_S = 15.0
#: A client that takes nothing of an answer for so long is dropped; the answer would else wait in memory for ever.
STALL_S = 55.0
NO_LINGERING = struct.pack("ii", 1, 0)
#: How long a stream's client may take to read the farewell.
FAREWELL_S = 2.0
#: After this, whatever else is still being answered is cut.
GRACE_S = 3
#: A process that is told to end has ended after so long.
END_MS = 5_000.0
#: Files and connections beside the streams: stores, requests that are answered in one piece, refusals.
OTHER_FILES = 1_000

_Protocol: Any = AutoHTTPProtocol


class BoundedProtocol(_Protocol):  # type: ignore[misc]
    """uvicorn's protocol with bounds: a request's headers must be complete within a deadline, and a stream can bound
    what is written but not sent. The application finds it in `scope["extensions"]`, as `sse.stream.Wire`."""

    header_deadline_s = HEADER_DEADLINE_S
    stall_s = STALL_S
    app: Any

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Set the bounds and start the clock for the headers."""
        super().connection_made(transport)
        self._inner = self.app
        self.app = self._with_wire
        self._when_lost: Callable[[], None] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._await_headers()

    async def _with_wire(self, scope: Any, receive: Any, send: Any) -> None:
        scope.setdefault("extensions", {})[WIRE] = self
        await self._inner(scope, receive, send)

    def bound(self) -> None:
        """Bound what waits for the client, in the kernel and in the process. Only for streams: an ordinary answer of
        some size would be sent in many small turns."""
        if self.transport.is_closing():
            return
        self.transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)

    async def send_chunk(self, chunk: bytes) -> None:
        """Write a chunk that is framed already, when the ones before it are on their way. The framing is the same for
        every client, so it is made once and not once per connection."""
        if self.flow.write_paused:
            await self.flow.drain()
        if not self.transport.is_closing():
            self.transport.write(chunk)

    def abort(self) -> None:
        """Drop the connection with whatever was not sent, also what the kernel holds: without lingering it would
        keep that for a client that never takes it."""
        with suppress(OSError):  # it has just been closed
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGERING)
        self.transport.abort()

    def when_lost(self, callback: Callable[[], None] | None) -> None:
        """Be told when the connection ends, or at once that it has: a client may go while its stream is being opened.
        It saves a stream the task that would wait for it."""
        self._when_lost = callback
        if callback is not None and self.transport.is_closing():
            callback()

    def data_received(self, data: bytes) -> None:
        """Start the clock at the first byte of a request, stop it when its headers are complete."""
        if self._deadline is None and self._idle():
            self._await_headers()
        super().data_received(data)
        if not self._idle():
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clocks, tell the stream, and let go of what refers back: else this and all that is known of a client
        that is gone would stay until the collector comes by."""
        self._stop_waiting()
        self._stop_watching()
        super().connection_lost(exc)
        if self._when_lost is not None:
            self._when_lost()
        self._unset_keepalive_if_required()
        self.app, self.scope, self.cycle = self._inner, None, None

    def pause_writing(self) -> None:
        """More waits for the client than it takes: watch whether it reads at all."""
        super().pause_writing()
        self._watch_reading(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """It reads."""
        self._stop_watching()
        super().resume_writing()

    def _watch_reading(self, waiting_bytes: int) -> None:
        self._stop_watching()
        self._stall = self.loop.call_later(self.stall_s, self._check_reading, waiting_bytes)

    def _check_reading(self, before_bytes: int) -> None:
        waiting_bytes = self.transport.get_write_buffer_size()
        if waiting_bytes < before_bytes:
            self._watch_reading(waiting_bytes)
        else:
            self.abort()

    def _stop_watching(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _idle(self) -> bool:
        return self.cycle is None or bool(self.cycle.response_complete)

    def _await_headers(self) -> None:
        self._deadline = self.loop.call_later(self.header_deadline_s, self._headers_overdue)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _headers_overdue(self) -> None:
        self._deadline = None
        if self._idle():
            self.abort()


class Server(uvicorn.Server):
    """Says farewell to the streams before it waits for connections to end; without it the wait would last as long as
    the streams do."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._streams = app.state.services.connections
        self._clock = app.state.services.clock
        self._leaving_ms: float | None = None

    @property
    def left_ms(self) -> float:
        """What is left of the time in which the process should end, once it was told to."""
        return END_MS - (self._clock.monotonic_ms() - self._leaving_ms if self._leaving_ms is not None else 0)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, then stop."""
        self._leaving_ms = self._clock.monotonic_ms()
        self._streams.drain()
        asyncio.get_running_loop().call_later(FAREWELL_S, self._streams.abort_rest)
        await super().shutdown(sockets)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises `OSError` when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio turns Nagle's algorithm off only where it is: with 0, every answer in two
    # writes would wait 40 ms for the client's delayed acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


def allow_open_files(wanted: int) -> None:
    """Raise the number of files this process may open, as far as it may: many systems start with 1,024, and a server
    that cannot accept a connection cannot even refuse it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    granted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (granted, hard))
    if granted < wanted:
        note(logging.WARNING, "fewer files may be opened than streams need", wanted=wanted, granted=granted)


def settle_memory() -> None:
    """Take what lives as long as the process out of the garbage collector's sight: a full collection would walk it all,
    and every stream waits meanwhile (140 ms measured). For composition roots, when all is loaded and made."""
    gc.collect()
    gc.freeze()


def end_if_busy(app: FastAPI, code: int) -> None:
    """End the process here where calls are under way: Python would wait for their threads, and a store that hangs, or a
    comparison, takes its time. They are as safe as when the process is killed."""
    services = app.state.services
    if not (services.offload.is_busy or services.hub.is_busy):
        return
    note(logging.WARNING, "calls still under way at the end")
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def make_server(app: FastAPI, log_level: str = "warning") -> Server:
    """A server for an application of `create_app`: `await server.serve(sockets=[bind(host, port)])`, and
    `server.should_exit = True` (or SIGTERM in the main thread) ends it within five seconds."""
    allow_open_files(app.state.services.options.max_connections + OTHER_FILES)
    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        log_level=log_level,
        access_log=False,
        proxy_headers=False,  # whom to believe of X-Forwarded-For is for `trusted_hops` to say
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
        server_header=False,
        ws="none",
        lifespan="on",
    )
    return Server(config, app)
