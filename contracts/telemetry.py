"""Counting what happens: one registry per process, names from `contracts.metrics` only.

On one machine `/api/v2/status` and `candlewick status` read the totals since the process started. They are for people
and alarms; what must be exact (law 3) is counted from the log by `candlewick drain`.
"""

import threading
from collections import Counter
from collections.abc import Mapping

from contracts.metrics import METRICS

_totals: Counter[str] = Counter()
_lock = threading.Lock()


def record(counts: Mapping[str, float]) -> None:
    """Add to the process's totals. An unknown name is our bug."""
    unknown = counts.keys() - METRICS.keys()
    assert not unknown, f"not in contracts/metrics.py: {sorted(unknown)}"
    with _lock:
        for name, value in counts.items():
            _totals[name] += value  # type: ignore[assignment]


def totals() -> dict[str, float]:
    """A copy of the totals since the process started."""
    with _lock:
        return dict(_totals)
