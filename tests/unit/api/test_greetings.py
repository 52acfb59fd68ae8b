"""The first words of a stream may be a megabyte: they go out in pieces, and nothing of them is kept."""

import asyncio
import json
import socket
from typing import Any

import pytest

from api.app import create_app
from api.sse.filters import Filter, make_filter
from api.sse.opening import Start
from api.sse.ring import MAX_SEND_BYTES
from api.sse.stream import EventStream, chunk_of
from contracts.resolution import NAMES
from tests.unit.api.kit import NOW_MS, Line, TestHome, Told, article, calling, live, options, serving

EVERYTHING = make_filter(None, NAMES)
SUBJECTS = 80


@pytest.fixture
def many(line: Line) -> None:
    line.tell(*(Told(f"T{at:03d}", NOW_MS - 100_000, 100, article(at)) for at in range(SUBJECTS)), resolutions=NAMES)


async def greeting_of(services: Any, wanted: Filter) -> list[tuple[bytes, float]]:
    """What a stream sends until its first pause, write by write, and since when each was under way."""
    opening = await services.opener.open(Start(None, None), wanted)
    stream = EventStream(services.connections, wanted, opening, NOW_MS, over=True)
    writes = []

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    async def send(message: Any) -> None:
        if message.get("body"):
            assert stream.sending_since_ms is not None
            writes.append((message["body"], stream.sending_since_ms))
            await asyncio.sleep(0.002)

    services.connections.reserve("")
    await asyncio.wait_for(stream({"http_version": "1.1"}, receive, send), 10)
    return writes


@live
@pytest.mark.usefixtures("many")
async def test_a_long_greeting_goes_out_in_pieces_each_with_a_patience_of_its_own(home: TestHome) -> None:
    app = create_app(home, options())
    async with calling(app):
        writes = await greeting_of(app.state.services, EVERYTHING)
    assert len(writes) > 4
    assert max(len(body) for body, _ in writes) <= MAX_SEND_BYTES
    since = [at_ms for _, at_ms in writes]
    assert since == sorted(set(since)), "who reads all the time is not one who reads nothing"
    said = b"".join(body for body, _ in writes).split(b"\n\n")
    assert [each.partition(b"event: ")[2].split()[0] for each in said[:3]] == [b"hello", b"snapshot", b"heartbeat"]
    series = json.loads(said[1].partition(b"data: ")[2])["series"]
    assert len(series) == SUBJECTS * len(NAMES)


@live
@pytest.mark.usefixtures("many")
async def test_who_takes_nothing_of_its_greeting_costs_no_more_than_a_piece(home: TestHome) -> None:
    chunk_of.cache_clear()
    question = f"GET /api/v2/stream?resolutions={','.join(NAMES)} HTTP/1.1\r\nHost: h\r\n\r\n".encode()
    async with serving(home) as (base, app):
        connections = app.state.services.connections

        def come() -> socket.socket:
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            client.connect(("127.0.0.1", int(base.rpartition(":")[2])))
            client.sendall(question)
            return client

        clients = [await asyncio.to_thread(come) for _ in range(5)]
        async with asyncio.timeout(10):
            while len([each for each in connections.open if each.sending_since_ms is not None]) < 5:
                await asyncio.sleep(0.01)
        waiting = [each._wire.transport.get_write_buffer_size() for each in connections.open]
        assert 0 < max(waiting) <= 2 * MAX_SEND_BYTES
        for client in clients:
            client.close()
        async with asyncio.timeout(10):
            while connections.open:
                await asyncio.sleep(0.01)
    assert chunk_of.cache_info().currsize == 0
