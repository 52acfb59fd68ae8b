"""A client that is gone before its stream is open takes no place: who flips through filters leaves many of those."""

import asyncio
import socket
from urllib.parse import urlsplit

from tests.unit.api.kit import TestHome, live, serving

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
