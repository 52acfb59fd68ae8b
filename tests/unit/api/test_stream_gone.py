"""A client that is gone before its stream is open takes no place: who flips through filters leaves many of those."""

import asyncio
import gc
import socket
import weakref
from urllib.parse import urlsplit

import pytest

from api.server import BoundedProtocol
from tests.unit.api.kit import Listener, TestHome, live, serving

QUESTION = b"GET /api/v2/stream?tickers=AAPL HTTP/1.1\r\nHost: here\r\n\r\n"


@live
async def test_clients_that_left_while_their_stream_was_opened_are_forgotten(home: TestHome) -> None:
    async with serving(home) as (url, app):
        parts = urlsplit(url)
        connections = app.state.services.connections

        def come_and_go() -> None:
            with socket.create_connection((parts.hostname, parts.port)) as client:
                client.sendall(QUESTION)

        home.control.slow.clear()
        home.buckets.slow.clear()
        await asyncio.gather(*(asyncio.to_thread(come_and_go) for _ in range(20)))
        await asyncio.sleep(0.2)
        home.control.slow.set()
        home.buckets.slow.set()
        async with asyncio.timeout(10):
            while connections.reserved or connections.open:
                await asyncio.sleep(0.05)
        assert not connections._held


@live
async def test_a_stream_that_is_being_opened_when_the_process_goes_away_hears_so(home: TestHome) -> None:
    async with serving(home) as (url, app):
        connections = app.state.services.connections
        home.buckets.slow.clear()
        async with Listener(f"{url}/api/v2/stream?tickers=AAPL") as client:
            while not connections.reserved:
                await asyncio.sleep(0.01)
            connections.drain()
            home.buckets.slow.set()
            await client.until(lambda c: c.ended)
            assert [got.event for got in client.got] == ["hello", "snapshot", "heartbeat", "bye"]
            assert client.got[-1].data["reason"] == "shutdown"


@live
async def test_a_connection_that_has_ended_is_let_go_of_at_once(
    home: TestHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not when the collector comes by: until then a thousand streams that ended would keep seven megabytes."""
    known: weakref.WeakSet[BoundedProtocol] = weakref.WeakSet()
    made = BoundedProtocol.connection_made

    def connection_made(self: BoundedProtocol, transport: asyncio.Transport) -> None:
        known.add(self)
        made(self, transport)

    monkeypatch.setattr(BoundedProtocol, "connection_made", connection_made)

    def ask(question: bytes, until: bytes) -> None:
        with socket.create_connection((parts.hostname, parts.port)) as client:
            client.sendall(question)
            got = b""
            while until not in got and (more := client.recv(65_536)):
                got += more
            assert until in got

    async with serving(home, max_lifetime_s=1.1) as (url, _):
        parts = urlsplit(url)
        gc.collect()
        gc.disable()
        try:
            for until in (b"event: snapshot", b"event: bye"):
                await asyncio.to_thread(ask, QUESTION, until)
            await asyncio.to_thread(ask, b"GET /health HTTP/1.1\r\nHost: here\r\n\r\n", b'"status"')
            async with asyncio.timeout(10):
                while known:
                    await asyncio.sleep(0.05)
        finally:
            gc.enable()
