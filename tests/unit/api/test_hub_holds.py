"""What the hub holds back for a moment goes out in its place, or not at all."""

from typing import Any

from api.sse.hub import Hub
from contracts.bucket import Bucket
from contracts.clock import ManualClock
from contracts.ports import Change, StoredChange
from tests.unit.api.kit import NOW_MS, options
from tests.unit.api.test_stream_parts import bucket


def hub_at(clock: ManualClock) -> Hub:
    nothing: Any = None
    hub = Hub(nothing, nothing, clock, options())
    hub.epoch = hub.generation = "g1"
    return hub


def change(number: int, each: Bucket) -> StoredChange:
    return StoredChange("lane", number, Change("g1", "AAPL", (each,), (), NOW_MS, NOW_MS))


def told(hub: Hub) -> list[tuple[str, int]]:
    return [(event.name, event.data["bucket"]["rev"]) for slot in hub.ring._slots for event in slot.events]


def test_what_was_held_of_the_generation_before_is_not_told() -> None:
    clock = ManualClock(NOW_MS)
    hub = hub_at(clock)
    hub.feed([change(1, bucket(1)), change(2, bucket(2))])
    before = told(hub)
    hub._check_epoch("g2")
    clock.advance(200)
    hub.flush()
    assert told(hub) == before


def test_a_window_that_ended_is_not_followed_by_what_was_held_of_it() -> None:
    clock = ManualClock(NOW_MS)
    hub = hub_at(clock)
    hub.feed([change(1, bucket(1)), change(2, bucket(2))])
    clock.advance(60_000)
    hub.feed([change(3, bucket(3))])
    hub.flush()
    assert told(hub)[-1] == ("bucket_update", 3)


def test_the_newest_article_that_a_heartbeat_tells_of_never_goes_back() -> None:
    hub = hub_at(ManualClock(NOW_MS))
    for origin_ms in (NOW_MS, NOW_MS - 60_000, 0):
        change = Change("g1", "AAPL", (bucket(1),), (), origin_ms, NOW_MS)
        hub.feed([StoredChange("lane", 1, change)])
    assert hub.newest is not None
    assert hub.newest.origin_ms == NOW_MS
