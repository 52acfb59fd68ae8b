"""Made-up scored events for tests: seeded, with every kind of trouble the real stream has."""

import json
import random
from typing import Any

from contracts.instants import iso_ms

SUBJECTS = ("AAPL", "MSFT", "BRK.B", "tag:ai-regulation")
SOURCES = ("rss", "finnhub", "tiingo")
BASE_MS = 1_766_318_400_000  # 2025-12-21T12:00:00Z


def scored(
    number: int, subject: str, event_ms: int, polarity: float, ingested_ms: int | None = None, **more: Any
) -> dict[str, Any]:
    """One `scored-article/1` as a dictionary; ingested at its event time unless told otherwise."""
    label = "positive" if polarity > 0.15 else "negative" if polarity < -0.15 else "neutral"
    article = f"test#{number:016x}"
    return {
        "schema": "scored-article/1",
        "event_id": f"{article}@{subject}",
        "article_id": article,
        "subject": subject,
        "source": "rss",
        "event_time": iso_ms(event_ms),
        "ingested_at": iso_ms(event_ms if ingested_ms is None else ingested_ms),
        "scored_at": iso_ms((event_ms if ingested_ms is None else ingested_ms) + 500),
        "label": label,
        "confidence": round(abs(polarity), 4),
        "polarity": polarity,
        "model_version": "m1",
    } | more


def stream(count: int, seed: int, duplicates: float = 0.3, hours: float = 6.0, bad_stamps: float = 0.03) -> list[dict]:
    """`count` lines in arrival order: `duplicates` of them repeats, one in ten out of order, some late or future."""
    rnd = random.Random(seed)
    events: list[dict] = []
    for number in range(count):
        if events and rnd.random() < duplicates:
            events.append(rnd.choice(events[-500:]))
            continue
        arrival_ms = BASE_MS + int(hours * 3_600_000 * number / count)
        lag_ms = rnd.choice((0, 0, 0, 0, 0, 0, 0, rnd.randrange(1, 90_000), rnd.randrange(90_000, 10_800_000)))
        ingested_ms = arrival_ms
        if rnd.random() < bad_stamps:
            if rnd.random() < 0.5:
                lag_ms = 86_400_000 + rnd.randrange(-90_000, 90_000)
            else:
                lag_ms, ingested_ms = 0, arrival_ms - 300_000 - rnd.randrange(-3, 4)
        events.append(
            scored(
                number, rnd.choice(SUBJECTS), arrival_ms - lag_ms, round(rnd.uniform(-1, 1), 4), ingested_ms,
                source=rnd.choice(SOURCES), model_version=rnd.choice(("m1", "m2")),
            )
        )  # fmt: skip
    return events


def lines(events: list[dict]) -> bytes:
    """As JSON lines."""
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)
