"""The finaliser: what it looks at, and what it does when something else fails."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from aggregation import finalizer as module
from aggregation.finalizer import Finalizer, Findings, lambda_handler, settle_swap
from contracts.clock import ManualClock
from contracts.errors import Transient
from contracts.events import SCORED_STREAM
from contracts.generation import POINTER
from contracts.resolution import DAY_MS, HOUR_MS, MINUTE_MS
from contracts.settings import AggregatorSettings, to_env
from ops.replay.promote import promote
from stores.home import Home, forget_homes, open_home
from tests.events import BASE_MS, scored
from tests.unit.replay.kit import Live, compared, fields, put, replayed, settings_of


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    settings = settings_of(tmp_path)
    for name, value in to_env(settings).items():
        monkeypatch.setenv(name, value)
    module.finalizer.cache_clear()
    yield settings
    module.finalizer.cache_clear()
    forget_homes()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(BASE_MS)


@pytest.fixture
def home(settings: AggregatorSettings, clock: ManualClock) -> Home:
    return open_home(settings, clock)


#: What the log of another region calls a place.
ELSEWHERE = "49" + "9" * 54


def unsettled(home: Home, place: str) -> None:
    shard = home.log.shards(SCORED_STREAM)[0].shard_id
    pointer = {"generation": "g2", "previous": "g1", "handover": {shard: place}, "settled": False}
    home.control.put(*POINTER, pointer, home.control.get(*POINTER).version)


def test_a_swap_that_was_cut_short_in_another_region_is_finished_in_this_one(
    home: Home, settings: AggregatorSettings
) -> None:
    """The pointer was copied with places of the other region's streams: they say nothing here."""
    put(home, [scored(1, "AAPL", BASE_MS, 0.5)])
    unsettled(home, ELSEWHERE)
    settle_swap(settings)
    assert home.control.get(*POINTER).value["settled"]
    assert len(fields(home, "g2")) == 8


def test_a_swap_is_finished_after_everything_else(
    home: Home, settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may take as long as the function lives."""
    done: list[str] = []
    monkeypatch.setattr(module, "settle_swap", lambda settings: done.append("swap"))
    monkeypatch.setattr(Finalizer, "run", lambda self: done.append("buckets") or Findings(0, 0, 0, 0))
    lambda_handler({}, None)
    assert done == ["buckets", "swap"]


def test_a_swap_that_cannot_be_finished_holds_nothing_else_up(
    home: Home, settings: AggregatorSettings, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(home, [scored(1, "AAPL", BASE_MS, 0.5)])
    Live(home, settings).all()
    clock.advance(5 * HOUR_MS)

    def down(*given: object) -> bool:
        raise Transient("log", "down")

    monkeypatch.setattr("aggregation.handover.Handover.settle", down)
    with pytest.raises(Transient):
        lambda_handler({}, None)
    assert [each.is_partial for each in home.buckets.range("g1", "AAPL", "1h")] == [False]


def test_after_a_promote_it_does_not_walk_what_the_replay_wrote(
    home: Home, settings: AggregatorSettings, clock: ManualClock
) -> None:
    live = Live(home, settings)
    put(home, [scored(n, f"T{n % 5}", BASE_MS - n * 3 * MINUTE_MS, 0.5) for n in range(200)])
    live.all()
    run = replayed(home, settings)
    compared(home, run)
    clock.advance(1)
    promote(home, settings, run["id"])
    finaliser = Finalizer(home.buckets, home.control, clock)
    finaliser.run()  # marks what had ended
    clock.advance(MINUTE_MS)
    assert finaliser.run().checked < 50
    put(home, [scored(300, "T1", clock.now_ms(), 0.5, clock.now_ms())])
    live.all()
    assert 8 <= finaliser.run().checked < 60


@pytest.mark.parametrize("expire", [True, False])
def test_it_leaves_what_has_expired_alone_where_the_settings_say_so(
    home: Home, settings: AggregatorSettings, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, expire: bool
) -> None:
    """TTL deletes in no order: of a minute that is left and its five minutes that are gone nothing is to be made."""
    monkeypatch.setenv("CANDLEWICK_EXPIRE", str(expire))
    put(home, [scored(1, "AAPL", BASE_MS, 0.5)])
    Live(home, settings).all()
    clock.advance(3 * DAY_MS)
    with closing(sqlite3.connect(Path(settings.data_dir) / "buckets.db")) as file, file:
        file.execute("DELETE FROM buckets WHERE resolution = '5m'")
    assert lambda_handler({}, None)["repaired"] == (not expire)
    assert len(home.buckets.range("g1", "AAPL", "5m")) == (not expire)
