"""What is past its time to live: DynamoDB deletes it days later, and until then readers leave it out."""

import pytest

from contracts.resolution import BY_NAME, DAY_MS, MINUTE_MS
from contracts.shown import shown
from tests.aws.conftest import World
from tests.ports.bucket_values import bucket, change, write


@pytest.mark.parametrize("resolution", list(BY_NAME))
def test_a_bucket_past_its_ttl_is_not_shown_though_it_is_still_there(world: World, resolution: str):
    store = world.aws.buckets
    written = bucket(resolution=resolution)
    store.commit("g1", [write(written)])
    row = BY_NAME[resolution]
    end_ms = written.start_ms + row.width_ms + row.ttl_ms
    world.clock.instant_ms = end_ms - 1_000
    assert len(store.range("g1", "AAPL", resolution)) == 1
    world.clock.instant_ms = end_ms + 1_000
    assert store.range("g1", "AAPL", resolution) == []
    stored = store.get_many("g1", [written.key])
    assert stored != {}, "a guarded write must know the stored rev"
    assert shown(store, stored) == {}
    world.clock.instant_ms = end_ms - 1_000
    assert shown(store, stored) == stored


@pytest.mark.parametrize("newest", [True, False])
def test_a_series_that_went_quiet_is_read_without_what_is_past_its_ttl(world: World, newest: bool):
    store, minutes = world.aws.buckets, [bucket(at=at) for at in range(60)]
    store.commit("g1", [write(each) for each in minutes])
    world.clock.instant_ms = minutes[57].start_ms + MINUTE_MS + BY_NAME["1m"].ttl_ms
    world.faults.calls.clear()
    found = store.range("g1", "AAPL", "1m", limit=8, newest=newest)
    assert [each.start_ms for each in found] == [each.start_ms for each in minutes[58:]]
    assert world.faults.calls["Query"] == 1
    assert store.range("g1", "AAPL", "1m", minutes[59].start_ms, limit=8, newest=newest) == found[1:]


def test_changes_past_a_day_are_too_old_to_resume_from(world: World):
    store = world.aws.buckets
    store.commit("g1", [], [change(), change()], "a")
    world.clock.advance(DAY_MS + 2_000)
    assert (store.changes_tail(), store.changes_head()) == ({"a": 3}, {"a": 2})
    store.commit("g1", [], [change()], "a")
    assert store.changes_tail() == {"a": 3}


def test_items_past_their_time_are_gone(world: World):
    items = world.aws.items
    at = "2025-12-21T09:00:00.000Z"
    items.put_primary({"source_id": "rss#1", "ingested_at": at})
    row = {"day_partition": at[:10], "item_key": f"{at}#rss#1", "expires_at": world.clock.now_ms() // 1000 + 60}
    items.put_dashboard([row])
    assert len(items.dashboard_day(at[:10], None, 5)) == 1
    world.clock.advance(MINUTE_MS * 2)
    assert items.dashboard_day(at[:10], None, 5) == []
    assert len(list(items.scan_primary())) == 1
    world.clock.advance(31 * DAY_MS)
    assert items.get_primary("rss#1") is None
    assert list(items.scan_primary()) == []
