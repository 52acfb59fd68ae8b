"""The counters equal a recount after any sequence of writes, retries and corrections; an older file is counted once."""

import random
import sqlite3
from pathlib import Path

import pytest

from contracts.clock import ManualClock
from contracts.instants import iso_ms
from contracts.resolution import DAY_MS, HOUR_MS, MINUTE_MS
from contracts.tally import Tally, cells_of
from stores.sqlite_items import SqliteItemStore
from tests.ports.item_values import dashboard_item

NOW_MS = 1_766_310_000_000


def recount(path: Path, since_ms: int) -> Tally:
    """From the articles themselves, by other means: one pass, no levels."""
    store = SqliteItemStore(path, ManualClock())
    tally = Tally()
    rows = store._database.read("SELECT DISTINCT day FROM dashboard")
    for (day,) in rows:
        for item in store.dashboard_day(day, None, 1_000_000):
            counted = cells_of(item)
            assert counted is not None
            if counted[0] >= since_ms - since_ms % MINUTE_MS:
                for cell in counted[1]:
                    tally.add(cell, 1)
    store.close()
    return tally


@pytest.mark.parametrize("seed", range(5))
def test_counters_equal_a_recount_whatever_was_written(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    path = tmp_path / "items.db"
    store = SqliteItemStore(path, ManualClock())
    times = [NOW_MS - chance.randrange(9 * DAY_MS) for _ in range(60)]
    for _ in range(40):
        batch = []
        for _ in range(chance.randrange(1, 8)):
            number = chance.randrange(60)
            batch += dashboard_item(
                number,
                times[number],
                source_type=chance.choice(["rss", "finnhub"]),
                sentiment=chance.choice(["positive", "neutral", "negative"]),
                matched_tags=chance.sample(["ai", "chips", "law"], chance.randrange(3)),
                matched_tickers=set(chance.sample(["AAPL", "MSFT"], chance.randrange(3))),
            )
        store.put_dashboard(batch)
        if chance.random() < 0.3:
            store.put_dashboard(batch)  # a retry
    for span_ms in (0, MINUTE_MS, HOUR_MS, 5 * HOUR_MS + 7, DAY_MS, 3 * DAY_MS + 12_345, 7 * DAY_MS, NOW_MS):
        assert store.tally(NOW_MS - span_ms).counts == recount(path, NOW_MS - span_ms).counts
    keys = [
        item["ingested_at"]
        for item in (store.dashboard_day(iso_ms(t)[:10], None, 1_000) for t in times)
        for item in item
    ]
    assert store.ingestion_range() == (min(keys), max(keys))


def test_windows_add_up_to_the_span_and_hold_what_was_ingested_in_them(tmp_path: Path) -> None:
    path = tmp_path / "items.db"
    store = SqliteItemStore(path, ManualClock())
    times = [NOW_MS - n * 37 * MINUTE_MS - n for n in range(80)]
    store.put_dashboard([row for n, at_ms in enumerate(times) for row in dashboard_item(n, at_ms)])
    for width_ms in (MINUTE_MS, 10 * MINUTE_MS, HOUR_MS, 3 * HOUR_MS):
        start_ms = (NOW_MS - DAY_MS) // width_ms * width_ms
        end_ms = NOW_MS // width_ms * width_ms
        windows = store.tally_windows(width_ms, start_ms, end_ms)
        for window_ms, tally in windows.items():
            assert tally.total == sum(window_ms <= at_ms < window_ms + width_ms for at_ms in times)
            assert tally.of("source")["rss"] == tally.total
        assert sum(tally.total for tally in windows.values()) == sum(start_ms <= at_ms < end_ms for at_ms in times)


def test_a_write_that_is_rolled_back_counts_nothing(tmp_path: Path) -> None:
    store = SqliteItemStore(tmp_path / "items.db", ManualClock())
    good, bad = dashboard_item(1, NOW_MS)[0], dashboard_item(2, NOW_MS)[0] | {"polarity": float("nan")}
    with pytest.raises(AssertionError):
        store.put_dashboard([good, bad])
    assert store.tally(0).total == 0
    assert store.ingestion_range() is None


@pytest.mark.parametrize("version", [1, 2])
def test_a_file_of_a_format_before_is_counted_when_it_is_opened(tmp_path: Path, version: int) -> None:
    path = tmp_path / "items.db"
    store = SqliteItemStore(path, ManualClock())
    store.put_dashboard([row for number in range(7) for row in dashboard_item(number, NOW_MS - number * HOUR_MS)])
    before = store.tally(0).counts
    store.close()
    with sqlite3.connect(path) as connection:
        # Format 1 had no counters, format 2 none of models, scores and delays.
        connection.execute("DROP TABLE tallies" if version == 1 else "DELETE FROM tallies WHERE dimension = 'model'")
        connection.execute(f"PRAGMA user_version={version}")
    connection.close()
    again = SqliteItemStore(path, ManualClock())
    assert again.tally(0).counts == before
    assert again.tally(0).of("model")
    assert again.tally(0).total == 7


def test_counters_by_minute_can_be_forgotten_and_a_week_still_adds_up(tmp_path: Path) -> None:
    path = tmp_path / "items.db"
    store = SqliteItemStore(path, ManualClock())
    store.put_dashboard([row for n in range(40) for row in dashboard_item(n, NOW_MS - n * 7 * HOUR_MS - n * 61_000)])
    assert store.forget_minutes(NOW_MS - 8 * DAY_MS) > 0
    for span_ms in (HOUR_MS, 7 * DAY_MS):
        assert store.tally(NOW_MS - span_ms).counts == recount(path, NOW_MS - span_ms).counts
    assert store.tally(0).total == 40
