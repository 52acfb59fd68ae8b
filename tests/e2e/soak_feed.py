"""The publisher of the soak, a process of its own: real headlines at a rate, each with an identity of its own.

    python -m tests.e2e.soak_feed DATA_DIR

Reads lines `rate seconds` on standard input, publishes that, and answers each with the number published so far.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from api.names import company_names
from contracts.clock import SystemClock
from contracts.events import RAW_STREAM
from contracts.instants import iso_ms
from contracts.ports import Entry
from contracts.settings import Settings
from local.demo import DATA_FILE, read_day
from producers.publisher import Publisher
from stores.home import open_home

SUBJECTS = 50
TICKS_PER_S = 20


def subjects() -> list[str]:
    """What the articles are about, besides what is recognised in their text."""
    return list(company_names())[:SUBJECTS]


def article(number: int, row: dict[str, Any], ticker: str, at: str) -> Entry:
    identity = f"soak#{number:016x}"
    document = {
        "schema": "raw-article/1", "article_id": identity, "source": "soak", "publisher": row["p"], "url": row["u"],
        "title": f"{row['h']} ({number})", "snippet": row["s"], "author": None, "language": "en",
        "published_at": at, "ingested_at": at, "tickers": [ticker], "tags": [], "raw_key": None,
    }  # fmt: skip
    return Entry(identity, json.dumps(document).encode())


def publish(publisher: Publisher, clock: SystemClock, first: int, rate: float, seconds: float) -> int:
    """Put `rate` articles a second; the next number."""
    day, tickers = read_day(DATA_FILE), subjects()
    began, total, number = time.monotonic(), round(rate * seconds), first
    while number - first < total:
        due = min(total, int((time.monotonic() - began) * rate) + 1) - (number - first)
        if due > 0:
            at = iso_ms(clock.now_ms())
            numbers = range(number, number + due)
            publisher.publish(RAW_STREAM, (article(n, day[n % len(day)], tickers[n % SUBJECTS], at) for n in numbers))
            number += due
        time.sleep(1 / TICKS_PER_S)
    return number


def main() -> None:
    home = open_home(Settings(data_dir=str(Path(sys.argv[1]))))  # type: ignore[call-arg]
    clock = SystemClock()
    publisher, number = Publisher(home.log, clock), 0
    for line in sys.stdin:
        rate, seconds = map(float, line.split())
        number = publish(publisher, clock, number, rate, seconds)
        print(number, flush=True)


if __name__ == "__main__":
    main()
