"""Reading articles: from the read model, or from the primary table while the read model is down.

The primary has no order by time, so it is scanned: slower, but what it answers has the same keys, so that a page begun
on one goes on upon the other. A scan serves everybody for ten seconds, or as long as it took.
"""

import logging
import threading
from collections.abc import Callable
from itertools import islice
from typing import Any, Final, TypeVar

from api.circuit import Circuit
from contracts.clock import Clock
from contracts.errors import BadEvent, Transient
from contracts.instants import parse_ms
from contracts.ports import Item, ItemStore, Scanning, Tallying
from contracts.tally import COPY_PREFIX, Tally

SCAN_FRESH_MS: Final = 10_000.0
MAX_SCANNED: Final = 200_000
log = logging.getLogger("candlewick.api")
Answer = TypeVar("Answer")


class ItemReads:
    """The read side of the item store. Every method blocks and raises `Transient` when neither table answers."""

    def __init__(self, store: ItemStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        #: False in a process that is too small to hold the primary table, and has no right to scan it.
        self.may_scan = isinstance(store, Scanning)
        self._circuit = Circuit(clock)
        self._lock = threading.Lock()
        #: Until when it serves, and what was found.
        self._scanned: tuple[float, list[Item]] | None = None

    @property
    def from_primary(self) -> bool:
        """Whether the read model is known to be down."""
        return self._circuit.is_open

    def dashboard_day(self, day: str, before_key: str | None, limit: int) -> list[Item]:
        """A day's articles, newest first, each once; `before_key` is an `item_key` to go on below."""

        def among(items: list[Item]) -> list[Item]:
            return _page([item for item in items if item["day_partition"] == day], before_key, limit)

        return self._read(lambda: self._store.dashboard_day(day, before_key, limit), among)

    def dashboard_tag(self, tag: str, before_key: str | None, limit: int) -> list[Item]:
        """A tag's copies, newest first."""

        def among(items: list[Item]) -> list[Item]:
            copies = [
                item | {"tag": tag, "item_key": f"{COPY_PREFIX}{tag}#{item['item_key']}"}
                for item in items
                if tag in (item.get("matched_tags") or ())
            ]
            return _page(copies, before_key, limit)

        return self._read(lambda: self._store.dashboard_tag(tag, before_key, limit), among)

    def tally(self, since_ms: int) -> Tally | None:
        """The maintained counters; None where the store keeps none, or they cannot be read now: then recount."""
        store = self._store
        if not isinstance(store, Tallying) or not self._circuit.allows():
            return None
        return self._tried(lambda: store.tally(since_ms))

    def tally_windows(self, width_ms: int, start_ms: int, end_ms: int) -> dict[int, Tally] | None:
        """The maintained counters by window; None as for `tally`."""
        store = self._store
        if not isinstance(store, Tallying) or not self._circuit.allows():
            return None
        return self._tried(lambda: store.tally_windows(width_ms, start_ms, end_ms))

    def ingestion_range(self) -> tuple[str, str] | None:
        """`ingested_at` of the oldest and newest article, where the store can tell."""
        store = self._store
        if not isinstance(store, Tallying) or not self._circuit.allows():
            return None
        return self._tried(store.ingestion_range)

    def days_before(self, day: str) -> list[str]:
        """The days before one that have articles, newest first, as far as the store's counters tell."""
        ends = self.ingestion_range()
        if ends is None or ends[0][:10] >= day:
            return []
        kept = self.tally(0)
        dates = kept.of("date") if kept is not None else {}
        return sorted((each for each, count in dates.items() if count and each < day), reverse=True)

    def _read(self, ask: Callable[[], list[Item]], among: Callable[[list[Item]], list[Item]]) -> list[Item]:
        if self._circuit.allows():
            found = self._tried(ask)
            if found is not None:
                return found
        return among(self._primary())

    def _tried(self, ask: Callable[[], Answer]) -> Answer | None:
        """What the read model answers; None when it is down and the primary can be scanned instead."""
        try:
            found = ask()
        except Transient as error:
            was_open = self._circuit.is_open
            self._circuit.failed()
            if not self.may_scan:
                raise
            if self._circuit.is_open and not was_open:
                log.warning("the read model is down (%s): answering from the primary table", error)
            return None
        self._circuit.succeeded()
        return found

    def _primary(self) -> list[Item]:
        """The analysed articles of the primary table with the read model's keys, newest first."""
        store = self._store
        if not self.may_scan or not isinstance(store, Scanning):
            raise Transient("items", "the read model is down")
        with self._lock:  # one scan at a time, and whoever waited takes its result
            began_ms = self._clock.monotonic_ms()
            if self._scanned is None or began_ms >= self._scanned[0]:
                items = [_keyed(item) for item in islice(store.scan_primary(), MAX_SCANNED)]
                if len(items) == MAX_SCANNED:
                    log.warning("of the primary table %d articles were looked at: there may be more", MAX_SCANNED)
                found = sorted((item for item in items if item is not None), key=_key, reverse=True)
                ended_ms = self._clock.monotonic_ms()
                self._scanned = (ended_ms + max(SCAN_FRESH_MS, ended_ms - began_ms), found)
            return self._scanned[1]


def _keyed(item: Item) -> Item | None:
    try:
        parse_ms(str(item.get("ingested_at")))
    except BadEvent:
        return None
    if item.get("status") != "analyzed":
        return None
    ingested_at = str(item["ingested_at"])
    return item | {"day_partition": ingested_at[:10], "item_key": f"{ingested_at}#{item['source_id']}"}


def _key(item: Item) -> Any:
    return item["item_key"]


def _page(items: list[Item], before_key: str | None, limit: int) -> list[Item]:
    return [item for item in items if before_key is None or item["item_key"] < before_key][:limit]
