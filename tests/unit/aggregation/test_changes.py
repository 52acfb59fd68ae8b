"""What watchers are told of a commit, in pieces a store can hold."""

import pytest

from aggregation.changes import MAX_CHANGE_BUCKETS, changes_of
from tests.events import BASE_MS, scored
from tests.ports.bucket_values import bucket
from tests.unit.aggregation.test_laws import as_event


@pytest.mark.parametrize("count", [0, 1, MAX_CHANGE_BUCKETS, MAX_CHANGE_BUCKETS + 1, 3 * MAX_CHANGE_BUCKETS])
def test_each_bucket_and_each_event_is_told_once(count: int) -> None:
    buckets = [bucket(subject, at=at) for subject in ("AAPL", "AAPL~3", "MSFT") for at in range(count)]
    fresh = {"MSFT": [as_event(scored(n, "MSFT", BASE_MS + n, 0.5, BASE_MS + n)) for n in range(3)]}
    changes = changes_of("live", buckets, fresh, BASE_MS + 9)
    assert [each for change in changes for each in change.buckets] == [
        each for each in buckets if "~" not in each.subject
    ]
    assert all(each.subject == change.subject for change in changes for each in change.buckets)
    assert max((len(change.buckets) for change in changes), default=0) == min(count, MAX_CHANGE_BUCKETS)
    assert {(change.generation, change.written_ms) for change in changes} <= {("live", BASE_MS + 9)}
    told = [change for change in changes if change.events]
    assert [(change.subject, len(change.events), change.origin_ms) for change in told] == (
        [("MSFT", 3, BASE_MS + 2)] if count else []
    )
