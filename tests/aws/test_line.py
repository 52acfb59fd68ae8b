"""The whole of it on moto: events in, buckets equal to the oracle out, whatever is throttled, refused or resharded."""

from contracts.clock import ManualClock
from tests.aws.line import run
from tests.aws.moto_aws import moto_aws
from tests.events import BASE_MS


def test_two_thousand_events_under_throttling_a_split_and_a_merge_equal_the_oracle():
    clock = ManualClock(BASE_MS)
    with moto_aws(clock) as faults:
        found = run(faults, clock, 2_000, seed=11, share=0.1)
    assert found["shards"] == 5
    assert sum(found["refused"].values()) > 50
    assert {"PutItem", "GetRecords"} <= found["refused"].keys()
