"""A proxy that misbehaves between the page and the server: it cuts, stalls, buffers, truncates, answers 503 and 429."""

import asyncio
import random
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

MODES = ("none", "cut", "stall", "buffer", "truncate", "503", "429")
#: What a buffering middlebox keeps before it lets anything through.
HELD_BYTES = 200_000
#: How much of an answer comes through before it is torn off.
TORN_BYTES = 900


class Proxy:
    """One request a connection, so that every request meets the weather of its own moment. `only` names the path that
    the weather falls on; the rest passes."""

    def __init__(self, upstream_port: int, only: str = "/api/v2/stream", seed: int = 1) -> None:
        self.mode = "none"
        self.only = only
        self.hit = 0
        self.port = 0
        self._upstream = upstream_port
        self._chance = random.Random(seed)
        self._open: set[asyncio.StreamWriter] = set()
        #: The event loop itself holds tasks weakly; one whose connection was cut would be collected in the middle.
        self._tasks: set[asyncio.Task[None] | None] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def streams(self) -> int:
        """Connections the weather could fall on that are open now."""
        return len(self._open)

    def start(self) -> "Proxy":
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def weather(self, mode: str) -> None:
        """From now on; `cut` also ends what is open, at a moment between two bytes."""
        assert mode in MODES
        self.mode = mode
        if mode in ("cut", "503", "429", "truncate", "buffer"):
            self.cut()

    def cut(self) -> None:
        """End every connection of the chosen path now."""
        self._loop.call_soon_threadsafe(self._cut)

    def _cut(self) -> None:
        for writer in list(self._open):
            self.hit += 1
            writer.transport.abort()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        # A connection that was accepted just before may still become a task.
        while tasks := asyncio.all_tasks(self._loop):
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._tasks.add(task)
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
            body = await reader.readexactly(int(length.group(1))) if length else b""
            await self._answer(head, body, writer)
        with suppress(OSError):
            writer.close()
        self._tasks.discard(task)

    async def _answer(self, head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        path = head.split(b" ", 2)[1].decode()
        falls = path.startswith(self.only)
        if falls and self.mode in ("503", "429", "cut"):
            self.hit += 1
            if self.mode == "cut":
                writer.transport.abort()
                return
            phrase = {"503": "503 Service Unavailable", "429": "429 Too Many Requests"}[self.mode]
            writer.write(
                f"HTTP/1.1 {phrase}\r\nRetry-After: 1\r\nContent-Type: application/problem+json\r\n"
                'Content-Length: 17\r\nConnection: close\r\n\r\n{"detail":"full"}'.encode()
            )
            await writer.drain()
            return
        if falls:
            self._open.add(writer)
        try:
            await self._pass(head, body, writer, falls)
        finally:
            self._open.discard(writer)

    async def _pass(self, head: bytes, body: bytes, writer: asyncio.StreamWriter, falls: bool) -> None:
        upstream_reader, upstream = await asyncio.open_connection("127.0.0.1", self._upstream)
        try:
            upstream.write(
                re.sub(rb"(?i)\r\nconnection: [^\r]*", b"", head[:-4]) + b"\r\nConnection: close\r\n\r\n" + body
            )
            mode = self.mode if falls else "none"
            sent, held = 0, b""
            while chunk := await upstream_reader.read(65_536):
                if falls and self.mode == "stall":
                    self.hit += 1
                    while self.mode == "stall":
                        await asyncio.sleep(0.05)
                if mode == "buffer":
                    held += chunk
                    if len(held) < HELD_BYTES and self.mode == "buffer":
                        self.hit += 1
                        continue
                    chunk, held = held, b""
                if mode == "truncate" and sent + len(chunk) > TORN_BYTES:
                    self.hit += 1
                    writer.write(chunk[: self._chance.randrange(1, TORN_BYTES)])
                    await writer.drain()
                    return
                writer.write(chunk)
                await writer.drain()
                sent += len(chunk)
        finally:
            upstream.close()


@contextmanager
def proxy(upstream_port: int, **more: Any) -> Iterator[Proxy]:
    """A running proxy before a server of this machine."""
    running = Proxy(upstream_port, **more).start()
    try:
        yield running
    finally:
        running.close()
