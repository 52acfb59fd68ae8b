"""The page under load, against the real server: switches, tabs, floods, and half an hour in little time.

A wait for what does not come raises, so a test may end with one.
"""

from typing import Any

import pytest

from tests.e2e.web_browser import FULL, open_page, series_of, until
from tests.e2e.web_load import LEAK, RESOLUTIONS, flood, grows, heap_over
from tests.e2e.web_server import SUBJECTS, WATCHED, WebServer

pytestmark = pytest.mark.browser
FLOOD_S = 10.0 if FULL else 2.0
RATE = 500
MINUTES = 30 if FULL else 3
TABS = 8


def comes_to(page: Any, wanted: list[tuple[Any, ...]], names: tuple[str, ...]) -> None:
    """The newest candles the page shows become the wanted ones; those first drawn may be the stream's alone."""
    for _ in range(100):
        mine = [tuple(row[name] for name in names) for row in series_of(page)]
        if mine[-len(wanted) :] == wanted:
            return
        page.wait_for_timeout(200)
    assert mine[-len(wanted) :] == wanted


def test_hundred_switches_through_the_eight_resolutions(browser: Any, server: WebServer) -> None:
    with open_page(browser, server.url, f"/?s=MSFT&w={WATCHED}") as watched:
        watched.pill("live")
        for step in range(100):
            watched.page.keyboard.press(str(step * 3 % 8 + 1))
        for key, resolution in enumerate(RESOLUTIONS, 1):
            watched.page.keyboard.press(str(key))
            shown = "name => document.querySelector('.chart-host').dataset.shown === name"
            until(watched.page, shown, f"MSFT@{resolution}")
            wanted = [(row["start"], row["close"], row["count"]) for row in server.series("MSFT", resolution)]
            comes_to(watched.page, wanted, ("start", "close", "count"))
        assert watched.errors == []


def one_connection(server: WebServer, page: Any) -> None:
    """The server may notice a little later that the page of an earlier test is gone."""
    for _ in range(50):
        connections = server.ask("/stream/status")["connections"]
        if connections == 1:
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"{connections} connections")


def test_eight_tabs_share_one_connection(browser: Any, server: WebServer) -> None:
    context = browser.new_context()
    pages = [context.new_page() for _ in range(TABS)]
    for page in pages:
        page.goto(f"{server.url}/?s=AAPL&w=AAPL,MSFT")
    for page in pages:
        page.wait_for_selector('.pill[data-state="live"]', timeout=30_000)
    one_connection(server, pages[0])
    server.publish("AAPL", polarity=-0.83)
    for page in pages:
        page.wait_for_selector('.legend-value:has-text("C −0.83")', timeout=40_000)
    for page in pages[1:]:
        page.close()
    pages[0].wait_for_timeout(300)
    one_connection(server, pages[0])
    context.close()


def test_a_flood_of_updates_ends_in_the_right_candles(browser: Any, server: WebServer) -> None:
    with open_page(browser, server.url, f"/?s=AAPL&w={WATCHED}") as watched:
        watched.pill("live")
        before = {subject: server.count(subject) for subject in SUBJECTS}
        busy = flood(server, watched, RATE, FLOOD_S)
        print(f"{busy.updates_per_s:.0f} changed candles a second, {busy.frames_per_s:.0f} frames a second")
        for subject in SUBJECTS:
            server.settle(subject, before[subject] + busy.sent[subject])
        assert busy.frames_per_s > 5, "the page stood still"
        wanted = [(row["start"], row["rev"], row["count"]) for row in server.series("AAPL")]
        comes_to(watched.page, wanted, ("start", "rev", "count"))
        assert watched.errors == []


def test_half_an_hour_of_use_leaves_nothing_behind(browser: Any, server: WebServer) -> None:
    with open_page(browser, server.url, f"/?s=AAPL&w={WATCHED}") as watched:
        watched.pill("live")
        sizes = heap_over(server, watched, MINUTES)
        print(f"heap after each third: {sizes} MB")
        assert not grows(sizes, MINUTES), sizes
        assert watched.errors == []


def test_a_leak_would_be_seen(browser: Any, server: WebServer) -> None:
    with open_page(browser, server.url, f"/?s=AAPL&w={WATCHED}") as watched:
        watched.pill("live")
        sizes = heap_over(server, watched, MINUTES, lambda page: page.evaluate(LEAK))
        assert grows(sizes, MINUTES), sizes
