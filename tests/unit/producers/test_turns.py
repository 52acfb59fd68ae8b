"""When a source has its turn: counted from when it was asked, and by the run of a schedule that is nearest to it."""

from itertools import pairwise

import pytest

from producers.handler import SCHEDULE_EARLY_MS
from producers.sources.registry import Source
from tests.fakes.web import FakeSite, Reply, page
from tests.unit.producers.test_service import FEED, NOW_MS, Polling, source

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
