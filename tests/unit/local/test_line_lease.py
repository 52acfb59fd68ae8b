"""Renewing the right to drive the line: one refusal is tried again; who is refused for long, or lost it, ends."""

import signal

import pytest

from contracts.errors import Transient, Unusable
from local.driver_lease import Lease
from local.driver_schedule import Schedule, ScheduleDriver
from local.line_lease import LEASE_MS, Renewal

SKEWED = Unusable("dynamodb: RequestTimeTooSkewed")


class Renewing:
    """A lease and its schedule; `outcome` is what the store says to writes."""

    def __init__(self, line, monkeypatch):
        self.line, self.ended, self.outcome = line, [], None
        lease = Lease(line.control, "line", "a", LEASE_MS, line.clock)
        self.schedule = ScheduleDriver(Schedule("lease", Renewal(lease, line.clock), LEASE_MS // 3), line.clock)
        monkeypatch.setattr("local.line_lease.os.kill", lambda process, number: self.ended.append(number))
        self._put = line.control.put
        monkeypatch.setattr(line.control, "put", self.put)

    def put(self, *given):
        if self.outcome is not None:
            raise self.outcome
        return self._put(*given)

    def turns(self, count, outcome=None):
        self.outcome = outcome
        for _ in range(count):
            assert self.schedule.step().kind == "worked"
            self.line.clock.advance(LEASE_MS // 3)
        self.outcome = None


@pytest.fixture
def renewing(line, monkeypatch):
    return Renewing(line, monkeypatch)


@pytest.mark.parametrize("outcome", [SKEWED, AssertionError("our own bug"), Transient("dynamodb", "away")])
def test_one_refused_call_does_not_end_renewing(renewing, outcome):
    for _ in range(4):
        renewing.turns(1, outcome)
        renewing.turns(1)
    assert renewing.ended == []
    with pytest.raises(Unusable, match="driven by a"):
        Lease(renewing.line.control, "line", "b", LEASE_MS, renewing.line.clock)


def test_one_that_is_refused_for_as_long_as_the_lease_lasts_ends_the_process(renewing):
    renewing.turns(3, SKEWED)
    assert renewing.ended == []
    renewing.turns(1, SKEWED)
    assert renewing.ended == [signal.SIGTERM]


def test_one_that_slept_has_as_long_again(renewing):
    renewing.turns(1)
    renewing.line.clock.advance(8 * 3_600_000)
    renewing.turns(2, SKEWED)
    renewing.turns(1)
    assert renewing.ended == []


def test_a_store_that_is_away_ends_nothing(renewing):
    """Nobody else can take the line there meanwhile, or if somebody could, the first renewal afterwards tells."""
    renewing.turns(1, SKEWED)
    renewing.turns(9, Transient("dynamodb", "away"))
    renewing.turns(2, SKEWED)
    renewing.turns(1)
    assert renewing.ended == []


def test_one_that_was_taken_over_ends_the_process(renewing):
    renewing.line.clock.advance(LEASE_MS)
    Lease(renewing.line.control, "line", "b", LEASE_MS, renewing.line.clock)
    renewing.turns(1)
    assert renewing.ended == [signal.SIGTERM]
