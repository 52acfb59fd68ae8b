"""What must not get lost when a stream changes: its watch list is edited while slots wait to be sent or while nobody
listens, and its `until` comes while an update is held back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from api.app import create_app
from api.sse.filters import make_filter
from api.sse.opening import EDIT_TOLD_MS, Start
from api.sse.ring import Ring
from api.sse.stream import EventStream
from contracts.instants import iso_ms
from tests.unit.api.kit import NOW_MS, Line, Listener, TestHome, Told, article, calling, live, options, serving

MINUTE = 60_000
APPLE, MICROSOFT, BOTH = (make_filter(names, ["1m"]) for names in (["AAPL"], ["MSFT"], ["AAPL", "MSFT"]))


def told(number: int, subject: str = "AAPL", minutes_ago: float = 3, polarity_e4: int = 100) -> Told:
    return Told(subject, NOW_MS - round(minutes_ago * MINUTE) + number % 1000, polarity_e4, article(number))


class Reader:
    """A client in process, which takes what it is sent only while `reads` is set."""

    def __init__(self) -> None:
        self.reads = asyncio.Event()
        self.reads.set()
        self.said = bytearray()

    async def receive(self) -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    async def send(self, message: Any) -> None:
        await self.reads.wait()
        self.said.extend(message.get("body", b""))

    async def hears(self, words: bytes, times: int = 1) -> None:
        async with asyncio.timeout(10):
            while self.said.count(words) < times:
                await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def listening(services: Any, stream: EventStream) -> AsyncIterator[Reader]:
    reader = Reader()
    services.connections.reserve("")
    task = asyncio.create_task(stream({"http_version": "1.1"}, reader.receive, reader.send))
    try:
        yield reader
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.asynccontextmanager
async def not_reading(home: TestHome, ring: Ring | None = None) -> AsyncIterator[tuple[Any, EventStream, Reader]]:
    """A stream of AAPL whose client has its snapshot, and reads nothing until `reads` is set."""
    app = create_app(home, options())
    async with calling(app):
        services = app.state.services
        services.hub.ring = ring or services.hub.ring
        opening = await services.opener.open(Start(None, None), APPLE)
        stream = EventStream(services.connections, APPLE, opening, None)
        async with listening(services, stream) as reader:
            await reader.hears(b"event: snapshot")
            reader.reads.clear()
            yield services, stream, reader


async def taken_in(home: TestHome, services: Any) -> None:
    async with asyncio.timeout(10):
        while services.hub.vector != home.buckets.changes_head():
            await asyncio.sleep(0.005)


@live
async def test_an_edit_drops_nothing_that_waits_to_be_sent(home: TestHome, line: Line) -> None:
    """A late article revised an old window, which no snapshot tells of, and the snapshot's id is past it."""
    line.tell(told(1, minutes_ago=10), told(2), told(3, "MSFT"))
    async with not_reading(home) as (services, stream, reader):
        for late in (told(4), told(5, minutes_ago=10, polarity_e4=-777)):
            line.tell(late)
            await taken_in(home, services)
        stream.refilter(BOTH, *await services.opener.snapshot(BOTH))
        reader.reads.set()
        await reader.hears(b"event: snapshot", 2)
        said = bytes(reader.said)
        assert said.find(b'"low":-0.0777') < said.rfind(b"event: snapshot")
        assert b'"low":-0.0777' in said
        line.tell(told(6, "MSFT"))
        await reader.hears(b'"ticker":"MSFT","event_id"')


@live
async def test_an_edit_ends_a_stream_that_has_missed_something_already(home: TestHome, line: Line) -> None:
    async with not_reading(home, Ring(capacity=2)) as (services, stream, reader):
        for number in range(4):
            line.tell(told(number))
            await taken_in(home, services)
        stream.refilter(BOTH, *await services.opener.snapshot(BOTH))
        reader.reads.set()
        await reader.hears(b'"reason":"too_slow"')
        assert reader.said.count(b"event: snapshot") == 1


@live
async def test_many_edits_wait_as_one_state(home: TestHome, line: Line) -> None:
    """A client that reads nothing costs no more for them, and loses nothing of the subjects that stay."""
    line.tell(told(1, minutes_ago=10), told(2), told(3, "MSFT"))
    async with not_reading(home) as (services, stream, reader):
        for number in range(10, 20):
            line.tell(told(number), told(number, minutes_ago=10, polarity_e4=-number))
            await taken_in(home, services)
            wanted = BOTH if number % 2 else APPLE
            stream.refilter(wanted, *await services.opener.snapshot(wanted))
        reader.reads.set()
        await reader.hears(b"event: snapshot", 2)
        line.tell(told(20, "MSFT"))
        await reader.hears(b'"ticker":"MSFT","event_id"')
        said = bytes(reader.said)
        assert said.count(b"event: snapshot") == 2
        assert said.count(b"event: new_item") == 2 * 10 + 1
        assert said.rfind(b'"low":-0.0019') < said.rfind(b"event: snapshot")


@live
async def test_a_subject_taken_off_and_put_back_before_the_client_reads_loses_nothing(
    home: TestHome, line: Line
) -> None:
    line.tell(told(1), told(2, "MSFT"))
    async with not_reading(home) as (services, stream, reader):
        for number, wanted in ((3, MICROSOFT), (4, BOTH)):
            line.tell(told(number), told(number + 10, "MSFT"))
            await taken_in(home, services)
            stream.refilter(wanted, *await services.opener.snapshot(wanted))
        reader.reads.set()
        await reader.hears(b"event: snapshot", 2)
        said = bytes(reader.said)
        # Each event is told twice: as an item and as a change of mood.
        assert [said.count(b'"ticker":"%s","event_id"' % name) for name in (b"AAPL", b"MSFT")] == [4, 0]


@live
async def test_a_list_edited_while_nobody_listened_brings_the_state_of_its_series(home: TestHome, line: Line) -> None:
    line.tell(told(1), told(2, "MSFT"))
    async with serving(home) as (base, app), httpx.AsyncClient(base_url=base, timeout=60) as rest:
        token = (await rest.post("/api/v2/auth/anonymous")).json()["token"]
        rest.cookies.clear()
        mine = {"Authorization": f"Bearer {token}"}
        new = {"name": "mine", "subjects": ["AAPL"]}
        made = (await rest.post("/api/v2/configurations", headers=mine, json=new)).json()
        url = base + made["stream"]
        async with Listener(url, mine) as client:
            await client.until(lambda c: c.named("snapshot"))
            last = str(client.last_id)
        line.tell(told(3))
        await taken_in(home, app.state.services)
        edit = {"subjects": ["AAPL", "MSFT"]}
        await rest.patch(f"/api/v2/configurations/{made['id']}", headers=mine, json=edit)
        async with Listener(url, mine | {"Last-Event-ID": last}) as client:
            await client.until(lambda c: c.named("sentiment_update"))
            (snapshot,) = client.named("snapshot")
            assert client.got[0].data["resumed"]
            assert [row["ticker"] for row in snapshot.data["series"]] == ["AAPL", "MSFT"]
            # Cut anywhere before the missed events, a client asks from the same place again.
            assert snapshot.id == last
            assert client.got.index(snapshot) < client.got.index(client.named("bucket_update")[0])
        home.clock.instant_ms += EDIT_TOLD_MS
        line.tell(told(4))
        await taken_in(home, app.state.services)
        told_long_ago = {"Last-Event-ID": app.state.services.hub.newest_id}
        async with Listener(url, mine | told_long_ago) as client:
            line.tell(told(5))
            await client.until(lambda c: c.named("sentiment_update"))
            assert client.got[0].data["resumed"]
            assert client.named("snapshot") == []


@live
async def test_until_tells_first_what_was_held_back(
    home: TestHome, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.sse.coalescer.PAUSE_MS", 1e9)
    async with serving(home) as (base, app):
        until = iso_ms(NOW_MS + 1_000)
        async with Listener(f"{base}/api/v2/stream?tickers=AAPL&resolutions=24h&until={until}") as client:
            await client.until(lambda c: c.named("snapshot"))
            for number in range(4):
                line.tell(told(number), resolutions=["24h"])
            await client.until(lambda c: len(c.named("new_item")) == 4)
            home.clock.instant_ms += 1_000
            await client.until(lambda c: c.ended)
            assert client.got[-1].data["reason"] == "until"
            assert [got.data["bucket"]["count"] for got in client.named("partial_bucket")] == [1, 4]
            assert client.last_id == app.state.services.hub.newest_id


@live
async def test_what_is_written_after_an_until_in_the_past_is_not_told(home: TestHome, line: Line) -> None:
    line.tell(told(1))
    app = create_app(home, options())
    async with calling(app):
        services = app.state.services
        opening = await services.opener.open(Start(None, NOW_MS), APPLE, NOW_MS + 1)
        home.clock.instant_ms += 1_000
        stream = EventStream(services.connections, APPLE, opening, NOW_MS + 1, over=True)
        line.tell(told(2))
        await taken_in(home, services)
        async with listening(services, stream) as reader:
            await reader.hears(b'"reason":"until"')
            assert (reader.said.count(b"event: new_item"), reader.said.count(services.hub.newest_id.encode())) == (1, 0)
