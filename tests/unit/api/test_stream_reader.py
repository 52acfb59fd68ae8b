"""The reader of the change log outlives what it does not understand, and waits for no headline."""

import asyncio
import json
import logging
from typing import Any, cast

import httpx
import pytest

from api.app import create_app
from api.sse.headlines import QUIET_MS, Headlines
from api.sse.hub import POLLER_STAYS_MS, Hub
from api.sse.poller import Poller
from contracts.clock import ManualClock
from contracts.errors import BadRequest, Transient, Unusable
from tests.clocks import SteadyClock
from tests.unit.api.kit import LANE, NOW_MS, Line, Listener, TestHome, Told, article, live, options, serving

BEYOND_US = [BadRequest("dynamodb: LimitExceededException"), ValueError("too many values to unpack (expected 7)")]


def told(number: int) -> Told:
    return Told("AAPL", NOW_MS - 180_000 + number, 100, article(number))


@pytest.mark.parametrize("fault", BEYOND_US, ids=["refused", "newer-writer"])
@live
async def test_an_error_nobody_foresaw_does_not_end_the_reader(
    home: TestHome, line: Line, fault: Exception, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is logged once, shown as a store that is down, and over when the store answers again."""
    monkeypatch.setattr("api.sse.poller.DOWN_PAUSE_MS", 5.0)
    async with (
        serving(home, heartbeat_s=0.05) as (base, app),
        Listener(f"{base}/api/v2/stream?tickers=AAPL") as client,
    ):
        await client.until(lambda c: c.named("snapshot"))
        home.buckets.fault, home.buckets.down = fault, True
        await client.until(lambda c: c.named("heartbeat")[-1].data["store"] == "down")
        await asyncio.sleep(0.1)
        home.buckets.down = False
        line.tell(told(1))
        await client.until(lambda c: c.named("bucket_update"))
        await client.until(lambda c: c.named("heartbeat")[-1].data["store"] == "up")
        assert app.state.services.hub.healthy
    errors = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert str(fault) in errors[0]


def test_a_store_that_is_down_is_told_of_once_until_it_is_so_in_another_way(caplog: pytest.LogCaptureFixture) -> None:
    """Without a traceback: nobody has to look for a bug."""
    down, refused = Transient("buckets", "no answer"), Unusable("buckets: AccessDenied")
    answers: list[Exception | None] = [down, down, refused, refused, None, refused, ValueError("odd")]

    class Store:
        def changes_after(self, vector: Any, limit: int) -> list[Any]:
            answer = answers.pop(0)
            if not answers:
                poller._stop.set()
            if answer is not None:
                raise answer
            return []

    poller = Poller(cast("Any", Store()), cast("Any", None), ManualClock(), 20, ignore, ignore, ignore)
    poller._run()
    assert [(record.levelname, json.loads(record.message)["cause"]) for record in caplog.records] == [
        ("WARNING", str(down)), ("WARNING", str(refused)), ("WARNING", str(refused)), ("ERROR", "ValueError('odd')"),
    ]  # fmt: skip
    assert [record.exc_info is not None for record in caplog.records] == [False, False, False, True]


def ignore(_: object) -> None:
    """Nobody listens."""


def test_changes_that_could_not_be_handed_over_are_read_again(home: TestHome, line: Line) -> None:
    line.tell(told(1))
    taken: list[int] = []

    def take(changes: list[Any]) -> None:
        taken.append(changes[-1].sequence)
        if len(taken) <= 2 * 4:  # more often than there is room for batches under way
            raise ValueError("not now")
        poller._stop.set()

    epoch: Any = type("Epoch", (), {"refresh": lambda self: "g1"})()
    health: list[bool] = []
    poller = Poller(home.buckets, epoch, ManualClock(), 20, take, lambda _: None, health.append)
    poller._run()
    assert taken == [1] * 9
    assert poller._vector == {LANE: 1}
    assert health == [*[False] * 8, True, False]


@live
async def test_events_go_out_without_headlines_while_the_item_store_hangs(
    home: TestHome, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.sse.headlines.QUIET_MS", 0.0)
    async with serving(home) as (base, app), Listener(f"{base}/api/v2/stream?tickers=AAPL") as client:
        await client.until(lambda c: c.named("snapshot"))
        home.items.slow.clear()
        try:
            for number in range(3):
                line.tell(told(number))
                await client.until(lambda c, at=number: len(c.named("new_item")) > at, 3.0)
            assert app.state.services.hub.healthy
        finally:
            home.items.slow.set()
        number = 3
        while not client.named("new_item")[-1].data["title"]:
            line.item(told(number))
            line.tell(told(number))
            number += 1
            await client.until(lambda c, at=number: len(c.named("new_item")) >= at)


@live
async def test_who_polls_gets_headlines_too(home: TestHome, line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.sse.headlines.PATIENCE_S", 20.0)
    async with serving(home) as (base, app), httpx.AsyncClient(base_url=base, timeout=60) as rest:
        place = (await rest.get("/api/v2/changes?tickers=AAPL")).json()["cursor"]
        line.item(told(1))
        line.tell(told(1))
        while app.state.services.hub.vector != home.buckets.changes_head():
            await asyncio.sleep(0.005)
        answer = (await rest.get(f"/api/v2/changes?tickers=AAPL&cursor={place}")).json()
        titles = [event["data"]["title"] for event in answer["events"] if event["event"] == "new_item"]
        assert titles == ["About AAPL"]


@live
async def test_what_was_cached_before_the_reader_began_is_read_again(home: TestHome, line: Line) -> None:
    """A change that came in between is in the position the reader starts from, so it hears nothing of it."""
    app = create_app(home, options())
    line.tell(told(1))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as rest:

        async def counted() -> int:
            page = (await rest.get("/api/v2/timeseries/AAPL?resolution=1m")).json()
            return sum(bucket["count"] for bucket in page["buckets"])

        assert await counted() == 1
        line.tell(told(2))
        connections = app.state.services.connections
        await connections.ensure_started()
        assert app.state.services.hub.healthy
        assert await counted() == 2
        await connections.stop()


def test_no_headlines_are_asked_for_when_nobody_has_polled_for_long() -> None:
    clock, nothing = ManualClock(), cast("Any", None)
    hub = Hub(nothing, nothing, clock, options())
    assert not hub.heard
    hub.polled()
    assert hub.heard
    clock.advance(POLLER_STAYS_MS)
    assert not hub.heard
    hub.connections = 1
    assert hub.heard


def test_a_headline_that_did_not_come_is_not_asked_for_at_once() -> None:
    asked: list[list[str]] = []

    def lookup(article_ids: list[str]) -> dict[str, str]:
        asked.append(article_ids)
        if len(asked) == 1:
            raise ValueError("a damaged item")
        return dict.fromkeys(article_ids, "words")

    class Moving(SteadyClock):
        at_ms = 0.0

        def monotonic_ms(self) -> float:
            return self.at_ms

    clock = Moving(NOW_MS)
    headlines = Headlines(lookup, clock)
    assert [headlines.of(["a"]), headlines.of(["a"])] == [{}, {}]
    assert len(asked) == 1
    clock.at_ms = QUIET_MS
    assert headlines.of(["a"]) == {"a": "words"}
    headlines.close()
