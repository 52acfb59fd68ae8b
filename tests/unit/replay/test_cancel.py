"""What is live, or about to be, is never dropped: promote, rollback and cancel take turns and look again."""

from collections.abc import Callable
from typing import Any

import pytest

from aggregation.handover import Handover
from contracts.errors import BadRequest, Conflict, Transient
from contracts.generation import POINTER, RUN_KIND, live_generation
from contracts.settings import AggregatorSettings
from ops.replay import promote as promote_module
from ops.replay import verify_run as verify_module
from ops.replay.promote import promote, rollback
from ops.replay.run import cancel_run
from stores.home import Home
from tests import oracle
from tests.events import stream
from tests.unit.replay.kit import Live, compared, fields, put, replayed


def replayed_and_compared(home: Home, settings: AggregatorSettings) -> dict[str, Any]:
    run = replayed(home, settings)
    compared(home, run)
    return run


def once_before(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, act: Callable[[], Any]) -> None:
    """Do something before the first call of a function."""
    real, done = getattr(owner, name), []

    def acting(*arguments: Any, **more: Any) -> Any:
        if not done:
            done.append(True)
            act()
        return real(*arguments, **more)

    monkeypatch.setattr(owner, name, acting)


@pytest.mark.parametrize("cut", ["book", "settle"])
def test_after_a_promote_that_was_cut_short_the_live_generation_is_not_dropped(
    home: Home, settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    events = stream(300, seed=1, hours=10)
    put(home, events)
    Live(home, settings).all()
    run = replayed_and_compared(home, settings)

    def down(*arguments: Any) -> Any:
        if home.control.get(*POINTER).value is not None:
            raise Transient("bucket store", "database is locked")
        return {}

    with monkeypatch.context() as patched:
        patched.setattr(promote_module if cut == "book" else Handover, cut, down)
        with pytest.raises(Transient):
            promote(home, settings, run["id"])
    assert live_generation(home.control) == run["generation"]
    with pytest.raises(Conflict, match="is live; roll back first"):
        cancel_run(home, settings, run["id"])
    assert fields(home) == oracle.buckets(events)
    assert home.control.get(RUN_KIND, run["id"]).value["state"] == "live"
    assert home.control.get(*POINTER).value["settled"]


def test_a_transient_fault_after_the_swap_leaves_the_run_live(
    home: Home, settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(home, stream(50, seed=2))
    Live(home, settings).all()
    run = replayed_and_compared(home, settings)
    swap = promote_module._swap

    def swapped(*arguments: Any) -> None:
        swap(*arguments)
        monkeypatch.setattr(Handover, "settle", down)

    def down(handover: Handover) -> bool:
        raise Transient("bucket store", "database is locked")

    monkeypatch.setattr(promote_module, "_swap", swapped)
    with pytest.raises(Transient):
        promote(home, settings, run["id"])
    assert home.control.get(RUN_KIND, run["id"]).value["state"] == "live"


def test_a_run_is_not_cancelled_while_it_is_promoted(
    home: Home, settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = stream(400, seed=3, hours=10)
    put(home, events[:300])
    live = Live(home, settings)
    live.all()
    run = replayed_and_compared(home, settings)
    put(home, events[300:])

    def cancelled() -> None:
        with pytest.raises(Conflict, match="is working on promote"):
            cancel_run(home, settings, run["id"])

    once_before(monkeypatch, Handover, "catch_up", cancelled)
    promote(home, settings, run["id"])
    live.all()
    assert fields(home) == oracle.buckets(events)


def test_a_retired_run_is_not_cancelled_while_it_is_rolled_back_to(
    home: Home, settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = stream(400, seed=4, hours=10)
    put(home, events[:300])
    live = Live(home, settings)
    live.all()
    first = replayed_and_compared(home, settings)
    promote(home, settings, first["id"])
    second = replayed_and_compared(home, settings)
    promote(home, settings, second["id"])
    put(home, events[300:])
    live.all()

    def cancelled() -> None:
        with pytest.raises(Conflict, match="is working on promote"):
            cancel_run(home, settings, first["id"])

    once_before(monkeypatch, Handover, "catch_up", cancelled)
    assert rollback(home, settings)["generation"] == first["generation"]
    assert fields(home) == oracle.buckets(events)


@pytest.mark.parametrize("back", [False, True])
def test_what_was_dropped_meanwhile_does_not_go_live(
    home: Home, settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch, back: bool
) -> None:
    """Somebody took the table away, whatever the run's document says."""
    put(home, stream(100, seed=5))
    Live(home, settings).all()
    run = replayed_and_compared(home, settings)
    if back:
        promote(home, settings, run["id"])
    target, live = ("g1", run["generation"]) if back else (run["generation"], "g1")
    once_before(monkeypatch, promote_module, "audit_record", lambda: home.buckets.drop_generation(target))
    with pytest.raises(BadRequest, match=f"generation {target} was dropped"):
        rollback(home, settings) if back else promote(home, settings, run["id"])
    assert live_generation(home.control) == live


def test_a_run_that_is_cancelled_while_it_is_verified_is_no_damage(
    home: Home, settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(home, stream(50, seed=1, hours=2))
    run = replayed(home, settings)
    once_before(monkeypatch, verify_module, "stored_digests", lambda: cancel_run(home, settings, run["id"]))
    with pytest.raises(Conflict, match="r1 was cancelled meanwhile"):
        verify_module.verify_run(home, settings, run["id"])
