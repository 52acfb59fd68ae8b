"""An independent oracle: what the buckets must be, from the events alone.

Written against the specification with the standard library only; it shares no code with `aggregation/`.
"""

import datetime
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

WIDTHS_S = {"1m": 60, "5m": 300, "10m": 600, "1h": 3_600, "3h": 10_800, "6h": 21_600, "12h": 43_200, "24h": 86_400}
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def to_ms(text: str) -> int:
    """Milliseconds UTC of an ISO-8601 instant."""
    delta = datetime.datetime.fromisoformat(text.replace("Z", "+00:00")) - _EPOCH
    return delta.days * 86_400_000 + delta.seconds * 1000 + delta.microseconds // 1000


def verdict(event: dict[str, Any], lateness_ms: int = 86_400_000) -> str:
    """accepted, too_late or future, from the event's own stamps."""
    at, ingested = to_ms(event["event_time"]), to_ms(event["ingested_at"])
    if at > ingested + 300_000:
        return "future"
    return "too_late" if at // 60_000 * 60_000 + 60_000 + lateness_ms <= ingested else "accepted"


def buckets(events: Iterable[dict[str, Any]], lateness_ms: int = 86_400_000) -> dict[tuple[str, str, int], dict]:
    """(subject, resolution, start ms) → the fields a bucket must have."""
    windows: defaultdict[tuple[str, str, int], list[tuple]] = defaultdict(list)
    seen: set[tuple[str, str, int]] = set()
    for event in events:
        if verdict(event, lateness_ms) != "accepted":
            continue
        at = to_ms(event["event_time"])
        identity = (event["subject"], event["event_id"], at // 60_000)
        if identity in seen:
            continue
        seen.add(identity)
        row = (at, event["event_id"], round(event["polarity"] * 10_000), event["label"], event["source"],
               event["model_version"])  # fmt: skip
        for name, width_s in WIDTHS_S.items():
            windows[event["subject"], name, at // (width_s * 1000) * width_s * 1000].append(row)
    return {key: _fields(sorted(rows)) for key, rows in windows.items()}


def _fields(rows: list[tuple]) -> dict[str, Any]:
    scores, labels = [row[2] for row in rows], [row[3] for row in rows]
    return {
        "open": scores[0], "high": max(scores), "low": min(scores), "close": scores[-1], "sum": sum(scores),
        "count": len(rows),
        "labels": tuple(labels.count(label) for label in ("positive", "neutral", "negative")),
        "open_at": rows[0][:2], "close_at": rows[-1][:2],
        "sources": sorted({row[4] for row in rows}), "model_versions": sorted({row[5] for row in rows}),
    }  # fmt: skip


def fields_of(bucket: Any) -> dict[str, Any]:
    """The same fields of a stored `contracts.bucket.Bucket`."""
    s = bucket.summary
    return {
        "open": s.open_e4, "high": s.high_e4, "low": s.low_e4, "close": s.close_e4, "sum": s.sum_e4, "count": s.count,
        "labels": (s.positive, s.neutral, s.negative),
        "open_at": (s.open_ms, s.open_id), "close_at": (s.close_ms, s.close_id),
        "sources": list(s.sources), "model_versions": list(s.model_versions),
    }  # fmt: skip


def fields_of_document(document: dict[str, Any]) -> dict[str, Any]:
    """The same fields of a bucket as REST and the command line print it."""
    labels = document["label_counts"]
    return {
        **{name: round(document[name] * 10_000) for name in ("open", "high", "low", "close", "sum")},
        "count": document["count"],
        "labels": (labels["positive"], labels["neutral"], labels["negative"]),
        "open_at": (to_ms(document["open_at"]["time"]), document["open_at"]["event_id"]),
        "close_at": (to_ms(document["close_at"]["time"]), document["close_at"]["event_id"]),
        "sources": document["sources"],
        "model_versions": document["model_versions"],
    }
