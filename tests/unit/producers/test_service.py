"""Polling: isolation, memory, the circuit breaker."""

from pathlib import Path
from typing import Any

import pytest

from contracts.clock import ManualClock
from contracts.errors import Transient
from contracts.events import RAW_STREAM, decode_raw
from contracts.instants import parse_ms
from producers.fetch import Web
from producers.service import KIND, SETTING_KIND, ProducerService
from producers.source_state import PROBE_AFTER_MS
from producers.sources.registry import Source
from tests.fakes.log import FakeLog
from tests.fakes.stores import FakeControl, FakeLake, FakeSecrets
from tests.fakes.web import FakeSite, page

FEED = (Path(__file__).parents[2] / "golden" / "sources" / "rss_cnbc.xml").read_bytes()
NOW_MS = parse_ms("2025-12-21T09:40:00Z")


class Polling:
    def __init__(self, *sources: Source) -> None:
        self.clock = ManualClock(NOW_MS)
        self.log = FakeLog()
        self.control = FakeControl(self.clock)
        self.lake = FakeLake()
        self.sources = sources
        self.service = self.restart()

    def restart(self) -> ProducerService:
        self.service = ProducerService(
            log=self.log,
            control=self.control,
            lake=self.lake,
            secrets=FakeSecrets(),
            clock=self.clock,
            web=Web(self.clock, "test/1"),
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
