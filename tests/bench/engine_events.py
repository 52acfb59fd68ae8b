"""The benchmark's own events, of the same shape and statistics as the peers' job, for machines without their generator.

Arrival is spread evenly over the hours; one line in twenty is a re-delivery within ten minutes, one event in ten is up
to 90 seconds behind its arrival and one in two hundred up to three hours.
"""

import random
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

from contracts.instants import iso_ms

T0_MS: Final = 1_767_571_200_000  # 2026-01-05T00:00:00Z
HOUR_MS: Final = 3_600_000
SOURCES: Final = ("tiingo", "finnhub", "newsapi", "rss")
DUPLICATES: Final = 0.05
DUPLICATE_SPAN_MS: Final = 600_000


def subject_names(count: int) -> list[str]:
    """`count` distinct tickers: AAAA, BAAA, CAAA …"""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return ["".join(letters[number // 26**place % 26] for place in range(4)) for number in range(count)]


def news(count: int, subjects: int, seed: int = 7, hours: float = 24) -> Iterator[tuple[int, dict[str, Any]]]:
    """`count` lines in order of arrival: (arrival in ms, the event in the peers' fields)."""
    rnd, names = random.Random(seed), subject_names(subjects)
    step_ms = hours * HOUR_MS / count
    span = max(1, int(DUPLICATE_SPAN_MS / step_ms))
    again: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    waiting: list[dict[str, Any]] = []
    for number in range(count):
        arrival_ms = T0_MS + int(number * step_ms)
        waiting += again.pop(number, ())
        if waiting:
            yield arrival_ms, waiting.pop(0)
            continue
        luck = rnd.random()
        late_ms = rnd.randrange(90_000, 3 * HOUR_MS) if luck < 0.005 else rnd.randrange(90_000) if luck < 0.105 else 0
        polarity = round(rnd.uniform(-1, 1), 4)
        event = {
            "article_id": f"{rnd.getrandbits(64):016x}", "ticker": names[rnd.randrange(subjects)],
            "event_time": iso_ms(arrival_ms - late_ms), "score": polarity,
            "label": "positive" if polarity > 0.15 else "negative" if polarity < -0.15 else "neutral",
            "source": rnd.choice(SOURCES), "model_version": "v1",
        }  # fmt: skip
        if rnd.random() < DUPLICATES / (1 - DUPLICATES):
            again[number + 1 + rnd.randrange(span)].append(event)
        yield arrival_ms, event


def scored_document(event: dict[str, Any], arrival_ms: int) -> dict[str, Any]:
    """The event as a `scored-article/1`."""
    stamp = iso_ms(arrival_ms)
    return {
        "schema": "scored-article/1", "event_id": f"{event['article_id']}@{event['ticker']}",
        "article_id": event["article_id"], "subject": event["ticker"], "source": event["source"],
        "event_time": event["event_time"], "ingested_at": stamp, "scored_at": stamp, "label": event["label"],
        "confidence": 0.9, "polarity": event["score"], "model_version": event["model_version"],
    }  # fmt: skip
