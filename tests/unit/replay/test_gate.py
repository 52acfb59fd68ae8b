"""What stands between a run and the live name: events that would be lost, other rules than planned, a log that has
lost what came since."""

import itertools
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from aggregation.finalizer import settle_swap
from aggregation.handover import Handover, check_retention
from aggregation.lanes import Lanes
from consumers.classifier.models import registry
from contracts.errors import BadRequest, Conflict, Transient, Unusable
from contracts.events import SCORED_STREAM
from contracts.generation import POINTER, live_generation
from contracts.ports import Page
from contracts.resolution import DAY_MS
from contracts.settings import AggregatorSettings
from ops.replay import promote as promote_module
from ops.replay.plan import load_plan
from ops.replay.promote import promote
from ops.replay.runs import get_run
from ops.verify import verify
from stores.home import Home
from stores.log_tip import newest
from tests import oracle
from tests.events import lines, scored, stream
from tests.unit.replay.kit import (
    Live,
    compared,
    fields,
    one_replayed,
    planned,
    promote_cut_short,
    put,
    put_raw,
    raw,
    replayed,
    settings_of,
)
from tests.unit.replay.test_rescore import Lengths, again, news, title

AT_MS = 1_766_318_400_000
WIDE = {"max_flips": 1, "max_close_change": 2, "max_psi": 99}


def minute(count: int) -> list[dict[str, Any]]:
    """Events of one minute."""
    return [scored(number, "AAPL", AT_MS + number, 0.1) for number in range(count)]


def tick(home: Home) -> int:
    """An instant that is later than all before it and earlier than all behind it."""
    home.clock.wait(threading.Event(), 2)
    now_ms = home.clock.now_ms()
    home.clock.wait(threading.Event(), 2)
    return now_ms


def with_an_archiver_behind(home: Home, settings: AggregatorSettings) -> Live:
    """Thirty events of a minute counted, twenty of them archived."""
    live = Live(home, settings)
    put(home, minute(30)[:20])
    live.all()
    put(home, minute(30)[20:])
    while live.aggregate():
        pass
    return live


def test_events_that_are_missing_in_a_bucket_both_have_are_lost(home: Home, settings: AggregatorSettings) -> None:
    live = with_an_archiver_behind(home, settings)
    tick(home)
    run = replayed(home, settings, sources=("lake",))  # the archiver is behind
    report = compared(home, run)
    assert report["counts"]["changed"] == 8
    assert report["lost"] == {"events": 10, "of": 30, "share": pytest.approx(1 / 3, abs=1e-6)}
    with pytest.raises(Conflict, match=r"events lost: 10 of 30, at most 0.*then 10 of 30 events of g1 are gone"):
        promote(home, settings, run["id"])
    assert compared(home, run, max_lost=0.5)["breaches"] == []
    put(home, [scored(40, "AAPL", AT_MS, 0.1)])
    live.all()
    assert compared(home, run)["lost"]["events"] == 0, "written since the plan: nobody can tell"


def test_force_is_not_offered_before_it_is_known_what_it_costs(home: Home, settings: AggregatorSettings) -> None:
    put(home, [scored(number, "AAPL", AT_MS + number * 60_000, 0.1) for number in range(300)])
    Live(home, settings).all()
    run = replayed(home, settings, start_ms=AT_MS, end_ms=AT_MS + 30 * 60_000)
    with pytest.raises(Conflict) as refused:
        promote(home, settings, run["id"])
    assert "--force" not in str(refused.value)
    compared(home, run)
    with pytest.raises(Conflict, match="--force --reason TEXT does it all the same: then 270 of 300 events of g1"):
        promote(home, settings, run["id"])


def test_a_plan_of_another_model_version_is_not_promoted(
    home: Home, settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Lengths()
    monkeypatch.setattr(registry, "load", lambda name, threads=1: model)
    put_raw(home, [raw(n, title(n)) for n in range(20)])
    put(home, news(20))
    Live(home, settings).all()
    run = replayed(home, settings, model="lengths")
    compared(home, run, **WIDE)
    model.version = "lengths-2"
    for force in (False, True):
        with pytest.raises(Unusable, match="the plan is for model lengths-1"):
            promote(home, settings, run["id"], force, "whatever")
    assert live_generation(home.control) == "g1"


def test_a_plan_of_another_lateness_is_not_promoted(home: Home, settings: AggregatorSettings) -> None:
    put(home, stream(50, seed=1))
    Live(home, settings).all()
    run = replayed(home, settings)
    compared(home, run)
    other = settings.model_copy(update={"allowed_lateness_ms": 2 * DAY_MS})
    with pytest.raises(Conflict, match="planned with allowed lateness in ms 86400000, now it is 172800000"):
        promote(home, other, run["id"], force=True, reason="whatever")


def test_what_a_file_leaves_out_comes_from_the_log_as_far_as_it_has_it(
    home: Home, settings: AggregatorSettings, tmp_path: Path
) -> None:
    events = stream(60, seed=3, hours=2)
    put(home, events)
    Live(home, settings).all()
    file = tmp_path / "some.jsonl"
    file.write_bytes(lines(events[:20]))
    run = replayed(home, settings, sources=(f"file:{file}",))
    compared(home, run)
    with pytest.raises(Conflict, match="events of g1 are gone, but for those that the log still has"):
        promote(home, settings, run["id"])
    promote(home, settings, run["id"], force=True, reason="drill")
    assert fields(home) == oracle.buckets(events)


def test_a_generation_keeps_the_lanes_of_its_plan(home: Home, settings: AggregatorSettings) -> None:
    """Whatever the setting says when the rest is added."""
    events = stream(200, seed=3, hours=2, duplicates=0)
    spread = settings_of(settings.data_dir, lanes=4)
    live = Live(home, settings)
    put(home, events[:120])
    live.all()
    run = replayed(home, spread)
    put(home, events[60:])  # half of it comes a second time
    live.all()
    compared(home, run)
    promote(home, settings, run["id"])
    live.all()
    assert {key: row for key, row in fields(home).items() if "~" not in key[0]} == oracle.buckets(events)


def test_a_plan_has_the_lanes_of_what_is_live_unless_told_otherwise(home: Home, settings: AggregatorSettings) -> None:
    """The stage's lanes reach its functions, not the shell of who replays."""
    put(home, stream(60, seed=3, hours=2))
    live = Live(home, settings_of(settings.data_dir, lanes=4))
    live.all()
    plain, told = replayed(home, settings), replayed(home, settings_of(settings.data_dir, lanes=1))
    lanes = Lanes(home.control, 9)
    assert (lanes.of(plain["generation"]), lanes.of(told["generation"])) == (4, 1)
    lines: list[str] = []
    assert compared(home, plain)["counts"]["changed"] == 0
    promote(home, settings, plain["id"], tell=lines.append)
    assert not any("lanes" in line for line in lines)
    compared(home, told)
    promote(home, settings, told["id"], tell=lines.append)
    assert [line for line in lines if "lanes" in line] == ["g3 has lanes 1, g2 has lanes 4"]


def test_a_plan_leaves_the_lanes_of_what_is_live_open(home: Home, settings: AggregatorSettings) -> None:
    put(home, stream(60, seed=3, hours=2))
    planned(home, settings)
    assert home.control.list("lanes") == {}


def ready_to_promote(
    home: Home, settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch
) -> tuple[Live, list[dict[str, Any]], dict[str, Any]]:
    """120 events, of which 60 are counted live, replayed with another model and compared."""
    monkeypatch.setattr(registry, "load", lambda name, threads=1: Lengths())
    put_raw(home, [raw(n, title(n)) for n in range(120)])
    events = news(120)
    live = Live(home, settings)
    put(home, events[:60])
    live.all()
    run = replayed(home, settings, model="lengths")
    compared(home, run, **WIDE)
    return live, events, run


@pytest.mark.parametrize("fault", [Transient("control", "down"), KeyboardInterrupt()])
def test_a_promote_that_failed_leaves_no_old_scores_to_the_next(
    home: Home, settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch, fault: BaseException
) -> None:
    """What arrives between the two has the model's scores too."""
    live, events, run = ready_to_promote(home, settings, monkeypatch)

    def failing(*arguments: Any) -> None:
        raise fault

    with monkeypatch.context() as patched:
        patched.setattr(promote_module, "_swap", failing)
        with pytest.raises(type(fault)):
            promote(home, settings, run["id"])
    put(home, events[60:100])
    live.all()
    compared(home, run, **WIDE)
    record = promote(home, settings, run["id"])
    assert fields(home) == oracle.buckets([again(event) for event in events[:100]])
    assert get_run(home.control, run["id"])["rescored_to"] == record["handover"]
    put(home, events[100:])
    live.all()
    assert verify(home, settings).total_differences == 0


def test_a_promote_killed_before_it_was_booked_leaves_no_difference(
    home: Home, settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The finaliser finishes the swap; what the runs are is filed by the next promote, rollback or cancel alone."""
    live, events, run = ready_to_promote(home, settings, monkeypatch)
    book, calls = promote_module.book, itertools.count(1)

    def killed_behind_the_swap(home: Home) -> None:
        if next(calls) == 2:
            raise KeyboardInterrupt
        book(home)

    with monkeypatch.context() as patched:
        patched.setattr(promote_module, "book", killed_behind_the_swap)
        with pytest.raises(KeyboardInterrupt):
            promote(home, settings, run["id"])
    put(home, events[60:90])
    live.all()
    settle_swap(settings)
    put(home, events[90:])
    live.all()
    assert live_generation(home.control) == run["generation"]
    assert verify(home, settings).total_differences == 0
    assert fields(home) == oracle.buckets([again(event) for event in events[:60]] + events[60:])
    book(home)
    assert verify(home, settings).total_differences == 0


def test_a_lake_that_ends_before_what_the_log_has_lost_is_not_promoted(
    home: Home, settings: AggregatorSettings
) -> None:
    """The archiver stood still, and retention has passed what it left out."""
    live = Live(home, settings)
    put(home, minute(30)[:20])
    live.all()
    put(home, minute(30)[20:25])
    while live.aggregate():
        pass
    border_ms = tick(home)
    put(home, minute(30)[25:])
    while live.aggregate():
        pass
    home.log.trim(SCORED_STREAM, border_ms)
    run = replayed(home, settings, sources=("lake",))
    compared(home, run)
    with pytest.raises(BadRequest, match="the log has lost records"):
        promote(home, settings, run["id"], force=True, reason="whatever")


def test_a_lake_that_is_behind_a_whole_log_is_caught_up(home: Home, settings: AggregatorSettings) -> None:
    with_an_archiver_behind(home, settings)
    run = replayed(home, settings, sources=("lake",))
    promote(home, settings, run["id"], force=True, reason="the log has the rest")
    assert fields(home) == oracle.buckets(minute(30))


@pytest.mark.parametrize("named", [True, False])
def test_a_log_that_lists_the_shards_of_a_plan_no_more_has_lost_what_came_behind_it(
    home: Home, settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    """Kinesis drops a closed shard from its list once all its records have expired."""
    put(home, minute(1))
    Live(home, settings).all()
    tips = load_plan(home, replayed(home, settings)["plan"]).tips
    planned_ms = tick(home)
    for shard in home.log.shards(SCORED_STREAM):
        home.log.split_shard(SCORED_STREAM, shard.shard_id, (shard.first_hash + shard.last_hash) // 2)
    put(home, [scored(2, "AAPL", AT_MS, 0.1)])
    check_retention(home.log, tips, planned_ms, planned_ms)
    home.log.trim(SCORED_STREAM, tick(home))
    put(home, [scored(3, "AAPL", AT_MS, 0.1)])
    listed = home.log.shards
    monkeypatch.setattr(home.log, "shards", lambda stream: [one for one in listed(stream) if not one.closed])
    with pytest.raises(BadRequest, match="the log has lost records"):
        check_retention(home.log, tips if named else {}, planned_ms, planned_ms)


def test_the_last_swap_says_how_far_the_scores_go(home: Home, settings: AggregatorSettings) -> None:
    """Nothing to re-score: no such position."""
    put(home, stream(50, seed=2))
    Live(home, settings).all()
    run = replayed(home, settings)
    compared(home, run)
    promote(home, settings, run["id"])
    assert get_run(home.control, run["id"]).get("rescored_to") is None
    assert home.control.get(*POINTER).value["handover"]
    assert not Handover(home.buckets, home.control, home.log, home.clock, settings).settle()


def test_settling_undoes_no_swap_that_came_meanwhile(
    home: Home, settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = {"generation": "g3", "settled": True, "handover": {}}
    home.control.put(*POINTER, {"generation": "g2", "settled": False, "handover": {}})
    handover = Handover(home.buckets, home.control, home.log, home.clock, settings)
    monkeypatch.setattr(handover, "catch_up", lambda *given, **more: home.control.put(*POINTER, newer))
    assert not handover.settle()
    assert home.control.get(*POINTER).value == newer


def test_an_empty_answer_before_the_tip_ends_no_catching_up(
    home: Home, settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kinesis crosses stretches without records."""
    put(home, minute(30))
    answer, empty = home.log.get_records, [True, True]

    def crossing(iterator: str, *limit: int) -> Page:
        return Page([], iterator, 1) if empty and empty.pop() else answer(iterator, *limit)

    monkeypatch.setattr(home.log, "get_records", crossing)
    tip = {shard.shard_id: newest(home.log, SCORED_STREAM, shard.shard_id) for shard in home.log.shards(SCORED_STREAM)}
    empty += [True, True]
    reached, count = Handover(home.buckets, home.control, home.log, home.clock, settings).catch_up("g1", {})
    assert (reached, count) == ({shard: place for shard, place in tip.items() if place}, 30)
    assert fields(home) == oracle.buckets(minute(30))


def test_what_expired_while_the_end_of_a_swap_was_owed_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing can be refused any more."""
    home, settings, live, run = one_replayed(tmp_path, AT_MS)
    promote_cut_short(live, settings, run, [scored(2, "AAPL", AT_MS, 0.5, AT_MS)])
    home.clock.advance(3 * DAY_MS)
    assert Handover(home.buckets, home.control, home.log, home.clock, settings).settle()
    (told,) = [json.loads(record.message) for record in caplog.records if "left out of a swap" in record.message]
    assert told["count"] == 1
    home.close()
