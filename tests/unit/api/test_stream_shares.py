"""One address holds no more of the streams than it may, and gets its places back."""

import asyncio

import httpx

from tests.unit.api.kit import NOW_MS, Line, Listener, TestHome, Told, article, live, serving


def of(number: int) -> dict[str, str]:
    """Headers of a caller at another address, as the proxy in front tells it."""
    return {"X-Forwarded-For": f"198.51.100.{number}"}


@live
async def test_one_address_does_not_take_every_place(home: TestHome, line: Line) -> None:
    line.tell(Told("AAPL", NOW_MS - 180_000, 100, article(1)))
    async with (
        serving(home, trusted_hops=1, streams_per_address=2) as (base, app),
        httpx.AsyncClient(base_url=base, timeout=60) as rest,
    ):
        mine = {"Authorization": f"Bearer {(await rest.post('/api/v2/auth/anonymous')).json()['token']}"}
        new = {"name": "mine", "subjects": ["AAPL"]}
        made = (await rest.post("/api/v2/configurations", headers=mine, json=new)).json()
        of_list, of_ticker = made["stream"], "/api/v2/stream?tickers=AAPL"
        async with Listener(base + of_ticker, of(1)) as a, Listener(base + of_list, of(1) | mine) as b:
            for client in (a, b):
                await client.until(lambda c: c.named("snapshot"))
            for path in (of_list, of_ticker):
                refused = await rest.get(path, headers=of(1) | mine)
                assert (refused.status_code, refused.json()["max_connections"]) == (429, 2)
                assert int(refused.headers["retry-after"]) == refused.json()["retry_after"] > 0
                assert "this address has 2 streams open" in refused.json()["detail"]
            async with Listener(base + of_ticker, of(2)) as other:
                await other.until(lambda c: c.named("snapshot"))
            assert (await rest.get("/api/v2/stream/status")).json()["refused"] == 2
        while app.state.services.connections.open:
            await asyncio.sleep(0.01)
        async with Listener(base + of_ticker, of(1)) as again:
            await again.until(lambda c: c.named("snapshot"))


@live
async def test_without_a_share_one_address_may_take_all(home: TestHome) -> None:
    async with (
        serving(home, max_connections=2) as (base, _),
        Listener(f"{base}/api/v2/stream?tickers=AAPL") as a,
        Listener(f"{base}/api/v2/stream?tickers=AAPL") as b,
    ):
        for client in (a, b):
            await client.until(lambda c: c.named("snapshot"))
