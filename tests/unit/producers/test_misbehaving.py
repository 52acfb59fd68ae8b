"""A dozen sources that misbehave each in its own way, beside two that work: those never notice, and status shows it."""

import json
import socket
import threading
from collections.abc import Iterator

import pytest

from contracts.clock import ManualClock, SystemClock
from ops.source_lines import source_lines
from producers.service import KIND
from producers.sources.registry import Source
from tests.fakes.web import FakeSite, Reply, gzip_bomb, page
from tests.unit.producers.asking import POSTS, golden
from tests.unit.producers.test_service import FEED, NOW_MS, Polling

FEED_PAGE = page(FEED)
JSON = "application/json"
#: What each answers, and what an operator reads about it.
BEHAVIOURS: dict[str, tuple[list[Reply], str]] = {
    "busy-patient": ([(429, {"Retry-After": "120"}, b"")], "HTTP 429"),
    "busy": ([(429, {}, b"")], "HTTP 429"),
    "forbidden": ([(403, {}, b'{"error": "not for you"}')], "HTTP 403 Forbidden: not for you"),
    "broken": ([(500, {}, b"")] * 3, "HTTP 500"),
    "html": ([page(b"<html><title>Sign in</title></html>", "text/html")], "text/html, not JSON"),
    "cut": ([page(b'[{"id": 1, "title": "An art', JSON)], "cut off"),
    "short": ([(200, {"Content-Type": JSON, "X-Claimed-Length": "1000"}, b"[")], "broke"),
    "slow": ([(200, {"Content-Type": JSON, "X-Dribble": "1"}, b" " * 100_000)], "took over"),
    "loop": ([(302, {"Location": "/loop"}, b"")], "redirects"),
    "bomb": ([gzip_bomb(50 << 20)], "over 10 MB"),
    "huge": ([page(b"x" * (50 << 20), JSON)], "over 10 MB"),
}


class RunningClock(ManualClock):
    """A manual wall clock beside a real monotonic one; waits between tries are not waited for."""

    def monotonic_ms(self) -> float:
        return SystemClock().monotonic_ms()

    def wait(self, wake: threading.Event, timeout_ms: float) -> bool:
        return wake.is_set()


@pytest.fixture
def silent() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"


def test_other_sources_never_notice_and_status_shows_it(
    site: FakeSite, silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producers.fetch.READ_TIMEOUT_S", 0.6)
    monkeypatch.setattr("producers.fetch.TOTAL_TIMEOUT_MS", 2_000)
    bad = {name: site.put(f"/{name}", *replies) for name, (replies, _) in BEHAVIOURS.items()} | {"hangs": silent}
    sources = [Source(name=name, kind="json", url=url, options=POSTS) for name, url in bad.items()]
    good = json.dumps(golden("jsonplaceholder_posts.json")).encode()
    sources += [
        Source(name="good-feed", kind="rss", url=site.put("/good-feed", FEED_PAGE)),
        Source(name="good-json", kind="json", url=site.put("/good-json", page(good, JSON)), options=POSTS),
    ]
    polling = Polling(*sources, clock=RunningClock(NOW_MS))
    done = polling.service.poll()
    assert (done.polled, done.failed, done.published) == (14, 12, 7)
    states = polling.control.list(KIND)
    for name, (_, words) in BEHAVIOURS.items():
        assert words in states[name]["error"], (name, states[name]["error"])
    assert "in time" in states["hangs"]["error"]
    assert states["good-feed"]["state"] == states["good-json"]["state"] == "healthy"
    assert states["busy-patient"]["next_due_ms"] >= NOW_MS + 120_000
    lines = source_lines(states, polling.clock.now_ms())
    assert len(lines) == 14
    by_name = {line["name"]: line for line in lines}
    assert by_name["good-json"]["articles_per_hour"] == 5
    assert by_name["hangs"]["last_success_at"] is None
