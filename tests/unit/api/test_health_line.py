"""`/health` tells when a stage has stopped for good: candles stand still then, however well they are served; and when
nobody reads the change log."""

import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from api.app import create_app
from api.sse.hub import HEALTHY_FOR_MS, Hub
from contracts.clock import ManualClock
from tests.unit.api.kit import TestHome, calling, live, made_home, options

SHARD = {"state": "stopped", "error": "log.db is damaged"}
STOPPED = {"stages": [{"name": "aggregator", "state": "stopped", "shards": [SHARD]}], "faults": []}
DEAD = {"stages": [], "faults": [{"stage": "archiver-raw", "error": None}]}
WELL: dict[str, Any] = {"stages": [{"name": "aggregator", "state": "retry", "shards": []}], "faults": []}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[TestHome]:
    with made_home(tmp_path) as made:
        yield made


@live
@pytest.mark.parametrize(
    ("status", "word", "detail"),
    [
        (WELL, "ok", None),
        (STOPPED, "degraded", "aggregator: log.db is damaged"),
        (DEAD, "degraded", "archiver-raw: it is not running"),
    ],
)
async def test_a_stage_that_stopped_degrades_health(home: TestHome, status: Any, word: str, detail: str | None) -> None:
    async with calling(create_app(home, options(), lambda: status)) as client:
        answer = await client.get("/health")
        assert (answer.status_code, answer.json()["status"]) == (200, word)
        assert {row["name"]: row["detail"] for row in answer.json()["checks"]}["line"] == detail


@live
async def test_a_hub_is_healthy_from_its_start_until_its_reader_stays_away() -> None:
    may_answer, clock = threading.Event(), ManualClock()
    store: Any = SimpleNamespace(changes_after=lambda *_: [] if may_answer.wait(20.0) else None)
    epoch: Any = SimpleNamespace(refresh=lambda: "g1")
    hub = Hub(store, epoch, clock, options())
    assert not hub.healthy
    hub.start("g1", {}, None)
    try:
        assert hub.healthy, "the head it starts at was read just now"
        clock.advance(int(HEALTHY_FOR_MS))
        assert not hub.healthy
    finally:
        may_answer.set()
        hub.stop()
