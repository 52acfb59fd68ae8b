"""Calls a key may make: every limit of its plan at once, over sliding windows, shared by all sources that use it.

What was spent is kept by the key's name (never the key), so that a restart does not start the day's allowance anew.
"""

import re
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple
from urllib.parse import quote, quote_plus

import msgspec

from contracts.clock import Clock

MAX_CALLS_COUNTED: Final = 5_000
#: So many calls of each key are kept at least: the most that a plan of the kinds of sources counts.
MIN_CALLS_KEPT: Final = 1_000
#: A shorter secret (`demo`) is a word, which news are written with.
MIN_SECRET_CHARACTERS: Final = 8
_ESCAPED: Final = re.compile(r"%[0-9A-F]{2}")


class Limit(NamedTuple):
    """At most `calls` in any `period_ms`."""

    calls: int
    period_ms: int


@dataclass(frozen=True, repr=False)
class Key:
    """A source's key: the name it has in Secrets, all secrets its requests carry, and its plan's limits.
    `patience_ms`: how long it rests after "too many requests" that does not say how long."""

    name: str
    secrets: tuple[str, ...]
    limits: tuple[Limit, ...]
    patience_ms: int = 60_000

    def __post_init__(self) -> None:
        assert all(0 < limit.calls <= MAX_CALLS_COUNTED and limit.period_ms > 0 for limit in self.limits), self.limits

    def __repr__(self) -> str:
        return f"Key({self.name})"

    def hidden_in(self, text: str) -> str:
        """The text without the secrets: some sources repeat them, or the whole question, in their error messages."""
        return _without(text, self._ways)

    def hidden_in_news(self, text: str) -> str:
        """A JSON text without the secrets, but for those that may be words of it."""
        return _without(text, self._ways_of_no_words)

    @cached_property
    def _ways(self) -> tuple[str, ...]:
        return _ways_of(self.secrets)

    @cached_property
    def _ways_of_no_words(self) -> tuple[str, ...]:
        return _ways_of(each for each in self.secrets if len(each) >= MIN_SECRET_CHARACTERS)


class Pace:
    """What each key has spent; used by several threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._calls: dict[str, list[int]] = {}
        self._most: dict[str, int] = defaultdict(lambda: MIN_CALLS_KEPT)
        self._changed: set[str] = set()

    def take(self, key: Key) -> int:
        """0: one call is taken. Else: milliseconds until one can be, and nothing is taken."""
        with self._lock:
            now_ms = self._clock.now_ms()
            calls = [at_ms for at_ms in self._calls.get(key.name, ()) if at_ms <= now_ms]
            wait_ms = max((_wait_ms(calls, limit, now_ms) for limit in key.limits), default=0)
            if wait_ms == 0 and key.limits:
                # Another source may have wider limits for the same key: its calls are not to be forgotten.
                most = self._most[key.name] = max(self._most[key.name], *(limit.calls for limit in key.limits))
                self._calls[key.name] = [*calls, now_ms][-most:]
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


def _ways_of(secrets: Iterable[str]) -> tuple[str, ...]:
    """How the secrets may be written, in an address or in JSON too; the longest first."""
    ways: set[str] = set()
    for each in secrets:
        quoted = (quote(each), quote(each, safe=""), quote_plus(each))
        lower = (_ESCAPED.sub(lambda found: found[0].lower(), way) for way in quoted)
        ways |= {each, msgspec.json.encode(each).decode()[1:-1], *quoted, *lower}
    return tuple(sorted(ways, key=lambda way: (-len(way), way)))


def _without(text: str, ways: Iterable[str]) -> str:
    for way in ways:
        text = text.replace(way, "…")
    return text


def _wait_ms(calls: Sequence[int], limit: Limit, now_ms: int) -> int:
    """How long until the limit allows one more call; `calls` ascending."""
    if len(calls) < limit.calls:
        return 0
    return max(0, calls[-limit.calls] + limit.period_ms - now_ms)
