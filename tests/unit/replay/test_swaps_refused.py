"""What may not go live, or back, though it once could have; and what a swap says it caught up with."""

from typing import Any

import pytest

from contracts.errors import BadRequest, Conflict
from contracts.generation import COMPARE_KIND, live_generation
from contracts.instants import iso_ms
from contracts.resolution import HOUR_MS
from contracts.settings import AggregatorSettings
from ops.replay.promote import promote, rollback
from stores.home import Home
from tests.events import scored
from tests.unit.replay.kit import Live, compared, put, replayed
from tests.unit.replay.test_gate import AT_MS, minute


def ready(home: Home, settings: AggregatorSettings) -> dict[str, Any]:
    """A run that may go live."""
    put(home, minute(30))
    Live(home, settings).all()
    run = replayed(home, settings)
    compared(home, run)
    return run


def test_a_comparison_of_the_day_before_is_too_old(home: Home, settings: AggregatorSettings) -> None:
    run = ready(home, settings)
    found = home.control.get(COMPARE_KIND, run["id"]).value or {}
    home.control.put(COMPARE_KIND, run["id"], found | {"at": iso_ms(home.clock.now_ms() - 25 * HOUR_MS)})
    with pytest.raises(Conflict, match="is too old"):
        promote(home, settings, run["id"])


def test_a_comparison_from_before_another_swap_does_not_count(home: Home, settings: AggregatorSettings) -> None:
    run = ready(home, settings)
    promote(home, settings, run["id"])
    rollback(home, settings)
    assert live_generation(home.control) == "g1"
    with pytest.raises(Conflict, match="was not compared with g1"):
        promote(home, settings, run["id"])


def test_nobody_rolls_back_to_what_was_dropped(home: Home, settings: AggregatorSettings) -> None:
    run = ready(home, settings)
    promote(home, settings, run["id"])
    home.buckets.drop_generation("g1")
    put(home, [scored(99, "AAPL", AT_MS + 60_000, 0.1)])
    with pytest.raises(BadRequest, match="was dropped"):
        rollback(home, settings)
    assert live_generation(home.control) == run["generation"]


@pytest.mark.parametrize("arrived", [0, 3])
def test_a_rollback_says_how_many_records_came_meanwhile(
    home: Home, settings: AggregatorSettings, arrived: int
) -> None:
    run = ready(home, settings)
    promote(home, settings, run["id"])
    put(home, [scored(100 + number, "AAPL", AT_MS, 0.1) for number in range(arrived)])
    said: list[str] = []
    assert rollback(home, settings, tell=said.append)["caught_up"] == arrived
    assert any(f"caught up with {arrived} records" in line for line in said)
