"""How long what is stored is kept, as the design says it: no other place in the tests writes these numbers out."""

import pytest

from contracts.resolution import BY_NAME, DAY_MS, HOUR_MS
from stores.dynamo_items import KEPT_MS

#: Design section 6.
KEPT = {
    "1m": 48 * HOUR_MS,
    "5m": 48 * HOUR_MS,
    "10m": 72 * HOUR_MS,
    "1h": 7 * DAY_MS,
    "3h": 14 * DAY_MS,
    "6h": 30 * DAY_MS,
    "12h": 60 * DAY_MS,
    "24h": 90 * DAY_MS,
}


@pytest.mark.parametrize("resolution", BY_NAME)
def test_buckets_are_kept_as_the_design_says(resolution: str) -> None:
    assert BY_NAME[resolution].ttl_ms == KEPT[resolution]


def test_articles_are_kept_for_thirty_days() -> None:
    assert KEPT_MS == 30 * DAY_MS
    assert set(KEPT) == set(BY_NAME)
