"""Verdicts: what may count. A function of the event alone (its event time and the time it was ingested), judged once
for all resolutions together, so a replay, another batching or an outage cannot change what counts (design section 5).
"""

from typing import Literal, NamedTuple

from aggregation.event import Event
from contracts.events import FUTURE_TOLERANCE_MS
from contracts.instants import MIN_MS
from contracts.resolution import DAY_MS, late_from_ms

Verdict = Literal["accepted", "too_late", "future", "before_2000"]

ALLOWED_LATENESS_MS = DAY_MS


class SetAside(NamedTuple):
    """An event that does not count: the event, why, and an explanation for a person."""

    event: Event
    reason: str
    detail: str


def judge(event_ms: int, ingested_ms: int, allowed_lateness_ms: int = ALLOWED_LATENESS_MS) -> Verdict:
    """Too late: the end of its 1m window + allowed lateness ≤ ingested. Future: over five minutes after ingestion."""
    if event_ms < MIN_MS:
        return "before_2000"
    if event_ms > ingested_ms + FUTURE_TOLERANCE_MS:
        return "future"
    if late_from_ms(event_ms, allowed_lateness_ms) <= ingested_ms:
        return "too_late"
    return "accepted"
