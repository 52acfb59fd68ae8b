"""The live name passes from one generation to another with no hole and no double count, whoever writes meanwhile."""

import random
import threading
from pathlib import Path

import pytest

from aggregation.handover import Handover
from contracts.clock import ManualClock
from contracts.errors import BadRequest, Conflict, Transient
from contracts.events import SCORED_STREAM
from contracts.generation import POINTER, RUN_KIND, live_generation
from contracts.instants import iso_ms
from contracts.resolution import DAY_MS, HOUR_MS
from contracts.settings import AggregatorSettings
from ops.replay import promote as promote_module
from ops.replay.compare import Bounds, compare
from ops.replay.promote import promote, rollback
from ops.replay.run import Drive, start_run
from ops.replay.runs import AUDIT_KIND, get_run
from stores.home import Home, open_home
from tests import oracle
from tests.events import scored, stream
from tests.unit.replay.kit import (
    Live,
    compared,
    fields,
    ignore,
    one_replayed,
    planned,
    promote_cut_short,
    put,
    replayed,
    settings_of,
)

ALONE = Drive(concurrency=1)
AT_MS = 1_766_318_400_000


def handover_of(home: Home, settings: AggregatorSettings) -> Handover:
    return Handover(home.buckets, home.control, home.log, home.clock, settings)


def test_promote_catches_up_with_what_arrived_since_the_plan(home: Home, settings: AggregatorSettings) -> None:
    events = stream(900, seed=1, hours=20)
    live = Live(home, settings)
    put(home, events[:500])
    live.all()
    run = replayed(home, settings)
    put(home, events[500:700])
    live.all()
    report = compared(home, run)
    assert report["counts"]["changed"] == report["counts"]["only_a"] == 0
    assert report["counts"]["newer"] > 0
    put(home, events[700:])  # the aggregator has not seen these yet
    record = promote(home, settings, run["id"])
    assert record["previous"] == "g1"
    assert live_generation(home.control) == run["generation"]
    assert fields(home) == oracle.buckets(events)
    live.all()
    assert fields(home) == oracle.buckets(events)
    assert home.control.get(*POINTER).value["settled"]
    assert [each["action"] for each in home.control.list(AUDIT_KIND).values()] == ["run", "promote"]
    assert get_run(home.control, run["id"])["state"] == "live"


def test_promote_needs_a_completed_run_and_a_fresh_compare(home: Home, settings: AggregatorSettings) -> None:
    put(home, stream(200, seed=2))
    live = Live(home, settings)
    live.all()
    run = replayed(home, settings)
    with pytest.raises(Conflict, match="was not compared with g1"):
        promote(home, settings, run["id"])
    other = replayed(home, settings)
    compared(home, other)
    with pytest.raises(BadRequest, match="--reason"):
        promote(home, settings, run["id"], force=True)
    assert promote(home, settings, run["id"], force=True, reason="drill")["forced"]
    with pytest.raises(Conflict, match="was not compared with g2"):
        promote(home, settings, other["id"])
    with pytest.raises(BadRequest, match="no run 'r9'"):
        promote(home, settings, "r9")


def test_promote_refuses_outside_the_thresholds_and_a_partial_plan(home: Home, settings: AggregatorSettings) -> None:
    put(home, stream(400, seed=3, hours=20))
    Live(home, settings).all()
    part = replayed(home, settings, subjects=frozenset({"AAPL"}))
    report = compared(home, part)
    assert report["breaches"]
    with pytest.raises(Conflict, match=r"leaves something out.*buckets lost"):
        promote(home, settings, part["id"])
    whole = replayed(home, settings)
    compare(home, "g1", whole["generation"], Bounds(max_diffs=0))
    with pytest.raises(Conflict, match="stopped before its end"):
        promote(home, settings, whole["id"])
    compared(home, whole)
    assert promote(home, settings, whole["id"])["compare"]["breaches"] == []


def test_a_batch_that_read_the_pointer_before_the_swap_leaves_no_hole(home: Home, settings: AggregatorSettings) -> None:
    """The straggler: its commit goes to the old generation after the swap, and its checkpoint passes it by."""
    events = stream(600, seed=4, hours=10)
    live = Live(home, settings)
    put(home, events[:400])
    live.all()
    run = replayed(home, settings)
    compared(home, run)
    put(home, events[400:])
    commit = home.buckets.commit
    at_commit, swapped = threading.Event(), threading.Event()

    def straggling(generation, *arguments):
        if generation == "g1":
            at_commit.set()
            assert swapped.wait(20)
        return commit(generation, *arguments)

    home.buckets.commit = straggling  # type: ignore[method-assign]
    straggler = threading.Thread(target=live.aggregate)
    straggler.start()
    assert at_commit.wait(20)
    promote(home, settings, run["id"])
    swapped.set()
    straggler.join()
    live.all()
    assert fields(home) == oracle.buckets(events)


def test_live_traffic_during_run_promote_and_rollback_is_exact(home: Home, settings: AggregatorSettings) -> None:
    events = stream(3_000, seed=5, hours=30)
    put(home, events[:1_000])
    live = Live(home, settings)
    live.all()
    done, faults = threading.Event(), []

    def writer() -> None:
        rnd = random.Random(6)
        at = 1_000
        while at < len(events):
            size = rnd.choice((1, 7, 40))
            put(home, events[at : at + size])
            at += size
        done.set()

    def aggregator() -> None:
        rnd = random.Random(7)
        try:
            while live.aggregate(rnd.choice((1, 30, 200))) or not done.is_set():
                pass
        except Transient as fault:
            faults.append(fault)

    threads = [threading.Thread(target=writer), threading.Thread(target=aggregator)]
    for thread in threads:
        thread.start()
    run = replayed(home, settings)
    compared(home, run)
    promote(home, settings, run["id"])
    back = rollback(home, settings, "drill")
    again = replayed(home, settings)
    compared(home, again)
    promote(home, settings, again["id"])
    for thread in threads:
        thread.join()
    live.all()
    assert not faults
    assert back["generation"] == "g1"
    assert live_generation(home.control) == again["generation"]
    assert fields(home) == oracle.buckets(events)
    rollback(home, settings)
    assert fields(home) == oracle.buckets(events)


def test_a_swap_that_is_cut_short_is_finished_by_whoever_comes_next(home: Home, settings: AggregatorSettings) -> None:
    events = stream(500, seed=8, hours=10)
    live = Live(home, settings)
    put(home, events[:300])
    live.all()
    promote_cut_short(live, settings, replayed(home, settings), events[300:])
    assert fields(home) != oracle.buckets(events)
    assert handover_of(home, settings).settle()
    assert fields(home) == oracle.buckets(events)
    assert not handover_of(home, settings).settle()


def test_the_finaliser_finishes_a_swap(home: Home, settings: AggregatorSettings) -> None:
    from aggregation.finalizer import settle_swap

    put(home, [scored(1, "AAPL", AT_MS, 0.5)])
    pointer = {"generation": "g7", "previous": "g1", "handover": {}, "settled": False}
    home.control.put(*POINTER, pointer)
    settle_swap(settings)
    assert home.control.get(*POINTER).value["settled"]
    assert len(fields(home, "g7")) == 8


def test_of_two_promotes_at_once_one_wins(home: Home, settings: AggregatorSettings) -> None:
    put(home, stream(300, seed=9))
    Live(home, settings).all()
    runs = [replayed(home, settings), replayed(home, settings)]
    for run in runs:
        compared(home, run)
    barrier, outcomes = threading.Barrier(2), []

    def one(run: dict) -> None:
        barrier.wait()
        try:
            outcomes.append(promote(home, settings, run["id"])["generation"])
        except Conflict as error:
            outcomes.append(error)

    threads = [threading.Thread(target=one, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [outcome for outcome in outcomes if isinstance(outcome, str)]
    assert len(winners) == 1
    assert live_generation(home.control) == winners[0]


def test_the_swap_itself_is_guarded(home: Home, settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no lock is shared (two machines): the pointer's version decides."""
    put(home, stream(100, seed=10))
    Live(home, settings).all()
    run = replayed(home, settings)
    compared(home, run)
    catch_up = Handover.catch_up

    def overtaken(self, *arguments, **more):
        home.control.put(*POINTER, {"generation": "g9"})
        return catch_up(self, *arguments, **{name: value for name, value in more.items() if name != "still_mine"})

    monkeypatch.setattr(Handover, "catch_up", overtaken)
    with pytest.raises(Conflict, match="another generation was made live"):
        promote(home, settings, run["id"])
    assert live_generation(home.control) == "g9"


def test_a_plan_older_than_retention_is_not_promoted(home: Home, settings: AggregatorSettings) -> None:
    put(home, stream(200, seed=11))
    Live(home, settings).all()
    run = start_run(home, settings, planned(home, settings), ALONE, ignore)
    compared(home, run)
    border_ms = home.clock.now_ms() + 2
    while home.clock.now_ms() <= border_ms:
        pass
    put(home, stream(50, seed=12))
    home.log.trim(SCORED_STREAM, border_ms)
    with pytest.raises(BadRequest, match="retention has passed the plan"):
        promote(home, settings, run["id"])


def test_a_rollback_brings_the_one_record_of_a_quiet_shard(tmp_path: Path) -> None:
    """A function's checkpoints are Lambda's, so what the previous generation lacks is told by the log alone; and the
    first record of a day may have come just before the swap, which the aggregator read only after it."""
    clock, settings = ManualClock(AT_MS), settings_of(tmp_path)
    home = open_home(settings, clock)
    put(home, [scored(0, "AAPL", AT_MS, 0.5, AT_MS)])
    Live(home, settings).all()
    for name in home.control.list("checkpoint"):
        home.control.delete("checkpoint", name)
    clock.advance(2 * DAY_MS)
    put(home, [scored(1, "AAPL", clock.now_ms(), 0.5, clock.now_ms())])
    floor = promote_module._floor(home)
    pointer = {"generation": "g2", "previous": "g1", "previous_floor": floor, "handover": {}, "settled": True}
    home.control.put(*POINTER, pointer | {"swapped_at": iso_ms(clock.now_ms())})
    rollback(home, settings)
    assert [bucket.summary.count for bucket in home.buckets.range("g1", "AAPL", "24h")] == [1, 1]
    home.close()


@pytest.mark.parametrize("action", ["promote", "rollback"])
def test_what_counted_and_is_past_its_time_to_live_since_is_not_lost_silently(tmp_path: Path, action: str) -> None:
    """Minutes live two days: three days on, nobody can add to them, so the other generation stays without them."""
    clock, settings = ManualClock(AT_MS), settings_of(tmp_path, expire=True)
    home = open_home(settings, clock)
    live = Live(home, settings)

    def arrive(number: int) -> None:
        put(home, [scored(number, "AAPL", clock.now_ms(), 0.5, clock.now_ms())])
        live.all()

    arrive(1)
    run = replayed(home, settings)
    if action == "rollback":
        compared(home, run)
        promote(home, settings, run["id"])
    before = live_generation(home.control)
    clock.advance(HOUR_MS)
    arrive(2)
    clock.advance(3 * DAY_MS)
    arrive(3)
    if action == "promote":
        compare(home, before, run["generation"], expire=True)
    with pytest.raises(BadRequest, match=r"1 events.*time to live.*plan and run again"):
        promote(home, settings, run["id"]) if action == "promote" else rollback(home, settings)
    assert live_generation(home.control) == before
    again = replayed(home, settings)
    compare(home, before, again["generation"], expire=True)
    promote(home, settings, again["id"])
    assert [bucket.summary.count for bucket in home.buckets.range(again["generation"], "AAPL", "24h")] == [2, 1]
    home.close()


def test_what_was_set_aside_as_expired_does_not_hold_a_promote_up(tmp_path: Path) -> None:
    home, settings, live, run = one_replayed(tmp_path, AT_MS)
    home.clock.advance(3 * DAY_MS)
    put(home, [scored(7, "AAPL", AT_MS - 1_000, 0.5, AT_MS)])
    live.all()
    compare(home, "g1", run["generation"], expire=True)
    assert promote(home, settings, run["id"])["caught_up"] == 1
    home.close()


def test_rollback_without_a_promote_is_refused(home: Home, settings: AggregatorSettings) -> None:
    with pytest.raises(BadRequest, match="nothing was promoted"):
        rollback(home, settings)


def test_a_rescored_generation_that_is_live_still_verifies(
    home: Home, settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to the handover the model's scores, beyond it those of the log; also after a rollback and another promote."""
    from consumers.classifier.models import registry
    from ops.verify import verify
    from tests.unit.replay.kit import put_raw, raw
    from tests.unit.replay.test_rescore import Lengths, again, news, title

    monkeypatch.setattr(registry, "load", lambda name, threads=1: Lengths())
    put_raw(home, [raw(n, title(n)) for n in range(200)])
    events = news(200)
    live = Live(home, settings)

    def arrive(first: int, last: int) -> None:
        put(home, events[first:last])
        live.all()

    arrive(0, 100)
    run = start_run(home, settings, planned(home, settings, model="lengths"), ALONE, ignore)
    arrive(100, 120)
    wide = {"max_flips": 1, "max_close_change": 2, "max_psi": 99}
    compared(home, run, **wide)
    promote(home, settings, run["id"])
    arrive(120, 150)
    expected = oracle.buckets([again(event) for event in events[:120]] + events[120:150])
    assert fields(home) == expected
    assert verify(home, settings).total_differences == 0
    rollback(home, settings)
    arrive(150, 170)
    assert fields(home) == oracle.buckets(events[:170])
    assert verify(home, settings).total_differences == 0
    compared(home, get_run(home.control, run["id"]), **wide)
    promote(home, settings, run["id"])
    arrive(170, 200)
    assert fields(home) == oracle.buckets([again(event) for event in events[:120]] + events[120:])
    assert verify(home, settings).total_differences == 0


def test_a_promote_that_died_after_the_swap_is_filed_by_the_next_command(
    home: Home, settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(home, stream(100, seed=13))
    Live(home, settings).all()
    run = replayed(home, settings)
    compared(home, run)
    with monkeypatch.context() as patched:
        patched.setattr(promote_module, "book", _dies)
        with pytest.raises(KeyboardInterrupt):
            promote(home, settings, run["id"])
    assert live_generation(home.control) == run["generation"]
    assert home.control.get(RUN_KIND, run["id"]).value["state"] == "completed"
    assert get_run(home.control, run["id"])["state"] == "live", "as the pointer says"
    with pytest.raises(Conflict, match="is live already"):
        promote(home, settings, run["id"])
    assert home.control.get(RUN_KIND, run["id"]).value["state"] == "live"
    assert [each["action"] for each in home.control.list(AUDIT_KIND).values()] == ["run", "promote"]
    assert home.control.get(*POINTER).value["settled"]


def _dies(home: Home) -> None:
    """Once the pointer is swapped."""
    if home.control.get(*POINTER).value is not None:
        raise KeyboardInterrupt
