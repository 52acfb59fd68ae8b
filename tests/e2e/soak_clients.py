"""A thousand event-stream clients in one event loop, each holding what it was told against what it should have been.

Clients of one subject are sent the same bytes, so a block of events is parsed once for all of them.
"""

import asyncio
import contextlib
import re
import time
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from contracts.instants import parse_ms

ITEM = re.compile(rb'event: new_item\r?\ndata: \{[^\n]*?"event_id":"([^"]+)"[^\n]*?"event_time":"([^"]+)"')
NEWEST = re.compile(rb'event: sentiment_update\r?\ndata: \{[^\n]*?"count":(\d+)\}')
CANDLE = re.compile(rb'"resolution":"1m","bucket":\{"start":"([^"]+)"[^\n]*?"count":(\d+)')
IDENTITY = re.compile(rb"id: ([^\r\n]+)")
CONNECT_AT_ONCE = 50
MASK = (1 << 64) - 1


class Block(NamedTuple):
    """What some bytes of a stream say. `told`: events that sentiment updates count; `digest`: over item ids, in any
    order; `times_ms`: when the items' articles were published."""

    items: int
    digest: int
    told: int
    times_ms: tuple[int, ...]
    candles: dict[bytes, int]
    last_id: bytes | None
    hello: bytes | None


@lru_cache(maxsize=512)
def read(block: bytes) -> Block:
    found = ITEM.findall(block)
    identities = IDENTITY.findall(block)
    hello = re.search(rb'event: hello\r?\ndata: \{"epoch":"[^"]*","resumed":(true|false)', block)
    return Block(
        len(found),
        sum(map(digest_of, (event for event, _ in found))) & MASK,
        sum(map(int, NEWEST.findall(block))),
        tuple(parse_ms(at.decode()) for _, at in found),
        {start: int(count) for start, count in CANDLE.findall(block)},
        identities[-1] if identities else None,
        hello[1] if hello else None,
    )


def digest_of(event_id: bytes) -> int:
    return hash(event_id) & MASK


class Client:
    """One watcher of one subject, which comes back where it stopped."""

    __slots__ = ("ages_ms", "connections", "digest", "items", "last_id", "restarts", "series", "subject", "told")

    def __init__(self, subject: str, ages_ms: list[float] | None) -> None:
        self.subject = subject
        self.ages_ms = ages_ms
        self.items = self.digest = self.told = self.connections = self.restarts = 0
        self.series: dict[bytes, int] = {}
        self.last_id: bytes | None = None

    def take(self, block: bytes) -> None:
        said = read(block)
        if said.hello is not None:
            self.connections += 1
            self.restarts += said.hello == b"false" and self.connections > 1
        self.items += said.items
        self.digest = (self.digest + said.digest) & MASK
        self.told += said.told
        self.series.update(said.candles)
        if said.last_id is not None:
            self.last_id = said.last_id
        if self.ages_ms is not None:
            now_ms = time.time() * 1000
            self.ages_ms.extend(now_ms - at for at in said.times_ms)

    async def follow(self, url: str, opened: asyncio.Event) -> None:
        """For ever; cancel it."""
        parts = urlsplit(url)
        while True:
            # Gone: a client comes back, and `connections` counts it.
            with contextlib.suppress(OSError):
                await self._follow_once(parts.hostname or "", parts.port or 0, opened)
            await asyncio.sleep(0.5)

    async def _follow_once(self, host: str, port: int, opened: asyncio.Event) -> None:
        reader, writer = await asyncio.open_connection(host, port, limit=1 << 20)
        last = b"Last-Event-ID: %s\r\n" % self.last_id if self.last_id else b""
        path = f"/api/v2/stream?tickers={self.subject}&resolutions=1m".encode()
        writer.write(
            b"GET %s HTTP/1.1\r\nHost: soak\r\nAccept: text/event-stream\r\nConnection: close\r\n%s\r\n" % (path, last)
        )
        rest = b""
        try:
            while data := await reader.read(1 << 18):
                if b"\nevent: hello" in data:
                    opened.set()
                head, separator, rest = (rest + data).rpartition(b"\n\n")
                if separator:
                    self.take(head + separator)
                if b"\nevent: bye" in data:
                    return
        finally:
            writer.close()


class Crowd:
    """All clients, spread evenly over the subjects; one of each subject notes how old its items are."""

    def __init__(self, url: str, count: int, subjects: list[str]) -> None:
        self._url = url
        self.ages_ms: list[float] = []
        self.clients = [
            Client(subjects[n % len(subjects)], self.ages_ms if n < len(subjects) else None) for n in range(count)
        ]
        self._tasks: list[asyncio.Task[Any]] = []

    async def connect(self) -> None:
        """Returns when all have been greeted."""
        for at in range(0, len(self.clients), CONNECT_AT_ONCE):
            opened = []
            for client in self.clients[at : at + CONNECT_AT_ONCE]:
                opened.append(asyncio.Event())
                self._tasks.append(asyncio.create_task(client.follow(self._url, opened[-1])))
            await asyncio.wait_for(asyncio.gather(*(event.wait() for event in opened)), 60)

    async def level(self, timeout_s: float) -> None:
        """Returns when all of a subject have been told of as many items: who was away at the end has come back."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            told = {(client.subject, client.items) for client in self.clients if not client.restarts}
            if len(told) == len({subject for subject, _ in told}):
                return
            await asyncio.sleep(0.2)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def wrong(self, expected: dict[str, tuple[int, int]]) -> list[str]:
        """Clients that were not told of exactly the expected events, by subject: (how many, their digest). Who had to
        begin again from a snapshot is held to its candles only."""
        found = []
        for number, client in enumerate(self.clients):
            count, digest = expected.get(client.subject, (0, 0))
            if sum(client.series.values()) != count:
                found.append(f"{number} {client.subject}: candles of {sum(client.series.values())} events, not {count}")
            elif not client.restarts and (client.items, client.told, client.digest) != (count, count, digest):
                found.append(f"{number} {client.subject}: told of {client.items} items ({client.told}), not {count}")
        return found
