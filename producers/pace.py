"""Calls a key may make: every limit of its plan at once, over sliding windows, shared by all sources that use it.

What was spent is kept by the key's name (never the key), so that a restart does not start the day's allowance anew.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from contracts.clock import Clock

MAX_CALLS_COUNTED: Final = 5_000


class Limit(NamedTuple):
    """At most `calls` in any `period_ms`."""

    calls: int
    period_ms: int


@dataclass(frozen=True, repr=False)
class Key:
    """A source's key: the name it has in Secrets, its value (None: the source needs none), and its plan's limits.
    `patience_ms`: how long it rests after "too many requests" that does not say how long."""

    name: str
    value: str | None
    limits: tuple[Limit, ...]
    patience_ms: int = 60_000

    def __post_init__(self) -> None:
        assert all(0 < limit.calls <= MAX_CALLS_COUNTED and limit.period_ms > 0 for limit in self.limits), self.limits

    def __repr__(self) -> str:
        return f"Key({self.name})"

    def hidden_in(self, text: str) -> str:
        """The text without the key: some sources repeat it in their error messages."""
        return text.replace(self.value, "…") if self.value else text


class Pace:
    """What each key has spent; used by several threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._calls: dict[str, list[int]] = {}
        self._changed: set[str] = set()

    def take(self, key: Key) -> int:
        """0: one call is taken. Else: milliseconds until one can be, and nothing is taken."""
        with self._lock:
            now_ms = self._clock.now_ms()
            longest_ms = max((limit.period_ms for limit in key.limits), default=0)
            calls = [at_ms for at_ms in self._calls.get(key.name, ()) if now_ms - longest_ms < at_ms <= now_ms]
            wait_ms = max((_wait_ms(calls, limit, now_ms) for limit in key.limits), default=0)
            if wait_ms == 0 and key.limits:
                self._calls[key.name] = [*calls, now_ms]
                self._changed.add(key.name)
            return wait_ms

    def merge(self, kept: Mapping[str, Iterable[int]]) -> None:
        """Count what other processes spent too."""
        with self._lock:
            for name, calls in kept.items():
                known = self._calls.get(name, [])
                counted = set(known)
                self._calls[name] = sorted([*known, *(at_ms for at_ms in calls if at_ms not in counted)])

    def changed(self) -> dict[str, list[int]]:
        """The calls of every key that was used since the last time this was asked."""
        with self._lock:
            found = {name: list(self._calls[name]) for name in sorted(self._changed)}
            self._changed.clear()
            return found


def _wait_ms(calls: Sequence[int], limit: Limit, now_ms: int) -> int:
    """How long until the limit allows one more call; `calls` ascending."""
    if len(calls) < limit.calls:
        return 0
    return max(0, calls[-limit.calls] + limit.period_ms - now_ms)
