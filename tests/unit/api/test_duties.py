"""What a process does beside answering goes on after an error that nobody foresaw, and so does its farewell."""

import asyncio
import logging

import pytest

from api import app as application
from api import duties
from api.app import create_app
from tests.unit.api.kit import NOW_MS, Line, Listener, TestHome, Told, article, calling, live, options, serving


@live
async def test_a_duty_that_fails_is_begun_again_and_the_same_error_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(duties, "AGAIN_AFTER_S", 0.0)
    errors: list[Exception] = [ValueError("odd"), ValueError("odd"), KeyError("odd")]

    async def duty() -> None:
        if errors:
            raise errors.pop(0)

    await duties.kept_up(duty)
    assert [record.exc_info is not None for record in caplog.records if record.name == "candlewick.api"] == [True] * 2


@live
async def test_cancelled_duties_are_gone(caplog: pytest.LogCaptureFixture) -> None:
    tasks = [asyncio.create_task(duties.kept_up(lambda: asyncio.sleep(60))) for _ in range(2)]
    await asyncio.sleep(0)
    await duties.end(tasks)
    assert [task.cancelled() for task in tasks] == [True, True]
    assert not caplog.records


@live
async def test_metrics_go_on_after_an_odd_answer(
    home: TestHome, line: Line, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    monkeypatch.setattr(application, "METRICS_EVERY_S", 0.02)
    monkeypatch.setattr(duties, "AGAIN_AFTER_S", 0.02)
    async with serving(home) as (base, _), Listener(f"{base}/api/v2/stream?tickers=AAPL") as client:
        await client.until(lambda c: c.named("metrics"))
        home.items.fault = ValueError("an odd answer")
        home.items.down = True
        line.tell(Told("AAPL", NOW_MS - 180_000, 100, article(1)))
        async with asyncio.timeout(10):
            while not any("an odd answer" in str(record.exc_info) for record in caplog.records):
                await asyncio.sleep(0.01)
        home.items.down = False
        heard = len(client.named("metrics"))
        await client.until(lambda c: len(c.named("metrics")) > heard)


@live
async def test_an_error_at_the_farewell_ends_the_rest_of_it_no_less(
    home: TestHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[bool] = []
    app = create_app(home, options())
    async with calling(app):
        services = app.state.services
        stop = services.hub.stop

        def broken() -> None:
            stop()
            raise ValueError("odd")

        monkeypatch.setattr(services.hub, "stop", broken)
        monkeypatch.setattr(services.fleet, "leave", broken)
        monkeypatch.setattr(services.offload, "close", lambda: closed.append(True))
    assert closed == [True]
