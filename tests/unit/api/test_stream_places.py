"""Where a client stands: whatever place it was told, going on from there misses nothing; and what keeps its place comes
to an end."""

import asyncio
from typing import Any

import httpx

from contracts.instants import iso_ms
from tests.unit.api.kit import NOW_MS, Line, Listener, TestHome, Told, article, live, serving

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
            assert [got.event for got in client.got] == ["hello", "heartbeat"]
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
    async with serving(home) as (base, app), httpx.AsyncClient(base_url=base) as rest:
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
