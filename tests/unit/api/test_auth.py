"""Tokens, watch lists, the admin key and rate limits."""

import asyncio
from collections import Counter

import httpx
import pytest

from api.app import create_app
from api.auth import BadToken, issue, verify
from api.keyring import KIND, NAME, ROTATE_AFTER_MS
from api.rate import Allowance
from contracts.clock import ManualClock
from contracts.resolution import DAY_MS
from tests.unit.api.kit import (
    NOW_MS,
    Line,
    Listener,
    TestHome,
    Told,
    article,
    calling,
    keyring,
    live,
    options,
    serving,
)


async def signed_in(client: httpx.AsyncClient) -> dict[str, str]:
    """The headers of somebody new."""
    answer = await client.post("/api/v2/auth/anonymous")
    assert answer.status_code == 201
    client.cookies.clear()
    return {"Authorization": f"Bearer {answer.json()['token']}"}


def test_a_token_stands_for_who_got_it_until_it_ends(home: TestHome) -> None:
    ring = keyring(home)
    token, caller = issue(ring, NOW_MS, 30)
    assert verify(ring, token, NOW_MS) == caller
    assert verify(keyring(home), token, NOW_MS + 30 * DAY_MS - 1) == caller
    with pytest.raises(BadToken, match="expired"):
        verify(ring, token, NOW_MS + 30 * DAY_MS)


@pytest.mark.parametrize("part", range(4))
def test_any_change_of_a_token_is_noticed(home: TestHome, part: int) -> None:
    ring = keyring(home)
    token, _ = issue(ring, NOW_MS, 30)
    parts = token.split(".")
    for at in range(len(parts[part])):
        forged = parts.copy()
        forged[part] = forged[part][:at] + ("A" if forged[part][at] != "A" else "B") + forged[part][at + 1 :]
        with pytest.raises(BadToken):
            verify(ring, ".".join(forged), NOW_MS)


def test_keys_rotate_and_old_tokens_live_on(home: TestHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.keyring.UNKNOWN_AGAIN_MS", 0.0)
    first = keyring(home)
    token, caller = issue(first, NOW_MS, 30)
    home.clock.instant_ms += ROTATE_AFTER_MS - DAY_MS
    late, late_caller = issue(keyring(home), home.clock.now_ms(), 30)
    home.clock.instant_ms += 2 * DAY_MS
    rotated = keyring(home)
    new, _ = issue(rotated, home.clock.now_ms(), 30)
    assert new.split(".")[1] != token.split(".")[1] == late.split(".")[1]
    assert verify(rotated, late, home.clock.now_ms()) == late_caller
    assert verify(first, new, home.clock.now_ms())
    home.clock.instant_ms += ROTATE_AFTER_MS + 31 * DAY_MS
    last = keyring(home)
    issue(last, home.clock.now_ms(), 30)
    with pytest.raises(BadToken, match="no longer in use"):
        verify(last, late, NOW_MS)
    assert caller.user != late_caller.user
    assert len(home.control.get(KIND, NAME).value["keys"]) <= 3


@live
async def test_a_foreign_page_gives_nobody_another_identity(home: TestHome) -> None:
    async with calling(create_app(home, options(cors_origins="https://friend.example"))) as client:
        answers = {
            origin: await client.post("/api/v2/auth/anonymous", headers={"Origin": origin})
            for origin in ("https://evil.example", "null", "http://testserver", "https://friend.example")
        }
        without = await client.post("/api/v2/auth/anonymous")
        described = (await client.get("/api/v2/openapi.json")).json()["paths"]["/api/v2/auth/anonymous"]["post"]
    assert "403" in described["responses"]
    assert {origin: answer.status_code for origin, answer in answers.items()} == {
        "https://evil.example": 403, "null": 403, "http://testserver": 201, "https://friend.example": 201,
    }  # fmt: skip
    assert "set-cookie" not in answers["https://evil.example"].headers
    assert without.status_code == 201, "programs send no origin"


@live
async def test_an_edit_that_is_stored_is_said_to_be(home: TestHome, line: Line) -> None:
    """Its stream cannot follow at once, because the candles cannot be read; that is no fault of the edit."""
    line.tell(Told("AAPL", NOW_MS - 100_000, 100, article(1)))
    async with (
        serving(home, request_timeout_s=1.5) as (base, _),
        httpx.AsyncClient(base_url=base, timeout=60) as client,
    ):
        token = await signed_in(client)
        new = {"name": "Chips", "subjects": ["AAPL"]}
        made = (await client.post("/api/v2/configurations", headers=token, json=new)).json()
        path = f"/api/v2/configurations/{made['id']}"
        async with Listener(base + made["stream"], token) as listener:
            await listener.until(lambda c: c.named("snapshot"))
            home.buckets.slow.clear()
            try:
                changed = await client.patch(path, headers=token, json={"subjects": ["MSFT"]})
                assert (changed.status_code, changed.json()["subjects"]) == (200, ["MSFT"])
                assert (await client.delete(path, headers=token)).status_code == 204
            finally:
                home.buckets.slow.set()


@live
async def test_watch_lists_need_a_token_that_is_good(home: TestHome) -> None:
    async with calling(create_app(home, options())) as client:
        mine = await signed_in(client)
        forged = {"Authorization": mine["Authorization"][:-3] + "abc"}
        for headers in (
            {},
            forged,
            {"Authorization": "Bearer x"},
            {"X-User-ID": "somebody"},
            {"Authorization": "Basic x"},
        ):
            answer = await client.get("/api/v2/configurations", headers=headers)
            assert answer.status_code == 401, headers
            assert answer.headers["www-authenticate"] == "Bearer"
            assert "auth/anonymous" in answer.json()["detail"]
        assert (await client.get("/api/v2/configurations", headers=mine)).json() == {"configurations": []}
        home.clock.instant_ms += 31 * DAY_MS
        expired = await client.get("/api/v2/configurations", headers=mine)
        assert (expired.status_code, "expired" in expired.json()["detail"]) == (401, True)


@live
async def test_a_watch_list_lives_with_its_owner_only(home: TestHome) -> None:
    async with calling(create_app(home, options())) as client:
        mine, yours = await signed_in(client), await signed_in(client)
        made = await client.post(
            "/api/v2/configurations", headers=mine, json={"name": "Chips", "subjects": ["nvda", "AMD", "NVDA"]}
        )
        assert made.status_code == 201
        assert made.json()["subjects"] == ["NVDA", "AMD"]
        url = made.headers["location"]
        for method in ("GET", "PATCH", "DELETE"):
            body = {"name": "x"} if method == "PATCH" else None
            assert (await client.request(method, url, headers=yours, json=body)).status_code == 404
        assert (await client.get(f"{url}/stream", headers=yours)).status_code == 404
        changed = await client.patch(url, headers=mine, json={"subjects": ["TSLA"]})
        assert (changed.json()["name"], changed.json()["subjects"]) == ("Chips", ["TSLA"])
        assert (await client.get(url, headers=mine)).json() == changed.json()
        watched = [value["subjects"] for value in home.control.list("watch").values()]
        assert watched == [["TSLA"]]
        assert (await client.delete(url, headers=mine)).status_code == 204
        assert (await client.get(url, headers=mine)).status_code == 404


@live
async def test_bad_watch_lists_are_told_what_is_wrong(home: TestHome) -> None:
    async with calling(create_app(home, options())) as client:
        mine = await signed_in(client)
        for body, cause in (
            ({"name": "x", "subjects": list("ABCDEF")}, "subjects"),
            ({"name": "x", "subjects": []}, "subjects"),
            ({"name": "x", "subjects": ["AA#PL"]}, "AA#PL"),
            ({"name": "", "subjects": ["A"]}, "name"),
            ({"name": "x", "subjects": ["A"], "owner": "me"}, "owner"),
            ({"subjects": ["A"]}, "name"),
            ([], "body"),
        ):
            answer = await client.post("/api/v2/configurations", headers=mine, json=body)
            assert (answer.status_code, cause in answer.text) == (400, True), (body, answer.text)
        broken = await client.post(
            "/api/v2/configurations", headers=mine | {"Content-Type": "application/json"}, content=b"{\xff"
        )
        assert broken.status_code == 400


@live
async def test_the_cap_holds_when_ten_come_at_once(home: TestHome) -> None:
    async with calling(create_app(home, options(max_configurations=4))) as client:
        mine = await signed_in(client)
        body = {"name": "x", "subjects": list("ABCDE")}
        answers = await asyncio.gather(
            *(client.post("/api/v2/configurations", headers=mine, json=body) for _ in range(10))
        )
        assert Counter(answer.status_code for answer in answers) == {201: 4, 409: 6}
        assert len((await client.get("/api/v2/configurations", headers=mine)).json()["configurations"]) == 4


@live
async def test_the_cookie_works_from_our_own_page_only(home: TestHome) -> None:
    app = create_app(home, options(cors_origins="https://friend.example"))
    async with calling(app) as client:
        answer = await client.post("/api/v2/auth/anonymous")
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert "Secure" not in cookie
        assert f"Max-Age={30 * DAY_MS // 1000};" in cookie, "as long as the token"
        body = {"name": "x", "subjects": ["A"]}
        for origin, status in (
            ("http://[", 403),
            ("http://a]b", 403),
            ("https://evil.example", 403),
            ("null", 403),
            ("http://testserver", 201),
            ("https://friend.example", 201),
        ):
            made = await client.post("/api/v2/configurations", json=body, headers={"Origin": origin})
            assert made.status_code == status, origin
    async with calling(create_app(home, options(behind_tls=True))) as client:
        assert "Secure" in (await client.post("/api/v2/auth/anonymous")).headers["set-cookie"]


@live
async def test_other_origins_are_allowed_by_list_only(home: TestHome) -> None:
    async with calling(create_app(home, options(cors_origins="https://friend.example"))) as client:
        for origin, allowed in (("https://friend.example", "https://friend.example"), ("https://evil.example", None)):
            for url in ("/health", "/api/v2/stream?until=2025-12-21T09:40:00Z"):
                answer = await client.get(url, headers={"Origin": origin})
                assert answer.headers.get("access-control-allow-origin") == allowed
    async with calling(create_app(home, options())) as client:
        answer = await client.get("/health", headers={"Origin": "https://friend.example"})
        assert "access-control-allow-origin" not in answer.headers


@live
async def test_a_page_of_an_allowed_origin_may_do_all_that_ours_does(home: TestHome) -> None:
    """Its browser asks first, and shows it the headers of answers that are named."""
    app = create_app(home, options(cors_origins="https://friend.example"))
    named = "Authorization, Content-Type, If-None-Match, Last-Event-ID, X-Admin-Key, X-Request-ID"
    async with calling(app) as client:
        for method in ("GET", "POST", "PATCH", "DELETE"):
            first = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": named}
            for origin, status in (("https://friend.example", 200), ("https://evil.example", 400)):
                answer = await client.options("/api/v2/configurations", headers=first | {"Origin": origin})
                assert answer.status_code == status, (method, origin)
                assert (answer.headers.get("access-control-allow-origin") == origin) == (status == 200)
                assert {"x-request-id", "x-content-type-options", "content-security-policy"} <= set(answer.headers)
                if status != 200:
                    assert answer.headers["content-type"] == "application/problem+json"
                    assert answer.json()["detail"].startswith("Disallowed CORS origin; ")
        first["Access-Control-Request-Method"] = "PUT"
        answer = await client.options("/api/v2/configurations", headers=first | {"Origin": "https://friend.example"})
        assert answer.status_code == 400
        shown = await client.get("/health", headers={"Origin": "https://friend.example"})
        assert shown.headers["access-control-allow-credentials"] == "true"
        assert shown.headers["access-control-expose-headers"] == "ETag, Location, Retry-After, X-Request-ID"


@live
async def test_a_page_of_an_allowed_origin_can_read_that_it_was_our_fault(
    home: TestHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = create_app(home, options(cors_origins="https://friend.example"))
    async with calling(app) as client:
        monkeypatch.setattr(app.state.services, "clock", None)
        for origin, allowed in (("https://friend.example", "https://friend.example"), ("https://evil.example", None)):
            answer = await client.get("/api/v2/timeseries/AAPL?resolution=1m", headers={"Origin": origin})
            assert answer.status_code == 500
            assert answer.headers.get("access-control-allow-origin") == allowed
            assert answer.headers["x-request-id"]


@live
async def test_a_streamed_watch_list_follows_its_edits_at_once(home: TestHome, line: Line) -> None:
    for number, subject in enumerate(("AAPL", "MSFT", "TSLA")):
        line.tell(Told(subject, NOW_MS - 200_000, 100, article(number)))
    async with serving(home) as (base, _), httpx.AsyncClient(base_url=base, timeout=60) as rest:
        mine = await signed_in(rest)
        made = (
            await rest.post("/api/v2/configurations", headers=mine, json={"name": "x", "subjects": ["AAPL"]})
        ).json()
        async with Listener(f"{base}{made['stream']}?resolutions=1m", mine) as client:
            await client.until(lambda c: c.named("snapshot"))
            assert client.got[0].data["filters"]["tickers"] == ["AAPL"]
            await rest.patch(f"/api/v2/configurations/{made['id']}", headers=mine, json={"subjects": ["MSFT", "TSLA"]})
            await client.until(lambda c: len(c.named("snapshot")) == 2)
            assert [row["ticker"] for row in client.named("snapshot")[1].data["series"]] == ["MSFT", "TSLA"]
            line.tell(Told("AAPL", NOW_MS - 200_000, 100, article(10)))
            line.tell(Told("TSLA", NOW_MS - 200_000, 100, article(11)))
            await client.until(lambda c: c.named("bucket_update"))
            assert {got.data["ticker"] for got in client.named("bucket_update")} == {"TSLA"}
            await rest.delete(f"/api/v2/configurations/{made['id']}", headers=mine)
            await client.until(lambda c: c.ended)
            assert client.got[-1].data["reason"] == "configuration_deleted"


@live
async def test_an_edit_in_another_process_is_followed_too(home: TestHome, line: Line) -> None:
    line.tell(Told("MSFT", NOW_MS - 200_000, 100, article(1)))
    async with serving(home) as (base, _), calling(create_app(home, options())) as elsewhere:
        mine = await signed_in(elsewhere)
        made = (
            await elsewhere.post("/api/v2/configurations", headers=mine, json={"name": "x", "subjects": ["AAPL"]})
        ).json()
        async with Listener(f"{base}{made['stream']}", mine) as client:
            await client.until(lambda c: c.named("snapshot"))
            await elsewhere.patch(f"/api/v2/configurations/{made['id']}", headers=mine, json={"subjects": ["MSFT"]})
            await client.until(lambda c: len(c.named("snapshot")) == 2)
            status = (await elsewhere.get("/api/v2/stream/status")).json()
            assert len(status["processes"]) == 2


@live
async def test_a_key_beyond_ascii_is_the_key_however_it_is_sent(home: TestHome) -> None:
    home.secrets.values["CANDLEWICK_ADMIN_KEY"] = "schlüssel"
    home.control.put("source", "rss-one", {"state": "healthy", "kind": "rss", "url": "https://x.example"})
    async with calling(create_app(home, options())) as client:
        for sent, status in (("schlüssel".encode(), 200), ("schlüssel".encode("latin-1"), 200), (b"schl?ssel", 403)):
            answer = await client.patch(
                "/api/v2/sources/rss-one", json={"enabled": True}, headers={b"x-admin-key": sent}
            )
            assert answer.status_code == status
        home.secrets.values["CANDLEWICK_ADMIN_KEY"] = "ключ"
        for sent, status in (("ключ".encode(), 200), (b"????", 403)):
            answer = await client.patch(
                "/api/v2/sources/rss-one", json={"enabled": True}, headers={b"x-admin-key": sent}
            )
            assert answer.status_code == status


@live
async def test_sources_are_set_by_the_admin_only(home: TestHome) -> None:
    home.control.put(
        "source", "rss-one", {"state": "healthy", "kind": "rss", "url": "https://x.example", "every_s": 300}
    )
    async with calling(create_app(home, options())) as client:
        url = "/api/v2/sources/rss-one"
        assert (await client.patch(url, json={"enabled": False})).status_code == 401
        unset = await client.patch(url, json={"enabled": False}, headers={"X-Admin-Key": "k"})
        assert (unset.status_code, "CANDLEWICK_ADMIN_KEY" in unset.text) == (403, True)
        home.secrets.values["CANDLEWICK_ADMIN_KEY"] = "the-key"
        assert (await client.patch(url, json={"enabled": False}, headers={"X-Admin-Key": "k"})).status_code == 403
        admin = {"X-Admin-Key": "the-key"}
        done = await client.patch(url, json={"enabled": False, "every_s": 60}, headers=admin)
        assert (done.status_code, done.json()["enabled"], done.json()["every_s"]) == (200, False, 60)
        assert home.control.get("source-setting", "rss-one").value == {"enabled": False, "every_s": 60}
        assert (await client.get("/api/v2/sources")).json()["sources"][0]["enabled"] is False
        assert (await client.patch("/api/v2/sources/none", json={"enabled": True}, headers=admin)).status_code == 404
        assert (await client.patch(url, json={"every_s": 1}, headers=admin)).status_code == 400


def test_an_allowance_gives_a_burst_then_a_rate_and_tells_the_truth() -> None:
    clock = ManualClock()
    allowance = Allowance(clock, per_s=2.0, burst=3)
    assert [allowance.take("a") for _ in range(3)] == [0, 0, 0]
    wait_s = allowance.take("a")
    assert wait_s == pytest.approx(0.5)
    assert allowance.take("b") == 0
    clock.advance(round(wait_s * 1000))
    assert allowance.take("a") == 0
    assert allowance.take("a") > 0


@live
async def test_too_many_requests_are_told_when_to_come_back(home: TestHome) -> None:
    async with calling(create_app(home, options(rate_per_s=0.001, rate_burst=3))) as client:
        mine = await signed_in(client)
        statuses = [(await client.get("/api/v2/sources", headers=mine)).status_code for _ in range(4)]
        assert statuses == [200, 200, 200, 429]
        refused = await client.get("/api/v2/sources", headers=mine)
        assert 900 < refused.json()["retry_after"] == int(refused.headers["retry-after"]) <= 1_000
        assert (await client.get("/health")).status_code == 200
        many = [{"Authorization": f"Bearer made-up-{n}"} for n in range(20)]
        assert 429 in [(await client.get("/api/v2/sources", headers=each)).status_code for each in many]


@live
async def test_large_bodies_are_refused(home: TestHome) -> None:
    async with serving(home) as (base, _), httpx.AsyncClient(base_url=base, timeout=60) as client:
        mine = await signed_in(client)
        declared = await client.post("/api/v2/configurations", headers=mine, content=b"x" * 10_000_000)
        assert declared.status_code == 413

        async def parts():  # type: ignore[no-untyped-def]
            for _ in range(200):
                yield b"x" * 50_000

        streamed = await client.post("/api/v2/configurations", headers=mine, content=parts())
        assert streamed.status_code == 413
        assert (await client.get("/health")).status_code == 200
