"""A run builds exactly what the events say, from any source, however it is cut, killed or resumed."""

import json
import os
import random
import signal
from pathlib import Path

import pytest

from contracts.bucket import content_bytes
from contracts.errors import BadRequest, Conflict, Transient, Unusable
from contracts.events import MAX_DEPTH, SCORED_STREAM
from contracts.ports import Entry
from contracts.settings import AggregatorSettings
from ops.replay.lock import exclusive
from ops.replay.plan import load_plan, outlook, tasks_of
from ops.replay.promote import promote
from ops.replay.run import Drive, cancel_run, execute, start_run
from ops.replay.runs import KIND, create_run, get_run, run_folder, working_name
from ops.replay.spool import Spool
from ops.replay.units import UnitStates
from ops.replay.verify_run import verify_run
from stores.home import Home, forget_homes
from tests import oracle
from tests.events import lines, scored, stream
from tests.unit.replay.kit import Live, compared, fields, home_of, ignore, planned, put, replayed, settings_of

ALONE = Drive(concurrency=1)


def test_a_rebuild_equals_the_oracle_and_leaves_the_live_generation_alone(
    home: Home, settings: AggregatorSettings
) -> None:
    events = stream(3_000, seed=1, hours=40)
    put(home, events)
    Live(home, settings).all()
    live = fields(home)
    run = replayed(home, settings)
    assert run["state"] == "completed"
    assert fields(home, run["generation"]) == oracle.buckets(events) == live
    assert fields(home) == live
    assert run["counts"]["counted"] == sum(row["count"] for key, row in live.items() if key[1] == "24h")


@pytest.mark.parametrize("gap", [b"", b"\n"])
def test_what_is_nested_deeply_is_judged_as_live(home: Home, settings: AggregatorSettings, gap: bytes) -> None:
    events = stream(20, seed=1)
    for number, event in enumerate(events, 5):
        levels = number * 45 - 1
        data = json.dumps(event).encode()[:-1] + b"," + gap + b'"x":' + b"[" * levels + b"]" * levels + b"}"
        home.log.put_records(SCORED_STREAM, [Entry(event["subject"], data)])
    Live(home, settings).all()
    run = replayed(home, settings)
    read = [event for number, event in enumerate(events, 5) if number * 45 <= MAX_DEPTH]
    assert fields(home, run["generation"]) == fields(home) == oracle.buckets(read)
    assert run["counts"]["quarantined"] == len(events) - len(read)


@pytest.mark.parametrize("state", ["running", "interrupted", "failed", "cancelled"])
def test_a_run_that_was_not_finished_is_not_verified(home: Home, settings: AggregatorSettings, state: str) -> None:
    put(home, stream(50, seed=1))
    run = create_run(home, planned(home, settings))
    home.control.put(KIND, run["id"], run | {"state": state})
    with pytest.raises(Conflict, match=f"run r1 is {state}: only a finished run"):
        verify_run(home, settings, run["id"])


def test_verify_says_why_it_compares_no_stored_buckets(home: Home, settings: AggregatorSettings) -> None:
    put(home, stream(50, seed=1))
    Live(home, settings).all()
    run = replayed(home, settings)
    assert verify_run(home, settings, run["id"])["not_compared"] is None
    expiring = verify_run(home, settings.model_copy(update={"expire": True}), run["id"])
    assert (expiring["ok"], expiring["stored"], expiring["not_compared"]) == (True, None, "its buckets expire here")
    compared(home, run)
    promote(home, settings, run["id"])
    assert verify_run(home, settings, run["id"])["not_compared"] == "it has been live"


def test_every_plan_figure_is_what_the_run_comes_to(home: Home, settings: AggregatorSettings) -> None:
    put(home, stream(2_000, seed=2, hours=30))
    plan = planned(home, settings)
    seen = outlook(home, plan)
    run = start_run(home, settings, plan, ALONE, ignore)
    assert seen["events"] == run["counts"]["counted"]
    assert seen["duplicates"] == run["counts"]["duplicates"]
    assert seen["buckets"]["total"] == run["counts"]["buckets"] == len(fields(home, run["generation"]))
    assert seen["records"]["total"] == 2_000
    assert seen["events"] + seen["duplicates"] + seen["too_late"] + seen["quarantined"] == 2_000
    assert seen["units"] == run["units_done"]


@pytest.mark.parametrize("cut", [0, 1, 137, 900, 1_500])
def test_auto_takes_from_the_lake_only_what_the_log_has_lost(
    home: Home, settings: AggregatorSettings, cut: int
) -> None:
    events = stream(1_500, seed=3, hours=20)
    put(home, events[:cut])
    Live(home, settings).all(batch=100)
    border_ms = home.clock.now_ms() + 1
    while home.clock.now_ms() <= border_ms:
        pass
    put(home, events[cut:])
    Live(home, settings).all(batch=100)
    home.log.trim("scored-articles", border_ms)
    plan = planned(home, settings)
    assert sum(one.records or 0 for one in plan.segments) == 1_500
    assert sum(one.records or 0 for one in plan.segments if one.kind == "lake") >= cut
    assert outlook(home, plan)["only_in_lake"]["records"] >= cut
    run = start_run(home, settings, plan, ALONE, ignore)
    assert fields(home, run["generation"]) == oracle.buckets(events)


def test_log_lake_and_file_give_the_same_digest_here_and_elsewhere(
    home: Home, settings: AggregatorSettings, tmp_path: Path
) -> None:
    events = stream(1_000, seed=4, hours=20)
    put(home, events)
    Live(home, settings).all()
    file = tmp_path / "events.jsonl"
    file.write_bytes(lines(events))
    digests = {replayed(home, settings, sources=(source,))["digest"] for source in ("log", "lake", f"file:{file}")}
    assert len(digests) == 1
    there = settings_of(tmp_path / "there")
    other = home_of(tmp_path / "there")
    for key in home.lake.keys("scored/"):
        other.lake.put(key, list(home.lake.read(key)))
    again = replayed(other, there, sources=("lake",))
    assert {again["digest"]} == digests
    assert verify_run(other, there, again["id"])["ok"]
    with exclusive(other, there, f"{working_name(again)}-verify"), pytest.raises(Conflict, match="is working on"):
        verify_run(other, there, again["id"])


def test_the_same_input_has_the_same_plan_hash_and_another_has_another(
    home: Home, settings: AggregatorSettings
) -> None:
    put(home, stream(200, seed=5))
    first, second = planned(home, settings), planned(home, settings)
    assert first.hash == second.hash
    assert load_plan(home, first.hash[:6]).segments == first.segments
    assert planned(home, settings, subjects=frozenset({"AAPL"})).hash != first.hash
    put(home, [scored(9_999, "AAPL", 1_766_318_400_000, 0.5)])
    assert planned(home, settings).hash != first.hash


def test_a_plan_with_bounds_builds_only_those(home: Home, settings: AggregatorSettings) -> None:
    events = stream(1_000, seed=6, hours=20)
    put(home, events)
    start_ms, end_ms = 1_766_332_800_000, 1_766_361_600_000
    run = replayed(home, settings, start_ms=start_ms, end_ms=end_ms, subjects=frozenset({"AAPL", "MSFT"}))
    chosen = [
        event
        for event in events
        if event["subject"] in ("AAPL", "MSFT") and start_ms <= oracle.to_ms(event["event_time"]) < end_ms
    ]
    assert fields(home, run["generation"]) == oracle.buckets(chosen)


def test_twenty_kills_then_resume_give_the_digest_of_an_undisturbed_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.replay.work.TASK_RECORDS", 60)
    monkeypatch.setattr("ops.replay.run.TASK_RECORDS", 60)
    events = stream(3_000, seed=7, hours=400, duplicates=0.1)
    folder = tmp_path / "data"
    settings = settings_of(folder)
    home = home_of(folder)
    put(home, events)
    plan = planned(home, settings)
    undisturbed = start_run(home, settings, plan, ALONE, ignore)["digest"]
    run_id = create_run(home, plan)["id"]
    forget_homes()
    rnd = random.Random(8)
    kills, longest_s, built = 0, 0.1, 0
    while not built:
        child = os.fork()
        if child == 0:
            _run_in_child(folder, run_id)
        assert not _kill_after(child, rnd.uniform(0.002, longest_s)), "it ended before it was caught"
        kills += 1
        if kills >= 20:
            home = home_of(folder)
            built = len(UnitStates(home.control, run_id).done())
            longest_s *= 1.2  # a busy machine may build nothing in a tenth of a second
            if not built:
                forget_homes()
    done = execute(home, settings, run_id, ALONE, ignore)
    assert built < len(list(tasks_of(plan, 60))), "no kill came in the middle"
    assert done["digest"] == undisturbed
    assert fields(home, done["generation"]) == oracle.buckets(events)
    forget_homes()


def _run_in_child(folder: Path, run_id: str) -> None:
    """Never returns; slow enough to be caught anywhere."""
    try:
        execute(home_of(folder), settings_of(folder), run_id, Drive(rate=800, concurrency=1), ignore)
    finally:
        os._exit(0)


def _kill_after(child: int, seconds: float) -> bool:
    """SIGKILL; true when it had ended by itself before."""
    import time

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if os.waitpid(child, os.WNOHANG)[0]:
            return True
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def test_resume_writes_only_what_is_missing(home: Home, settings: AggregatorSettings, monkeypatch) -> None:
    put(home, stream(2_000, seed=9, hours=60))
    plan = planned(home, settings)
    written = []
    load = home.buckets.load_buckets  # type: ignore[attr-defined]

    def failing(generation: str, buckets: list) -> None:
        if len(written) == 3:
            raise Transient("buckets", "told to be down")
        written.append(len(buckets))
        load(generation, buckets)

    monkeypatch.setattr("ops.replay.write.MAX_ATTEMPTS", 1)
    monkeypatch.setattr("ops.replay.work.TASK_RECORDS", 100)
    monkeypatch.setattr("ops.replay.run.TASK_RECORDS", 100)
    monkeypatch.setattr(home.buckets, "load_buckets", failing)
    with pytest.raises(Transient):
        start_run(home, settings, plan, ALONE, ignore)
    run = get_run(home.control, "r1")
    assert run["state"] == "failed"
    assert "told to be down" in run["error"]
    assert len(UnitStates(home.control, "r1").done()) == 3
    again = []
    monkeypatch.setattr(home.buckets, "load_buckets", lambda g, b: (again.append(len(b)), load(g, b)))
    done = execute(home, settings, "r1", ALONE, ignore)
    assert sum(written) + sum(again) == done["counts"]["buckets"]


def test_a_throttled_store_is_waited_for_and_counted(home: Home, settings: AggregatorSettings, monkeypatch) -> None:
    events = stream(800, seed=10)
    put(home, events)
    load, calls = home.buckets.load_buckets, []  # type: ignore[attr-defined]

    def throttled(generation: str, buckets: list) -> None:
        calls.append(1)
        if len(calls) % 3:
            raise Transient("buckets", "throttled")
        load(generation, buckets)

    monkeypatch.setattr("ops.replay.write.FIRST_BACKOFF_MS", 1)
    monkeypatch.setattr(home.buckets, "load_buckets", throttled)
    run = replayed(home, settings)
    assert run["throttles"] > 0
    assert fields(home, run["generation"]) == oracle.buckets(events)


def test_a_store_without_bulk_loading_gets_guarded_writes(home: Home, settings: AggregatorSettings) -> None:
    events = stream(1_500, seed=11, hours=30)
    put(home, events)
    plan = planned(home, settings)
    guarded = _without_bulk(home)
    run = start_run(guarded, settings, plan, ALONE, ignore)
    assert fields(home, run["generation"]) == oracle.buckets(events)
    # The same units again, over what is there: nothing moves.
    UnitStates(home.control, run["id"]).drop()
    home.control.put("replay-run", run["id"], run | {"state": "failed"})
    assert execute(guarded, settings, run["id"], ALONE, ignore)["digest"] == run["digest"]
    assert fields(home, run["generation"]) == oracle.buckets(events)


class _Guarded:
    """A bucket store with the port's methods only."""

    def __init__(self, store) -> None:
        for name in ("get_many", "commit", "range", "subjects", "scan", "touched_since", "drop_generation"):
            setattr(self, name, getattr(store, name))


def _without_bulk(home: Home) -> Home:
    import dataclasses

    return dataclasses.replace(home, buckets=_Guarded(home.buckets))  # type: ignore[arg-type]


def test_several_processes_build_the_same(home: Home, settings: AggregatorSettings) -> None:
    put(home, stream(3_000, seed=12, hours=40))
    plan = planned(home, settings)
    alone = start_run(home, settings, plan, ALONE, ignore)
    together = start_run(home, settings, plan, Drive(concurrency=2), ignore)
    assert together["digest"] == alone["digest"]


def test_two_processes_on_one_run_is_one_too_many(home: Home, settings: AggregatorSettings) -> None:
    put(home, stream(100, seed=13))
    run = create_run(home, planned(home, settings))
    with exclusive(home, settings, working_name(run)), pytest.raises(Conflict, match="is working on r1"):
        execute(home, settings, run["id"], ALONE, ignore)
    with exclusive(home, settings, f"{run['id']}-another"):  # that of another stage in the same data directory
        execute(home, settings, run["id"], ALONE, ignore)


def test_cancel_drops_the_generation_and_the_run_cannot_be_resumed(home: Home, settings: AggregatorSettings) -> None:
    put(home, stream(300, seed=14))
    run = replayed(home, settings)
    done = cancel_run(home, settings, run["id"])
    assert done["dropped_buckets"] == run["counts"]["buckets"]
    assert fields(home, run["generation"]) == {}
    with pytest.raises(BadRequest, match="cancelled"):
        execute(home, settings, run["id"], ALONE, ignore)


def test_a_missing_model_stops_at_the_plan(home: Home, settings: AggregatorSettings) -> None:
    put(home, stream(50, seed=15))
    with pytest.raises(Unusable, match="no-such-model"):
        planned(home, settings, model="no-such-model")


def test_a_completed_run_leaves_nothing_behind(home: Home, settings: AggregatorSettings, monkeypatch) -> None:
    """Also when it is killed at any step of its end, and resumed."""
    put(home, stream(200, seed=19))
    run = replayed(home, settings)
    drop, dropped = UnitStates.drop, []

    def killed(states: UnitStates) -> None:
        if not dropped:
            dropped.append(True)
            raise KeyboardInterrupt
        drop(states)

    monkeypatch.setattr(UnitStates, "drop", killed)
    with pytest.raises(KeyboardInterrupt):
        replayed(home, settings)
    assert get_run(home.control, "r2")["state"] == "completed"
    assert not run_folder(settings, working_name(get_run(home.control, "r2"))).exists()
    again = execute(home, settings, "r2", ALONE, ignore)
    assert again["digest"] == run["digest"]
    for name in ("r1", "r2"):
        assert home.control.list(f"replay-units-{name}") == {}
        assert not run_folder(settings, working_name(get_run(home.control, name))).exists()


def test_a_full_disk_stops_the_run_and_resume_goes_on(home: Home, settings: AggregatorSettings, monkeypatch) -> None:
    events = stream(500, seed=16)
    put(home, events)

    def full(path, fill, durable=True) -> None:
        raise OSError(28, "No space left on device")

    plan = planned(home, settings)
    with monkeypatch.context() as patched:
        patched.setattr("ops.replay.spool.write_atomically", full)
        with pytest.raises(OSError, match="No space left"):
            start_run(home, settings, plan, ALONE, ignore)
    assert get_run(home.control, "r1")["error"] == "[Errno 28] No space left on device"
    run = execute(home, settings, "r1", ALONE, ignore)
    assert fields(home, run["generation"]) == oracle.buckets(events)


def test_content_is_the_same_byte_for_byte(home: Home, settings: AggregatorSettings) -> None:
    put(home, stream(600, seed=17))
    Live(home, settings).all(batch=50)
    run = replayed(home, settings)
    live = b"".join(map(content_bytes, home.buckets.scan("g1")))
    assert b"".join(map(content_bytes, home.buckets.scan(run["generation"]))) == live


def test_working_files_that_a_power_cut_emptied_are_made_again(
    home: Home, settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = stream(600, seed=18)
    put(home, events)
    plan = planned(home, settings)
    with monkeypatch.context() as patched:
        patched.setattr("ops.replay.run._Execution._build", _cut)
        with pytest.raises(KeyboardInterrupt):
            start_run(home, settings, plan, ALONE, ignore)
    folder = run_folder(settings, working_name(get_run(home.control, "r1")))
    whole = Spool(folder)
    assert whole.missing(1) == []
    (folder / "000000.records").write_bytes(b"")
    assert Spool(folder).missing(1) == [0]
    run = execute(home, settings, "r1", ALONE, ignore)
    assert fields(home, run["generation"]) == oracle.buckets(events)


def _cut(execution: object, done: set[str]) -> None:
    raise KeyboardInterrupt
