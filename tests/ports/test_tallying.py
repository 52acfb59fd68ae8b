"""The Tallying capability: counters of the read model's articles that equal a recount, whatever was written again."""

import random

import pytest

from contracts.instants import date_of, iso_ms
from contracts.ports import ItemStore, Tallying
from contracts.resolution import DAY_MS, HOUR_MS, MINUTE_MS
from contracts.tally import Cell, Tally, cells_of
from tests.ports.item_values import dashboard_item

HOURS = 30


@pytest.fixture
def store(installation) -> ItemStore:
    return installation.home.items


def facts(store: ItemStore, now_ms: int) -> list[tuple[int, tuple[Cell, ...]]]:
    """The stored articles by other means: day by day, no counters."""
    days = [date_of(now_ms - back * DAY_MS) for back in range(-1, 8)]
    found = [cells_of(item) for day in days for item in store.dashboard_day(day, None, 100_000)]
    return [counted for counted in found if counted is not None]


def recount(found: list[tuple[int, tuple[Cell, ...]]], since_ms: int, until_ms: int = 1 << 62) -> Tally:
    """Counts of the articles ingested since the minute of an instant."""
    tally = Tally()
    for ingested_ms, cells in found:
        if since_ms - since_ms % MINUTE_MS <= ingested_ms < until_ms:
            for cell in cells:
                tally.add(cell, 1)
    return tally


def kept(counts: Tally | None) -> dict[str, dict[str, int]]:
    assert counts is not None
    return {dimension: dict(names) for dimension, names in counts.counts.items() if names}


@pytest.mark.parametrize("seed", range(2))
def test_counters_equal_a_recount_whatever_was_written(installation, store, seed):
    assert isinstance(store, Tallying)
    chance = random.Random(seed)
    now_ms = installation.clock.now_ms()
    times = [now_ms - chance.randrange(HOURS * HOUR_MS) for _ in range(20)]
    for _ in range(8):
        numbers = chance.sample(range(20), chance.randrange(1, 8))
        batch = [
            row
            for number in numbers
            for row in dashboard_item(
                number,
                times[number],
                source_type=chance.choice(["rss", "finnhub"]),
                sentiment=chance.choice(["positive", "neutral", "negative"]),
                polarity=chance.choice([-0.95, 0.0, 0.31]),
                matched_tags=chance.sample(["ai", "chips", "law"], chance.randrange(3)),
                matched_tickers=set(chance.sample(["AAPL", "MSFT"], chance.randrange(1, 3))),
            )
        ]
        store.put_dashboard(batch)
        if chance.random() < 0.3:
            store.put_dashboard(batch)  # delivered again
    again = installation.reopen().items
    found = facts(again, now_ms)
    for span_ms in (MINUTE_MS, HOUR_MS, 5 * HOUR_MS + 7, DAY_MS, 2 * DAY_MS + 12_345, 6 * DAY_MS):
        assert kept(again.tally(now_ms - span_ms)) == kept(recount(found, now_ms - span_ms))
    assert kept(again.tally(0)) == kept(recount(found, 0))
    written = [
        item["ingested_at"] for day in {iso_ms(t)[:10] for t in times} for item in again.dashboard_day(day, None, 99)
    ]
    assert again.ingestion_range() == (min(written), max(written))


def test_windows_hold_what_was_ingested_in_them(installation, store):
    now_ms = installation.clock.now_ms()
    times = [now_ms - n * 37 * MINUTE_MS - n for n in range(40)]
    store.put_dashboard([row for n, at_ms in enumerate(times) for row in dashboard_item(n, at_ms)])
    found = facts(store, now_ms)
    for width_ms in (MINUTE_MS, 10 * MINUTE_MS, HOUR_MS, 3 * HOUR_MS, DAY_MS):
        start_ms = (now_ms - DAY_MS) // width_ms * width_ms
        end_ms = now_ms // width_ms * width_ms
        windows = store.tally_windows(width_ms, start_ms, end_ms)
        assert windows is not None
        for window_ms, tally in windows.items():
            assert kept(tally) == kept(recount(found, window_ms, window_ms + width_ms))
        assert sum(tally.total for tally in windows.values()) == sum(start_ms <= at_ms < end_ms for at_ms in times)


def test_an_article_that_becomes_another_is_counted_as_the_other_only(installation, store):
    now_ms = installation.clock.now_ms()
    store.put_dashboard(dashboard_item(1, now_ms, sentiment="negative", matched_tags=["ai", "law"]))
    store.put_dashboard(dashboard_item(1, now_ms, sentiment="positive", matched_tags=["ai"]))
    tally = store.tally(now_ms)
    assert tally is not None
    assert tally.total == 1
    assert (dict(tally.of("label")), dict(tally.of("tag"))) == ({"positive": 1}, {"ai": 1})


def test_what_is_not_counted_of_an_article_changes_no_counter(installation, store):
    now_ms = installation.clock.now_ms()
    store.put_dashboard(dashboard_item(1, now_ms))
    before = kept(store.tally(now_ms))
    store.put_dashboard(dashboard_item(1, now_ms, text_snippet="said otherwise", sources=[{"article_id": "x#2"}]))
    assert kept(store.tally(now_ms)) == before
    (shown,) = store.dashboard_day(date_of(now_ms), None, 9)
    assert shown["text_snippet"] == "said otherwise"
    assert set(shown) == set(dashboard_item(1, now_ms)[0]) | {"text_snippet", "sources"}


def test_an_article_without_a_readable_time_is_stored_and_not_counted(installation, store):
    now_ms = installation.clock.now_ms()
    store.put_dashboard(dashboard_item(1, now_ms))
    store.put_dashboard(dashboard_item(2, now_ms, ingested_at="yesterday"))
    assert len(store.dashboard_day(date_of(now_ms), None, 9)) == 2
    tally = store.tally(now_ms)
    assert tally is not None
    assert tally.total == 1


def test_after_the_minutes_are_forgotten_a_full_hour_still_adds_up(installation, store):
    now_ms = installation.clock.now_ms()
    hour_ms = now_ms - now_ms % HOUR_MS
    store.put_dashboard([row for n in range(20) for row in dashboard_item(n, now_ms - n * 3 * HOUR_MS - n * 61_000)])
    assert store.forget_minutes(now_ms) >= 0
    since_ms = hour_ms - 20 * HOUR_MS
    assert kept(store.tally(since_ms)) == kept(recount(facts(store, now_ms), since_ms))
