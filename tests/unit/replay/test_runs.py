"""What a run is called, what becomes of it, and what its end tells the operator."""

from typing import Any

import pytest
from typer.testing import CliRunner

from contracts.errors import Conflict, Unusable
from contracts.settings import AggregatorSettings
from ops.cli import app
from ops.console import INTERRUPTED
from ops.replay import run as run_module
from ops.replay.run import Drive, execute
from ops.replay.runs import create_run, get_run, update_run
from stores.home import Home
from tests.events import stream
from tests.unit.replay.kit import ignore, planned, put, replayed

ALONE = Drive(concurrency=1)


def test_a_run_without_a_name_takes_the_next_free_number(home: Home, settings: AggregatorSettings) -> None:
    put(home, stream(50, seed=1))
    plan = planned(home, settings)
    names = [create_run(home, plan, name)["generation"] for name in ("g3", None, None, "other", None)]
    assert names == ["g3", "g4", "g5", "other", "g6"]
    with pytest.raises(Conflict, match="g3 exists already"):
        create_run(home, plan, "g3")


def test_a_run_that_cannot_begin_says_why(
    home: Home, settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(home, stream(50, seed=2))

    def missing(plan: Any) -> None:
        raise Unusable("the model is not here")

    with monkeypatch.context() as patched:
        patched.setattr(run_module, "check_model", missing)
        with pytest.raises(Unusable):
            replayed(home, settings)
    failed = get_run(home.control, "r1")
    assert (failed["state"], failed["error"], failed["error_kind"]) == ("failed", "the model is not here", "Unusable")
    done = execute(home, settings, "r1", ALONE, ignore)
    assert (done["state"], done["error"], done["error_kind"]) == ("completed", None, None)


@pytest.mark.parametrize("begun", [True, False])
def test_ctrl_c_names_the_run_that_it_stopped(
    home: Home, settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch, begun: bool
) -> None:
    put(home, stream(50, seed=3))
    plan = planned(home, settings)
    other = create_run(home, plan)
    update_run(home.control, other, state="interrupted", started_at="2999-01-01T00:00:00.000Z")

    def stopped(*arguments: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(run_module, "check_model" if begun else "create_run", stopped)
    done = CliRunner().invoke(app, ["replay", "run", plan.hash, "--data-dir", settings.data_dir])
    assert done.exit_code == INTERRUPTED
    assert ("replay resume r2" if begun else "it may be run again") in done.stderr
    assert "r1" not in done.stderr
