"""A promote or rollback that was cut short, and what is done when somebody tries again."""

from typing import Any

import pytest

from aggregation.handover import Handover
from contracts.clock import ManualClock
from contracts.errors import BadRequest, Conflict, Transient
from contracts.events import SCORED_STREAM
from contracts.generation import live_generation
from contracts.resolution import DAY_MS
from contracts.settings import AggregatorSettings
from ops.replay import promote as promote_module
from ops.replay.promote import promote, rollback
from ops.replay.verify_run import verify_run
from stores.home import Home, open_home
from tests.events import scored, stream
from tests.unit.replay.kit import Live, compared, planned, put, replayed, settings_of

AT_MS = 1_766_318_400_000


def away_once(monkeypatch: pytest.MonkeyPatch, name: str, number: int, error: BaseException) -> None:
    """The `number`th call of a method of `Handover` fails."""
    real, calls = getattr(Handover, name), [0]

    def call(self: Handover, *args: Any, **more: Any) -> Any:
        calls[0] += 1
        if calls[0] == number:
            raise error
        return real(self, *args, **more)

    monkeypatch.setattr(Handover, name, call)


def ready(home: Home, settings: AggregatorSettings, seed: int) -> dict[str, Any]:
    """A run that may be promoted."""
    put(home, stream(50, seed=seed))
    Live(home, settings).all()
    run = replayed(home, settings)
    compared(home, run)
    return run


def test_a_rollback_that_is_tried_again_is_done_once(
    home: Home, settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ready(home, settings, 3)
    promote(home, settings, run["id"])
    away_once(monkeypatch, "settle", 2, Transient("bucket store", "throttled"))  # just after the swap
    with pytest.raises(Transient):
        rollback(home, settings, "too glum")
    assert live_generation(home.control) == "g1"
    record = rollback(home, settings, "too glum")
    assert (record["generation"], live_generation(home.control)) == ("g1", "g1")
    with pytest.raises(Conflict, match="is not live"):
        rollback(home, settings, only_from=run["generation"])
    assert rollback(home, settings)["generation"] == run["generation"], "asked for once more, it is another one"


def test_a_promote_that_was_cut_short_before_the_swap_is_no_damage(
    home: Home, settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ready(home, settings, 4)
    put(home, stream(9, seed=5))
    monkeypatch.setattr(promote_module, "_go_live", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        promote(home, settings, run["id"])
    found = verify_run(home, settings, run["id"], lambda _: None)
    assert (found["ok"], found["stored"]) == (True, None)
    assert "has added to it" in found["not_compared"]


@pytest.mark.parametrize(("days", "refused"), [(0.5, False), (2, True)])
def test_a_plan_on_an_empty_log_is_not_promoted_when_what_came_since_may_be_gone(
    tmp_path: Any, days: float, refused: bool
) -> None:
    clock, settings = ManualClock(AT_MS), settings_of(tmp_path)
    home = open_home(settings, clock)
    put(home, [scored(0, "AAPL", AT_MS, 0.5, AT_MS)])
    Live(home, settings).all()
    clock.advance(2 * DAY_MS)
    home.log.trim(SCORED_STREAM, clock.now_ms())
    plan = planned(home, settings)
    assert plan.tips == {}
    run = replayed(home, settings)
    put(home, [scored(1, "AAPL", clock.now_ms(), 0.5, clock.now_ms())])
    Live(home, settings).all()
    clock.advance(int(days * DAY_MS))
    if refused:
        home.log.trim(SCORED_STREAM, clock.now_ms())
        put(home, [scored(2, "AAPL", clock.now_ms(), 0.5, clock.now_ms())])
        Live(home, settings).all()
    compared(home, run)
    if refused:
        with pytest.raises(BadRequest, match="retention has passed the plan"):
            promote(home, settings, run["id"])
    else:
        assert promote(home, settings, run["id"])["caught_up"] == 1
    home.close()
