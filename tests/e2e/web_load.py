"""What a long or busy day does to the page: floods of updates, and half an hour of use in little time. Shared by the
browser tests and the measurements."""

import random
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from contracts.resolution import MINUTE_MS
from tests.bench.sse_client import SseClient
from tests.e2e.web_browser import Watched
from tests.e2e.web_server import SUBJECTS, WebServer, now_ms
from tests.events import scored

RESOLUTIONS = ("1m", "5m", "10m", "1h", "3h", "6h", "12h", "24h")
COUNT_FRAMES = """() => {
  window.framesSeen = 0;
  const count = () => { window.framesSeen += 1; requestAnimationFrame(count); };
  requestAnimationFrame(count);
}"""
#: A minute of use: an article a second, another resolution every five seconds, another page once.
ARTICLES_A_MINUTE, SWITCHES_A_MINUTE = 60, 12
#: Keeps what it was given, as a forgotten listener would; a look at the heap must notice.
LEAK = "() => { (window.leaked ??= []).push(new Array(30_000).fill(0).map((_, at) => ({ at }))); }"


class Flood:
    """Late articles, each in a minute of its own, so that each is one more changed candle that no coalescing joins."""

    def __init__(self, server: WebServer, seed: int = 11) -> None:
        self._server = server
        self._chance = random.Random(seed)
        self._number = 5_000_000
        self.sent = dict.fromkeys(SUBJECTS, 0)

    def send(self, count: int) -> None:
        events, now = [], now_ms()
        for _ in range(count):
            self._number += 1
            subject = SUBJECTS[self._number % len(SUBJECTS)]
            self.sent[subject] += 1
            late_ms = 10 * MINUTE_MS + self._chance.randrange(1_200) * MINUTE_MS
            polarity = round(self._chance.uniform(-1, 1), 4)
            events.append(scored(self._number, subject, now - late_ms, polarity, now))
        self._server.put(events)


class Busy(NamedTuple):
    """How a flood went."""

    updates_per_s: float
    frames_per_s: float
    seconds: float
    sent: dict[str, int]


def flood(server: WebServer, watched: Watched, rate: int, seconds: float) -> Busy:
    """`rate` changed candles a second for some time, counted at the stream as the page has it."""
    heard = 0

    def count(name: str, data: dict[str, Any], at_s: float) -> None:
        nonlocal heard
        heard += name in ("bucket_update", "partial_bucket")

    client = SseClient(server.url, f"/api/v2/stream?tickers={','.join(SUBJECTS)}&resolutions=1m", count)
    client.start()
    assert client.ready.wait(20)
    sender, stop = Flood(server), threading.Event()

    def send() -> None:
        due, began = 0.0, time.monotonic()
        while not stop.is_set():
            missing = int((time.monotonic() - began) * rate - due)
            if missing > 0:
                sender.send(missing)
                due += missing
            stop.wait(0.02)

    thread = threading.Thread(target=send)
    watched.page.evaluate(COUNT_FRAMES)
    began, heard = time.monotonic(), 0
    thread.start()
    watched.page.wait_for_timeout(seconds * 1_000)
    frames = watched.page.evaluate("window.framesSeen")
    took, updates = time.monotonic() - began, heard
    stop.set()
    thread.join()
    return Busy(updates / took, frames / took, took, sender.sent)


def minute_of_use(server: WebServer, watched: Watched, minute: int) -> None:
    """News and a reader's hands, as fast as the machine can."""
    page, stream = watched.page, Flood(server, minute)
    for step in range(SWITCHES_A_MINUTE):
        stream.send(ARTICLES_A_MINUTE // SWITCHES_A_MINUTE)
        server.publish("AAPL", polarity=0.1)
        page.keyboard.press(str((minute + step) % 8 + 1))
        page.wait_for_timeout(40)
        if step % 4 == 1:
            page.keyboard.press("ArrowLeft")
            page.wait_for_timeout(40)
    page.keyboard.press("g")
    page.keyboard.press("g" if minute % 2 else "r")
    page.wait_for_timeout(150)
    page.keyboard.press("g")
    page.keyboard.press("l")
    page.wait_for_timeout(150)


def heap_over(
    server: WebServer, watched: Watched, minutes: int, each: Callable[[Any], None] = lambda page: None
) -> list[float]:
    """MB of heap after a collection, at the end of each third of some minutes of use."""
    session = watched.page.context.new_cdp_session(watched.page)
    sizes = []
    for third in range(3):
        for minute in range(minutes // 3):
            minute_of_use(server, watched, third * minutes + minute)
            each(watched.page)
        watched.page.keyboard.press("1")
        watched.page.wait_for_timeout(800)
        session.send("HeapProfiler.collectGarbage")
        sizes.append(round(session.send("Runtime.getHeapUsage")["usedSize"] / 1e6, 2))
    return sizes


def grows(sizes: list[float], minutes: int) -> bool:
    """Whether the heap grew from the first third to the last by more than the series themselves may: 0.1 MB a minute
    and a tenth of what there was."""
    return sizes[-1] > sizes[0] * 1.1 + 0.1 * minutes
