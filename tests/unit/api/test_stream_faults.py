"""What goes wrong around a stream: failing stores, trimmed logs, servers that die, clients that do not read."""

import asyncio
import contextlib
import resource
import select
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from api.server import BoundedProtocol, bind, make_server
from contracts.resolution import NAMES
from tests.unit.api.kit import NOW_MS, Line, Listener, TestHome, Told, article, calling, live, options, serving

MINUTE = 60_000


def told(number: int, subject: str = "AAPL", minutes_ago: float = 3, polarity_e4: int = 100) -> Told:
    return Told(subject, NOW_MS - round(minutes_ago * MINUTE) + number % 1000, polarity_e4, article(number))


def url_of(base: str, **parameters: str) -> str:
    return str(httpx.URL(f"{base}/api/v2/stream", params=parameters))


@live
async def test_while_the_store_is_down_heartbeats_go_on_and_rest_says_what_is_down(home: TestHome, line: Line) -> None:
    line.tell(told(1))
    async with serving(home, heartbeat_s=0.05) as (base, _), httpx.AsyncClient(base_url=base, timeout=60) as rest:
        async with Listener(url_of(base, tickers="AAPL")) as client:
            await client.until(lambda c: c.named("snapshot"))
            home.buckets.down = True
            await client.until(lambda c: c.named("heartbeat")[-1].data["store"] == "down")
            beats = len(client.named("heartbeat"))
            await client.until(lambda c: len(c.named("heartbeat")) > beats + 3)
            for url in (
                "/api/v2/timeseries/AAPL?resolution=5m",
                "/api/v2/timeseries?tickers=AAPL&resolution=10m",
                "/api/v2/subjects",
                "/api/v2/timeseries/AAPL/5m/2025-12-21T09:35:00Z/articles",
                "/api/v2/changes?cursor=7:1",
                "/api/v2/stream?tickers=MSFT",
                "/ready",
            ):
                answer = await rest.get(url)
                assert answer.status_code == 503, url
                assert answer.json()["dependency"] == "buckets", url
                assert int(answer.headers["retry-after"]) > 0
            health = await rest.get("/health")
            assert (health.status_code, health.json()["status"]) == (200, "degraded")
            home.buckets.down = False
            line.tell(told(2))
            await client.until(lambda c: c.named("bucket_update"))
            await client.until(lambda c: c.named("heartbeat")[-1].data["store"] == "up")
        assert (await rest.get("/api/v2/timeseries/AAPL?resolution=5m")).status_code == 200


@live
async def test_each_dependency_is_named(home: TestHome) -> None:
    async with calling(create_app(home, options())) as client:
        home.items.down = True
        for url in ("/api/v2/items", "/api/v2/records", "/api/v2/analytics", "/api/v2/metrics", "/api/v2/items/x%23y"):
            answer = await client.get(url)
            assert (answer.status_code, answer.json()["dependency"]) == (503, "items"), url
        home.items.down, home.control.down = False, True
        for url in ("/api/v2/sources", "/api/v2/stream/status"):
            answer = await client.get(url)
            assert (answer.status_code, answer.json()["dependency"]) == (503, "control"), url
        answer = await client.post("/api/v2/auth/anonymous")
        assert answer.status_code == 503


@live
async def test_a_slow_store_costs_its_askers_only(home: TestHome, line: Line) -> None:
    line.tell(told(1))
    async with (
        serving(home, heartbeat_s=0.05, request_timeout_s=1.5) as (base, _),
        Listener(url_of(base, tickers="AAPL")) as client,
        httpx.AsyncClient(base_url=base, timeout=60) as rest,
    ):
        await client.until(lambda c: c.named("snapshot"))
        home.buckets.slow.clear()
        try:
            asked = [rest.get(f"/api/v2/timeseries/AAPL?resolution=5m&limit={n}") for n in range(1, 6)]
            answers = await asyncio.gather(*asked)
            assert {(a.status_code, a.json()["dependency"]) for a in answers} == {(503, "buckets")}
            beats = len(client.named("heartbeat"))
            await client.until(lambda c: len(c.named("heartbeat")) > beats + 3)
        finally:
            home.buckets.slow.set()
        line.tell(told(2))
        await client.until(lambda c: c.named("bucket_update"))


@live
async def test_a_client_older_than_the_log_gets_a_snapshot(home: TestHome, line: Line) -> None:
    for number in range(3):
        line.tell(told(number))
        home.clock.instant_ms += 1_000
    home.buckets.trim_changes(NOW_MS + 2_000)
    async with serving(home) as (base, _), httpx.AsyncClient(base_url=base, timeout=60) as rest:
        for old, resumed in (("g1.0:1", False), ("g1.0:2", True), ("g1.0:3", True), ("g1.0:99", False)):
            async with Listener(url_of(base, tickers="AAPL"), {"Last-Event-ID": old}) as client:
                await client.until(lambda c: len(c.got) > 1)
                hello = client.got[0].data
                assert (hello["resumed"], hello["reason"]) == (resumed, "ok" if resumed else "too_old")
                if not resumed:
                    await client.until(lambda c: c.named("snapshot"))
            polled = (await rest.get(f"/api/v2/changes?tickers=AAPL&cursor={old}")).json()
            assert (polled["resumed"], polled["events"][0]["event"] == "snapshot" if not resumed else True) == (
                resumed,
                True,
            )
        async with Listener(url_of(base, tickers="AAPL", since="2025-12-20T09:40:00Z")) as client:
            await client.until(lambda c: c.named("snapshot"))
            assert client.got[0].data["reason"] == "too_old"


@live
async def test_a_client_of_a_killed_server_goes_on_at_another(home: TestHome, line: Line) -> None:
    async with serving(home) as (other, _):
        app = create_app(home, options())
        listener = bind("127.0.0.1", 0)
        server = make_server(app)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            await asyncio.sleep(0.01)
        base = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with Listener(url_of(base, tickers="AAPL", resolutions="1m")) as client:
            await client.until(lambda c: c.named("snapshot"))
            line.tell(told(1), resolutions=["1m"])
            await client.until(lambda c: c.named("sentiment_update"))
            for connection in list(server.server_state.connections):
                connection.transport.abort()  # type: ignore[union-attr]
            await client.until(lambda c: c.ended)
            last = client.last_id
        line.tell(told(2), resolutions=["1m"])
        assert last is not None
        async with Listener(url_of(other, tickers="AAPL", resolutions="1m"), {"Last-Event-ID": last}) as client:
            await client.until(lambda c: c.named("bucket_update"))
            assert client.got[0].data["resumed"] is True
            assert client.named("bucket_update")[0].data["bucket"]["rev"] == 2
        server.should_exit = True
        await task


@pytest.fixture
def many_files() -> Iterator[int]:
    """As many open files as allowed; how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard if hard != resource.RLIM_INFINITY else 1_000_000
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@live
async def test_a_client_that_never_reads_is_closed_and_holds_little(home: TestHome, line: Line) -> None:
    async with serving(home, stall_s=0.5, max_connections=5) as (base, app):
        port = int(base.rpartition(":")[2])
        sleeper = socket.socket()
        sleeper.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        sleeper.connect(("127.0.0.1", port))
        sleeper.sendall(b"GET /api/v2/stream?resolutions=1m,5m,10m,1h HTTP/1.1\r\nHost: x\r\n\r\n")
        connections = app.state.services.connections
        async with Listener(url_of(base, tickers="AAPL")) as reader:
            await reader.until(lambda c: c.named("snapshot"))
            while len(connections.open) < 2:
                await asyncio.sleep(0.01)
            number = 0
            while len(connections.open) > 1:
                number += 1
                line.tell(told(number, minutes_ago=3 + number % 5), resolutions=NAMES)
                await asyncio.sleep(0.002)
            assert not reader.ended
        sleeper.close()


@live
async def test_a_client_that_never_reads_does_not_hold_up_the_end(
    home: TestHome, line: Line, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("api.server.FAREWELL_S", 0.2)
    async with serving(home) as (base, app):
        reader = await Listener(url_of(base, tickers="AAPL")).__aenter__()
        sleeper = socket.socket()
        sleeper.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        sleeper.connect(("127.0.0.1", int(base.rpartition(":")[2])))
        sleeper.sendall(b"GET /api/v2/stream?resolutions=1m,5m,10m,1h HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.until(lambda c: c.named("snapshot"))
        number = 0
        while not any(each.sending_since_ms is not None for each in app.state.services.connections.open):
            number += 1
            line.tell(told(number, minutes_ago=3 + number % 5), resolutions=NAMES)
            await asyncio.sleep(0.002)
    await reader.until(lambda c: c.ended)
    assert reader.got[-1].event == "bye"
    await reader.__aexit__()
    assert not app.state.services.connections.open
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []
    sleeper.close()


@live
async def test_an_answer_nobody_takes_is_thrown_away(
    home: TestHome, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoundedProtocol, "stall_s", 0.2)
    line.tell(*(told(number, minutes_ago=number + 1) for number in range(1_000)), resolutions=["1m"])
    async with serving(home) as (base, _):
        sleeper = socket.socket()
        sleeper.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        sleeper.connect(("127.0.0.1", int(base.rpartition(":")[2])))
        tickers = ",".join(["AAPL"] + [f"T{number}" for number in range(5)])
        request = f"GET /api/v2/timeseries?tickers={tickers}&resolution=1m HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        sleeper.sendall(request * 12)
        hung_up = select.poll()
        hung_up.register(sleeper, 0)
        while not hung_up.poll(0):
            await asyncio.sleep(0.02)
        sleeper.close()


@live
async def test_headers_that_drip_are_not_waited_for(home: TestHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedProtocol, "header_deadline_s", 0.3)
    async with serving(home) as (base, _), httpx.AsyncClient(timeout=60) as rest:
        port = int(base.rpartition(":")[2])
        for begin in (b"", b"GET /api/v2/stream HTTP/1.1\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(begin)

            async def drip(to: asyncio.StreamWriter = writer) -> None:
                while True:
                    to.write(b"X")
                    await asyncio.sleep(0.02)

            dripping = asyncio.create_task(drip())
            try:
                with contextlib.suppress(ConnectionError):
                    await reader.read()
            finally:
                dripping.cancel()
                writer.close()
        assert (await rest.get(f"{base}/health")).status_code == 200


@pytest.mark.slow
@live
async def test_five_thousand_connects_at_once(home: TestHome, line: Line, many_files: int) -> None:
    """As many as the cap are served, every other one is told to come back, and the server stays well."""
    wanted = min(5_000, (many_files - 500) // 2)
    cap = wanted // 10
    line.tell(told(1))
    async with serving(home, max_connections=cap) as (base, app), httpx.AsyncClient(timeout=60) as rest:
        port = int(base.rpartition(":")[2])
        statuses: Counter[str] = Counter()
        writers: list[asyncio.StreamWriter] = []

        async def connect() -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writers.append(writer)
            writer.write(b"GET /api/v2/stream?tickers=AAPL HTTP/1.1\r\nHost: x\r\n\r\n")
            statuses[(await reader.readline()).decode().split(" ")[1]] += 1

        async with asyncio.timeout(50):
            await asyncio.gather(*(connect() for _ in range(wanted)))
        assert statuses == {"200": cap, "503": wanted - cap}
        assert (await rest.get(f"{base}/health")).status_code == 200
        assert len(app.state.services.connections.open) == cap
        for writer in writers:
            writer.transport.abort()


def test_the_port_being_taken_is_told(tmp_path: Path) -> None:
    first = bind("127.0.0.1", 0)
    try:
        with pytest.raises(OSError, match="in use"):
            bind("127.0.0.1", first.getsockname()[1])
    finally:
        first.close()


def test_answers_do_not_wait_for_acknowledgements() -> None:
    """asyncio sets TCP_NODELAY only on sockets that name their protocol."""
    listener = bind("127.0.0.1", 0)
    assert listener.proto == socket.IPPROTO_TCP
    listener.close()
