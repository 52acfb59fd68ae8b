"""Headlines for what the change log tells, looked up beside its reader: events do not wait for the item store."""

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from api.logs import note
from contracts.clock import Clock
from contracts.errors import Transient, Unusable

Titles = Callable[[list[str]], dict[str, str]]

#: Longest an event waits for its headline, and how long none is asked for after one that did not come.
PATIENCE_S: Final = 0.25
QUIET_MS: Final = 5_000.0


class Headlines:
    """Asks in a thread of its own, for one reader. An event without a headline still tells its score, so nothing that
    goes wrong here goes further than the log."""

    def __init__(self, lookup: Titles, clock: Clock) -> None:
        self._lookup = lookup
        self._clock = clock
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="headlines")
        self._asked: Future[dict[str, str]] | None = None
        self._quiet_until_ms = float("-inf")

    def of(self, article_ids: list[str]) -> dict[str, str]:
        """Headlines by article id; none while the item store is slow, or does not answer at all. Blocking, briefly."""
        if self.is_busy or self._clock.monotonic_ms() < self._quiet_until_ms:
            return {}
        self._asked = self._pool.submit(self._lookup, article_ids)
        try:
            return self._asked.result(PATIENCE_S)
        except TimeoutError:
            note(logging.WARNING, "no headlines for now: the item store is slow", patience_s=PATIENCE_S)
        except (Transient, Unusable) as error:
            note(logging.WARNING, "no headlines for now", cause=str(error))
        except Exception as error:  # noqa: BLE001 — logged; the events go out without their headlines
            note(logging.ERROR, "no headlines for now", error)
        self._quiet_until_ms = self._clock.monotonic_ms() + QUIET_MS
        return {}

    @property
    def is_busy(self) -> bool:
        """Whether a call is still under way."""
        return self._asked is not None and not self._asked.done()

    def close(self) -> None:
        """Let go of the thread; a running call finishes."""
        self._pool.shutdown(wait=False, cancel_futures=True)
