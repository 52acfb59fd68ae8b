"""Pace: never faster than told, and live traffic first; on a clock that moves when told to."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.clock import ManualClock, SystemClock
from contracts.errors import Unusable
from local.driver_checkpoint import Checkpoint, Checkpoints
from ops.replay import pace
from ops.replay.pace import Pace
from ops.replay.run import Drive, Seen, start_run
from stores.home import Home, forget_homes, open_home
from tests.events import BASE_MS, lines, scored
from tests.unit.replay.kit import planned, put, settings_of

HOUR_MS = 3_600_000


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def home(tmp_path: Path, clock: ManualClock) -> Iterator[Home]:
    yield open_home(settings_of(tmp_path / "data"), clock)
    forget_homes()


def test_a_rate_is_kept(home: Home, clock: ManualClock) -> None:
    limited = Pace(home, rate=100.0, speed=None)
    began_ms = clock.now_ms()
    for _ in range(11):
        limited.before(50, 1)
    assert clock.now_ms() - began_ms == 5_000


def test_time_that_was_not_used_is_not_caught_up(home: Home, clock: ManualClock) -> None:
    """Workers start, the log is read, live traffic goes first: afterwards the rate is what it was told to be."""
    limited = Pace(home, rate=100.0, speed=None)
    for _ in range(2):
        clock.advance(60_000)
        began_ms = clock.now_ms()
        for _ in range(11):
            limited.before(50, 1)
        assert clock.now_ms() - began_ms == 5_000


def test_the_last_task_has_its_time_too(home: Home, clock: ManualClock) -> None:
    limited = Pace(home, rate=100.0, speed=None)
    began_ms = clock.now_ms()
    limited.before(50, 1)
    limited.end()
    assert clock.now_ms() - began_ms == 500


def test_a_speed_is_kept_in_event_time(home: Home, clock: ManualClock) -> None:
    limited = Pace(home, rate=None, speed=3_600.0)
    began_ms = clock.now_ms()
    for _ in range(25):
        limited.before(10, 1.0)
    assert clock.now_ms() - began_ms == 24_000


def test_without_limits_and_without_a_live_line_nothing_waits(home: Home, clock: ManualClock) -> None:
    put(home, [scored(1, "AAPL", clock.now_ms(), 0.1)])
    clock.advance(HOUR_MS)
    began_ms = clock.now_ms()
    free = Pace(home, None, None)
    for _ in range(20):
        free.before(1_000, 1)
    assert clock.now_ms() == began_ms
    assert free.yielded == 0


def test_a_live_line_that_is_behind_goes_first_but_the_run_goes_on(home: Home, clock: ManualClock) -> None:
    _driven(home)
    put(home, [scored(1, "AAPL", clock.now_ms(), 0.1)])
    clock.advance(pace.BEHIND_MS + 1)
    yielding = Pace(home, None, None)
    began_ms = clock.now_ms()
    yielding.before(1_000, 1)
    assert yielding.yielded > 1
    waited_ms = clock.now_ms() - began_ms
    assert pace.MAX_WAIT_MS <= waited_ms < pace.MAX_WAIT_MS + pace.MAX_PAUSE_MS
    for shard in home.log.shards("scored-articles"):
        page = home.log.get_records(home.log.iterator("scored-articles", shard.shard_id, pace.Position("TRIM_HORIZON")))
        if page.records:
            Checkpoints(home.control, "aggregator").save(shard.shard_id, Checkpoint(page.records[-1].sequence_number))
    _driven(home, checkpoint=False)
    clock.advance(pace.LOOK_EVERY_MS)
    at_ms = clock.now_ms()
    yielding.before(1_000, 1)
    assert clock.now_ms() == at_ms, "caught up: no more waiting"


def test_a_checkpoint_of_other_streams_is_told_as_such(home: Home) -> None:
    _driven(home)
    shard_id = home.log.shards("scored-articles")[0].shard_id
    Checkpoints(home.control, "aggregator").save(shard_id, Checkpoint(f"49{9:034d}{1:020d}"))
    with pytest.raises(Unusable, match="the checkpoint of aggregator is not of the streams here"):
        Pace(home, None, None).before(1_000, 1)


def _driven(home: Home, checkpoint: bool = True) -> None:
    """As a running `up` leaves its traces."""
    home.control.put(pace.FLEET_KIND, "process", {"connections": 0})
    if checkpoint:
        home.control.put("checkpoint", "aggregator/other", {"sequence_number": None, "window": None, "done": False})


@pytest.mark.parametrize("speed", [1e-300, 5e-324])
def test_a_speed_slower_than_any_clock_can_wait_is_waited_for(tmp_path: Path, speed: float) -> None:
    waits: list[float] = []

    class Waiting(SystemClock):
        def wait(self, wake: threading.Event, timeout_ms: float) -> bool:
            waits.append(timeout_ms)
            wake.set()
            return super().wait(wake, timeout_ms)

    limited = Pace(open_home(settings_of(tmp_path / "data"), Waiting()), rate=None, speed=speed)
    limited.before(10, 1.0)
    limited.before(10, 1.0)
    assert max(waits) == pace.MAX_SLEEP_MS
    forget_homes()


def test_reading_has_the_pace_too(
    home: Home, clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The live readers of a Kinesis shard share with it what the shard gives a second."""
    monkeypatch.setattr("ops.replay.spool.PART_RECORDS", 500)
    files = [tmp_path / f"{number}.jsonl" for number in range(3)]
    for at, file in enumerate(files):
        file.write_bytes(lines([scored(500 * at + number, "AAPL", BASE_MS + number, 0.1) for number in range(500)]))
    settings = settings_of(tmp_path / "data")
    plan = planned(home, settings, sources=tuple(f"file:{file}" for file in files))
    began_ms, read_ms = clock.now_ms(), 0

    def see(seen: Seen) -> None:
        nonlocal read_ms
        if seen.stage == "reading":
            read_ms = clock.now_ms() - began_ms

    start_run(home, settings, plan, Drive(concurrency=1, rate=100.0), see)
    assert read_ms >= 10_000
