"""The short form of `make soak` and `make chaos`: seconds instead of half an hour, the same checks."""

import gc
import itertools
import math
import random
import statistics
from pathlib import Path

import pytest

from tests.e2e.chaos_faults import process_killed
from tests.e2e.endurance import Load, Sample, run, slope_per_hour
from tests.e2e.measured_up import in_use
from tests.e2e.soak_clients import Client, Crowd, digest_of, read
from tests.e2e.soak_page import page
from tests.e2e.watcher import longest_outage

START = b"2025-12-21T12:00:00Z"


def test_a_short_soak_loses_and_doubles_nothing(tmp_path: Path) -> None:
    load = Load(minutes=0.05, rate_per_s=30, clients=40, burst_s=1, burst_times=4, lifetime_s=1.1)
    found = run(load, tmp_path)
    assert found["account"]["items_received"] > 0
    assert found["account"]["reconnects"] > 40, "streams end as planned, and go on"
    assert found["published"] == 90 + 120
    used = found["steady"]["in_use"]
    assert 0.1 < used["python_blocks_m"]["least"] <= used["python_blocks_m"]["most"] < 10
    assert 1 < used["malloc_mb"]["least"] <= used["malloc_mb"]["most"] < 1_000
    assert used["malloc_mb"]["least_by_tenths"][-1] >= used["malloc_mb"]["least"]
    assert "in use: Python's blocks" in page([found | {"machine": {}}])


def test_looking_at_memory_takes_none() -> None:
    """The process that is looked at collects cycles rarely: until then, what a look left would count as its growth."""
    in_use()
    gc.collect()
    before = len(gc.get_objects())
    gc.disable()
    try:
        for _ in range(20):
            in_use()
        assert len(gc.get_objects()) <= before + 5
    finally:
        gc.enable()


def test_a_killed_process_is_whole_again(tmp_path: Path) -> None:
    row = process_killed(tmp_path)
    assert row.seen["failed"], "nobody noticed: was it killed?"
    assert row.checked["acknowledged"] == row.checked["counted"]


def block(*names: bytes, count: int | None = None) -> bytes:
    items = b"".join(
        b'id: g1.0:1\nevent: new_item\ndata: {"event_id":"%s","event_time":"2025-12-21T12:00:00.000Z"}\n\n' % name
        for name in names
    )
    told = len(names) if count is None else count
    candle = (
        b'event: partial_bucket\ndata: {"resolution":"1m","bucket":{"start":"2025-12-21T12:00:00Z","count":%d}}\n\n'
    )
    return items + b'event: sentiment_update\ndata: {"count":%d}\n\n' % told + candle % len(names)


@pytest.mark.parametrize("bad", [(b"a",), (b"a", b"b", b"b"), (b"a", b"c")])
def test_canary_a_missed_a_doubled_and_a_wrong_event_are_seen(bad: tuple[bytes, ...]) -> None:
    expected = {"AAPL": (2, digest_of(b"a") + digest_of(b"b") & ((1 << 64) - 1))}
    crowd = Crowd("http://127.0.0.1:1", 0, ["AAPL"])
    well, ill = Client("AAPL", None), Client("AAPL", None)
    well.take(block(b"a", b"b"))
    ill.take(block(*bad))
    crowd.clients = [well]
    assert crowd.wrong(expected) == []
    crowd.clients = [ill]
    assert len(crowd.wrong(expected)) == 1


def test_a_block_is_read_whole() -> None:
    said = read(block(b"a", b"b"))
    assert (said.items, said.told, said.candles) == (2, 2, {START: 2})


def walk(minutes: int, drift: float, numbers: random.Random) -> list[Sample]:
    """Memory that goes up or down by some MB every minute, and by the drift."""
    at_rest = list(itertools.accumulate([numbers.gauss(drift, 3e6) for _ in range(minutes)], initial=3e8))
    return [Sample(minute * 60 + s, round(at_rest[minute]), 0.0, 0) for minute in range(minutes) for s in (0, 20, 40)]


def slope_mb(samples: list[Sample]) -> tuple[float, float]:
    return slope_per_hour(samples, lambda sample: sample.rss / 1e6)


def test_a_leak_has_a_slope() -> None:
    steady = [Sample(at, 100_000_000, 0.0, 0) for at in range(600)]
    leaking = [Sample(at, 100_000_000 + at * 1_000_000, 0.0, 0) for at in range(600)]
    assert slope_mb(steady) == (0.0, 0.0)
    assert slope_mb(leaking)[0] == pytest.approx(3600)
    assert slope_mb(leaking[:90]) == (pytest.approx(3600), math.inf)


@pytest.mark.parametrize("drift_mb_per_hour", [0, 60])
def test_a_slope_is_as_uncertain_as_it_says(drift_mb_per_hour: float) -> None:
    numbers = random.Random(7)
    found = [slope_mb(walk(90, drift_mb_per_hour * 1e6 / 60, numbers)) for _ in range(400)]
    slopes = [slope for slope, _ in found]
    assert statistics.fmean(slopes) == pytest.approx(drift_mb_per_hour, abs=6)
    assert statistics.fmean(error for _, error in found) == pytest.approx(statistics.stdev(slopes), rel=0.1)


def test_an_outage_lasts_until_the_first_good_answer() -> None:
    polls = [(0.0, 0.1, "200"), (1.0, 0.1, "503"), (2.0, 0.1, "timeout"), (3.0, 0.5, "200"), (4.0, 0.1, "503")]
    assert longest_outage(polls) == pytest.approx(2.5)
