"""What a plan foretells, and how it is cut into tasks."""

import json

import msgspec
import pytest

from contracts.errors import BadRequest
from contracts.resolution import DAY_MS, HOUR_MS
from contracts.settings import AggregatorSettings
from ops.replay.plan import MIN_TASKS, Group, load_plan, outlook, tasks_of
from ops.replay.promote import promote
from ops.replay.run import Drive, start_run
from ops.replay.runs import get_run, update_run
from ops.replay.units import KIND, Tally, UnitStates
from stores.home import Home
from tests import oracle
from tests.events import BASE_MS, scored, stream
from tests.unit.replay.kit import Live, compared, fields, ignore, planned, put, replayed


def test_many_small_subjects_share_tasks_and_every_group_is_in_one(home: Home, settings: AggregatorSettings) -> None:
    put(home, [scored(number, f"S{number % 300}", BASE_MS + number, 0.1) for number in range(900)])
    plan = planned(home, settings)
    tasks = list(tasks_of(plan, 16_000))
    assert [group for task in tasks for group in task] == list(plan.groups)
    assert len(plan.groups) == 300
    assert MIN_TASKS <= len(tasks) <= 2 * MIN_TASKS
    assert tasks == list(tasks_of(plan, 16_000)), "cut in the same places"
    assert all(sum(group.records for group in task) <= 900 // MIN_TASKS for task in tasks)


def test_a_day_larger_than_a_task_is_one(home: Home, settings: AggregatorSettings) -> None:
    put(home, stream(200, seed=3, hours=1))
    plan = planned(home, settings)
    assert [group for task in tasks_of(plan, 1) for group in task] == list(plan.groups)
    assert len(list(tasks_of(plan, 1))) == len(plan.groups)


@pytest.mark.parametrize(("hours", "records", "lanes"), [(1, 2, 1), (24, 2, 1), (1, 2, 4), (1, 100, 16)])
def test_what_a_task_came_to_fits_in_an_item(
    home: Home, settings: AggregatorSettings, hours: int, records: int, lanes: int
) -> None:
    """A long tail: two records a subject and day, or a subject of every hour of ten years; lanes, each a subject."""
    put(home, stream(20, seed=5))
    whole = planned(home, settings)
    subject = f"tag:{'x' * 60}"
    groups = tuple(
        Group(f"{subject}{number % 400:03}", f"2025-{number // 400:05}", tuple(range(hours)), records)
        for number in range(4_000)
    )
    plan = msgspec.structs.replace(
        whole, groups=groups, lanes=lanes, census=msgspec.structs.replace(whole.census, records=8_000_000_000)
    )
    tasks = list(tasks_of(plan, 16_000_000_000))
    assert [group for task in tasks for group in task] == list(groups)
    for task in tasks:
        subjects = [group.subject for group in task]
        if lanes > 1:
            subjects += [f"{group.subject}~{lane}" for group in task for lane in range(min(lanes, group.records))]
        tally = Tally(digests={f"{subject}/1766318400000": "0" * 64 for subject in subjects})
        states = UnitStates(home.control, "r1")
        states.finish("a", set(range(1_766_318_400_000, 1_766_318_400_000 + sum(len(g.hours) for g in task))), tally)
        assert len(json.dumps(home.control.get(f"{KIND}r1", "a").value)) < 350_000


@pytest.mark.parametrize("lanes", [1, 4])
def test_a_plan_foretells_what_is_written_where_buckets_expire_and_in_lanes(
    home: Home, settings: AggregatorSettings, lanes: int
) -> None:
    now_ms = home.clock.now_ms()
    settings = settings.model_copy(update={"expire": True, "lanes": lanes})
    ages = [number * DAY_MS // 20 for number in range(1_200)]  # sixty days; of minutes two are kept
    news = [(number, age) for number, age in enumerate(ages)] + [(10_000 + number, HOUR_MS) for number in range(60)]
    put(home, [scored(number, f"S{number % 3}", now_ms - age, 0.1) for number, age in news])
    plan = planned(home, settings)
    run = start_run(home, settings, plan, Drive(concurrency=1), ignore)
    stored = len(list(home.buckets.scan(run["generation"])))
    assert run["counts"]["buckets"] == stored
    # How many lanes the articles of a minute are in is a matter of chance; one hour may end meanwhile.
    assert abs(outlook(home, plan)["buckets"]["total"] - stored) <= (3 if lanes == 1 else stored // 20)
    assert stored < 5_000 < plan.census.events * 8


def test_the_time_foretold_is_that_of_the_last_run_at_full_speed(home: Home, settings: AggregatorSettings) -> None:
    put(home, stream(400, seed=4, hours=4))
    run = replayed(home, settings)
    assert run["measured"]
    plan = planned(home, settings)
    assert outlook(home, plan)["expected_seconds"] <= 1.1, "too short a run to measure"
    update_run(home.control, get_run(home.control, "r1"), seconds=30.0)
    assert outlook(home, plan)["expected_seconds"] == 31.0
    update_run(home.control, get_run(home.control, "r1"), measured=False)
    assert outlook(home, plan)["expected_seconds"] <= 1.1, "a run that was paced or resumed says nothing"


@pytest.mark.parametrize("partial_first", [False, True])
def test_a_plan_that_reads_the_same_takes_nothing_from_a_run(
    home: Home, settings: AggregatorSettings, partial_first: bool
) -> None:
    """`--from-time` before everything leaves out nothing, though it says that it may."""
    put(home, stream(50, seed=6))
    Live(home, settings).all()
    if partial_first:
        planned(home, settings, sources=("log",), log_from_ms=1)
    run = replayed(home, settings)
    compared(home, run)
    assert planned(home, settings, sources=("log",), log_from_ms=1).hash == run["plan"]
    assert load_plan(home, run["plan"]).complete
    assert promote(home, settings, run["id"])["plan"] == run["plan"]


@pytest.mark.parametrize("lines", [[b"no plan"], []])
def test_a_damaged_plan_is_replaced(home: Home, settings: AggregatorSettings, lines: list[bytes]) -> None:
    put(home, stream(50, seed=6))
    plan = planned(home, settings)
    home.lake.put(f"replay/plans/{plan.hash}.jsonl.gz", lines)
    with pytest.raises(BadRequest, match="is no plan"):
        load_plan(home, plan.hash)
    planned(home, settings)
    assert load_plan(home, plan.hash).segments == plan.segments


@pytest.mark.parametrize("concurrency", [1, 2])
def test_the_news_of_a_source_can_be_left_out(home: Home, settings: AggregatorSettings, concurrency: int) -> None:
    events = [
        event | {"source": ("good", "liar")[n % 2]}
        for n, event in enumerate(stream(400, seed=7, hours=5, duplicates=0))
    ]
    put(home, events)
    whole = planned(home, settings)
    run = replayed(home, settings, Drive(concurrency=concurrency), without_sources=frozenset({"liar"}))
    assert fields(home, run["generation"]) == oracle.buckets([event for event in events if event["source"] == "good"])
    assert run["plan"] != whole.hash
    assert load_plan(home, run["plan"]).without_sources == ("liar",)
    assert not load_plan(home, run["plan"]).complete
    with pytest.raises(BadRequest, match="--without-source: no event is of nobody"):
        planned(home, settings, without_sources=frozenset({"liar", "nobody"}))
    first_ms = load_plan(home, run["plan"]).census.first_ms
    with pytest.raises(BadRequest, match="--without-source: no event is of liar"):  # none of those it is about
        planned(home, settings, without_sources=frozenset({"liar"}), start_ms=first_ms, end_ms=first_ms + 1)
