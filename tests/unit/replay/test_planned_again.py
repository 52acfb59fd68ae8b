"""Plans made again, and what time took meanwhile: records from the log, minutes from the store."""

import asyncio
import functools
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx
import msgspec
import pytest

from api.app import create_app
from contracts.clock import ManualClock
from contracts.errors import BadRequest
from contracts.events import SCORED_STREAM
from contracts.generation import AUDIT_KIND, live_generation
from contracts.resolution import DAY_MS, HOUR_MS
from contracts.settings import ApiSettings
from ops.admin_actions import ACTIONS
from ops.replay import promote as promote_module
from ops.replay.compare import compare
from ops.replay.plan import load_plan, save_plan
from ops.replay.promote import promote, rollback
from ops.replay.run import start_run
from stores.home import Home, open_home
from tests.events import lines, scored
from tests.unit.replay.kit import Live, compared, ignore, one_replayed, planned, put, replayed, settings_of
from tests.unit.replay.test_promote import ALONE, AT_MS

ADMIN = {"CANDLEWICK_ADMIN_KEY": "open sesame"}


def test_a_plan_that_is_made_again_counts_from_then_on(tmp_path: Path) -> None:
    """Of a quiet log only the lake has something left: a day on nobody knows what it lost, until one plans again."""
    clock, settings = ManualClock(AT_MS), settings_of(tmp_path)
    home = open_home(settings, clock)
    put(home, [scored(number, "AAPL", AT_MS, 0.5, AT_MS) for number in range(3)])
    Live(home, settings).all()
    clock.advance(3 * DAY_MS)
    home.log.trim(SCORED_STREAM, clock.now_ms() - 2 * DAY_MS)
    first = replayed(home, settings)
    clock.advance(26 * HOUR_MS)
    compared(home, first)
    with pytest.raises(BadRequest, match="plan and run again"):
        promote(home, settings, first["id"])
    again = replayed(home, settings)
    assert again["plan"] == first["plan"]
    later = load_plan(home, again["plan"])
    assert later.created_at > first["planned_at"]
    assert save_plan(home, msgspec.structs.replace(later, created_at=first["planned_at"])) == later, "an older one"
    compared(home, again)
    assert promote(home, settings, again["id"])["generation"] == again["generation"]
    home.close()


def test_a_plan_of_a_file_is_promoted_with_what_the_log_still_has(tmp_path: Path) -> None:
    clock, settings = ManualClock(AT_MS), settings_of(tmp_path / "data")
    home = open_home(settings, clock)
    live = Live(home, settings)
    file = tmp_path / "slice.jsonl"
    file.write_bytes(lines([scored(900 + number, "AAPL", AT_MS + number, 0.5) for number in range(5)]))
    plan = planned(home, settings, sources=(f"file:{file}",))
    for number in range(30):
        clock.advance(HOUR_MS)
        put(home, [scored(number, "AAPL", clock.now_ms(), 0.5, clock.now_ms())])
        live.all()
    home.log.trim(SCORED_STREAM, clock.now_ms() - DAY_MS)
    run = start_run(home, settings, plan, ALONE, ignore)
    promote(home, settings, run["id"], force=True, reason="the slice and what the log has")
    assert counted(home, "AAPL") == 5 + 25
    home.close()


def counted(home: Home, subject: str) -> int:
    return sum(bucket.summary.count for bucket in home.buckets.range(live_generation(home.control), subject, "24h"))


def promoted_with_expiry(folder: Path) -> tuple[Home, ManualClock, Callable[[int], None]]:
    """A home on which buckets expire and the aggregator keeps no checkpoints, as on AWS: one event, and a replay of it
    made live twenty hours later."""
    clock, settings = ManualClock(AT_MS), settings_of(folder, expire=True)
    home = open_home(settings, clock, env=ADMIN)
    live = Live(home, settings)

    def arrive(number: int) -> None:
        put(home, [scored(number, "AAPL", clock.now_ms(), 0.5, clock.now_ms())])
        live.all()

    arrive(1)
    clock.advance(20 * HOUR_MS)
    run = replayed(home, settings)
    compared(home, run)
    for name in home.control.list("checkpoint"):
        home.control.delete("checkpoint", name)
    promote(home, settings, run["id"])
    return home, clock, arrive


def forget_minutes(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "buckets.db")) as file, file:
        file.execute("DELETE FROM buckets WHERE resolution IN ('1m', '5m')")


def test_a_rollback_is_not_refused_for_what_counted_before_the_swap(tmp_path: Path) -> None:
    home, clock, _ = promoted_with_expiry(tmp_path)
    clock.advance(30 * HOUR_MS)
    forget_minutes(tmp_path)
    assert rollback(home, settings_of(tmp_path, expire=True))["generation"] == "g1"
    home.close()


def promoted_before_one_expired(folder: Path) -> Home:
    home, clock, arrive = promoted_with_expiry(folder)
    clock.advance(HOUR_MS)
    arrive(2)
    clock.advance(3 * DAY_MS)
    forget_minutes(folder)
    return home


def test_a_rollback_leaves_out_what_expired_only_when_it_is_forced(tmp_path: Path) -> None:
    settings, home = settings_of(tmp_path, expire=True), promoted_before_one_expired(tmp_path)
    with pytest.raises(BadRequest, match=r"1 events that arrived since .* --force --reason TEXT leaves them out"):
        rollback(home, settings)
    with pytest.raises(BadRequest, match="--reason"):
        rollback(home, settings, force=True)
    assert rollback(home, settings, "worse", force=True)["left_out"] == 1
    assert live_generation(home.control) == "g1"
    assert [each.get("left_out") for each in home.control.list(AUDIT_KIND).values()] == [None, None, 1]
    home.close()


def test_over_http_too(tmp_path: Path) -> None:
    settings, home = settings_of(tmp_path, expire=True), promoted_before_one_expired(tmp_path)
    app = create_app(home, ApiSettings(data_dir=settings.data_dir), live=False)
    app.state.services.actions["rollback"] = functools.partial(ACTIONS["rollback"], home, settings)

    async def ask() -> None:
        headers = {"X-Admin-Key": ADMIN["CANDLEWICK_ADMIN_KEY"]}
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
            back = functools.partial(client.post, "/api/v2/generations/g2/rollback")
            refused = await back(json={"reason": "worse"})
            assert (refused.status_code, "leaves them out" in refused.json()["detail"]) == (400, True)
            done = await back(json={"force": True, "reason": "worse"})
            assert (done.status_code, done.json()["forced"], done.json()["generation"]) == (200, True, "g1")

    asyncio.run(ask())
    home.close()


def test_what_was_set_aside_is_read_once_and_a_damaged_piece_of_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, settings, live, run = one_replayed(tmp_path, AT_MS)
    home.clock.advance(3 * DAY_MS)
    for number in range(7):
        put(home, [scored(number, f"T{number}", AT_MS - 1_000, 0.5, AT_MS)])
        live.all()
    home.lake.put("late/date=2025-12-01/damaged.jsonl.gz", [b"{}"])
    (tmp_path / "lake" / "late/date=2025-12-01/damaged.jsonl.gz").write_bytes(b"damaged")
    compare(home, "g1", run["generation"], expire=True)
    read, looks, told = promote_module.list_asides, [], []
    monkeypatch.setattr(promote_module, "list_asides", lambda *given: looks.append(1) or read(*given))
    monkeypatch.setattr("aggregation.handover.BATCH_RECORDS", 1)
    assert promote(home, settings, run["id"], tell=told.append)["caught_up"] == 7
    assert len(looks) == 1
    assert any("damaged.jsonl.gz" in line for line in told)
    home.close()
