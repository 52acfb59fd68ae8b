"""A window that lay ahead when its article came is told when it begins (law 6): until then neither `/timeseries` nor a
snapshot shows it, and no change follows."""

import asyncio
from typing import Any

import pytest

from api.app import create_app
from api.sse import ahead as module
from api.sse.ahead import Ahead
from api.sse.filters import make_filter
from contracts.bucket import BucketKey
from contracts.instants import iso_ms, iso_s
from contracts.resolution import DAY_MS, MINUTE_MS
from tests.unit.api.kit import NOW_MS, Got, Line, Listener, TestHome, Told, article, calling, live, options, serving
from tests.unit.api.test_stream_places import taken_in

BEGINS_MS = NOW_MS + MINUTE_MS
AFTER_MS = NOW_MS + 90_000


def ahead(number: int = 1, subject: str = "AAPL") -> Told:
    return Told(subject, AFTER_MS, 100, article(number))


def url_of(base: str, subject: str = "AAPL", resolution: str = "1m", more: str = "") -> str:
    return f"{base}/api/v2/stream?tickers={subject}&resolutions={resolution}{more}"


def begun(client: Listener) -> list[Got]:
    return [got for got in client.named("partial_bucket") if got.data["bucket"]["start"] == iso_s(BEGINS_MS)]


def greeted(client: Listener) -> bool:
    return bool(client.named("heartbeat"))


def tidy(app: Any) -> None:
    app.state.services.connections.tidy()


@live
async def test_a_window_is_told_when_it_begins_once_to_those_who_want_it(home: TestHome, line: Line) -> None:
    async with serving(home) as (base, app):
        line.tell(Told("AAPL", NOW_MS - 3 * MINUTE_MS, 500, article(8)), resolutions=["1m"])
        line.tell(ahead(), resolutions=["1m"])
        await taken_in(home, app)
        async with (
            Listener(url_of(base)) as client,
            Listener(url_of(base, resolution="1h")) as coarse,
            Listener(url_of(base, "MSFT")) as other,
        ):
            for each in (client, coarse, other):
                await each.until(greeted)
            (row,) = client.named("snapshot")[0].data["series"]
            assert (row["partial"], begun(client)) == (None, [])
            tidy(app)
            home.clock.instant_ms = AFTER_MS
            tidy(app)
            await client.until(begun)
            tidy(app)
            line.tell(Told("AAPL", AFTER_MS, 1, article(2)), Told("MSFT", AFTER_MS, 1, article(3)))
            for each in (client, coarse, other):
                await each.until(lambda c: c.named("sentiment_update"))
            await client.until(lambda c: len(begun(c)) > 1)
            await other.until(begun)
            first, *later = begun(client)
            assert first.id == client.named("heartbeat")[0].data["cursor"], "no change of its own"
            assert [got.data["bucket"]["rev"] for got in later] == [2]
            assert begun(coarse) == []
            assert [got.data["bucket"]["rev"] for got in begun(other)] == [1]


@live
async def test_state_and_stream_equal_a_fresh_answer(home: TestHome, line: Line) -> None:
    async with serving(home) as (base, app):
        line.tell(ahead(), resolutions=["1m"])
        await taken_in(home, app)
        async with Listener(url_of(base)) as client:
            await client.until(greeted)
            home.clock.instant_ms = AFTER_MS
            tidy(app)
            await client.until(begun)
            async with calling(app) as rest:
                fresh = (await rest.get("/api/v2/timeseries/AAPL?resolution=1m")).json()
            assert client.named("snapshot")[0].data["series"] == []
            assert (fresh["buckets"], fresh["partial_bucket"]) == ([], begun(client)[0].data["bucket"])


@live
async def test_who_was_away_when_it_began_is_told_on_coming_back(home: TestHome, line: Line) -> None:
    async with serving(home) as (base, app):
        line.tell(ahead(), resolutions=["1m"])
        await taken_in(home, app)
        async with Listener(url_of(base)) as client:
            await client.until(greeted)
            place = client.last_id
        assert place is not None
        home.clock.instant_ms = AFTER_MS
        tidy(app)
        async with (
            Listener(url_of(base), {"Last-Event-ID": place}) as client,
            Listener(url_of(base, resolution="5m"), {"Last-Event-ID": place}) as other,
            Listener(url_of(base, more=f"&until={iso_ms(BEGINS_MS)}"), {"Last-Event-ID": "g1.-"}) as past,
        ):
            for each in (client, other, past):
                await each.until(lambda c: c.named("heartbeat") or c.ended)
            assert [got.event for got in client.got] == ["hello", "partial_bucket", "heartbeat"]
            assert [got.id for got in begun(client)] == [place], "a client that is cut here comes back to the same"
            assert [got.event for got in other.got] == ["hello", "heartbeat"]
            assert len(begun(past)) == 1, "as it was written: it began later"
        ended = f"&until={iso_ms(BEGINS_MS + 1)}"
        async with Listener(url_of(base, more=ended), {"Last-Event-ID": place}) as client:
            await client.until(lambda c: c.ended)
            assert client.status == 204, "it would come back for ever"
        line.tell(Told("AAPL", AFTER_MS, 1, article(2)), resolutions=["1m"])
        await taken_in(home, app)
        async with Listener(url_of(base), {"Last-Event-ID": "g1.0:2"}) as client:
            await client.until(greeted)
            assert [got.event for got in client.got] == ["hello", "heartbeat"], "the newest change came later"


@live
async def test_a_process_that_reads_it_before_it_begins_tells_it_once_to_all(home: TestHome, line: Line) -> None:
    line.tell(ahead(), resolutions=["1m"])
    async with (
        serving(home) as (base, app),
        Listener(url_of(base), {"Last-Event-ID": "g1.0:1"}) as resumed,
        Listener(url_of(base)) as fresh,
    ):
        for each in (resumed, fresh):
            await each.until(greeted)
        assert resumed.got[0].data["resumed"] is True
        stored = home.buckets.range("g1", "AAPL", "1m", 0, AFTER_MS)
        home.clock.instant_ms = AFTER_MS
        tidy(app)
        app.state.services.hub.load_latest(("AAPL", "1m"), stored)
        tidy(app)
        line.tell(Told("AAPL", AFTER_MS, 1, article(2)), resolutions=["1m"])
        for each in (resumed, fresh):
            await each.until(lambda c: c.named("sentiment_update"))
            assert [got.data["bucket"]["rev"] for got in begun(each)] == [1, 2]


@live
async def test_a_store_that_is_down_keeps_nobody_from_resuming(home: TestHome, line: Line) -> None:
    async with serving(home) as (base, app):
        line.tell(ahead(), resolutions=["1m"])
        await taken_in(home, app)
        home.buckets.down = True
        async with Listener(url_of(base), {"Last-Event-ID": "g1.0:1"}) as client:
            await client.until(greeted)
            home.clock.instant_ms = AFTER_MS
            tidy(app)
            await client.until(begun)


@live
async def test_polls_tell_it_for_a_minute(home: TestHome, line: Line) -> None:
    async with calling(app := create_app(home, options())) as client:
        line.tell(ahead(), resolutions=["1m"])
        await taken_in(home, app)
        asked = "/api/v2/changes?tickers=AAPL&cursor=g1.0:1"
        assert (await client.get(asked)).json()["events"] == []
        home.clock.instant_ms = AFTER_MS
        tidy(app)
        while not app.state.services.hub.healthy:
            await asyncio.sleep(0.005)
        answer = (await client.get(asked)).json()
        (told,) = answer["events"]
        assert (told["event"], told["data"]["bucket"]["start"]) == ("partial_bucket", iso_s(BEGINS_MS))
        assert told["id"] == answer["cursor"] == "g1.0:1"
        home.clock.instant_ms = BEGINS_MS + MINUTE_MS
        assert (await client.get(asked)).json()["events"] == []


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 3)
    kept, wanted = Ahead(), make_filter(None, ["1m"])
    for number in range(5):
        kept.note(BucketKey("AAPL", "1m", number), -1)
    assert [key.start_ms for key in kept.begin(9)] == [2, 3, 4]
    assert kept.begin(9) == []
    kept.note(BucketKey("AAPL", "1m", 5), 4)
    kept.note(BucketKey("AAPL", "1m", 6), 6)
    assert [key.start_ms for key in kept.begin(9)] == [5]
    assert [key.start_ms for key in kept.since(wanted, 3)] == [4, 5]
    kept.note(BucketKey("AAPL", "1m", DAY_MS + 5), 9)
    kept.begin(DAY_MS + 5)
    assert [key.start_ms for key in kept.since(wanted, 0)] == [DAY_MS + 5], "who was away for longer gets a snapshot"
    kept.note(BucketKey("AAPL", "1m", 2 * DAY_MS), 9)
    kept.clear()
    assert (kept.begin(2 * DAY_MS), kept.since(wanted, 0)) == ([], [])
