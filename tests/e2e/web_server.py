"""The real program for the dashboard's browser tests: on one port whatever happens to its process, with made-up news
whose scores are known, so that what the page shows can be held against what the API says."""

import json
import random
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from contracts.clock import SystemClock
from contracts.events import SCORED_STREAM
from contracts.ports import Entry
from contracts.resolution import DAY_MS, HOUR_MS, MINUTE_MS
from contracts.settings import AggregatorSettings
from stores.home import Home, open_home
from tests.e2e.harness import CANDLEWICK, environment
from tests.events import scored

SUBJECTS = ("AAPL", "MSFT", "TSLA", "NVDA", "tag:ai-regulation")
WATCHED = ",".join(SUBJECTS)
ADMIN = "the-admin-key-of-the-tests"
START_S, COUNTED_S = 60, 90
PUBLISHERS = ("Reuters", "CNBC", "The Guardian")


def now_ms() -> int:
    return SystemClock().now_ms()


def history(until_ms: int) -> list[dict[str, Any]]:
    """A day of news at some twelve articles an hour and subject, and four weeks at two a day; seeded."""
    chance = random.Random(7)
    events, number = [], 0
    for subject in SUBJECTS:
        mood = 0.0
        times = [until_ms - day * DAY_MS - chance.randrange(DAY_MS) for day in range(2, 28) for _ in range(2)]
        times += [until_ms - 2 * MINUTE_MS - chance.randrange(24 * HOUR_MS) for _ in range(288)]
        for at_ms in sorted(times):
            number += 1
            mood = 0.8 * mood + chance.uniform(-0.35, 0.35)
            polarity = round(max(-0.99, min(0.99, mood + chance.gauss(0, 0.3))), 4)
            events.append(scored(number, subject, at_ms, polarity, source=chance.choice(("rss", "finnhub"))))
    return events


class WebServer:
    """A running `candlewick up --no-sources` on a data directory with news in it."""

    def __init__(self, folder: Path, events: Iterable[dict[str, Any]] = ()) -> None:
        self.folder = folder
        self._number = 1_000_000
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".env").write_text(f"CANDLEWICK_ADMIN_KEY={ADMIN}\n", encoding="utf-8")
        self.home: Home = open_home(AggregatorSettings(data_dir=str(folder), synchronous="normal"))
        self.put(events)
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # ---- the process -----------------------------------------------------------------------------------------------
    def start(self) -> None:
        command = [
            *CANDLEWICK,
            "up",
            "--data-dir",
            str(self.folder),
            "--port",
            str(self.port),
            "--no-sources",
            "--json",
        ]
        with (self.folder.parent / f"{self.folder.name}.up.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=environment())
        assert self._process.stdout is not None
        first = self._process.stdout.readline()
        assert first, "the server ended by itself"
        self.port = urlsplit(json.loads(first)["url"]).port or 0
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            try:
                self.ask("/ready", prefix="")
            except (urllib.error.URLError, OSError):
                assert self._process.poll() is None, "the server ended by itself"
                time.sleep(0.05)
            else:
                return
        raise AssertionError(f"not ready after {START_S} s")

    def kill(self) -> None:
        """As a crash would end it."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """As an operator would end it."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(timeout=20)

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()

    # ---- the API ---------------------------------------------------------------------------------------------------
    def ask(self, path: str, prefix: str = "/api/v2", body: Any = None) -> Any:
        """The answer to a GET, or to a POST with the admin key when there is a body."""
        headers = {"X-Admin-Key": ADMIN, "Content-Type": "application/json"} if body is not None else {}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + prefix + path, data=data, headers=headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def series(self, subject: str = "AAPL", resolution: str = "1m") -> list[dict[str, Any]]:
        """As a fresh page would fetch it, the open window at the end."""
        answer = self.ask(f"/timeseries/{subject}?resolution={resolution}")
        return answer["buckets"] + [each for each in (answer["partial_bucket"],) if each]

    def count(self, subject: str = "AAPL") -> int:
        """Articles counted of a subject, over all time that is kept."""
        return sum(bucket["count"] for bucket in self.series(subject, "24h"))

    # ---- news ------------------------------------------------------------------------------------------------------
    def put(self, events: Iterable[dict[str, Any]]) -> None:
        rows = [Entry(event["subject"], json.dumps(event).encode()) for event in events]
        for at in range(0, len(rows), 500):
            self.home.log.put_records(SCORED_STREAM, rows[at : at + 500])

    def item(self, event: dict[str, Any], title: str) -> None:
        """The article behind an event, as the classifier stores it."""
        subject = event["subject"]
        tag = subject.removeprefix("tag:") if subject.startswith("tag:") else None
        self.home.items.put_primary(
            {
                "source_id": event["article_id"], "ingested_at": event["ingested_at"], "source_type": event["source"],
                "source_url": f"https://example.com/{event['article_id'][-6:]}",
                "text_snippet": f"{title}, in other words.",
                "sentiment": event["label"], "score": event["confidence"], "polarity": event["polarity"],
                "model_version": event["model_version"], "matched_tags": [tag] if tag else [],
                "matched_tickers": [] if tag else [subject], "status": "analyzed",
                "metadata": {
                    "author": None, "title": title, "published_at": event["event_time"],
                    "source_name": PUBLISHERS[int(event["article_id"][-4:], 16) % len(PUBLISHERS)],
                },
                "sources": [{"article_id": event["article_id"], "source": event["source"]}],
                "story_key": event["article_id"], "raw_key": None,
            }
        )  # fmt: skip

    def publish(
        self, subject: str = "AAPL", at_ms: int | None = None, polarity: float = 0.4, title: str | None = None
    ) -> dict[str, Any]:
        """One scored article, taken in now, published now or at an instant."""
        self._number += 1
        ingested_ms = now_ms()
        event = scored(self._number, subject, ingested_ms if at_ms is None else at_ms, polarity, ingested_ms)
        if title is not None:
            self.item(event, title)
        self.put([event])
        return event

    def settle(self, subject: str, count: int) -> None:
        """Until the line has counted that many articles of a subject."""
        end = time.monotonic() + COUNTED_S
        while self.count(subject) < count:
            assert time.monotonic() < end, f"{subject}: {self.count(subject)} counted, {count} expected"
            time.sleep(0.05)


@contextmanager
def web_server(folder: Path, with_items: bool = True) -> Iterator[WebServer]:
    """A server with a day of news, all of it counted; the newest articles of each subject with their headlines."""
    events = history(now_ms())
    server = WebServer(folder, events)
    try:
        for subject in SUBJECTS:
            mine = [event for event in events if event["subject"] == subject]
            for number, event in enumerate(
                sorted(mine, key=lambda each: str(each["event_time"]))[-25:] if with_items else ()
            ):
                server.item(event, f"{subject.removeprefix('tag:')} story number {number}")
            server.settle(subject, len(mine))
            # One that has just come in: a line that only ever read history says that it is hours behind.
            server.publish(subject, title=f"{subject} news of this minute")
            server.settle(subject, len(mine) + 1)
        yield server
    finally:
        server.close()
