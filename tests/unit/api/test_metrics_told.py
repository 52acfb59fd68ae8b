"""When the `metrics` event goes out, and what who comes to a process that goes away is told."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from api import app as app_module
from api.app import create_app, tell_metrics
from contracts.errors import Transient
from tests.unit.api.kit import TestHome, calling, live, options


def test_metrics_are_told_when_somebody_listens_and_something_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    hub = SimpleNamespace(cursor="g1.0:1", broadcast=told.append)
    connections = SimpleNamespace(open=set())
    faults: list[Transient] = []

    async def run(dependency: str, function: Any, *arguments: Any) -> Any:
        if faults:
            raise faults.pop()
        return {}

    turns = iter([
        (lambda: None, 0, "nobody listens"),
        (lambda: connections.open.add("somebody"), 1, "somebody does"),
        (lambda: None, 1, "nothing has changed"),
        (lambda: setattr(hub, "cursor", "g1.0:2"), 2, "something has"),
        (lambda: (setattr(hub, "cursor", "g1.0:3"), faults.append(Transient("items", "down"))), 2, "uncounted"),
        (lambda: None, 3, "a minute later it is counted"),
        (lambda: connections.open.clear() or setattr(hub, "cursor", "g1.0:4"), 3, "nobody listens any more"),
    ])  # fmt: skip
    before: list[tuple[int, str]] = []

    async def sleep(seconds: float) -> None:
        assert seconds == app_module.METRICS_EVERY_S
        for count, why in before:
            assert len(told) == count, why
        turn, count, why = next(turns, (None, 0, ""))
        if turn is None:
            raise asyncio.CancelledError
        turn()
        before[:] = [(count, why)]

    monkeypatch.setattr(app_module, "asyncio", SimpleNamespace(sleep=sleep))
    services: Any = SimpleNamespace(hub=hub, connections=connections, run=run)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(tell_metrics(services))


@pytest.mark.usefixtures("patient")
@live
async def test_a_process_that_goes_away_takes_no_more_streams_and_is_not_ready(home: TestHome) -> None:
    """It is no fault of the client, who finds another process in a second."""
    app = create_app(home, options())
    async with calling(app) as client:
        assert (await client.get("/ready")).status_code == 200
        app.state.services.connections.drain()
        for url in ("/api/v2/stream", "/ready"):
            answer = await client.get(url)
            assert (answer.status_code, answer.headers["retry-after"], answer.json()["retry_after"]) == (503, "1", 1)
            assert answer.json()["detail"] == "this process is going away", url
        assert (await client.get("/health")).status_code == 200
