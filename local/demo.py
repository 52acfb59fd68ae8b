"""The demo feed: one day of recorded news, played every day as if it were arriving now.

Article k of the file has a fixed offset in the day; on UTC day D it is published at D + offset, under an identity of
its own for that day. So the feed is a function of the clock alone: restarts repeat nothing that the classifier would
not recognise, and the cursor only saves work. On start it fills in the last 24 hours, stamped as ingested when
published, the newest hour first, so that today's candles are there before yesterday's are read.
"""

import bisect
import gzip
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from contracts.clock import Clock
from contracts.errors import Unusable
from contracts.events import RAW_STREAM, RawArticle, make_raw
from contracts.instants import date_of, iso_ms
from contracts.ports import ControlStore, Entry, EventLog
from contracts.resolution import DAY_MS, HOUR_MS, MINUTE_MS
from producers.publisher import Publisher

DATA_FILE: Final = Path(__file__).parent / "demo_data" / "news.jsonl.gz"
CURSOR: Final = ("demo", "feed")
#: How far back the first step plays. A clock set back by less finds what is due played already.
BACKFILL_MS: Final = DAY_MS
#: What was published longer ago than this is history: it is stamped as ingested at its event time.
LIVE_MS: Final = MINUTE_MS


class DemoFeed:
    """Plays the demo day onto raw-articles. Call `step` about twice a second."""

    note: Final = "Recorded news of 2019–2021 (StockNewsAPI, Finnhub, NewsAPI), replayed as if it were arriving now."

    def __init__(self, log: EventLog, control: ControlStore, clock: Clock, data_file: Path = DATA_FILE) -> None:
        """Reads the data file (about 20 ms). Raises `Unusable` when it is missing or damaged."""
        self._publisher = Publisher(log, clock)
        self._control = control
        self._clock = clock
        self._day = read_day(data_file)
        self._offsets = [row["o"] for row in self._day]
        self._through_ms: int | None = None

    def step(self) -> int:
        """Publish what is due; returns how many articles. Raises `Transient` when the log or the store is down: the
        next step does it again."""
        now_ms = self._clock.now_ms()
        if self._through_ms is None:
            self._through_ms = int((self._control.get(*CURSOR).value or {}).get("through_ms", 0))
        if self._through_ms > now_ms + BACKFILL_MS:
            self._through_ms = 0  # the clock was days ahead: what was played then is none of what is due now
        after_ms = max(self._through_ms, now_ms - BACKFILL_MS)
        published = 0
        for block_ms in range((now_ms // HOUR_MS) * HOUR_MS, after_ms - HOUR_MS, -HOUR_MS):
            due = self._due(max(after_ms, block_ms - 1), min(now_ms, block_ms + HOUR_MS - 1))
            published += self._publisher.publish(
                RAW_STREAM, (Entry(article.article_id, article.encode()) for article in self._articles(due, now_ms))
            )
        if published:
            self._control.put(*CURSOR, {"through_ms": now_ms})
        self._through_ms = max(self._through_ms, now_ms)
        return published

    def _due(self, after_ms: int, through_ms: int) -> Iterator[tuple[int, int]]:
        """(day's start, index) of the articles published in (after, through], ascending."""
        day_ms = (after_ms // DAY_MS) * DAY_MS
        while day_ms <= through_ms:
            first = bisect.bisect_right(self._offsets, after_ms - day_ms)
            last = bisect.bisect_right(self._offsets, through_ms - day_ms)
            for index in range(first, last):
                yield day_ms, index
            day_ms += DAY_MS

    def _articles(self, due: Iterator[tuple[int, int]], now_ms: int) -> Iterator[RawArticle]:
        for day_ms, index in due:
            row = self._day[index]
            published_ms = day_ms + row["o"]
            source = f"demo-{row['f']}"
            identity = hashlib.sha256(f"{date_of(day_ms)}#{index}".encode()).hexdigest()[:16]
            yield make_raw(
                source,
                {
                    "article_id": f"{source}#{identity}",
                    "publisher": row["p"],
                    "url": row["u"],
                    "title": row["h"],
                    "snippet": row["s"],
                    "language": "en",
                    "tickers": row["t"],
                    "published_at": iso_ms(published_ms),
                    "ingested_at": iso_ms(published_ms if now_ms - published_ms > LIVE_MS else now_ms),
                },
            )


def read_day(data_file: Path) -> list[dict[str, Any]]:
    """The articles of the demo day, ascending by offset. Raises `Unusable` naming the file."""
    try:
        with gzip.open(data_file, "rt", encoding="utf-8") as lines:
            day = [json.loads(line) for line in lines]
    except (OSError, EOFError, ValueError) as error:
        raise Unusable(f"the demo's news cannot be read: {error}; reinstall, or start with --no-demo") from None
    assert day == sorted(day, key=lambda row: row["o"]), "the demo day is not in order"
    assert all(0 <= row["o"] < DAY_MS for row in day), "an article outside the demo day"
    return day
