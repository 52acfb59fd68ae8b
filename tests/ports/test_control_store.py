"""The ControlStore port: versions and expiry."""

import threading

import pytest

from contracts.errors import Conflict
from contracts.ports import ControlStore, ControlWrite, Versioned


@pytest.fixture
def control(installation) -> ControlStore:
    return installation.home.control


def test_a_document_comes_back_with_its_version(installation, control):
    value = {"text": "ü", "number": 3, "list": [1, 2.5, None, True], "inner": {"a": {}}}
    assert control.get("run", "a") == Versioned(None, 0)
    assert control.put("run", "a", value) == 1
    assert control.put("run", "a", value) == 2
    assert installation.reopen().control.get("run", "a") == Versioned(value, 2)


def test_a_write_with_the_wrong_version_conflicts_and_changes_nothing(control):
    control.put("run", "a", {"n": 1}, expected_version=0)
    for wrong in (0, 2):
        with pytest.raises(Conflict):
            control.put("run", "a", {"n": 2}, expected_version=wrong)
    with pytest.raises(Conflict):
        control.put("run", "b", {"n": 2}, expected_version=1)
    assert control.get("run", "a") == Versioned({"n": 1}, 1)
    assert control.put("run", "a", {"n": 2}, expected_version=1) == 2


def test_of_two_claimants_exactly_one_wins(control):
    won: list[str] = []
    together = threading.Barrier(2)

    def claim(holder: str) -> None:
        for number in range(40):
            together.wait(20)
            try:
                control.put("claim", f"story-{number}", {"holder": holder}, expected_version=0)
            except Conflict:
                continue
            won.append(f"story-{number}")

    threads = [threading.Thread(target=claim, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(won) == sorted(f"story-{number}" for number in range(40))


def test_an_expired_document_is_gone_and_can_be_claimed_again(installation, control):
    expires_ms = installation.clock.now_ms() + 1_000
    first = control.put("lease", "a", {"holder": 1}, expected_version=0, expires_ms=expires_ms)
    assert control.get("lease", "a").version == first
    installation.clock.advance(1_000)
    assert control.get("lease", "a") == Versioned(None, 0)
    assert control.list("lease") == {}
    second = control.put("lease", "a", {"holder": 2}, expected_version=0, expires_ms=expires_ms + 5_000)
    with pytest.raises(Conflict):
        control.put("lease", "a", {"holder": 1}, expected_version=first)
    assert control.get("lease", "a") == Versioned({"holder": 2}, second)


def test_kinds_and_names_keep_apart(control):
    control.put("a", "x/y", {"n": 1})
    control.put("a", "b", {"n": 2})
    control.put("ab", "x", {"n": 3})
    assert control.list("a") == {"b": {"n": 2}, "x/y": {"n": 1}}
    control.delete("a", "b")
    control.delete("a", "never there")
    assert control.list("a") == {"x/y": {"n": 1}}
    assert control.get("a", "b") == Versioned(None, 0)
    assert control.put("a", "b", {"n": 4}, expected_version=0) > 0


def test_only_the_version_that_was_read_is_deleted(installation, control):
    expires_ms = installation.clock.now_ms() + 1_000
    first = control.put("a", "b", {"n": 1})
    second = control.put("a", "b", {"n": 2}, expires_ms=expires_ms)
    for name, wrong in (("b", first), ("b", 0), ("never there", 1)):
        with pytest.raises(Conflict):
            control.delete("a", name, wrong)
    assert control.get("a", "b") == Versioned({"n": 2}, second)
    control.delete("a", "b", second)
    assert control.get("a", "b") == Versioned(None, 0)
    with pytest.raises(Conflict):
        control.delete("a", "b", second)
    again = control.put("a", "b", {"n": 3}, expires_ms=expires_ms)
    installation.clock.advance(1_000)
    with pytest.raises(Conflict):
        control.delete("a", "b", again)


def test_many_guarded_writes_lose_only_their_own_guards(control):
    version = control.put("claim", "a", {"n": 1})
    control.put("claim", "b", {"n": 1})
    writes = {
        "a": ControlWrite({"n": 2}, version),
        "b": ControlWrite({"n": 2}, 0),
        "c": ControlWrite({"n": 2}, 0),
        "d": ControlWrite({"n": 2}),
    }
    assert list(control.put_many("claim", writes)) == ["b"]
    assert control.list("claim") == {"a": {"n": 2}, "b": {"n": 1}, "c": {"n": 2}, "d": {"n": 2}}
    assert list(control.put_many("claim", {})) == []
