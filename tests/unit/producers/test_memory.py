"""What is remembered of a source: of long walks, of circles of symbols that outlast the key, of other settings."""

import json
from typing import Any

import pytest

from contracts.clock import ManualClock
from contracts.errors import Transient
from contracts.resolution import DAY_MS, HOUR_MS, MINUTE_MS
from producers.pace import Key, Limit, Pace
from producers.service import KIND, SETTING_KIND
from producers.sources.registry import Source
from tests.fakes.web import FakeSite, Reply, page
from tests.unit.producers.asking import KEY, SECRETS, told
from tests.unit.producers.test_json_recovery import answering
from tests.unit.producers.test_json_sources import query
from tests.unit.producers.test_service import FEED, NOW_MS, Polling, source

FIELDS = {"fields": {"id": "id", "title": "title"}}
BY_PAGE = FIELDS | {"paging": {"by": "page", "parameter": "page", "size": 20}}


def walked(polling: Polling) -> int:
    """Polls until the walk is over and its next one due; how many articles that published."""
    published = 0
    while True:
        published += polling.restart().poll().published
        if polling.state("desk")["next_due_ms"] > polling.clock.now_ms():
            polling.clock.advance(300_000)
            return published


# ---- walks of many polls --------------------------------------------------------------------------------------------
def test_a_walk_over_many_polls_tells_nothing_twice(site: FakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producers.source_state.MIN_SEEN", 10)
    rows = [{"id": number, "title": f"Record {number}"} for number in range(730)]
    answering(site, lambda asked: told(rows[(int(asked["page"]) - 1) * 20 :][:20]))
    polling = Polling(Source(name="desk", kind="json", url=site.address + "/r", options=BY_PAGE))
    assert [walked(polling) for _ in range(3)] == [730, 0, 0]
    rows.insert(0, {"id": "new", "title": "New"})
    assert walked(polling) == 1
    assert polling.state("desk")["note"] is None


def test_a_walk_that_is_longer_than_the_memory_says_so(site: FakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producers.source_state.MAX_SEEN", 300)
    rows = [{"id": number, "title": f"Record {number}"} for number in range(310)]
    answering(site, lambda asked: told(rows[(int(asked["page"]) - 1) * 20 :][:20]))
    polling = Polling(Source(name="desk", kind="json", url=site.address + "/r", options=BY_PAGE))
    assert walked(polling) == 310
    assert "tells 310 records each time; 300 are remembered" in polling.state("desk")["note"]


# ---- more symbols than a key has calls ------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["finnhub", "alphavantage"])
def test_a_circle_of_symbols_ends_where_it_began_and_waits_for_its_turn(site: FakeSite, kind: str) -> None:
    options: dict[str, Any] = {"symbols": [f"S{number}" for number in range(7)], "limits": [[3, 60]]}
    url = site.put(f"/{kind}", told({"feed": []}))
    for path in ("company-news", "news"):
        site.put(f"/{kind}/{path}", told([]))
    polling = Polling(Source(name="desk", kind=kind, url=url, options=options, every_s=1_800))
    polling.secrets = SECRETS
    asked: list[str] = []
    for _ in range(29):
        polling.restart().poll()
        polling.clock.advance(MINUTE_MS)
        states = polling.state("desk")
        assert (states["state"], states["failures"]) in (("waiting", []), ("healthy", []))
        asked += [query(path).get("symbol") or query(path).get("tickers") or "general" for path, _ in site.asked]
        site.asked.clear()
    assert asked == (["general"] if kind == "finnhub" else []) + options["symbols"]
    assert polling.state("desk")["last_success_ms"] == NOW_MS + 2 * MINUTE_MS


def test_what_came_before_the_allowance_was_spent_is_a_success(site: FakeSite) -> None:
    options = {"symbols": ["A", "B"], "category": None, "limits": [[1, 60]]}
    site.put("/desk/company-news", told([]))
    polling = Polling(Source(name="desk", kind="finnhub", url=site.address + "/desk", options=options))
    polling.secrets = SECRETS
    polling.restart().poll()
    assert (polling.state("desk")["state"], polling.state("desk")["last_success_ms"]) == ("waiting", NOW_MS)
    polling.clock.advance(1)
    polling.service.poll("desk")
    assert polling.state("desk")["last_success_ms"] == NOW_MS, "nothing was asked"


# ---- other settings -------------------------------------------------------------------------------------------------
def test_with_other_options_a_source_begins_anew_and_repeats_nothing(site: FakeSite) -> None:
    rows = [{"id": 1, "headline": "Apple rises"}, {"id": 2, "headline": "Tesla falls", "title": "Tesla!"}]
    url = site.put("/posts", told(rows, ETag='"v1"'))
    plain = site.reply

    def reply(path: str, headers: dict[str, str]) -> Reply:
        return (304, {}, b"") if headers.get("If-None-Match") else plain(path, headers)

    site.reply = reply  # type: ignore[method-assign]
    settings: dict[str, Any] = {"name": "desk", "kind": "json", "url": url}
    polling = Polling(Source(**settings, options=FIELDS))
    assert polling.service.poll().published == 1
    polling.sources = (Source(**settings, options={"fields": {"id": "id", "title": "headline"}}),)
    polling.clock.advance(300_000)
    assert polling.restart().poll().published == 2
    polling.sources = (Source(**settings, options=FIELDS),)
    polling.clock.advance(300_000)
    assert polling.restart().poll().published == 0, "told before"
    assert polling.state("desk")["state"] == "healthy"


def test_another_way_of_paging_in_the_middle_of_a_walk_begins_anew(site: FakeSite) -> None:
    rows = iter(range(10_000))
    by_token = FIELDS | {"items": "rows", "paging": {"by": "next", "next": "next", "parameter": "token"}}
    settings: dict[str, Any] = {"name": "desk", "kind": "json", "url": site.address + "/r"}
    answering(
        site, lambda _: told({"rows": [{"id": next(rows), "title": "x"} for _ in range(2)], "next": f"t{next(rows)}"})
    )
    polling = Polling(Source(**settings, options=by_token))
    polling.service.poll()
    assert polling.state("desk")["cursor"]["place"].startswith("t")
    polling.sources = (Source(**settings, options=by_token | {"paging": {"by": "page", "size": 2}}),)
    polling.clock.advance(1_000)
    polling.restart().poll()
    assert query(site.asked[10][0]) == {"page": "1"}


def test_who_is_paced_faster_need_not_wait_for_the_old_turn(site: FakeSite) -> None:
    polling = Polling(Source(name="slow", kind="rss", url=site.put("/good", page(FEED)), every_s=86_400))
    polling.service.poll()
    polling.control.put(SETTING_KIND, "slow", {"every_s": 60})
    polling.clock.advance(MINUTE_MS - 1)
    assert polling.service.poll().polled == 0
    polling.clock.advance(1)
    assert polling.service.poll().polled == 1


def test_a_source_of_nobodys_settings_is_forgotten_after_a_day(site: FakeSite) -> None:
    url = site.put("/good", page(FEED))
    here, there = Polling(source("a", url), source("b", url)), Polling(source("c", url))
    there.control = here.control
    there.restart()
    for polling in (here, there):
        polling.service.poll()
    here.sources = here.sources[:1]
    here.restart()
    for hour in range(25):
        for polling in (here, there):
            polling.clock.instant_ms = NOW_MS + hour * HOUR_MS
            polling.service.poll()
        assert set(here.control.list(KIND)) == ({"a", "b", "c"} if hour < 24 else {"a", "c"}), hour


def test_all_are_looked_at_again_when_our_store_failed_in_between(site: FakeSite) -> None:
    url = site.put("/good", page(FEED))
    polling = Polling(source("a", url), source("b", url))
    plain, reads = polling.control.get, []

    def get(kind: str, name: str) -> Any:
        reads.append((kind, name))
        if reads.count((KIND, "b")) == 1 and (kind, name) == (KIND, "b"):
            raise Transient("control", "throttled")
        return plain(kind, name)

    polling.control.get = get  # type: ignore[method-assign]
    with pytest.raises(Transient):
        polling.service.poll()
    assert polling.service.poll().polled == 2


# ---- one key, several plans -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("restarts", [False, True])
def test_a_source_with_a_shorter_limit_does_not_forget_the_calls_of_another(restarts: bool) -> None:
    clock = ManualClock(NOW_MS)
    pace = Pace(clock)
    day, hour = (Key("NEWS", (KEY,), (Limit(*limit),)) for limit in ((10, DAY_MS), (2, HOUR_MS)))
    for _ in range(9):
        assert pace.take(day) == 0
        clock.advance(MINUTE_MS)
    clock.advance(2 * HOUR_MS)
    if restarts:
        kept, pace = pace.changed(), Pace(clock)
        pace.merge(json.loads(json.dumps(kept)))
    assert pace.take(hour) == 0
    assert pace.take(day) > 0, "ten calls in all"


# ---- entries with one link ------------------------------------------------------------------------------------------
def test_of_entries_with_one_link_the_newest_is_taken_and_the_others_are_noted(site: FakeSite) -> None:
    entries = "".join(
        f"<item><title>{title}</title><link>https://x.example/live</link>"
        f"<pubDate>Sun, 21 Dec 2025 09:{minute}:00 GMT</pubDate></item>"
        for title, minute in (("Second", "10"), ("Third", "20"), ("First", "00"), ("Third", "20"))
    )
    feed = f"<rss version='2.0'><channel><title>T</title>{entries}</channel></rss>"
    polling = Polling(source("live", site.put("/live", page(feed.encode()))))
    polling.service.poll()
    assert polling.titles == ["Third"]
    assert "2 entries have the link of another one" in polling.state("live")["note"]


def test_no_cookies_are_kept(site: FakeSite) -> None:
    url = site.put("/a", page(FEED, Set_Cookie="visit=1; Path=/"))
    polling = Polling(source("a", url), source("b", url))
    for _ in range(2):
        polling.service.poll()
        polling.clock.advance(300_000)
    assert [headers.get("Cookie") for _, headers in site.asked] == [None] * 4
