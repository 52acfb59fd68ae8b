"""What strangers may cost and learn: comparisons, probes, made-up cursors; and answers that keep to HTTP."""

import asyncio
import logging
from typing import Any

import httpx
import pytest

from api.app import create_app
from api.cursors import encode_page, question_hash
from api.negotiation import refuses_gzip
from api.options import ApiOptions
from api.rate import address_of
from api.shared import Shared
from api.sse import hub
from contracts.clock import ManualClock
from contracts.errors import Unusable
from contracts.instants import iso_ms
from contracts.settings import load
from stores.dynamo_read_model import DynamoReadModel
from tests.unit.api.kit import NOW_MS, Line, Listener, TestHome, Told, article, calling, live, options, serving

AT = iso_ms(NOW_MS)


@live
async def test_one_comparison_at_a_time(home: TestHome, line: Line) -> None:
    told = Told("AAPL", NOW_MS - 60_000, 500, article(1))
    line.tell(told)
    Line(home, "g2", "replay").tell(told)
    home.control.put("generation", "g2", {"id": "r1"})
    app = create_app(home, options())
    async with calling(app) as client:
        url = "/api/v2/generations/g1/compare/g2"
        home.buckets.slow.clear()
        first = asyncio.create_task(client.get(url))
        while not app.state.services.comparing.locked():
            await asyncio.sleep(0.01)
        for _ in range(20):
            refused = await client.get(url)
            assert (refused.status_code, refused.json()["retry_after"]) == (429, int(refused.headers["retry-after"]))
        home.buckets.slow.set()
        assert (await first).status_code == 200
        assert (await client.get(url)).json()["counts"]["equal"] == 8


@live
async def test_a_comparison_nobody_waits_for_any_more_still_keeps_the_next_one_out(home: TestHome, line: Line) -> None:
    line.tell(Told("AAPL", NOW_MS - 60_000, 500, article(1)))
    home.control.put("generation", "g2", {"id": "r1"})
    app = create_app(home, options())
    async with calling(app) as client:
        url = "/api/v2/generations/g1/compare/g2"
        patience, app.state.services.offload._timeout_s = app.state.services.offload._timeout_s, 0.1
        home.buckets.slow.clear()
        assert (await client.get(url)).status_code == 503
        assert (await client.get(url)).status_code == 429
        app.state.services.offload._timeout_s = patience
        home.buckets.slow.set()
        while (answer := await client.get(url)).status_code == 429:
            await asyncio.sleep(0.01)
        assert answer.status_code == 200


@pytest.mark.usefixtures("patient")
@live
async def test_probes_share_what_was_found_within_a_second(home: TestHome) -> None:
    asked: list[str] = []

    def status() -> dict[str, Any]:
        asked.append("line")
        return {"stages": [], "faults": []}

    inner = home.items.get_primary
    home.items.get_primary = lambda identity: asked.append("items") or inner(identity)
    async with calling(create_app(home, options(), status)) as client:
        answers = await asyncio.gather(*(client.get(url) for url in ("/health", "/ready", "/api/v2/ready") * 20))
        assert {answer.status_code for answer in answers} == {200}
    assert sorted(asked) == ["items", "line"]


@live
async def test_what_is_shared_is_looked_for_again_when_it_is_old() -> None:
    clock, numbers = ManualClock(), iter(range(10))
    shared: Shared[int] = Shared(clock, 1_000.0)

    async def look() -> int:
        await asyncio.sleep(0)
        return next(numbers)

    assert await asyncio.gather(shared.get(look), shared.get(look)) == [0, 0]
    clock.advance(999)
    assert await shared.get(look) == 0
    clock.advance(1)
    waiting = asyncio.create_task(shared.get(look))
    other = asyncio.create_task(shared.get(look))
    await asyncio.sleep(0)
    waiting.cancel()
    assert await other == 1, "who goes away takes nothing from the others"


@live
async def test_why_a_store_does_not_answer_is_for_the_log(home: TestHome, caplog: pytest.LogCaptureFixture) -> None:
    home.items.fault = Unusable("dynamodb: AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/api/i-0")
    home.items.down = True
    with caplog.at_level(logging.WARNING, "candlewick.api"):
        async with calling(create_app(home, options())) as client:
            health, ready = await client.get("/health"), await client.get("/ready")
    rows = {row["name"]: row["detail"] for row in health.json()["checks"]}
    assert rows["items"] == "it does not answer; the log says why"
    assert (ready.status_code, ready.json()["dependency"]) == (503, "items")
    assert "arn:" not in health.text + ready.text
    assert "arn:aws:sts" in caplog.text


@pytest.mark.parametrize(
    ("query", "partition", "key"),
    [
        ("tag=chips", "chips", "x"),
        ("tag=chips", "chips", ""),
        ("tag=chips", "chips", f"{AT}#{article(1)}"),
        ("tag=chips", "chips", f"~other#{AT}#{article(1)}"),
        ("tag=chips", "chips", f"~chips#{AT}#"),
        ("tag=chips", "chips", "~chips#yesterday#x"),
        ("tag=chips", "other", f"~chips#{AT}#{article(1)}"),
        ("", AT[:10], "x"),
        ("", AT[:10], f"2025-13-21T09:40:00Z#{article(1)}"),
        ("", "2025-12-20", f"{AT}#{article(1)}"),
        ("", AT[:10], f"{AT}#{'x' * 1_024}"),
    ],
)
@live
async def test_a_cursor_whose_key_is_none_of_ours_is_refused(
    home: TestHome, query: str, partition: str, key: str
) -> None:
    tag = "chips" if query else None
    question = question_hash("items", tag, None, None, None, None, {}, None, None)
    async with calling(create_app(home, options())) as client:
        answer = await client.get(f"/api/v2/items?{query}&cursor={encode_page(question, [partition, key])}")
        assert (answer.status_code, answer.json()["detail"][:12]) == (400, "cursor: not "), answer.text
        good = [tag or AT[:10], (f"~{tag}#" if tag else "") + f"{AT}#{article(1)}"]
        assert (await client.get(f"/api/v2/items?{query}&cursor={encode_page(question, good)}")).status_code == 200


def test_a_table_takes_a_key_of_that_form_apart() -> None:
    """Why no other form may reach it."""
    with pytest.raises(IndexError):
        DynamoReadModel.__new__(DynamoReadModel).dashboard_tag("chips", "x", 10)


@live
async def test_what_a_change_made_is_told_whatever_its_caller_holds(home: TestHome) -> None:
    async with calling(create_app(home, options())) as client:
        token = (await client.post("/api/v2/auth/anonymous")).json()["token"]
        headers = {"Authorization": f"Bearer {token}", "If-None-Match": "*"}
        body = {"name": "mine", "subjects": ["AAPL"]}
        made = await client.post("/api/v2/configurations", json=body, headers=headers)
        assert (made.status_code, made.json()["name"]) == (201, "mine")
        url = f"/api/v2/configurations/{made.json()['id']}"
        assert (await client.patch(url, json={"name": "yours"}, headers=headers)).json()["name"] == "yours"
        assert (await client.get(url, headers=headers)).status_code == 304
        assert (await client.head(url, headers=headers)).status_code == 304


@pytest.mark.parametrize(
    ("accepted", "refused"),
    [
        ("gzip", False), ("gzip;q=0", True), ("br, GZIP ; Q=0.000", True), ("gzip;q=0.001", False),
        ("gzip; q=1, identity;q=0", False), ("", False), ("x-gzip;q=0", False), ("gzip;q=", True),
    ],
)  # fmt: skip
def test_gzip_with_a_weight_of_nothing_is_refused(accepted: str, refused: bool) -> None:
    assert refuses_gzip(accepted) == refused


@live
async def test_nothing_is_compressed_for_who_refuses_it(home: TestHome, line: Line) -> None:
    line.tell(*(Told("AAPL", NOW_MS - n * 60_000, n, article(n)) for n in range(1, 200)))
    async with calling(create_app(home, options())) as client:
        for limit in (10, 199):  # compressed on the way, and where it is made
            url = f"/api/v2/timeseries/AAPL?resolution=1m&limit={limit}"
            plain = await client.get(url, headers={"Accept-Encoding": "gzip;q=0"})
            assert "content-encoding" not in plain.headers
            assert (await client.get(url)).headers["content-encoding"] == "gzip"
        assert len(plain.content) > 32 * 1024


@pytest.mark.usefixtures("patient")
@live
async def test_head_is_get_without_the_body(home: TestHome, line: Line) -> None:
    line.tell(*(Told("AAPL", NOW_MS - n * 60_000, n, article(n)) for n in range(1, 200)))
    urls = {
        "/health": 200, "/ready": 200, "/api/v2/ready": 200, "/api/v2/sources": 200, "/api/v2/openapi.json": 200,
        "/api/v2/timeseries/AAPL?resolution=1m&limit=199": 200, "/api/v2/timeseries/AAPL?resolution=3m": 400,
        "/api/v2/nothing": 404, "/api/v2/auth/anonymous": 405, "/api/v2/stream": 405,
    }  # fmt: skip
    async with serving(home) as (base, _), httpx.AsyncClient(base_url=base, timeout=60) as client:
        for url, status in urls.items():
            head = await client.head(url)
            assert (head.status_code, head.content) == (status, b""), url
            if status < 405:
                got = await client.get(url)
                same = ("content-type", "etag", "content-encoding", "cache-control")
                assert [head.headers.get(name) for name in same] == [got.headers.get(name) for name in same], url


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/api/v2/configurations", "GET, POST"),
        ("PUT", "/api/v2/configurations/0011223344556677", "DELETE, GET, PATCH"),
        ("GET", "/api/v2/auth/anonymous", "POST"),
        ("POST", "/api/v2/subjects", "GET"),
    ],
)
@live
async def test_a_refused_method_is_told_all_the_others(home: TestHome, method: str, path: str, allowed: str) -> None:
    async with calling(create_app(home, options())) as client:
        refused = await client.request(method, path)
    assert (refused.status_code, refused.headers["allow"]) == (405, allowed)


@live
async def test_a_store_that_hangs_takes_no_other_down(
    home: TestHome, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.sse.hub.HEALTHY_FOR_MS", 60_000.0)
    line.tell(Told("AAPL", NOW_MS - 60_000, 1, article(1)))
    async with (
        serving(home, request_timeout_s=2.0) as (base, _),
        httpx.AsyncClient(base_url=base, timeout=60) as client,
    ):
        home.items.slow.clear()
        try:
            hanging = [asyncio.create_task(client.get("/api/v2/items")) for _ in range(40)]
            await asyncio.sleep(0.1)
            assert (await client.get("/api/v2/timeseries/AAPL?resolution=1m")).status_code == 200
            ready = (await client.get("/ready")).json()["checks"]
            assert {row["name"] for row in ready if row["status"] == "down"} == {"items"}
            assert {answer.status_code for answer in await asyncio.gather(*hanging)} == {503}
        finally:
            home.items.slow.set()


@live
async def test_a_page_behind_a_proxy_with_a_host_of_its_own_is_known_by_what_the_browser_says(home: TestHome) -> None:
    """As CloudFront asks: the page's origin, and the name of the API as host."""
    async with calling(create_app(home, options())) as client:
        answers = {
            site: await client.post(
                "/api/v2/auth/anonymous", headers={"Origin": "https://page.example", "Sec-Fetch-Site": site}
            )
            for site in ("same-origin", "same-site", "cross-site", "none", "")
        }
    assert {site: answer.status_code for site, answer in answers.items()} == {
        "same-origin": 201, "same-site": 403, "cross-site": 403, "none": 403, "": 403,
    }  # fmt: skip


@live
async def test_a_control_store_that_hangs_holds_up_no_candle(home: TestHome, line: Line) -> None:
    line.tell(Told("AAPL", NOW_MS - 60_000, 1, article(1)))
    async with (
        serving(home, request_timeout_s=1.5, heartbeat_s=0.5) as (base, _),
        httpx.AsyncClient(base_url=base, timeout=60) as client,
        Listener(f"{base}/api/v2/stream?tickers=AAPL") as listener,
    ):
        await listener.until(lambda got: got.named("heartbeat"))
        home.control.slow.clear()
        try:
            await asyncio.sleep(1.2)  # the epoch is a second old: somebody asks for it
            line.tell(Told("AAPL", NOW_MS - 50_000, 1, article(2)))
            await listener.until(lambda got: got.named("partial_bucket") or got.named("bucket_update"))
            answers = [(await client.get("/api/v2/timeseries/AAPL?resolution=1m")).status_code for _ in range(3)]
            assert answers[-1] == 200, answers
            assert listener.named("heartbeat")[-1].data["store"] == "up"
        finally:
            home.control.slow.set()


@live
async def test_heartbeats_say_so_while_a_read_of_the_log_hangs(
    home: TestHome, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "HANGS_AFTER_MS", 300.0)
    line.tell(Told("AAPL", NOW_MS - 60_000, 1, article(1)))
    async with (
        serving(home, heartbeat_s=0.2) as (base, _),
        Listener(f"{base}/api/v2/stream?tickers=AAPL") as listener,
    ):
        await listener.until(lambda got: got.named("heartbeat"))
        home.buckets.slow.clear()
        try:
            await listener.until(lambda got: got.named("heartbeat")[-1].data["store"] == "down")
        finally:
            home.buckets.slow.set()
        await listener.until(lambda got: got.named("heartbeat")[-1].data["store"] == "up")


@pytest.mark.parametrize("given", ["*", "https://a.example, *", "https://*.example"])
def test_not_every_origin_can_be_allowed(given: str) -> None:
    with pytest.raises(Unusable, match=r"CANDLEWICK_CORS_ORIGINS=.*list the origins") as caught:
        load(ApiOptions, {"CANDLEWICK_CORS_ORIGINS": given})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("hops", "forwarded", "address"),
    [
        (0, ["203.0.113.9"], "10.0.0.5"),
        (2, ["1.1.1.1, 203.0.113.9, 130.176.0.1"], "203.0.113.9"),
        (2, ["1.1.1.1", "203.0.113.9,130.176.0.1"], "203.0.113.9"),
        (2, ["203.0.113.9, 130.176.0.1"], "203.0.113.9"),
        (1, ["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
        (2, ["203.0.113.9"], "10.0.0.5"),
        (2, [", 130.176.0.1"], "10.0.0.5"),
        (2, [], "10.0.0.5"),
    ],
)
def test_the_callers_address_is_what_the_outermost_trusted_proxy_heard(
    hops: int, forwarded: list[str], address: str
) -> None:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    assert address_of({"client": ("10.0.0.5", 1), "headers": headers}, hops) == address


@pytest.mark.parametrize(
    ("connected", "forwarded", "address"),
    [
        ("2001:db8:0:7::1", [], "2001:db8:0:7::/64"),
        ("2001:db8:0:7:ffff::1", [], "2001:db8:0:7::/64"),
        ("2001:db8:0:8::1", [], "2001:db8:0:8::/64"),
        ("fe80::1%eth0", [], "fe80::/64"),
        ("::ffff:203.0.113.9", [], "203.0.113.9"),
        ("10.0.0.5", ["2001:db8:0:7::1"], "2001:db8:0:7::/64"),
        ("10.0.0.5", ["no:address"], "no:address"),
    ],
)
def test_who_has_one_address_of_ipv6_has_them_all(connected: str, forwarded: list[str], address: str) -> None:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    assert address_of({"client": (connected, 1), "headers": headers}, len(forwarded)) == address


@live
async def test_without_proxies_a_made_up_address_brings_no_allowance(home: TestHome) -> None:
    async with (
        serving(home, rate_per_s=0.1, rate_burst=1) as (base, _),
        httpx.AsyncClient(base_url=base, timeout=60) as client,
    ):

        async def ask(made_up: str) -> int:
            return (await client.get("/api/v2/sources", headers={"X-Forwarded-For": made_up})).status_code

        assert [await ask(f"203.0.113.{n}") for n in range(3)] == [200, 429, 429]


@live
async def test_behind_proxies_each_caller_has_an_allowance_of_their_own(home: TestHome) -> None:
    app = create_app(home, options(rate_per_s=0.1, rate_burst=1, trusted_hops=2))
    async with calling(app) as client:

        async def ask(made_up: str, caller: str) -> int:
            headers = {"X-Forwarded-For": f"{made_up}, {caller}, 130.176.0.1"}
            return (await client.get("/api/v2/sources", headers=headers)).status_code

        assert [await ask(f"1.1.1.{n}", "203.0.113.9") for n in range(2)] == [200, 429]
        assert await ask("1.1.1.1", "203.0.113.10") == 200
