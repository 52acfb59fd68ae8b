"""What is watched: one of everybody first, and no more than there is room for."""

from contracts.watched import MAX_WATCHED, WATCH_KIND, watched_subjects
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
