"""What a warm process keeps is bounded by what may still change, however long it runs."""

import pytest

from aggregation.operator import keys_needed
from aggregation.rollup import ancestors
from aggregation.warm import KEEP_MS, MOST, Warm
from aggregation.watermark import NEVER_MS
from contracts.bucket import BucketKey
from contracts.resolution import DAY_MS, MINUTE_MS, NAMES, WIDTH_MS
from tests.ports.bucket_values import START_MS, bucket

MINUTES = 1_000


def touch(warm: Warm, subject: str, at_ms: int) -> None:
    """As a batch does: a minute with all above it."""
    minute = BucketKey(subject, "1m", at_ms - at_ms % MINUTE_MS)
    warm.update(dict.fromkeys([minute, *ancestors(minute)], bucket()))


def most_held(minutes: int) -> int:
    """Of a subject's buckets, minute after minute."""
    warm, most = Warm("g1"), 0
    for at in range(minutes):
        touch(warm, "AAPL", START_MS + at * MINUTE_MS)
        warm.tidy(START_MS + at * MINUTE_MS)
        most = max(most, len(warm))
    return most


def test_ten_days_take_no_more_than_two() -> None:
    assert most_held(2 * DAY_MS // MINUTE_MS) == most_held(10 * DAY_MS // MINUTE_MS)


def test_of_many_subjects_no_more_than_a_minute_waits_to_go() -> None:
    warm, most = Warm("g1"), 0
    for at in range(200 * 4):
        now_ms = START_MS + at * MINUTE_MS // 4
        warm.update({BucketKey(f"T{subject}", "1m", now_ms - now_ms % MINUTE_MS): bucket() for subject in range(200)})
        warm.tidy(now_ms)
        most = max(most, len(warm))
    assert most <= 200 * (KEEP_MS // MINUTE_MS + 2)


@pytest.mark.parametrize(("watermark_ms", "kept"), [(NEVER_MS, MINUTES), (START_MS + MINUTES * MINUTE_MS, 10)])
def test_nothing_goes_that_may_soon_be_asked_for(watermark_ms: int, kept: int) -> None:
    keys = [BucketKey("AAPL", "1m", START_MS + at * MINUTE_MS) for at in range(MINUTES)]
    day = BucketKey("AAPL", "24h", START_MS)
    warm = Warm("g1")
    warm.update(dict.fromkeys([*keys, day], bucket()))
    warm.tidy(watermark_ms)
    assert list(warm) == [*keys[-kept:], day]


def test_above_a_minute_that_is_there_nothing_is_missing() -> None:
    """Whatever comes late, whatever is let go: else a guard would fail for it."""
    warm = Warm("g1")
    for at in range(400):
        now_ms = START_MS + at * MINUTE_MS // 3
        late_ms = (at * 7_919 % 97) * MINUTE_MS
        touch(warm, f"T{at % 5}", now_ms - (late_ms if at % 3 else 0))
        if at == 200:
            warm.clear()
            touch(warm, "T0", now_ms)
        warm.tidy(now_ms)
        assert all(above in warm for key in warm for above in ancestors(key))
    assert {key.resolution for key in warm} == set(NAMES)


@pytest.mark.parametrize("lane", ["", "~3"])
def test_what_is_at_hand_and_all_above_it_is_not_asked_for(lane: str) -> None:
    """Against the plain answer, for minutes near and far from what is at hand."""
    warm = Warm("g1")
    for at in range(0, 2_000, 7):
        minute = BucketKey(f"T{at % 2}{lane}", "1m", START_MS + (at * 7_919 % 3_000) * MINUTE_MS)
        all_of_it = [minute, *ancestors(minute)]
        assert keys_needed([minute, minute]) == all_of_it
        assert keys_needed([minute], warm) == [key for key in all_of_it if key not in warm]
        warm.update(dict.fromkeys(all_of_it, bucket()))
    two = [BucketKey("A", "1m", START_MS), BucketKey("A", "1m", START_MS + MINUTE_MS)]
    assert keys_needed(two) == [two[0], *ancestors(two[0]), two[1]]


def test_what_comes_late_is_there_until_the_watermark_has_another_minute() -> None:
    warm = Warm("g1")
    warm.tidy(START_MS)
    touch(warm, "AAPL", START_MS - DAY_MS)
    warm.tidy(START_MS + MINUTE_MS - 1)
    assert len(warm) == len(NAMES)
    warm.tidy(START_MS + MINUTE_MS)
    assert all(key.start_ms + WIDTH_MS[key.resolution] > START_MS - KEEP_MS for key in warm)


def test_too_many_are_let_go_of_at_once() -> None:
    warm = Warm("g1")
    warm.update(dict.fromkeys([BucketKey(f"T{n}", "1m", START_MS) for n in range(MOST + 1)], bucket()))
    warm.tidy(START_MS)
    assert not warm
    touch(warm, "AAPL", START_MS)
    warm.tidy(START_MS + DAY_MS + 2 * KEEP_MS)
    assert not warm
