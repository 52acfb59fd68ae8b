"""Counting what happens: one registry per process, names from `contracts.metrics` only.

On one machine `/api/v2/status` and `candlewick status` read the totals since the process started. They are for people
and alarms; what must be exact (law 3) is counted from the log by `candlewick drain`. Deployed, `emit_to` hands every
count on to CloudWatch (`contracts/emf.py`).
"""

import threading
from collections import Counter
from collections.abc import Callable, Mapping

from contracts.metrics import METRICS

_totals: Counter[str] = Counter()
_lock = threading.Lock()
_sink: Callable[[Mapping[str, float]], None] | None = None


def emit_to(sink: Callable[[Mapping[str, float]], None] | None) -> None:
    """Hand every count and observation on, as it comes (None: nowhere)."""
    global _sink
    _sink = sink


def observe(values: Mapping[str, float]) -> None:
    """Values that are no counts (milliseconds, open connections): handed on, never added up."""
    assert values.keys() <= METRICS.keys(), f"not in contracts/metrics.py: {sorted(values)}"
    if _sink is not None:
        _sink(values)


def record(counts: Mapping[str, float]) -> None:
    """Add to the process's totals. An unknown name is our bug."""
    unknown = counts.keys() - METRICS.keys()
    assert not unknown, f"not in contracts/metrics.py: {sorted(unknown)}"
    with _lock:
        for name, value in counts.items():
            _totals[name] += value  # type: ignore[assignment]
    if _sink is not None:
        _sink(counts)


def totals() -> dict[str, float]:
    """A copy of the totals since the process started."""
    with _lock:
        return dict(_totals)
