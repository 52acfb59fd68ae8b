"""On the AWS home several machines reach the same stores: one of them works on a thing at a time, and a run that
another one took further is left alone."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from aggregation.handover import Handover
from contracts.clock import ManualClock
from contracts.errors import Conflict, Transient, Unusable
from contracts.generation import live_generation
from contracts.settings import AggregatorSettings
from local.driver_lease import KIND as LEASE_KIND
from ops.replay import lock
from ops.replay import promote as promote_module
from ops.replay import run as run_module
from ops.replay.lock import LEASE_MS, exclusive
from ops.replay.promote import promote
from ops.replay.run import Drive, Seen, execute, start_run
from ops.replay.runs import create_run, get_run, update_run
from stores.home import Home, forget_homes
from tests.events import scored
from tests.ports.conftest import HOMES, Installation
from tests.unit.replay.kit import Live, compared, ignore, planned, put, replayed


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[Installation]:
    with HOMES["aws"](tmp_path) as installed:
        yield installed
        forget_homes()


def machine(aws: Installation, folder: Path) -> AggregatorSettings:
    return AggregatorSettings(**aws.settings.model_dump() | {"data_dir": str(folder)})


def test_one_machine_at_a_time(aws: Installation, tmp_path: Path) -> None:
    here, there = machine(aws, tmp_path / "a"), machine(aws, tmp_path / "b")
    with exclusive(aws.home, here, "promote"):
        refused = pytest.raises(Conflict, match=rf"replay-promote is driven by \S+ {tmp_path}/a")
        with refused, exclusive(aws.home, there, "promote"):
            pass
        with exclusive(aws.home, there, "r1"):
            pass
    with exclusive(aws.home, there, "promote"):
        pass


def test_a_machine_that_died_is_waited_for_by_others_only(aws: Installation, tmp_path: Path) -> None:
    here, there = machine(aws, tmp_path / "a"), machine(aws, tmp_path / "b")
    holder = {"holder": f"{socket.gethostname()} {tmp_path}/a"}
    aws.home.control.put(LEASE_KIND, "replay-r1", holder, expires_ms=aws.clock.now_ms() + LEASE_MS)
    with pytest.raises(Conflict), exclusive(aws.home, there, "r1"):
        pass
    with exclusive(aws.home, here, "r1"):
        pass
    aws.home.control.put(LEASE_KIND, "replay-r1", holder, expires_ms=aws.clock.now_ms() + LEASE_MS)
    aws.clock.advance(LEASE_MS)
    with exclusive(aws.home, there, "r1"):
        pass


def test_a_lease_is_renewed_as_long_as_it_is_held() -> None:
    """A store that is away or refuses for a moment ends nothing; who lost it stops."""
    passing = Transient("control", "away"), Unusable("dynamodb: RequestTimeTooSkewed")
    answers: list[Exception | None] = [None, *passing, None, Conflict("taken")]
    asked = []

    class Held:
        def renew(self) -> None:
            asked.append(True)
            if answer := answers[len(asked) - 1]:
                raise answer

    lost = Event()
    clock = ManualClock()
    lock._renewing(Held(), Never(clock), lost, clock)  # type: ignore[arg-type]
    assert len(asked) == len(answers)
    assert lost.is_set()


class Never:
    """Nobody is done, however long it is waited."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock

    def wait(self, seconds: float) -> bool:
        assert seconds == LEASE_MS / 3_000
        self._clock.advance(LEASE_MS // 3)
        return False


def test_a_lease_that_cannot_be_renewed_is_lost_when_it_runs_out() -> None:
    clock, lost, asked = ManualClock(), Event(), []

    class Refused:
        def renew(self) -> None:
            asked.append(True)
            raise Unusable("dynamodb: RequestTimeTooSkewed")

    lock._renewing(Refused(), Never(clock), lost, clock)  # type: ignore[arg-type]
    assert (len(asked), lost.is_set()) == (3, True)


@pytest.mark.parametrize("told", [True, False])
def test_a_run_whose_lease_another_took_ends_and_leaves_it_the_run(
    aws: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: bool
) -> None:
    """At its next step once it is told, at its end else."""
    home, here, there, lost = aws.home, machine(aws, tmp_path / "a"), machine(aws, tmp_path / "b"), Event()

    @contextmanager
    def mine(home: Home, settings: AggregatorSettings, name: str) -> Iterator[lock.Turn]:
        yield lock.Turn(0, lost if settings is here else Event())

    monkeypatch.setattr(run_module, "exclusive", mine)
    put(home, [scored(number, "AAPL", 1_766_310_000_000 + number, 0.1) for number in range(9)])

    def overtaken(seen: Seen) -> None:
        if told:
            lost.set()
        elif seen.stage == "building":
            execute(home, there, "r1", Drive(concurrency=1), ignore)

    said = "another process may be at it" if told else "r1 is completed by now"
    with pytest.raises(Conflict, match=said):
        start_run(home, here, planned(home, here), Drive(concurrency=1), overtaken)
    assert get_run(home.control, "r1")["state"] == ("running" if told else "completed")
    assert home.buckets.subjects("g2") == ([] if told else ["AAPL"])
    assert execute(home, there, "r1", Drive(concurrency=1), ignore)["state"] == "completed"


def test_a_run_that_another_machine_promoted_is_left_alone(
    aws: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if both believe that it is their turn."""
    monkeypatch.setattr(lock, "_leased", lambda home, name, holder, lost: nullcontext())
    home, here, there = aws.home, machine(aws, tmp_path / "a"), machine(aws, tmp_path / "b")
    events = [scored(number, "AAPL", 1_766_310_000_000 + number, 0.1) for number in range(9)]
    put(home, events[:5])
    Live(home, here).all()
    aws.clock.advance(1_000)
    run = replayed(home, here)
    compared(home, run)
    note, overtaken = promote_module.update_run, []

    def late(control: Any, document: dict[str, Any], **fields: Any) -> dict[str, Any]:
        if "reached" in fields and not overtaken:
            overtaken.append(True)
            put(home, events[5:])
            promote(home, there, run["id"])
        return note(control, document, **fields)

    monkeypatch.setattr(promote_module, "update_run", late)
    with pytest.raises(Conflict, match="r1 is live by now"):
        promote(home, here, run["id"])
    assert live_generation(home.control) == run["generation"]
    assert get_run(home.control, run["id"])["state"] == "live"
    assert Handover(home.buckets, home.control, home.log, home.clock, here).settle() is False


def test_two_updates_of_one_document_do_not_overwrite_each_other(aws: Installation, tmp_path: Path) -> None:
    home = aws.home
    put(home, [scored(1, "AAPL", 1_766_310_000_000, 0.1)])
    run = create_run(home, planned(home, machine(aws, tmp_path)))
    update_run(home.control, run, units_done=1)
    assert update_run(home.control, run, error="none")["units_done"] == 1
    update_run(home.control, run, state="failed")
    with pytest.raises(Conflict, match="r1 is failed by now"):
        update_run(home.control, run, units_done=0)
