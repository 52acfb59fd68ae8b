"""The producers killed at every single touch of a store: after a restart every article is on the log, every rejected
row in the lake, and the classifier counts each article once."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from contracts.clock import ManualClock
from contracts.events import RAW_STREAM
from producers.fetch import Web
from producers.service import ProducerService
from producers.sources.registry import Source
from tests.fakes.log import FakeLog
from tests.fakes.stores import FakeControl, FakeLake, FakeSecrets
from tests.fakes.web import HERE, FakeSite, page
from tests.unit.consumers.classifying import Line
from tests.unit.producers.asking import NOW_MS, PAGES, golden, told
from tests.unit.producers.test_service import FEED

ARTICLES, REJECTED = 2 + 12 + 3, 1 + 2
MAX_TOUCHES = 60


class Killed(BaseException):
    """SIGKILL, as far as one thread can tell."""


class Mortal:
    """A store behind which the process dies at its nth touch, before or after the effect."""

    def __init__(self, inner: Any, touched: Callable[[], bool]) -> None:
        self._inner = inner
        self._touched = touched

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)

        def call(*arguments: Any, **named: Any) -> Any:
            dies = self._touched()
            if dies and before_effect(name):
                raise Killed
            answer = found(*arguments, **named)
            if dies:
                raise Killed
            return answer

        return call


def before_effect(name: str) -> bool:
    """Reads die before, writes after their effect: the reply is lost, which is the harder case."""
    return not name.startswith("put")


class World:
    """Three sources and the stores; `dies_at` counts touches of this life."""

    def __init__(self, site: FakeSite) -> None:
        self.clock = ManualClock(NOW_MS)
        self.log, self.control, self.lake = FakeLog(), FakeControl(self.clock), FakeLake()
        options = {"symbols": ["AAPL"], "category": None}
        self.sources = [
            Source(name="feed", kind="rss", url=site.put("/feed", page(FEED))),
            Source(name="finnhub", kind="finnhub", url=site.address, options=options),
            Source(name="tiingo", kind="tiingo", url=site.put("/tiingo", told(golden(PAGES["tiingo"][0])))),
        ]
        site.put("/company-news", told(golden(PAGES["finnhub"][0])))

    def live(self, dies_at: int | None) -> bool:
        """One process: two polls, or fewer. False: it died."""
        touches = 0

        def touched() -> bool:
            nonlocal touches
            touches += 1
            return touches == dies_at

        def mortal(store: Any) -> Any:
            return Mortal(store, touched)

        service = ProducerService(
            log=mortal(self.log),
            control=mortal(self.control),
            lake=mortal(self.lake),
            secrets=FakeSecrets(FINNHUB_API_KEY="k", TIINGO_API_KEY="k"),
            clock=self.clock,
            web=Web(self.clock, "test/1", HERE),
            sources=self.sources,
        )
        try:
            for _ in range(2):
                service.poll()
                self.clock.advance(300_000)
        except Killed:
            return False
        return True


@pytest.mark.parametrize("write_dies_first", [False, True])
def test_killed_at_any_touch_of_a_store_nothing_is_lost(
    site: FakeSite, monkeypatch: pytest.MonkeyPatch, write_dies_first: bool
) -> None:
    if write_dies_first:
        monkeypatch.setattr("tests.unit.producers.test_killed.before_effect", lambda name: True)
    deaths = 0
    for dies_at in range(1, MAX_TOUCHES):
        world = World(site)
        survived = world.live(dies_at)
        deaths += not survived
        assert world.live(None), "the next life"
        published = {json.loads(data)["article_id"] for data in world.log.data(RAW_STREAM)}
        assert len(published) == ARTICLES, dies_at
        rows = {
            json.loads(line)["event_key"] for key in world.lake.keys("quarantined/") for line in world.lake.read(key)
        }
        assert len(rows) == REJECTED, dies_at
        if survived:
            break
    assert deaths > 15
    line = Line()
    line.clock.instant_ms = NOW_MS
    line.process(*world.log.data(RAW_STREAM))
    line.process(*world.log.data(RAW_STREAM))
    events = [event["event_id"] for event in line.scored]
    assert len(events) == len(set(events))
