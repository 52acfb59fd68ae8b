"""Streams of watch lists are looked after side by side, and one list that cannot be read holds up no other."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from api.sse import follower
from api.sse.follower import AT_ONCE, Follower
from contracts.errors import Transient
from tests.unit.api.kit import live

LISTS = [(f"user-{number}", "a") for number in range(50)]


@pytest.mark.parametrize(
    ("error", "cause"),
    [(Transient("control", "no answer"), "control: no answer"), (KeyError("subjects"), "KeyError('subjects')")],
)
@live
async def test_lists_are_read_side_by_side_though_not_all_at_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception, cause: str
) -> None:
    monkeypatch.setattr(follower, "LOOK_EVERY_S", 0.0)
    streams = [
        SimpleNamespace(configuration=each, wanted=SimpleNamespace(subjects=frozenset({"AAPL"}))) for each in LISTS
    ]
    asked: list[str] = []
    reading: set[str] = set()
    most = 0

    async def run(dependency: str, function: Any, user: str, identity: str) -> dict[str, Any]:
        nonlocal most
        if len(asked) == 3 * len(LISTS):
            await asyncio.Event().wait()
        asked.append(user)
        reading.add(user)
        most = max(most, len(reading))
        await asyncio.sleep(0)
        reading.discard(user)
        if user == "user-7":
            raise error
        return {"subjects": ["AAPL"]}

    connections, lists = SimpleNamespace(open=streams), SimpleNamespace(one_of=None)
    task = asyncio.create_task(Follower(*cast("Any", (connections, None, lists, run))).watch())
    while len(asked) < 3 * len(LISTS) and not task.done():
        await asyncio.sleep(0)
    task.cancel()
    assert sorted(asked) == sorted([user for user, _ in LISTS] * 3)
    assert most == AT_ONCE
    assert [json.loads(record.message)["cause"] for record in caplog.records] == [cause]
