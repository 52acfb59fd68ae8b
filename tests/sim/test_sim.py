"""The gate's share of the simulation: 300 seeds, every fault fires, every planted bug is noticed, a seed is one run."""

import os
import re
import subprocess
import sys
from collections import Counter

import pytest

from tests.sim import __main__ as command
from tests.sim.canaries import CANARIES, CAUGHT_BY, SEEDS, Catch, hunt
from tests.sim.checkers import LAWS, Violation
from tests.sim.faults import FAULTS
from tests.sim.swapped import swapped
from tests.sim.world import World, run

PARTS = 10


@pytest.fixture(scope="module")
def fired() -> Counter[str]:
    return Counter()


@pytest.mark.parametrize("part", range(PARTS))
def test_seeds(part: int, fired: Counter[str]) -> None:
    """The assertions are the checkers', inside `run`."""
    for seed in range(part, SEEDS, PARTS):
        try:
            fired.update(run(seed).fired)
        except AssertionError as failure:
            raise AssertionError(f"seed {seed}; to see it again: {command.replay_command(seed)}") from failure
    fired["parts"] += 1


def test_every_fault_fired(fired: Counter[str]) -> None:
    """Counts what the seeds above did, in the same process (`--dist loadfile`)."""
    if fired["parts"] < PARTS:
        pytest.skip("only with all the seeds above")
    assert [kind.__name__ for kind in FAULTS if not fired[kind.__name__]] == []


@pytest.mark.parametrize("name", CANARIES)
def test_every_planted_bug_is_noticed(name: str) -> None:
    catch = hunt(name)
    assert catch is not None, f"{name} went unnoticed by the checker of: {CAUGHT_BY[CANARIES[name]]}"
    run(catch.seed, memory=True)  # and without the bug that seed passes


def test_every_law_has_a_planted_bug() -> None:
    """Law 7 is about the model; its planted bugs are in tests/unit/model."""
    named = {law for canary in CANARIES.values() for law in re.findall(r"law (\d)", canary.__doc__ or "")}
    assert named == set("1234568")


def test_every_checker_has_a_planted_bug() -> None:
    """One that looked at nothing would go unnoticed."""
    assert set(CAUGHT_BY.values()) == LAWS


def test_a_seed_is_one_exact_run_in_any_process() -> None:
    outputs = [
        subprocess.run(
            [sys.executable, "-m", "tests.sim", "--seeds", "12", "--first", "15"],
            env=os.environ | {"PYTHONHASHSEED": hash_seed}, capture_output=True, text=True, check=True,
        ).stdout.rpartition(" kinds,")[0]
        for hash_seed in ("1", "2")
    ]  # fmt: skip
    assert "12 seeds, 0 violations" in outputs[0]
    assert outputs[0] == outputs[1]


def test_a_failing_seed_prints_the_command_that_replays_it(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(world: World) -> None:
        raise Violation("everything drains", f"not seed {world.seed}")

    with swapped(World, check=fail):
        assert command.main(["--seed", "7"]) == 1
    assert "To see it again: make sim SEED=7 (or: python -m tests.sim --seed 7)" in capsys.readouterr().err


def test_an_unnoticed_canary_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with swapped(command, hunt=lambda name, seeds: None):
        assert command.main(["--canary", "float_sums"]) == 6
    with swapped(command, hunt=lambda name, seeds: Catch(3, "a law")):
        assert command.main(["--canary", "float_sums"]) == 0
    assert "went unnoticed by 300 seeds" in capsys.readouterr().out
