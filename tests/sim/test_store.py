"""The simulator's store passes the port's own suite, so what the simulator proves holds for the real ones."""

from types import SimpleNamespace

import pytest

from contracts.bucket import BucketWrite
from tests.ports.bucket_values import bucket, change, write
from tests.ports.test_bucket_store import (
    test_a_busy_lane_does_not_starve_another,  # noqa: F401
    test_a_cursor_resumes_each_lane_where_it_stood,  # noqa: F401
    test_a_write_whose_guard_fails_changes_nothing,  # noqa: F401
    test_absent_buckets_are_left_out,  # noqa: F401
    test_any_writes_do_what_a_dictionary_would,  # noqa: F401
    test_changes_are_numbered_from_one_within_each_lane,  # noqa: F401
    test_dropping_a_generation_leaves_the_others,  # noqa: F401
    test_range_is_half_open_ascending_and_without_members,  # noqa: F401
    test_scan_yields_everything_in_key_order,  # noqa: F401
    test_subjects_are_those_with_a_day,  # noqa: F401
    test_touched_since_names_recent_and_partial_buckets,  # noqa: F401
    test_trimming_keeps_the_numbers,  # noqa: F401
    test_trimming_takes_what_was_stamped_while_the_clock_was_ahead,  # noqa: F401
    test_writes_of_one_commit_guard_each_other_in_order,  # noqa: F401
)
from tests.sim.store import MemoryBuckets


@pytest.fixture
def home_name() -> str:
    return "memory"


@pytest.fixture
def installation() -> SimpleNamespace:
    """As much of an installation as the laws above ask for: it is not slow."""
    return SimpleNamespace(slowness=1)


@pytest.fixture
def store() -> MemoryBuckets:
    return MemoryBuckets()


def test_a_commit_that_is_not_atomic_stops_at_the_first_lost_guard_and_says_nothing_to_watchers() -> None:
    store = MemoryBuckets(atomic=False)
    store.commit("live", [write(bucket("B"))])
    writes = [write(bucket("A")), BucketWrite(bucket("B", rev=5, seed=5), 4), write(bucket("C"))]
    assert store.commit("live", writes, [change(bucket("A"))], "a") == [bucket("B").key]
    assert [each.subject for each in store.scan("live")] == ["A", "B"]
    assert store.changes_after({}) == []
