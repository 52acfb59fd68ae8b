"""Polling: isolation, memory, the circuit breaker."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from contracts.clock import ManualClock
from contracts.errors import Transient
from contracts.events import RAW_STREAM, decode_raw
from contracts.instants import parse_ms
from producers.fetch import Web
from producers.fetch_round import FetchRound
from producers.reach import Reach
from producers.service import KIND, LOOK_AGAIN_MS, SETTING_KIND, WATCH_KIND, Polled, ProducerService
from producers.source_state import MAX_SEEN, PROBE_AFTER_MS
from producers.sources.json_api import MAX_REJECTED, MAX_ROWS
from producers.sources.registry import Source
from tests.fakes.log import FakeLog
from tests.fakes.stores import FakeControl, FakeLake, FakeSecrets
from tests.fakes.web import HERE, FakeSite, page

POSTS: dict[str, Any] = {"fields": {"id": "id", "title": "title", "text": "body"}}
FEED = (Path(__file__).parents[2] / "golden" / "sources" / "rss_cnbc.xml").read_bytes()
NOW_MS = parse_ms("2025-12-21T09:40:00Z")


class Polling:
    def __init__(self, *sources: Source, clock: ManualClock | None = None, reach: Reach = HERE) -> None:
        self.clock = clock or ManualClock(NOW_MS)
        self.log = FakeLog()
        self.control = FakeControl(self.clock)
        self.lake = FakeLake()
        self.secrets = FakeSecrets()
        self.sources = sources
        self.reach = reach
        self.service = self.restart()

    def restart(self) -> ProducerService:
        self.service = ProducerService(
            log=self.log,
            control=self.control,
            lake=self.lake,
            secrets=self.secrets,
            clock=self.clock,
            web=Web(self.clock, "test/1", self.reach),
            sources=self.sources,
        )
        return self.service

    def state(self, name: str) -> dict[str, Any]:
        return self.control.get(KIND, name).value or {}

    @property
    def titles(self) -> list[str]:
        return [decode_raw(data).title for data in self.log.data(RAW_STREAM)]


def source(name: str, url: str) -> Source:
    return Source(name=name, kind="rss", url=url)


def test_one_failing_source_never_stops_another(site: FakeSite) -> None:
    polling = Polling(
        source("bad", site.put("/bad", (403, {}, b""))),
        source("html", site.put("/html", page(b"<html>", "text/html"))),
        source("loop", site.put("/loop", (302, {"Location": "/loop"}, b""))),
        source("good", site.put("/good", page(FEED))),
    )
    done = polling.service.poll()
    assert (done.polled, done.failed, done.fetched, done.published, done.rejected) == (4, 3, 2, 2, 1)
    assert len(polling.titles) == 2
    states = {name: state["state"] for name, state in polling.control.list(KIND).items()}
    assert states == {"bad": "unreachable", "html": "unreachable", "loop": "unreachable", "good": "healthy"}
    assert "HTTP 403" in polling.state("bad")["error"]
    good = polling.state("good")
    assert (good["error"], good["articles_per_hour"], good["last_success_ms"]) == (None, 2, NOW_MS)
    assert len(polling.lake.keys("quarantined/")) == 1


def test_nothing_is_polled_before_it_is_due_and_the_same_page_adds_nothing(site: FakeSite) -> None:
    polling = Polling(source("good", site.put("/good", page(FEED))))
    polling.service.poll()
    assert polling.restart().poll().polled == 0
    polling.clock.advance(300_000)
    done = polling.service.poll()
    assert (done.polled, done.published, done.rejected) == (1, 0, 0)
    assert polling.service.poll("good").polled == 1, "by name it is asked at once"
    polling.clock.advance(3_600_000)
    polling.service.poll()
    assert polling.state("good")["articles_per_hour"] == 0


def test_a_crash_between_publishing_and_remembering_publishes_again(site: FakeSite) -> None:
    polling = Polling(source("good", site.put("/good", page(FEED))))
    polling.log.down = 100
    with pytest.raises(Transient):
        polling.service.poll()
    assert polling.state("good") == {}
    polling.log.down = 0
    assert polling.restart().poll().published == 2


def test_the_circuit_opens_after_five_failures_and_closes_after_a_good_probe(site: FakeSite) -> None:
    polling = Polling(source("flaky", site.put("/feed", (500, {}, b""))))
    polls = 0
    while polling.state("flaky").get("state") != "circuit open":
        polls += polling.service.poll().polled
        polling.clock.advance(1_000)
    assert polls == 5
    assert polling.service.poll().polled == 0
    polling.clock.advance(PROBE_AFTER_MS)
    assert polling.service.poll().failed == 1, "one probe"
    assert polling.service.poll().polled == 0
    site.put("/feed", page(FEED))
    polling.clock.advance(PROBE_AFTER_MS)
    assert polling.service.poll().published == 2
    assert polling.state("flaky")["state"] == "healthy"


def test_an_open_circuit_is_remembered_over_a_restart(site: FakeSite) -> None:
    polling = Polling(source("flaky", site.put("/feed", (500, {}, b""))))
    while polling.state("flaky").get("state") != "circuit open":
        polling.restart().poll()
        polling.clock.advance(1_000)
    asked = len(site.asked)
    for _ in range(50):
        polling.restart().poll()
        polling.clock.advance(1_000)
    assert len(site.asked) == asked
    polling.clock.advance(PROBE_AFTER_MS)
    assert polling.restart().poll().failed == 1, "one probe"
    assert polling.state("flaky")["state"] == "circuit open"
    site.put("/feed", page(FEED))
    polling.clock.advance(PROBE_AFTER_MS)
    assert polling.restart().poll().published == 2


def test_a_source_that_asks_for_patience_gets_it(site: FakeSite) -> None:
    polling = Polling(source("busy", site.put("/feed", (429, {"Retry-After": "900"}, b""))))
    polling.service.poll()
    polling.clock.advance(899_000)
    assert polling.service.poll().polled == 0
    polling.clock.advance(1_000)
    assert polling.service.poll().polled == 1


def test_a_source_can_be_paused_and_paced(site: FakeSite) -> None:
    polling = Polling(source("good", site.put("/good", page(FEED))))
    polling.control.put(SETTING_KIND, "good", {"enabled": False})
    assert polling.service.poll().polled == 0
    assert polling.state("good")["state"] == "paused"
    polling.control.put(SETTING_KIND, "good", {"enabled": True, "every_s": 10})
    assert polling.service.poll().polled == 1
    polling.clock.advance(10_000)
    assert polling.service.poll().polled == 1


def test_a_source_that_is_gone_is_left_alone_until_its_url_changes(site: FakeSite) -> None:
    polling = Polling(source("old", site.put("/old", (410, {}, b""))))
    polling.service.poll()
    assert polling.state("old")["state"] == "gone"
    polling.clock.advance(10**9)
    assert polling.service.poll().polled == 0
    polling.sources = (source("old", site.put("/new", page(FEED))),)
    assert polling.restart().poll().published == 2


def test_a_broken_adapter_is_loud_and_the_others_have_their_turn(
    site: FakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(request: Any) -> Any:
        raise ZeroDivisionError("bug")

    from producers.sources import rss

    real = rss.fetch
    monkeypatch.setattr(rss, "fetch", lambda request: (broken if request.source.name == "a" else real)(request))
    url = site.put("/good", page(FEED))
    polling = Polling(source("a", url), source("b", url))
    with pytest.raises(ZeroDivisionError):
        polling.service.poll()
    assert len(polling.titles) == 2
    assert "ZeroDivisionError" in polling.state("a")["error"]


# ---- keys, watch lists, allowances, rounds --------------------------------------------------------------------------
def keyed(name: str, url: str, **fields: Any) -> Source:
    return Source(name=name, kind="newsapi", url=url, **fields)


NEWS = (Path(__file__).parents[2] / "golden" / "sources" / "newsapi_everything.json").read_bytes()


def test_a_source_without_its_key_waits_for_it_and_is_no_failure(site: FakeSite) -> None:
    polling = Polling(keyed("newsapi", site.put("/news", page(NEWS, "application/json"))))
    assert polling.service.poll() == Polled()
    state = polling.state("newsapi")
    assert (state["state"], state["error"], state["note"]) == ("no key", None, "set NEWSAPI_API_KEY to use it")
    polling.secrets.values["NEWSAPI_API_KEY"] = "k"
    polling.clock.advance(LOOK_AGAIN_MS)
    assert polling.service.poll().published == 8
    assert polling.state("newsapi")["state"] == "healthy"


def test_a_new_watch_list_is_asked_for_at_the_next_round(site: FakeSite) -> None:
    polling = Polling(keyed("newsapi", site.put("/news", page(NEWS, "application/json"))))
    polling.secrets.values["NEWSAPI_API_KEY"] = "k"
    polling.service.poll()
    assert polling.service.poll().polled == 0
    polling.control.put(WATCH_KIND, "me", {"subjects": ["tag:ai", "AAPL"]})
    assert polling.service.poll().polled == 1
    assert "%22AAPL%22" in site.asked[-1][0]
    assert polling.service.poll().polled == 0


def test_a_spent_allowance_is_no_failure_and_is_remembered_over_restarts(site: FakeSite) -> None:
    url = site.put("/news", page(NEWS, "application/json"))
    polling = Polling(keyed("newsapi", url, options={"query": "x", "limits": [[2, 3600]]}, every_s=5))
    polling.secrets.values["NEWSAPI_API_KEY"] = "k"
    for _ in range(2):
        polling.restart().poll()
        polling.clock.advance(5_000)
    done = polling.restart().poll()
    assert (done.polled, done.failed, len(site.asked)) == (1, 0, 2)
    state = polling.state("newsapi")
    assert (state["state"], state.get("failures")) == ("waiting", [])
    assert state["next_due_ms"] == NOW_MS + 3_600_000
    polling.clock.advance(3_600_000)
    assert polling.restart().poll().failed == 0
    assert polling.state("newsapi")["state"] == "healthy"


def test_what_came_before_the_trouble_is_published_and_the_trouble_shows(site: FakeSite) -> None:
    rows = (Path(__file__).parents[2] / "golden" / "sources" / "finnhub_company_news.json").read_bytes()
    options = {"symbols": ["AAPL", "MSFT"], "category": None}
    polling = Polling(Source(name="finnhub", kind="finnhub", url=site.address, options=options))
    polling.secrets.values["FINNHUB_API_KEY"] = "k"
    site.put("/company-news", page(rows, "application/json"), (429, {}, b'{"error": "API limit reached."}'))
    done = polling.service.poll()
    assert (done.failed, done.published) == (1, 12)
    state = polling.state("finnhub")
    assert (state["state"], state["cursor"]["next"]) == ("unreachable", "MSFT")
    assert "API limit reached" in state["error"]
    assert state["next_due_ms"] == NOW_MS + 60_000


def test_outside_opinions_go_into_the_lake_once(site: FakeSite) -> None:
    rows = (Path(__file__).parents[2] / "golden" / "sources" / "alphavantage_news_sentiment.json").read_bytes()
    url = site.put("/query", page(rows, "application/json"))
    polling = Polling(Source(name="alphavantage", kind="alphavantage", url=url, options={"symbols": ["AAPL"]}))
    polling.secrets.values["ALPHAVANTAGE_API_KEY"] = "k"
    for _ in range(2):
        polling.service.poll("alphavantage")
        polling.clock.advance(1_000)
    (key,) = polling.lake.keys("opinions/")
    assert len(list(polling.lake.read(key))) == 3


def test_seventeen_feeds_without_a_network_are_one_line_and_a_short_round(
    site: FakeSite, caplog: pytest.LogCaptureFixture
) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    polling = Polling(*(source(f"feed-{n}", f"http://127.0.0.1:{port}/{n}") for n in range(17)))
    for _ in range(10):
        polling.service.poll()
        polling.clock.advance(60_000)
    assert len(caplog.records) == 1
    assert polling.clock.now_ms() == NOW_MS + 10 * 60_000, "nobody waited inside a round"
    states = polling.control.list(KIND).values()
    assert all("unreachable" in state["error"] and len(state["error"]) < 80 for state in states)


def test_who_hangs_is_left_behind_and_asked_again_when_back(monkeypatch: pytest.MonkeyPatch, site: FakeSite) -> None:
    from producers.sources import rss

    back, real = threading.Event(), rss.fetch

    def hanging(request: Any) -> Any:
        if request.source.name == "hangs":
            assert back.wait(30)
        return real(request)

    monkeypatch.setattr(rss, "fetch", hanging)
    url = site.put("/feed", page(FEED))
    polling = Polling(source("hangs", url), source("good", url))
    polling.service._round = FetchRound(polling.clock, round_ms=300.0, left_behind_ms=60_000.0)
    while not (done := polling.service.poll()).polled:
        pass  # on a busy machine the good one too may take longer than a round
    assert (done.polled, done.failed, done.published) == (1, 0, 2), "the other one is still expected"
    polling.clock.advance(60_000)
    done = polling.service.poll()
    assert (done.polled, done.failed) == (1, 1)
    assert "no answer within 60 s" in polling.state("hangs")["error"]
    polling.clock.advance(60_000)
    assert polling.service.poll("hangs").polled == 0, "not asked again while it is not back"
    back.set()
    taken = Polled()
    while not taken.polled:
        taken = polling.service.poll()
    assert (taken.published, polling.state("hangs")["state"]) == (2, "healthy")
    polling.clock.advance(300_000)
    asked = 0
    while asked < 2:  # on a busy machine one may take longer than a round of 300 ms, and is taken by the next
        asked += polling.service.poll().polled
    assert asked == 2


def test_however_many_hang_who_answers_goes_on(monkeypatch: pytest.MonkeyPatch, site: FakeSite) -> None:
    from producers.sources import rss

    back, real = threading.Event(), rss.fetch

    def hanging(request: Any) -> Any:
        if request.source.name.startswith("hangs"):
            assert back.wait(30)
        return real(request)

    monkeypatch.setattr(rss, "fetch", hanging)
    url = site.put("/feed", page(FEED))
    polling = Polling(source("good", url), *(source(f"hangs-{n}", url) for n in range(20)), source("later", url))
    polling.service._round = FetchRound(polling.clock, round_ms=50.0)
    seen = polling.service.poll()
    while not seen.published:
        seen = seen.plus(polling.service.poll())
    assert polling.state("good")["state"] == "healthy"
    for _ in range(3):
        polling.clock.advance(10_000)
        polling.service.poll("good")
        while polling.state("good")["last_success_ms"] != polling.clock.now_ms():
            polling.service.poll()
    assert polling.state("later") == {}, "sixteen hang, and nobody knows it answers"
    polling.clock.advance(60_000)
    while "later" not in polling.control.list(KIND):
        polling.service.poll()
    assert polling.state("later")["state"] == "healthy", "those that hang were left behind"
    back.set()


def rows_of(*numbers: int) -> bytes:
    rows = [{"id": n, "title": f"Title {n}", "body": ""} for n in numbers]
    return json.dumps(rows).encode()


def test_a_page_longer_than_what_is_new_is_not_told_anew_every_time(
    site: FakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producers.source_state.MIN_SEEN", 20)
    url = site.put("/rows", page(rows_of(*range(20)), "application/json"))
    polling = Polling(Source(name="rows", kind="json", url=url, options=POSTS))
    assert polling.service.poll("rows").published == 20
    for newest in range(21, 51):
        polling.clock.advance(1_000)
        site.put("/rows", page(rows_of(*range(20), newest), "application/json"))
        assert polling.service.poll("rows").published == 1, newest
    assert len(polling.state("rows")["seen"]) == 42, "twice the answer"
    for rows in ((), range(20)):
        polling.clock.advance(1_000)
        site.put("/rows", page(rows_of(*rows), "application/json"))
        assert polling.restart().poll("rows").published == 0


def test_what_is_remembered_of_ten_thousand_articles_fits_a_control_document(site: FakeSite) -> None:
    url = site.put("/rows", page(rows_of(*range(MAX_SEEN + 100)), "application/json"))
    polling = Polling(Source(name="rows", kind="json", url=url, options=POSTS))
    assert polling.service.poll().published == MAX_SEEN + 100
    assert len(json.dumps(polling.state("rows"))) < 200_000


def test_an_answer_with_far_too_many_rows_is_a_failure_that_shows(site: FakeSite) -> None:
    bad = [[1] * (MAX_REJECTED + 1), [1] * (MAX_ROWS + 1)]
    sources = [
        Source(name=f"many-{n}", kind="json", options=POSTS,
               url=site.put(f"/{n}", page(json.dumps(rows).encode(), "application/json")))
        for n, rows in enumerate(bad)
    ]  # fmt: skip
    polling = Polling(*sources)
    assert (polling.service.poll().failed, polling.log.records, polling.lake.keys("")) == (2, {}, [])
    assert "over 1,000 rows like this: unparseable" in polling.state("many-0")["error"]
    assert "20,001 rows, more than 20,000" in polling.state("many-1")["error"]
