"""What a plan foretells, and how it is cut into tasks."""

from contracts.settings import AggregatorSettings
from ops.replay.plan import MIN_TASKS, outlook, tasks_of
from ops.replay.runs import get_run, update_run
from stores.home import Home
from tests.events import BASE_MS, scored, stream
from tests.unit.replay.kit import planned, put, replayed


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
