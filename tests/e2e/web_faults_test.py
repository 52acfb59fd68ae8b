"""The page in bad weather, against the real server: whatever happens on the way, it ends as a fresh page would.

A wait for what does not come raises, so a test may end with one.
"""

import random
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.web_browser import FULL, Watched, open_page, series_of, shot
from tests.e2e.web_proxy import MODES, Proxy, proxy
from tests.e2e.web_server import WebServer, now_ms

pytestmark = pytest.mark.browser
#: How long a fault lasts: long enough for the page to notice it by itself. Silence takes longest to notice.
LASTS_S = {"cut": 1.5, "stall": 28.0, "buffer": 10.0, "truncate": 1.5, "503": 1.5, "429": 1.5}
#: One after the other on one page, or each on a page of its own.
WEATHERS = [(mode,) for mode in MODES if mode != "none"] if FULL else [("cut", "truncate", "503", "429")]
ENDED_S = 40.0
SAME_FIELDS = ("start", "end", "open", "high", "low", "close", "count", "rev")


@pytest.fixture
def line(server: WebServer) -> Iterator[Proxy]:
    with proxy(server.port) as running:
        yield running


def some_news(server: WebServer, chance: random.Random, count: int) -> None:
    """Mostly of now, some late: they change candles that the page has had as final for long."""
    for _ in range(count):
        late_ms = chance.choice((0, 0, 0, chance.randrange(60_000, 7_200_000)))
        server.publish("AAPL", now_ms() - late_ms, round(chance.uniform(-1, 1), 4))


def shown(watched: Watched) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in SAME_FIELDS) for row in series_of(watched.page)]


def fresh(server: WebServer, since: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in SAME_FIELDS) for row in server.series() if row["start"] >= since]


def ends_as_fresh(watched: Watched, server: WebServer) -> None:
    """The page's series becomes the one a fresh page would fetch, candle by candle and revision by revision."""
    end = time.monotonic() + ENDED_S
    while (mine := shown(watched)) != fresh(server, mine[0][0]):
        missing = set(fresh(server, mine[0][0])) ^ set(mine)
        assert time.monotonic() < end, f"still different after {ENDED_S} s: {sorted(missing)[:6]}"
        watched.page.wait_for_timeout(250)
    assert len({row[0] for row in mine}) == len(mine), "a candle is there twice"


@pytest.mark.parametrize("modes", WEATHERS, ids="+".join)
def test_ends_as_a_fresh_page_after(browser: Any, server: WebServer, line: Proxy, modes: tuple[str, ...]) -> None:
    chance = random.Random(modes[0])
    with open_page(browser, line.url, "/?s=AAPL&w=AAPL") as watched:
        watched.pill("live")
        before, published = server.count(), 0
        for mode in modes:
            line.hit = 0
            line.weather(mode)
            if mode != modes[0]:
                watched.page.click(
                    ".pill"
                )  # After the mode before, the page may be polling; this one is to fall on a stream.
            began = time.monotonic()
            while (lasted := time.monotonic() - began) < LASTS_S[mode] or (line.hit == 0 and lasted < 20):
                some_news(server, chance, 2)
                published += 2
                watched.page.wait_for_timeout(200)
            assert line.hit > 0, f"{mode} never fell on the page"
            state = watched.page.get_attribute(".pill", "data-state")
            assert state != "live" or mode in ("cut", "truncate"), f"{mode} was called live"
        line.weather("none")
        server.settle("AAPL", before + published)
        ends_as_fresh(watched, server)
        if not FULL:
            watched.page.click(".pill")  # Without it the page goes on polling for up to a minute.
        watched.pill("live", 90_000)
        assert watched.errors == []


def test_polls_while_the_stream_is_refused_and_comes_back(browser: Any, server: WebServer, line: Proxy) -> None:
    line.weather("503")
    with open_page(browser, line.url, "/?s=AAPL&w=AAPL") as watched:
        watched.pill("polling", 30_000)
        server.publish("AAPL", polarity=-0.77)
        watched.page.wait_for_selector('.legend-value:has-text("C −0.77")', timeout=30_000)
        shot(watched.page, "live-polling")
        line.weather("none")
        watched.page.click(".pill")
        watched.pill("live")


@pytest.mark.skipif(not FULL, reason="half a minute of silence: `make test-web`")
def test_silence_is_never_called_live(browser: Any, server: WebServer, line: Proxy) -> None:
    with open_page(browser, line.url, "/?s=AAPL&w=AAPL") as watched:
        watched.pill("live")
        line.weather("stall")
        watched.page.wait_for_selector('.pill[data-state="delayed"]', timeout=25_000)
        shot(watched.page, "live-delayed")
        line.weather("none")
        watched.pill("live", 30_000)


@pytest.mark.parametrize("farewell", ["kill", "stop"] if FULL else ["kill"])
def test_server_gone_and_back(browser: Any, server: WebServer, farewell: str) -> None:
    with open_page(browser, server.url, "/?s=AAPL&w=AAPL") as watched:
        watched.pill("live")
        watched.page.wait_for_selector(".article, .why .panel-note")
        getattr(server, farewell)()
        watched.pill("reconnecting")
        watched.page.wait_for_selector(".chart-host.stale")
        shot(watched.page, f"live-server-{farewell}")
        assert len(shown(watched)) > 100, "the last data stays"
        # What is published while the server is away is counted once it is back.
        server.publish("AAPL", polarity=0.91)
        server.start()
        watched.pill("live", 40_000)
        ends_as_fresh(watched, server)
        assert watched.errors == []


def test_without_network_and_back(browser: Any, server: WebServer) -> None:
    """A server on this machine needs no network, so the page does not wait for one."""
    with open_page(browser, server.url, "/?s=AAPL&w=AAPL") as watched:
        watched.pill("live")
        before = server.count()
        watched.page.context.set_offline(True)
        some_news(server, random.Random(3), 4)
        server.settle("AAPL", before + 4)
        watched.page.context.set_offline(False)
        watched.pill("live")
        ends_as_fresh(watched, server)
