"""How many tokens may have watch lists: anybody may get a token, and the lists of all of them are read again and again.

The places are counted by reading the lists, in each process for itself, so several processes may together let in a few
more within the time between two counts.
"""

import threading
from collections.abc import Mapping
from contextlib import suppress
from heapq import nsmallest
from typing import Any, Final

from contracts.clock import Clock
from contracts.errors import Conflict
from contracts.instants import parse_ms
from contracts.ports import ControlStore
from contracts.resolution import DAY_MS
from contracts.watched import WATCH_KIND, began

MAX_TOKENS: Final = 2_000
COUNT_EVERY_MS: Final = 10_000
#: So many tokens at most give up their place between two counts.
MAX_GIVEN_UP: Final = 20
#: A use is noted once a day, so the last one may be a day younger than what is noted: unused for two days at least.
UNUSED_AFTER_MS: Final = 3 * DAY_MS


class Places:
    """The places for tokens with watch lists."""

    def __init__(self, control: ControlStore, clock: Clock) -> None:
        self._control = control
        self._clock = clock
        self._lock = threading.Lock()
        self._free = 0
        #: Whose place somebody else may have, the longest unused last.
        self._unused: list[str] = []
        self._counted_ms = float("-inf")

    def take(self) -> None:
        """A place for a token without one; when all are taken, that of a token that was used on its first day only.
        Raises `Conflict` when there is none, `Transient`."""
        with self._lock:
            if self._clock.monotonic_ms() - self._counted_ms >= COUNT_EVERY_MS:
                self._count()
            if self._free > 0:
                self._free -= 1
            elif not self._one_is_given_up():
                raise Conflict(
                    f"{MAX_TOKENS:,} others have watch lists, and there is room for no more; try again later"
                )

    def _count(self) -> None:
        now_ms = self._clock.now_ms()
        found = self._control.list(WATCH_KIND)
        unused = (user for user, document in found.items() if _is_unused(document, now_ms))
        longest = nsmallest(MAX_GIVEN_UP, unused, key=lambda user: _used_ms(found[user]))
        self._free = MAX_TOKENS - len(found)
        self._unused = longest[::-1]
        self._counted_ms = self._clock.monotonic_ms()

    def _one_is_given_up(self) -> bool:
        while self._unused:
            user = self._unused.pop()
            document, version = self._control.get(WATCH_KIND, user)
            if document is None or not _is_unused(document, self._clock.now_ms()):
                continue
            with suppress(Conflict):  # who comes back just now keeps the place
                # A document that is deleted leaves no version behind: a row for each would be read again and again.
                self._control.delete(WATCH_KIND, user, version)
                return True
        return False


def _used_ms(document: Mapping[str, Any]) -> int:
    return int(document.get("used_ms", 0))


def _is_unused(document: Mapping[str, Any], now_ms: int) -> bool:
    """Whether lists were used on their first day only, and that is a while ago."""
    used_ms, since = _used_ms(document), began(document)
    came_once = not since or used_ms - parse_ms(since) < DAY_MS
    return came_once and now_ms - used_ms >= UNUSED_AFTER_MS
