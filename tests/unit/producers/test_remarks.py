"""What an operator is told of a source: what it sets aside, why nothing counts, when it is asked again."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from contracts import telemetry
from contracts.instants import iso_ms
from contracts.resolution import DAY_MS, HOUR_MS, MINUTE_MS
from producers.fetch import FetchFailed, NoAnswer
from producers.service import LOOK_AGAIN_MS, SETTING_KIND
from producers.source_state import after_failure
from producers.sources.registry import Source
from tests.fakes.web import FakeSite, page
from tests.unit.producers.test_service import NOW_MS, Polling, source

POSTS = {"fields": {"id": "id", "title": "title", "time": "at"}}


@pytest.fixture
def recorded() -> Iterator[Counter[str]]:
    sums: Counter[str] = Counter()
    telemetry.emit_to(sums.update)
    yield sums
    telemetry.emit_to(None)


def posts(*ages_ms: int, first: int = 0) -> tuple[int, dict[str, str], bytes]:
    rows = [
        {"id": first + number, "title": f"News {first + number}", "at": iso_ms(NOW_MS - age_ms)}
        for number, age_ms in enumerate(ages_ms)
    ]
    return page(json.dumps(rows).encode(), "application/json")


def feed(site: FakeSite) -> Polling:
    return Polling(Source(name="rows", kind="json", url=f"{site.address}/rows", options=POSTS))


def test_rows_that_are_set_aside_are_counted_once(site: FakeSite, recorded: Counter[str]) -> None:
    rows = [{"id": n, "headline": "its shape is another one"} for n in range(12)]
    site.put("/rows", page(json.dumps(rows).encode(), "application/json"))
    polling = feed(site)
    assert polling.service.poll().rejected == 12
    assert recorded["EventsQuarantined"] == 12
    polling.clock.advance(HOUR_MS)
    assert polling.restart().poll().polled == 1
    assert recorded["EventsQuarantined"] == 12, "the same rows are no news"


def test_a_source_whose_articles_come_too_late_says_so(site: FakeSite) -> None:
    polling = feed(site)
    site.put("/rows", posts(*[DAY_MS + 7 * MINUTE_MS] * 9, 0))
    polling.service.poll()
    assert polling.state("rows")["state"] == "healthy"
    note = (
        "9 of 10 new articles came over 24 h after their publication;"
        " what is later than CANDLEWICK_ALLOWED_LATENESS_MS does not count"
    )
    assert polling.state("rows")["note"] == note
    polling.clock.advance(300_000)
    assert polling.restart().poll().published == 0
    assert polling.state("rows")["note"] == note, "until something new comes"
    site.put("/rows", posts(0, HOUR_MS, first=100))
    polling.clock.advance(300_000)
    assert polling.service.poll().published == 2
    assert polling.state("rows")["note"] is None


def test_with_a_longer_lateness_they_are_in_time(site: FakeSite) -> None:
    polling = feed(site)
    polling.service._lateness_ms = 2 * DAY_MS
    site.put("/rows", posts(DAY_MS + HOUR_MS, DAY_MS + 2 * HOUR_MS))
    polling.service.poll()
    assert polling.state("rows")["note"] is None


def test_on_a_schedule_every_run_asks_a_source_that_fails_once() -> None:
    """Its circuit never opens, and an open one would do the same."""
    for state in ({"state": "healthy", "every_s": 1_800}, {"state": "circuit open", "every_s": 1_800}):
        for run in range(20):
            now_ms = NOW_MS + run * 300_000
            following = after_failure(state, NoAnswer("h", "down"), now_ms)
            assert now_ms < following["next_due_ms"] < now_ms + 300_000
            assert following["state"] == ("circuit open" if state["state"] == "circuit open" else "unreachable")
            state = following


def test_a_key_that_is_refused_by_a_source_with_an_open_circuit_is_not_tried_every_minute() -> None:
    state = {"state": "circuit open", "every_s": 10_800}
    following = after_failure(state, FetchFailed("h", "x", 401), NOW_MS)
    assert following["next_due_ms"] == NOW_MS + 10_800_000


@pytest.mark.parametrize(
    ("status", "waits_s"),
    [
        (0, [10, 20, 40, 80, 60, 60]),
        (503, [10, 20, 40, 80, 60, 60]),
        (401, [10_800] * 6),
        (404, [10_800] * 6),
        (413, [10_800] * 6),
    ],
)
def test_where_asking_soon_mends_nothing_a_source_keeps_its_pace(status: int, waits_s: list[int]) -> None:
    state: dict[str, Any] = {"state": "healthy", "every_s": 10_800}
    now_ms, waits = NOW_MS, []
    for _ in waits_s:
        state = after_failure(state, FetchFailed("h", "x", status), now_ms)
        waits.append((state["next_due_ms"] - now_ms) // 1000)
        now_ms = state["next_due_ms"]
    assert waits == waits_s


def test_what_is_refused_every_few_seconds_is_asked_once_a_minute() -> None:
    state = {"state": "healthy", "every_s": 5}
    for _ in range(5):
        state = after_failure(state, FetchFailed("h", "x", 404), NOW_MS)
    assert state["next_due_ms"] == NOW_MS + 60_000


def test_a_source_that_was_paused_begins_anew(site: FakeSite) -> None:
    polling = Polling(source("flaky", site.put("/feed", (500, {}, b""))))
    while polling.state("flaky").get("state") != "circuit open":
        polling.service.poll()
        polling.clock.advance(1_000)
    for enabled in (False, True):
        polling.control.put(SETTING_KIND, "flaky", {"enabled": enabled})
        polling.service.poll()
    state = polling.state("flaky")
    assert (state["state"], len(state["failures"])) == ("unreachable", 1)


@pytest.mark.parametrize("status", [401, 403])
def test_a_source_whose_key_was_refused_is_asked_as_soon_as_it_has_another(site: FakeSite, status: int) -> None:
    url = site.put("/news", (status, {}, b'{"code": "apiKeyInvalid", "message": "no"}'))
    polling = Polling(Source(name="newsapi", kind="newsapi", url=url, every_s=10_800, options={"query": "x"}))
    polling.secrets.values["NEWSAPI_API_KEY"] = "mistyped"
    assert polling.service.poll().failed == 1
    polling.clock.advance(LOOK_AGAIN_MS)
    assert polling.restart().poll().polled == 0
    polling.secrets.values["NEWSAPI_API_KEY"] = "right"
    polling.clock.advance(LOOK_AGAIN_MS)
    assert polling.service.poll().failed == 1, "asked, and refused again"
    assert len(site.asked) == 2
    polling.clock.advance(LOOK_AGAIN_MS)
    assert polling.restart().poll().polled == 0
    site.put("/news", page(b'{"status": "ok", "articles": []}', "application/json"))
    polling.secrets.values["NEWSAPI_API_KEY"] = "another"
    polling.clock.advance(LOOK_AGAIN_MS)
    assert polling.service.poll().failed == 0
    assert polling.state("newsapi")["state"] == "healthy"
    assert not {"mistyped", "right", "another"} & set(json.dumps(polling.state("newsapi")).split('"'))
