"""What is watched: one of everybody first, and no more than there is room for."""

from typing import Any

import pytest

from contracts.clock import ManualClock
from contracts.watched import COUNTS_AT_MOST_MS, COUNTS_TIMES, FEW, MAX_WATCHED, WATCH_KIND, watched_subjects
from tests.fakes.stores import FakeControl


def watch(control: FakeControl, user: str, *subjects: str, since: str = "2025-12-01") -> None:
    lists = {"1": {"created_at": since, "subjects": list(subjects)}}
    control.put(WATCH_KIND, user, {"lists": lists, "subjects": list(subjects)})


def test_who_watches_much_comes_after_others_and_who_came_later_too() -> None:
    control = FakeControl()
    watch(control, "a", "A1", "A2", "A3", since="2025-12-03")
    watch(control, "b", "B1", "B2", since="2025-12-01")
    watch(control, "c", "B1", "C1", since="2025-12-02")
    assert watched_subjects(control) == ("B1", "A1", "B2", "C1", "A2", "A3")


def test_many_tokens_do_not_push_out_who_was_there_before() -> None:
    control = FakeControl()
    watch(control, "z", "NVDA", since="2025-11-30")
    for user in range(2 * MAX_WATCHED):
        watch(control, f"u{user:04}", f"tag:t{user}")
    watched = watched_subjects(control)
    assert (len(watched), watched[0]) == (MAX_WATCHED, "NVDA")


def test_a_share_that_was_watched_under_its_other_name_is_looked_for_under_its_own() -> None:
    control = FakeControl()
    watch(control, "a", "BRK-B", "tag:plan-b")
    watch(control, "b", "BRK.B")
    assert watched_subjects(control) == ("BRK.B", "tag:plan-b")


class SlowControl(FakeControl):
    """Takes a while to read all documents of a kind, and counts how often that was asked for."""

    def __init__(self, takes_ms: int) -> None:
        super().__init__()
        self.takes_ms = takes_ms
        self.reads = 0

    def list(self, kind: str) -> dict[str, dict[str, Any]]:
        self.reads += 1
        self.clock.advance(self.takes_ms)
        return super().list(kind)


def slow(tokens: int, takes_ms: int) -> SlowControl:
    control = SlowControl(takes_ms)
    for user in range(tokens):
        watch(control, f"u{user:04}", f"T{user}X")
    return control


@pytest.mark.parametrize("takes_ms", [10, 200, 5_000])
def test_looking_at_many_lists_takes_a_small_part_of_the_time(takes_ms: int) -> None:
    control = slow(FEW + 1, takes_ms)
    first = watched_subjects(control, control.clock)
    watch(control, "late", "NVDA", since="2025-12-31")
    assert watched_subjects(control, control.clock) == first
    assert control.reads == 1
    counts_ms = round(min(takes_ms * COUNTS_TIMES, COUNTS_AT_MOST_MS))
    control.clock.advance(counts_ms - 1)
    assert watched_subjects(control, control.clock) == first
    control.clock.advance(1)
    assert watched_subjects(control, control.clock) == (*first, "NVDA")
    assert control.reads == 2


def test_few_lists_are_read_at_every_look() -> None:
    control = slow(FEW - 1, 200)
    first = watched_subjects(control, control.clock)
    watch(control, "late", "NVDA", since="2025-12-31")
    assert watched_subjects(control, control.clock) == (*first, "NVDA")


def test_what_was_read_of_one_store_is_told_of_no_other() -> None:
    control, other = slow(FEW + 1, 200), ManualClock()
    assert len(watched_subjects(control, control.clock)) == FEW + 1
    assert watched_subjects(SlowControl(200), other) == ()
