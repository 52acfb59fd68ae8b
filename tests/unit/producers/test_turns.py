"""When a source has its turn: counted from when it was asked, and by the run of a schedule that is nearest to it."""

import json
from itertools import pairwise
from typing import Any

import pytest

from producers.handler import SCHEDULE_EARLY_MS
from producers.service import KIND, SETTING_KIND
from producers.sources.registry import Source
from tests.fakes.web import FakeSite, Reply, page
from tests.unit.producers.test_service import FEED, NOW_MS, POSTS, Polling, source

RUN_MS = 300_000


def asked_at(site: FakeSite, polling: Polling, answer_ms: int = 400) -> list[int]:
    """Where the seconds at which a source is asked are put, which takes a while to answer."""
    asked: list[int] = []
    plain = site.reply

    def reply(path: str, headers: dict[str, str]) -> Reply:
        asked.append((polling.clock.now_ms() - NOW_MS) // 1000)
        polling.clock.advance(answer_ms)
        return plain(path, headers)

    site.reply = reply
    return asked


def test_a_turn_is_counted_from_when_the_source_was_asked(site: FakeSite) -> None:
    polling = Polling(source("good", site.put("/good", page(FEED))))
    asked = asked_at(site, polling, 2_000)
    for second in range(3 * 300):
        polling.clock.instant_ms = max(polling.clock.now_ms(), NOW_MS + second * 1000)
        polling.service.poll()
    assert asked == [0, 300, 600]


@pytest.mark.parametrize(("every_s", "turns"), [(300, 12), (60, 12), (600, 6), (900, 4), (1_800, 2)])
def test_runs_of_a_schedule_that_come_a_little_early_or_late_miss_no_turn(
    site: FakeSite, every_s: int, turns: int
) -> None:
    polling = Polling(Source(name="good", kind="rss", url=site.put("/good", page(FEED)), every_s=every_s))
    asked = asked_at(site, polling)
    for run in range(12):
        polling.clock.instant_ms = NOW_MS + run * RUN_MS + (run % 3) * 5_000
        polling.restart()
        polling.service._early_ms = SCHEDULE_EARLY_MS
        polling.service.poll()
    assert len(asked) == turns


def test_between_the_runs_a_turn_is_neither_rounded_down_nor_up_for_ever(site: FakeSite) -> None:
    polling = Polling(Source(name="good", kind="rss", url=site.put("/good", page(FEED)), every_s=430))
    asked = asked_at(site, polling)
    for run in range(43):
        polling.clock.instant_ms = NOW_MS + run * RUN_MS
        polling.restart()
        polling.service._early_ms = SCHEDULE_EARLY_MS
        polling.service.poll()
    assert {after - before for before, after in pairwise(asked)} == {300, 600}
    assert len(asked) in range(28, 32), "some 12,900 s of 430"


def test_a_source_that_answers_slower_than_its_turns_come_is_left_alone_for_a_while(site: FakeSite) -> None:
    polling = Polling(Source(name="slow", kind="rss", url=site.put("/slow", page(FEED)), every_s=10))
    asked = asked_at(site, polling, 12_000)
    polling.service.poll()
    assert polling.service.poll().polled == 0
    polling.clock.advance(1_000)
    polling.service.poll()
    assert asked == [0, 13]


def test_a_source_that_asked_for_patience_is_not_asked_early(site: FakeSite) -> None:
    polling = Polling(source("busy", site.put("/feed", (429, {"Retry-After": "900"}, b""))))
    polling.service._early_ms = SCHEDULE_EARLY_MS
    polling.service.poll()
    polling.clock.advance(800_000)
    assert polling.service.poll().polled == 0


# ---- settings that were mended while a source waits ------------------------------------------------------------------
ROWS = page(json.dumps({"rows": [{"id": 1, "title": "Apple rises", "body": ""}]}).encode(), "application/json")


def rows_at(site: FakeSite, *replies: Reply, every_s: int = 86_400, **options: Any) -> Source:
    return Source(name="rows", kind="json", url=site.put("/rows", *replies), every_s=every_s, options=POSTS | options)


def test_mended_options_are_tried_at_once_and_once(site: FakeSite) -> None:
    polling = Polling(rows_at(site, ROWS, items="data"))
    polling.service.poll()
    assert polling.state("rows")["state"] == "unreachable"
    for items, state in (("others", "unreachable"), ("rows", "healthy")):
        polling.sources = (rows_at(site, ROWS, items=items),)
        polling.clock.advance(1_000)
        assert polling.restart().poll().polled == 1
        assert polling.state("rows")["state"] == state
        assert polling.restart().poll().polled == 0, "and then when it is due"


def test_mended_options_are_tried_while_the_circuit_is_open(site: FakeSite) -> None:
    polling = Polling(rows_at(site, (500, {}, b""), items="rows"))
    while polling.state("rows").get("state") != "circuit open":
        polling.service.poll()
        polling.clock.advance(1_000)
    polling.sources = (rows_at(site, ROWS, items="rows", params={"q": "chips"}),)
    assert polling.restart().poll().published == 1


@pytest.mark.parametrize(("limits", "polled", "state"), [([[75, 60]], 1, "healthy"), ([[1, 80_000]], 1, "waiting")])
def test_another_plan_is_tried_at_once_and_its_allowance_holds(
    site: FakeSite, limits: list[list[int]], polled: int, state: str
) -> None:
    polling = Polling(rows_at(site, ROWS, every_s=600, items="rows", limits=[[1, 86_400]]))
    polling.service.poll()
    polling.clock.advance(600_000)
    polling.service.poll()
    assert polling.state("rows")["state"] == "waiting"
    polling.sources = (rows_at(site, ROWS, every_s=600, items="rows", limits=limits),)
    asked = len(site.asked)
    assert polling.restart().poll().polled == polled
    assert (polling.state("rows")["state"], len(site.asked) - asked) == (state, int(state == "healthy"))
    assert polling.restart().poll().polled == 0


def test_a_faster_pace_counts_for_a_source_that_does_not_answer(site: FakeSite) -> None:
    polling = Polling(rows_at(site, (403, {}, b"")))
    polling.service.poll()
    polling.control.put(SETTING_KIND, "rows", {"every_s": 60})
    polling.clock.advance(59_000)
    assert polling.service.poll().polled == 0
    polling.clock.advance(1_000)
    assert polling.service.poll().polled == 1


@pytest.mark.parametrize("status", [403, 500])
def test_a_faster_pace_does_not_make_an_open_circuit_ask_more_than_once_a_minute(site: FakeSite, status: int) -> None:
    polling = Polling(rows_at(site, (status, {}, b""), every_s=120))
    for _ in range(5):
        polling.service.poll("rows")
    assert polling.state("rows")["state"] == "circuit open"
    polling.control.put(SETTING_KIND, "rows", {"every_s": 10})
    polling.clock.advance(50_000)
    assert polling.service.poll().polled == 0
    polling.clock.advance(10_000)
    assert polling.service.poll().polled == 1


def test_a_faster_pace_shortens_no_wait_that_the_source_or_its_allowance_asked_for(site: FakeSite) -> None:
    polling = Polling(rows_at(site, ROWS, (503, {"Retry-After": "900"}, b""), items="rows", limits=[[2, 7_200]]))
    polling.service.poll()
    polling.service.poll("rows")
    polling.control.put(SETTING_KIND, "rows", {"every_s": 60})
    polling.clock.advance(899_000)
    assert polling.service.poll().polled == 0
    polling.clock.advance(1_000)
    assert polling.service.poll().polled == 1
    assert polling.state("rows")["state"] == "waiting"
    polling.control.put(SETTING_KIND, "rows", {"every_s": 10})
    polling.clock.advance(3_600_000)
    assert polling.service.poll().polled == 0


def test_a_wait_of_which_nobody_noted_who_asked_for_it_is_left_alone(site: FakeSite) -> None:
    polling = Polling(rows_at(site, (503, {"Retry-After": "900"}, b"")))
    polling.service.poll()
    state = polling.state("rows")
    polling.control.put(KIND, "rows", {name: value for name, value in state.items() if name != "not_before_ms"})
    polling.control.put(SETTING_KIND, "rows", {"every_s": 60})
    polling.clock.advance(899_000)
    assert polling.restart().poll().polled == 0
    polling.clock.advance(1_000)
    assert polling.service.poll().polled == 1
