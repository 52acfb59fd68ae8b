"""A lease has one holder at a time."""

import pytest

from contracts.errors import Conflict, Transient, Unusable
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


@pytest.mark.parametrize("error", [Transient("dynamodb", "away"), Unusable("dynamodb: AccessDeniedException")])
def test_one_that_cannot_be_given_up_runs_out(line, monkeypatch, error):
    def refuse(*given):
        raise error

    lease = take(line, "a")
    with monkeypatch.context() as away:
        away.setattr(line.control, "put", refuse)
        lease.release()
    line.clock.advance(10_000)
    take(line, "b")


def test_one_that_ran_out_and_was_taken_by_nobody_is_renewed(line):
    lease = take(line, "a")
    for _ in range(2):
        line.clock.advance(60_000)
        lease.renew()
        with pytest.raises(Unusable, match="driven by a"):
            take(line, "b")
    lease.release()
    take(line, "b")


def test_one_that_ran_out_is_not_renewed_after_another_holder_came_and_went(line):
    slept = take(line, "a")
    line.clock.advance(10_000)
    take(line, "b")
    line.clock.advance(10_000)
    with pytest.raises(Conflict, match="meanwhile"):
        slept.renew()
    slept.release()
    take(line, "c")


def lose_the_next_answer(line, monkeypatch) -> None:
    """The write arrives; its answer, and those of all its retries, do not."""
    put = line.control.put

    def lost(*given):
        put(*given)
        monkeypatch.undo()
        raise Transient("control", "timed out")

    monkeypatch.setattr(line.control, "put", lost)


def test_a_renewal_whose_answer_was_lost_is_known_as_our_own(line, monkeypatch):
    lease = take(line, "a")
    for _ in range(2):
        line.clock.advance(3_000)
        lose_the_next_answer(line, monkeypatch)
        with pytest.raises(Transient):
            lease.renew()
        line.clock.advance(3_000)
        lease.renew()
    with pytest.raises(Unusable, match="driven by a"):
        take(line, "b")
    lease.release()
    take(line, "b")


def test_another_of_the_same_name_is_not_taken_for_our_own(line):
    slept = take(line, "host process 1")
    line.clock.advance(10_000)
    second = take(line, "host process 1")
    with pytest.raises(Conflict):
        slept.renew()
    second.renew()
