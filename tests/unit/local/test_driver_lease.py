"""A lease has one holder at a time."""

import pytest

from contracts.errors import Conflict, Unusable
from local.driver_lease import Lease


def take(line, holder: str) -> Lease:
    return Lease(line.control, "line", holder, 10_000, line.clock)


def test_it_is_refused_naming_the_holder_until_it_runs_out(line):
    lease = take(line, "host-1/17")
    line.clock.advance(9_000)
    with pytest.raises(Unusable, match="host-1/17"):
        take(line, "host-2/4")
    lease.renew()
    line.clock.advance(9_999)
    with pytest.raises(Unusable):
        take(line, "host-2/4")
    line.clock.advance(1)
    take(line, "host-2/4")


def test_who_slept_through_its_end_cannot_renew_over_the_next_holder(line):
    slept = take(line, "a")
    line.clock.advance(10_000)
    second = take(line, "b")
    with pytest.raises(Conflict):
        slept.renew()
    second.renew()
    second.release()
    third = take(line, "c")
    for earlier in (slept, second):
        with pytest.raises(Conflict):
            earlier.renew()
        earlier.release()
    third.renew()


def test_released_it_is_free_at_once(line):
    take(line, "a").release()
    take(line, "b")
