"""A thousand random cuts: whoever goes on where the line broke ends with what a fresh load shows."""

import asyncio
import contextlib
import json
import random
from collections import Counter
from typing import Any

import pytest

from api.app import create_app
from api.sse.cursor import decode_point, encode_vector
from tests.unit.api.kit import Line, TestHome, calling, live, options
from tests.unit.api.test_stream_faults import told


class Cut(Exception):
    """The connection is gone."""


class Page:
    """A client's series by (ticker, resolution, start), applied as the protocol says: only a higher `rev` counts."""

    def __init__(self) -> None:
        self.buckets: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.last_id: str | None = None
        self.reasons: Counter[str] = Counter()
        self.lost = False

    def apply(self, ticker: str, resolution: str, bucket: dict[str, Any] | None) -> None:
        if bucket is None:
            return
        key = (ticker, resolution, bucket["start"])
        known = self.buckets.get(key)
        if known is None or bucket["rev"] > known["rev"]:
            self.buckets[key] = bucket

    def hear(self, name: str, identity: str | None, data: dict[str, Any]) -> None:
        if name in ("bucket_update", "partial_bucket"):
            self.apply(data["ticker"], data["resolution"], data["bucket"])
        elif name == "snapshot":
            for row in data["series"]:
                self.apply(row["ticker"], row["resolution"], row["final"])
                self.apply(row["ticker"], row["resolution"], row["partial"])
        elif name == "hello":
            self.reasons[data["reason"]] += 1
            # More was missed than is told again: as the protocol asks, the page loads afresh, then goes on from here.
            self.lost |= not data["resumed"]
        if identity is not None:
            self.last_id = identity


def contents(page: Page) -> dict[Any, dict[str, Any]]:
    """A client's series without what depends on when it heard them."""
    bookkeeping = ("progress_pct", "next_update_at", "is_partial", "last_updated")
    return {
        key: {name: value for name, value in bucket.items() if name not in bookkeeping}
        for key, bucket in page.buckets.items()
    }


async def connect_until_cut(app: Any, page: Page, cut_after: int, query: bytes, seconds: float = 0.02) -> None:
    """One connection in process, cut behind a number of bytes, wherever that falls, or some time after its first."""
    received = bytearray()

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(3600)
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if not received:
            limit.reschedule(asyncio.get_running_loop().time() + seconds)
        received.extend(message.get("body", b""))
        if len(received) >= cut_after:
            raise Cut

    headers = [(b"last-event-id", page.last_id.encode())] if page.last_id else []
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": "/api/v2/stream", "raw_path": b"/api/v2/stream", "query_string": query, "root_path": "",
        "headers": headers, "client": ("test", 1), "server": ("test", 80),
    }  # fmt: skip
    with contextlib.suppress(Cut, TimeoutError):
        async with asyncio.timeout(20) as limit:
            await app(scope, receive, send)
    for block in bytes(received[:cut_after]).split(b"\n\n")[:-1]:
        fields = dict(part.split(b": ", 1) for part in block.split(b"\n"))
        if b"data" in fields:
            identity = fields.get(b"id")
            name = fields[b"event"].decode()
            page.hear(name, identity.decode() if identity else None, json.loads(fields[b"data"]))


async def load(client: Any, page: Page, resolutions: list[str]) -> None:
    """All there is, as a fresh page asks for it; its stream goes on from the oldest of the answers."""
    places = []
    for resolution in resolutions:
        answer = await client.get(f"/api/v2/timeseries?tickers=AAPL,MSFT&resolution={resolution}")
        for each in answer.json()["series"]:
            places.append(decode_point(each["stream_cursor"]).vector)
            for bucket in (*each["buckets"], each["partial_bucket"]):
                page.apply(each["ticker"], resolution, bucket)
    page.last_id = "g1." + encode_vector({lane: min(place.get(lane, 0) for place in places) for lane in places[0]})
    page.lost = False


@pytest.mark.slow
@live
async def test_a_thousand_random_cuts_end_with_the_same_series_as_a_fresh_load(home: TestHome, line: Line) -> None:
    """Five clients, two processes, two lanes, changes all the while, cuts at any byte; then everything heals."""
    chance = random.Random(4)
    lines = {"AAPL": line, "MSFT": Line(home, lane="shardId-000000000001")}
    resolutions = ["1m", "5m", "1h"]
    query = b"tickers=AAPL,MSFT&resolutions=1m,5m,1h"
    pages = [Page() for _ in range(5)]
    apps = [create_app(home, options()) for _ in range(2)]
    async with calling(apps[0]) as client, calling(apps[1]):
        series = (await client.get("/api/v2/timeseries?tickers=AAPL,MSFT&resolution=1m")).json()["series"]
        for page in pages:
            page.last_id = series[0]["stream_cursor"]
        number = 0
        for _ in range(1_000 // len(pages)):
            for _ in range(chance.choice((0, 2, 3, 4, 6))):
                number += 1
                subject = chance.choice(("AAPL", "MSFT"))
                ago = chance.choice((-0.5, -0.5, 0.5, 1, 3, 7, 70))
                event = told(number, subject, ago, chance.randrange(-10_000, 10_000))
                lines[subject].tell(event, resolutions=resolutions)
            cuts = [(chance.choice(apps), page, round(chance.expovariate(1 / 4_000))) for page in pages]
            await asyncio.gather(*(connect_until_cut(*cut, query) for cut in cuts))
            for page in pages:
                if page.lost:
                    await load(client, page, resolutions)
        for app in apps:
            while app.state.services.hub.vector != home.buckets.changes_head():
                await asyncio.sleep(0.01)
        fresh = Page()
        await load(client, fresh, resolutions)
        # Nothing more happens, so who does not get there now never will.
        for _ in range(30):
            left = [page for page in pages if contents(page) != contents(fresh)]
            await asyncio.gather(*(connect_until_cut(apps[0], page, 10_000_000, query, 0.2) for page in left))
            for page in left:
                if page.lost:
                    await load(client, page, resolutions)
    for page in pages:
        assert contents(page) == contents(fresh)
    assert number > 500
    assert sum(page.reasons["ok"] for page in pages) > 300
