"""What is kept of the log for clients that come back."""

import pytest

from api.sse import recent as recent_module
from api.sse.filters import Filter
from api.sse.opening import MAX_REPLAY_EVENTS, Missed
from api.sse.recent import MOST, Recent
from contracts.ports import Change, NewEvent, StoredChange

ALL = Filter(None, frozenset({"1m"}))


def stored(sequence: int, subject: str = "AAPL", lane: str = "0") -> StoredChange:
    event = NewEvent(f"{sequence}@{subject}", f"{sequence}", "positive", "minilm-news-1", "desk", 9_000)
    return StoredChange(lane, sequence, Change("g1", subject, (), (event,), 5, sequence * 10))


def test_what_came_after_a_place_is_as_it_was_put() -> None:
    recent = Recent({})
    changes = [stored(1), stored(2), stored(1, lane="1"), stored(3)]
    for each in changes:
        recent.put(each)
    found = recent.since({"0": 1}, ALL)
    assert found is not None
    assert list(found) == changes[1:]
    assert recent.seen_ms({"0": 2}) == 20


def test_changes_of_other_subjects_only_move_the_place() -> None:
    recent = Recent({})
    for each in (stored(1), stored(2, "MSFT")):
        recent.put(each)
    since = recent.since({}, Filter(frozenset({"AAPL"}), frozenset({"1m"})))
    assert since is not None
    found = list(since)
    assert [(each.lane, each.sequence, len(each.change.events)) for each in found] == [("0", 1, 1), ("0", 2, 0)]
    assert found[1].change.written_ms == 20


def test_a_place_before_all_that_is_kept_is_not_answered() -> None:
    recent = Recent({"0": 7})
    assert recent.since({"0": 6}, ALL) is None
    for sequence in range(8, 8 + MOST + 1):
        recent.put(stored(sequence))
    assert recent.since({"0": 7}, ALL) is None
    found = recent.since({"0": 8}, ALL)
    assert found is not None
    assert len(list(found)) == MOST


def test_who_wants_too_much_costs_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds may come back at one moment, from places of their own."""
    recent, unpacked = Recent({}), []
    for sequence in range(1, MOST + 1):
        recent.put(stored(sequence))
    real = recent_module._unpack
    monkeypatch.setattr(recent_module, "_unpack", lambda data: unpacked.append(1) or real(data))
    found = recent.since({}, ALL)
    assert found is not None
    missed = Missed({}, ALL, None, "g1", {"0": MOST}, 0, 0, {})
    assert missed.replay(found) is None
    assert len(unpacked) <= MAX_REPLAY_EVENTS + 1
