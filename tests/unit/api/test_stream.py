"""The stream protocol, each sentence of it, on a real server."""

import asyncio
from functools import partial
from typing import Any

import httpx
import pytest

from api.app import create_app
from api.sse import stream as stream_module
from contracts.instants import iso_ms, iso_s
from tests.unit.api.kit import NOW_MS, Got, Line, Listener, TestHome, Told, article, calling, live, options, serving

MINUTE = 60_000
DATA = {"bucket_update", "partial_bucket", "new_item", "sentiment_update"}


def told(number: int, subject: str = "AAPL", minutes_ago: float = 3, polarity_e4: int = 100) -> Told:
    return Told(subject, NOW_MS - round(minutes_ago * MINUTE) + number % 1000, polarity_e4, article(number))


def url_of(base: str, **parameters: str) -> str:
    return str(httpx.URL(f"{base}/api/v2/stream", params=parameters))


def heard_at_least(count: int, client: Listener) -> bool:
    return len(keys(client.got)) >= count and len(client.got) > 1


def heard_revision(revision: int, client: Listener) -> bool:
    return any(key[3] == revision and key[2] == iso_s(NOW_MS) for key in keys(client.got))


def keys(got: list[Got]) -> list[tuple[str, str, str, int]]:
    return [
        (g.data["ticker"], g.data["resolution"], g.data["bucket"]["start"], g.data["bucket"]["rev"])
        for g in got
        if g.event in ("bucket_update", "partial_bucket")
    ]


@live
async def test_hello_first_then_snapshot_and_heartbeat(home: TestHome, line: Line) -> None:
    line.tell(told(1), told(2, minutes_ago=-0.5), told(3, "MSFT"))
    async with serving(home) as (base, _), Listener(url_of(base, tickers="AAPL", resolutions="1m,5m")) as client:
        await client.until(lambda c: len(c.got) >= 3)
        assert [got.event for got in client.got[:3]] == ["hello", "snapshot", "heartbeat"]
        hello, snapshot, heartbeat = (got.data for got in client.got[:3])
        assert hello["epoch"] == "g1"
        assert (hello["resumed"], hello["reason"]) == (False, "first")
        assert hello["filters"] == {"tickers": ["AAPL"], "resolutions": ["1m", "5m"]}
        assert {"server_time", "heartbeat_s", "max_lifetime_s"} <= set(hello)
        assert {"server_time", "newest_ingest_at", "lag_ms", "cursor", "connections"} <= set(heartbeat)
        rows = {(row["ticker"], row["resolution"]): row for row in snapshot["series"]}
        assert set(rows) == {("AAPL", "1m"), ("AAPL", "5m")}
        assert rows["AAPL", "1m"]["final"]["start"] == iso_s(NOW_MS - 3 * MINUTE)
        assert rows["AAPL", "1m"]["partial"]["start"] == iso_s(NOW_MS)
        assert rows["AAPL", "1m"]["partial"]["progress_pct"] == 0


@live
async def test_the_headers_keep_proxies_from_holding_it_back(home: TestHome) -> None:
    async with (
        serving(home) as (base, _),
        httpx.AsyncClient(timeout=60) as client,
        client.stream("GET", url_of(base)) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store, no-transform"
        assert answer.headers["x-accel-buffering"] == "no"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "content-encoding" not in answer.headers


@live
async def test_changes_arrive_with_their_kind_and_origin(
    home: TestHome, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.sse.headlines.PATIENCE_S", 20.0)
    event = told(2, minutes_ago=-0.5)
    async with serving(home) as (base, _), Listener(url_of(base, resolutions="1m")) as client:
        await client.until(lambda c: c.named("snapshot"))
        line.item(event)
        line.tell(told(1), event)
        await client.until(lambda c: len(c.named("new_item")) == 2 and c.named("partial_bucket"))
        final, partial = client.named("bucket_update")[0].data, client.named("partial_bucket")[0].data
        assert final["bucket"]["end"] == iso_s(NOW_MS - 2 * MINUTE)
        assert partial["bucket"]["next_update_at"] == iso_s(NOW_MS + MINUTE)
        assert partial["progress_pct"] == 0
        assert final["origin_timestamp"] == partial["origin_timestamp"] == iso_ms(NOW_MS - 1_000)
        items = {got.data["event_id"]: got.data for got in client.named("new_item")}
        assert items[event.identity]["title"] == "About AAPL"
        assert client.named("sentiment_update")[-1].data["count"] == 2


@live
async def test_both_filters_always_apply(home: TestHome, line: Line) -> None:
    async with serving(home) as (base, _), Listener(url_of(base, tickers="AAPL", resolutions="5m")) as client:
        await client.until(lambda c: c.named("snapshot"))
        line.tell(told(1, "MSFT"), told(2, "tag:ai-regulation"))
        line.tell(told(3, "AAPL"))
        await client.until(lambda c: c.named("sentiment_update"))
        heard = [got for got in client.got if got.event in DATA]
        assert {got.data["ticker"] for got in heard} == {"AAPL"}
        assert {got.data.get("resolution", "5m") for got in heard} == {"5m"}


@live
async def test_every_event_has_its_own_id_and_resuming_there_repeats_nothing_delivered_whole(
    home: TestHome, line: Line
) -> None:
    async with serving(home) as (base, _):
        async with Listener(url_of(base, tickers="AAPL", resolutions="1m,5m")) as client:
            await client.until(lambda c: c.named("snapshot"))
            for number in range(4):
                line.tell(told(number), told(number, "MSFT"), resolutions=["1m", "5m"])
            await client.until(lambda c: len(c.named("sentiment_update")) == 4)
            heard = [got for got in client.got if got.event in DATA]
        identities = [got.id for got in heard]
        assert all(identities)
        assert len(set(identities)) == len(identities)
        for at, got in enumerate(heard):
            assert got.id is not None
            async with Listener(
                url_of(base, tickers="AAPL", resolutions="1m,5m"), {"Last-Event-ID": got.id}
            ) as resumed:
                missing = keys(heard[at + 1 :])
                await resumed.until(partial(heard_at_least, len(missing)))
                hello = resumed.got[0].data
                assert (hello["resumed"], hello["reason"]) == (True, "ok")
                again = keys(resumed.got)
                assert again[len(again) - len(missing) :] == missing
                if "!" not in got.id:
                    assert again == missing
                assert not resumed.named("snapshot")


@live
async def test_cursor_and_since_resume_too_and_until_ends(home: TestHome, line: Line) -> None:
    for number in range(3):
        line.tell(told(number))
        home.clock.instant_ms += 10_000
    async with serving(home) as (base, _):
        since, until = iso_ms(NOW_MS + 10_000), iso_ms(home.clock.now_ms())
        async with Listener(url_of(base, since=since, until=until)) as client:
            await client.until(lambda c: c.ended)
            assert [key[3] for key in keys(client.got)] == [2, 3]
            assert client.got[-1].event == "bye"
            assert client.got[-1].data["reason"] == "until"
        async with httpx.AsyncClient(timeout=60) as rest:
            series = (await rest.get(f"{base}/api/v2/timeseries/AAPL?resolution=1m")).json()
        async with Listener(url_of(base, cursor=series["stream_cursor"])) as client:
            line.tell(told(7))
            await client.until(lambda c: keys(c.got))
            assert client.got[0].data["resumed"] is True
            assert [key[3] for key in keys(client.got)] == [4]


@live
async def test_partials_are_coalesced_and_the_last_state_always_comes(home: TestHome, line: Line) -> None:
    async with serving(home) as (base, _), Listener(url_of(base, tickers="AAPL", resolutions="1m")) as client:
        await client.until(lambda c: c.named("snapshot"))
        for number in range(60):
            line.tell(told(number, minutes_ago=-0.5), resolutions=["1m"])
        await client.until(
            lambda c: c.named("partial_bucket") and c.named("partial_bucket")[-1].data["bucket"]["rev"] == 60
        )
        revisions = [got.data["bucket"]["rev"] for got in client.named("partial_bucket")]
        assert revisions == sorted(set(revisions))
        assert len(revisions) < 60
        held = [got for got in client.got if got.event in DATA]
        for got in held[:: max(1, len(held) // 10)]:
            assert got.id is not None
            async with Listener(url_of(base, tickers="AAPL"), {"Last-Event-ID": got.id}) as resumed:
                await resumed.until(lambda c: len(c.got) >= 2)
                last = revisions[-1] if got is not held[-1] else None
                if last is not None and "!" in got.id:
                    await resumed.until(lambda c: keys(c.got) and keys(c.got)[-1][3] == 60)


def is_old(event: Got) -> bool:
    return bool(event.data["event_time"] < iso_s(NOW_MS))


@live
async def test_an_id_never_stands_past_an_update_that_was_held_back(home: TestHome, line: Line) -> None:
    """A partial is held, a later change goes out, the client is cut there: resuming brings the held one."""
    async with serving(home) as (base, _):
        for round_number in range(5):
            first = 10 * round_number
            async with Listener(url_of(base, tickers="AAPL", resolutions="1m")) as client:
                await client.until(lambda c: c.named("snapshot"))
                for number in (first, first + 1, first + 2):
                    line.tell(told(number, minutes_ago=-0.5), resolutions=["1m"])
                    await asyncio.sleep(0.01)
                line.tell(told(first + 3, minutes_ago=5), resolutions=["1m"])
                # The last event of what went out: where all of it has come, the id may stand behind it.
                await client.until(lambda c: c.named("sentiment_update") and is_old(c.named("sentiment_update")[-1]))
                cut = client.named("sentiment_update")[-1]
                at = client.got.index(cut)
                seen = max((key[3] for key in keys(client.got[:at]) if key[2] == iso_s(NOW_MS)), default=0)
            newest = 3 * (round_number + 1)
            # By now the held one went out to those who were there.
            await asyncio.sleep(0.15)
            assert cut.id is not None
            async with Listener(url_of(base, tickers="AAPL", resolutions="1m"), {"Last-Event-ID": cut.id}) as client:
                if seen < newest:
                    await client.until(partial(heard_revision, newest))


@live
async def test_a_long_replay_becomes_a_snapshot(home: TestHome, line: Line) -> None:
    async with serving(home) as (base, app):
        start = app.state.services.hub.safe_id
        for number in range(260):
            line.tell(told(number), resolutions=["1m"])
        async with Listener(url_of(base, tickers="AAPL"), {"Last-Event-ID": start}) as client:
            await client.until(lambda c: c.named("snapshot"))
            assert client.got[0].data["resumed"] is False
            assert client.got[0].data["reason"] == "too_old"
            assert client.named("snapshot")[0].data["series"][0]["final"]["rev"] == 260


@live
async def test_another_generation_going_live_sends_everyone_to_a_new_epoch(home: TestHome, line: Line) -> None:
    line.tell(told(1))
    Line(home, "g2", lane="replay").tell(told(1, polarity_e4=-700))
    async with serving(home) as (base, _):
        async with Listener(url_of(base, tickers="AAPL")) as client:
            await client.until(lambda c: c.named("snapshot"))
            home.control.put("generation", "live", {"generation": "g2"})
            await client.until(lambda c: c.ended)
            assert client.got[-1].event == "bye"
            assert client.got[-1].data["reason"] == "epoch_changed"
            old = client.last_id
        assert old is not None
        async with Listener(url_of(base, tickers="AAPL"), {"Last-Event-ID": old}) as client:
            await client.until(lambda c: c.named("snapshot"))
            hello = client.got[0].data
            assert (hello["epoch"], hello["resumed"], hello["reason"]) == ("g2", False, "epoch_changed")
            assert client.named("snapshot")[0].data["series"][0]["final"]["open"] == -0.07
        async with httpx.AsyncClient(timeout=60) as rest:
            answer = (await rest.get(f"{base}/api/v2/timeseries/AAPL?resolution=1m")).json()
            assert (answer["generation"], answer["buckets"][0]["open"]) == ("g2", -0.07)


@live
async def test_at_the_cap_the_next_one_is_told_when_to_come_back(home: TestHome) -> None:
    async with serving(home, max_connections=2) as (base, app), httpx.AsyncClient(timeout=60) as rest:
        async with Listener(url_of(base)) as a, Listener(url_of(base)) as b:
            await a.until(lambda c: c.named("snapshot"))
            await b.until(lambda c: c.named("snapshot"))
            refused = await rest.get(url_of(base))
            assert refused.status_code == 503
            body = refused.json()
            assert body["max_connections"] == 2
            assert int(refused.headers["retry-after"]) == body["retry_after"] > 0
            assert "detail" in body
            status = (await rest.get(f"{base}/api/v2/stream/status")).json()
            assert (status["connections"], status["max_connections"], status["refused"]) == (2, 2, 1)
        while app.state.services.connections.open:
            await asyncio.sleep(0.01)
        async with Listener(url_of(base)) as c:
            await c.until(lambda client: client.named("snapshot"))


@live
async def test_a_planned_end_says_bye_and_when_to_come_back(home: TestHome) -> None:
    async with serving(home, max_lifetime_s=1.01) as (base, _), Listener(url_of(base)) as client:
        await client.until(lambda c: c.ended)
        assert client.got[-1].event == "bye"
        assert client.got[-1].data["reason"] == "lifetime"
        assert client.got[-1].data["reconnect_in_ms"] > 0


@live
@pytest.mark.parametrize("reason", ["lifetime", "shutdown"])
async def test_who_comes_back_after_a_planned_end_hears_nothing_twice(
    home: TestHome, line: Line, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while partials of its own and of other subjects are held back, below which ids stay until then."""
    monkeypatch.setattr("api.sse.coalescer.PAUSE_MS", 1e9)
    async with serving(home) as (base, app):
        connections = app.state.services.connections
        async with Listener(url_of(base, tickers="AAPL", resolutions="24h")) as client:
            await client.until(lambda c: c.named("snapshot"))
            for number in range(4):
                line.tell(told(number), told(number, "MSFT"), resolutions=["24h"])
            await client.until(lambda c: len(c.named("new_item")) == 4)
            connections.end_all(reason)
            await client.until(lambda c: c.ended)
            assert client.got[-1].data["reason"] == reason
            assert [got.data["bucket"]["count"] for got in client.named("partial_bucket")] == [1, 4]
            assert client.last_id is not None
        place = {"Last-Event-ID": client.last_id}
        async with Listener(url_of(base, tickers="AAPL", resolutions="24h"), place) as again:
            line.tell(told(9), resolutions=["24h"])
            await again.until(lambda c: c.named("new_item"))
            assert again.got[0].data["resumed"]
            assert [got.data["event_id"] for got in again.named("new_item")] == [told(9).identity]


@live
async def test_shutting_down_says_bye_to_all_and_ends(home: TestHome) -> None:
    async with serving(home) as (base, _):
        clients = [Listener(url_of(base)) for _ in range(20)]
        for client in clients:
            await client.__aenter__()
        for client in clients:
            await client.until(lambda c: c.named("snapshot"))
    for client in clients:
        await client.until(lambda c: c.ended)
        assert client.got[-1].event == "bye"
        assert client.got[-1].data["reason"] == "shutdown"
        await client.__aexit__()


@live
async def test_heartbeats_carry_an_id_that_moves_with_what_others_hear(home: TestHome, line: Line) -> None:
    async with serving(home, heartbeat_s=0.1) as (base, app), Listener(url_of(base, tickers="ZZZ")) as client:
        await client.until(lambda c: c.named("snapshot"))
        line.tell(told(1))
        line.tell(told(2))
        await client.until(lambda c: c.last_id == app.state.services.hub.safe_id == "g1.0:2")
        assert client.named("heartbeat")[-1].data["cursor"] == "g1.0:2"


@live
async def test_changes_is_the_streams_twin(home: TestHome, line: Line) -> None:
    async with serving(home) as (base, _), httpx.AsyncClient(base_url=base, timeout=60) as rest:
        first = (await rest.get("/api/v2/changes?tickers=AAPL&resolutions=1m,5m")).json()
        assert (first["resumed"], first["reason"], first["events"][0]["event"]) == (False, "first", "snapshot")
        async with Listener(url_of(base, tickers="AAPL", resolutions="1m,5m")) as client:
            await client.until(lambda c: c.named("snapshot"))
            for number in range(5):
                line.tell(told(number), told(number, "MSFT"), resolutions=["1m", "5m"])
            await client.until(lambda c: len(c.named("sentiment_update")) == 5)
            heard = [(got.event, got.id, keys([got])) for got in client.got if got.event in DATA]
        polled: list[Any] = []
        cursor, more = first["cursor"], True
        while more:
            answer = (await rest.get(f"/api/v2/changes?tickers=AAPL&resolutions=1m,5m&limit=7&cursor={cursor}")).json()
            polled += answer["events"]
            cursor, more = answer["cursor"], answer["more"]
        assert answer["epoch"] == "g1"
        assert [(e["event"], e["id"], keys([Got(e["event"], e["data"], None)])) for e in polled] == heard
        again = (await rest.get(f"/api/v2/changes?tickers=AAPL&cursor={cursor}")).json()
        assert (again["events"], again["more"], again["cursor"]) == ([], False, cursor)


@live
async def test_changes_needs_no_poller(home: TestHome, line: Line) -> None:
    """The buffered Lambda answers from the store, with the same ids."""
    line.tell(told(1))
    async with calling(create_app(home, options(), live=False)) as client:
        first = (await client.get("/api/v2/changes")).json()
        line.tell(told(2))
        second = (await client.get(f"/api/v2/changes?cursor={first['cursor']}")).json()
        assert (second["resumed"], second["cursor"]) == (True, "g1.0:2")
        assert {e["event"] for e in second["events"]} == {"bucket_update", "new_item", "sentiment_update"}
        refused = await client.get("/api/v2/stream")
        assert refused.status_code == 501
        assert (await client.get("/ready")).status_code == 200
        status = (await client.get("/api/v2/status")).json()
        assert (status["lag_ms"], status["newest_ingest_at"]) == (1_000, iso_ms(NOW_MS - 1_000))
        home.buckets.down = True
        without = await client.get("/api/v2/status")
        assert (without.status_code, without.json()["lag_ms"]) == (200, None), "it is asked when something is wrong"


@live
async def test_metrics_come_when_something_changed(home: TestHome, line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.app.METRICS_EVERY_S", 0.05)
    async with serving(home) as (base, _), Listener(url_of(base)) as client:
        line.tell(told(1))
        await client.until(lambda c: c.named("metrics"))
        assert client.named("metrics")[0].data["distribution"] == {"positive": 0, "neutral": 0, "negative": 0}


def test_planned_lifetimes_are_spread() -> None:
    lives = {stream_module.planned_lifetime_ms(900.0) for _ in range(200)}
    assert all(900_000 * 0.8 <= each <= 900_000 * 1.2 for each in lives)
    assert len(lives) > 150
