"""Where a client stands: whatever place it was told, going on from there misses nothing; and what keeps its place comes
to an end."""

import asyncio
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from api.sse.connections import Connections
from api.sse.ring import Ring
from api.sse.slots import control_event, control_slot
from api.sse.stream import EventStream
from contracts.instants import iso_ms
from tests.unit.api.kit import NOW_MS, Line, Listener, TestHome, Told, article, live, made_home, serving

MINUTE = 60_000
NEWS = {"bucket_update", "new_item", "sentiment_update"}


def told(number: int) -> Told:
    return Told("AAPL", NOW_MS - 3 * MINUTE + number, 100, article(number))


async def taken_in(home: TestHome, app: Any) -> None:
    async with asyncio.timeout(10):
        while app.state.services.hub.vector != home.buckets.changes_head():
            await asyncio.sleep(0.005)


@live
async def test_a_heartbeat_stands_behind_what_came_before_it(home: TestHome, line: Line) -> None:
    async with serving(home, heartbeat_s=0.1) as (base, app):
        url = f"{base}/api/v2/stream?tickers=AAPL"
        line.tell(told(1))
        await taken_in(home, app)
        async with Listener(url) as client:
            await client.until(lambda c: c.named("heartbeat"))
            assert [got.event for got in client.got[:3]] == ["hello", "snapshot", "heartbeat"]
            place = client.named("heartbeat")[0].data["cursor"]
            assert place == client.named("snapshot")[0].id == "g1.0:1"
        line.tell(told(2))
        await taken_in(home, app)
        async with Listener(f"{url}&cursor={place}") as client:
            await client.until(lambda c: c.named("heartbeat"))
            at = client.got.index(client.named("heartbeat")[0])
            assert {got.event for got in client.got[1:at]} == NEWS
            assert client.got[at].data["cursor"] == "g1.0:2"
        async with Listener(f"{url}&cursor=g1.0:2") as client:
            await client.until(lambda c: c.named("heartbeat"))
            assert [got.event for got in client.got[:2]] == ["hello", "heartbeat"]
            assert client.got[1].data["cursor"] == client.got[1].id == "g1.0:2"


@live
async def test_a_heartbeats_place_does_not_go_on_in_another_generation(home: TestHome, line: Line) -> None:
    line.tell(told(1))
    async with serving(home) as (base, _):
        url = f"{base}/api/v2/stream?tickers=AAPL"
        async with Listener(url) as client:
            await client.until(lambda c: c.named("heartbeat"))
            place = client.named("heartbeat")[0].data["cursor"]
            home.control.put("generation", "live", {"generation": "g2"})
            await client.until(lambda c: c.ended)
        async with Listener(f"{url}&cursor={place}") as client:
            await client.until(lambda c: c.named("hello"))
            hello = client.got[0].data
            assert (hello["epoch"], hello["resumed"], hello["reason"]) == ("g2", False, "epoch_changed")


@live
async def test_openings_are_let_go_of_when_their_moment_is_over(home: TestHome, line: Line) -> None:
    """They are shared by all who come back at once; kept, each would be as large as what was missed."""
    async with serving(home) as (base, app):
        opener = app.state.services.opener
        line.tell(told(1))
        await taken_in(home, app)
        for place in ("", "&cursor=g1.-"):
            async with Listener(f"{base}/api/v2/stream?tickers=AAPL{place}") as client:
                await client.until(lambda c: c.named("heartbeat"))
        home.clock.instant_ms += 1_000
        async with asyncio.timeout(10):
            while opener._resumes or opener._snapshots:
                await asyncio.sleep(0.05)


@live
async def test_who_has_all_until_its_end_is_told_to_stay_away(home: TestHome, line: Line) -> None:
    """A browser's `EventSource` comes back after every end, and stays away for good after a 204."""
    line.tell(told(1))
    async with serving(home) as (base, app), httpx.AsyncClient(base_url=base, timeout=60) as rest:
        token = (await rest.post("/api/v2/auth/anonymous")).json()["token"]
        mine = {"Authorization": f"Bearer {token}"}
        new = {"name": "mine", "subjects": ["AAPL"]}
        made = (await rest.post("/api/v2/configurations", headers=mine, json=new)).json()
        await taken_in(home, app)
        place = app.state.services.hub.newest_id
        line.tell(told(2))
        await taken_in(home, app)
        home.clock.instant_ms += 1_000
        until = {"until": iso_ms(home.clock.now_ms())}
        line.tell(told(3))
        for url in ("/api/v2/stream", made["stream"]):
            first = await rest.get(url, params=until, headers=mine)
            assert (first.status_code, '"reason":"until"' in first.text) == (200, True)
            missed = await rest.get(url, params=until, headers=mine | {"Last-Event-ID": place})
            assert (missed.status_code, missed.text.count("event: new_item")) == (200, 1)
            last = missed.text.rpartition("\nid: ")[2].split()[0]
            asked = await rest.get(url, params=until | {"cursor": last}, headers=mine)
            assert (asked.status_code, asked.text.count(f"id: {last}")) == (200, 1)
            again = await rest.get(url, params=until, headers=mine | {"Last-Event-ID": last})
            assert (again.status_code, again.content) == (204, b"")
            lost = await rest.get(url, params=until, headers=mine | {"Last-Event-ID": "g0.0:1"})
            assert (lost.status_code, lost.text.count("event: snapshot")) == (200, 1)
        assert not app.state.services.connections.reserved


@live
async def test_the_ring_holds_what_somebody_has_not_been_sent_and_no_more(home: TestHome, line: Line) -> None:
    async with serving(home) as (base, app):
        connections, ring = app.state.services.connections, app.state.services.hub.ring
        async with Listener(f"{base}/api/v2/stream?tickers=AAPL") as client:
            await client.until(lambda c: c.named("heartbeat"))
            (stream,) = connections.open
            line.tell(told(1))
            await client.until(lambda c: c.named("new_item"))
            here = stream.index
            connections.tidy()
            connections.tidy()
            assert ring.next_index == here > 0
            assert ring.holds(here)
            assert not ring.holds(here - 1)

            stream.index = here - 1  # as one that has not taken what was sent last
            assert connections.reserve("")
            line.tell(told(2))
            await taken_in(home, app)
            for _ in range(3):
                connections.tidy()
            assert ring.holds(here), "somebody is being let in, who may go on from there"
            connections.release("")


class At:
    """A stream, as far as the ring is concerned."""

    address = ""

    def __init__(self, index: int) -> None:
        self.index = index


def test_who_is_let_in_goes_on_from_where_it_began_to_be() -> None:
    """Between the look at the ring and the stream's first turn lies a wait for the store, and what was read for one is
    told to others that come a little later."""
    ring = Ring()
    limits = SimpleNamespace(max_connections=9, streams_per_address=None)
    hub: Any = SimpleNamespace(ring=ring, on_epoch_change=[], connections=0, options=limits)
    connections = Connections(hub, run=cast(Any, None))

    def told_of(count: int) -> None:
        for _ in range(count):
            ring.append(control_slot("g1.0:1", control_event("heartbeat", {})))

    def let_in(index: int) -> EventStream:
        stream = cast(EventStream, At(index))
        connections.add(stream)
        return stream

    def first_after_two_turns() -> int:
        connections.forget_passed()
        connections.forget_passed()
        return next(index for index in range(ring.next_index + 1) if ring.holds(index))

    assert connections.reserve("")
    told_of(4)
    slow = let_in(2)
    assert first_after_two_turns() == 2

    assert connections.reserve("")
    connections.remove(slow)
    told_of(1)
    assert first_after_two_turns() == 2, "one is being let in"
    late = let_in(4)
    assert first_after_two_turns() == 4
    assert connections.reserve("")
    connections.remove(late)
    connections.release("")
    told_of(3)
    connections.forget_passed()
    assert connections.reserve("")
    let_in(5)  # by what was read before the last turn
    assert first_after_two_turns() == 5


@live
async def test_what_is_written_before_an_end_that_passes_while_the_stream_is_opened_is_heard(
    home: TestHome, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(home) as (base, app), httpx.AsyncClient(base_url=base, timeout=60) as rest:
        opener = app.state.services.opener
        opened = opener.open

        async def slowly(*arguments: Any) -> Any:
            opening = await opened(*arguments)
            line.tell(told(1))
            await taken_in(home, app)
            home.clock.instant_ms += 1_000
            return opening

        monkeypatch.setattr(opener, "open", slowly)
        until = iso_ms(home.clock.now_ms() + 500)
        heard = (await rest.get("/api/v2/stream", params={"tickers": "AAPL", "until": until})).text
        assert (heard.count("event: new_item"), heard.count('"reason":"until"')) == (1, 1)


class Held:
    """A bucket store whose changes can be held up, and that wakes nobody, as DynamoDB's."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.flows = threading.Event()
        self.flows.set()

    def changes_after(self, *given: Any) -> Any:
        self.flows.wait(30)
        return self._inner.changes_after(*given)

    def __getattr__(self, name: str) -> Any:
        if name in ("seen", "wait", "wake"):
            raise AttributeError(name)
        return getattr(self._inner, name)


@live
async def test_who_comes_from_a_process_that_is_ahead_is_told_nothing_twice(tmp_path: Path) -> None:
    with made_home(tmp_path) as ahead, made_home(tmp_path) as behind:
        held = behind.buckets = Held(behind.buckets)
        line = Line(ahead)
        line.tell(told(1))
        async with serving(ahead, poll_ms=20) as (_, app), serving(behind, poll_ms=50) as (second, other):
            await taken_in(ahead, other)
            held.flows.clear()
            await asyncio.sleep(0.2)
            line.tell(told(2), told(3))
            await taken_in(ahead, app)
            place = app.state.services.hub.newest_id
            assert other.state.services.hub.newest_id != place
            asyncio.get_running_loop().call_later(0.5, held.flows.set)
            async with Listener(f"{second}/api/v2/stream?tickers=AAPL&cursor={place}") as client:
                await client.until(lambda c: c.named("heartbeat"))
                line.tell(told(4))
                await client.until(lambda c: c.named("new_item"))
                assert client.named("hello")[0].data["resumed"] is True
                assert [got.data["event_id"] for got in client.named("new_item")] == [f"{article(4)}@AAPL"]
