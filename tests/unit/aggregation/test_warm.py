"""What a warm process keeps is bounded by what may still change, however long it runs."""

import pytest

from aggregation.warm import KEEP_MS, LOOK_FROM, Warm
from aggregation.watermark import NEVER_MS
from contracts.bucket import BucketKey
from contracts.resolution import DAY_MS, MINUTE_MS, NAMES, WIDTH_MS
from tests.ports.bucket_values import START_MS, bucket


def most_held(minutes: int) -> int:
    """Of a subject's buckets, minute after minute."""
    warm, most = Warm("g1"), 0
    for at in range(minutes):
        now_ms = START_MS + at * MINUTE_MS
        for name in NAMES:
            warm[BucketKey("AAPL", name, now_ms - now_ms % WIDTH_MS[name])] = bucket()
        warm.tidy(now_ms)
        most = max(most, len(warm))
    return most


def test_ten_days_take_no_more_than_one() -> None:
    assert most_held(DAY_MS // MINUTE_MS) == most_held(10 * DAY_MS // MINUTE_MS) == LOOK_FROM - 1


def test_of_many_subjects_no_more_than_a_quarter_waits_to_go() -> None:
    warm, most = Warm("g1"), 0
    for at in range(200):
        now_ms = START_MS + at * MINUTE_MS
        warm.update({BucketKey(f"T{subject}", "1m", now_ms): bucket() for subject in range(200)})
        warm.tidy(now_ms)
        most = max(most, len(warm))
    assert 200 * KEEP_MS // MINUTE_MS <= most <= (200 * KEEP_MS // MINUTE_MS + 200) * 5 // 4


@pytest.mark.parametrize(("watermark_ms", "kept"), [(NEVER_MS, LOOK_FROM), (START_MS + LOOK_FROM * MINUTE_MS, 10)])
def test_nothing_goes_that_may_soon_be_asked_for(watermark_ms: int, kept: int) -> None:
    keys = [BucketKey("AAPL", "1m", START_MS + at * MINUTE_MS) for at in range(LOOK_FROM)]
    day = BucketKey("AAPL", "24h", START_MS)
    warm = Warm("g1")
    warm.update(dict.fromkeys([*keys, day], bucket()))
    warm.tidy(watermark_ms)
    assert list(warm) == [*keys[-kept:], day]
