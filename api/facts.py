"""What each article counts for, by day, kept for a short while: who clicks through the analytics page asks about the
same articles again and again, and the read model need not be read each time.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

from api.item_reads import ItemReads
from contracts.instants import date_of
from contracts.resolution import DAY_MS, MINUTE_MS
from contracts.tally import Cell, Tally, cells_of

CHUNK: Final = 1_000
TODAY_FRESH_MS: Final = 10_000.0
PAST_FRESH_MS: Final = 300_000.0
#: The read model keeps seven days, which with their edges are in nine; a recount of everything looks at these.
KEPT_DAYS: Final = 9
#: Some 250 bytes each; days that would go beyond it are read again for every question.
MAX_KEPT: Final = 300_000


class Fact(NamedTuple):
    """When an article was ingested, and what it counts for."""

    ingested_ms: int
    cells: tuple[Cell, ...]


class Facts:
    """The read model's articles as facts. A day is read again after ten seconds (today) or five minutes (the days
    before)."""

    def __init__(self, reads: ItemReads) -> None:
        self._reads = reads
        self._lock = threading.Lock()
        self._days: dict[str, tuple[float, list[Fact]]] = {}
        self._cells: dict[Cell, Cell] = {}

    def newest_first(self, since_ms: int, now_ms: int, at_ms: float) -> Iterator[tuple[int, list[Fact]]]:
        """Day by day, newest day first: the day's start and its articles ingested at `since_ms` or later; `at_ms` is
        the monotonic time, for the age of what is kept. Blocking. Raises `Transient`."""
        oldest_ms = now_ms - KEPT_DAYS * DAY_MS
        first_ms = max(since_ms, oldest_ms)
        # One day ahead: an article may carry the stamp of a machine whose clock is fast.
        day_ms = now_ms - now_ms % DAY_MS + DAY_MS
        while day_ms + DAY_MS > first_ms:
            with self._lock:
                facts = self._day(date_of(day_ms), now_ms, at_ms)
            yield day_ms, facts if day_ms >= first_ms else [fact for fact in facts if fact.ingested_ms >= first_ms]
            day_ms -= DAY_MS

    def tally(self, since_ms: int, now_ms: int, at_ms: float) -> Tally:
        """A recount: what the store's counters would say. Blocking. Raises `Transient`."""
        counts: Counter[Cell] = Counter()
        for _, facts in self.newest_first(since_ms - since_ms % MINUTE_MS, now_ms, at_ms):
            for fact in facts:
                counts.update(fact.cells)
        tally = Tally()
        for cell, count in counts.items():
            tally.add(cell, count)
        return tally

    def _day(self, day: str, now_ms: int, at_ms: float) -> list[Fact]:
        oldest = date_of(now_ms - KEPT_DAYS * DAY_MS)
        if any(each < oldest for each in self._days):
            self._days = {each: kept for each, kept in self._days.items() if each >= oldest}
        kept = self._days.get(day)
        fresh_ms = PAST_FRESH_MS if day < date_of(now_ms) else TODAY_FRESH_MS
        if kept is not None and 0 <= at_ms - kept[0] < fresh_ms:
            return kept[1]
        facts: list[Fact] = []
        key: str | None = None
        while chunk := self._reads.dashboard_day(day, key, CHUNK):
            for item in chunk:
                if counted := cells_of(item):
                    # One object per distinct cell: a day of many articles then costs a few words each.
                    facts.append(Fact(counted[0], tuple(self._cells.setdefault(cell, cell) for cell in counted[1])))
            key = chunk[-1]["item_key"]
        kept_elsewhere = sum(len(kept[1]) for name, kept in self._days.items() if name != day)
        if kept_elsewhere + len(facts) <= MAX_KEPT:
            self._days[day] = (at_ms, facts)
        else:
            self._days.pop(day, None)
        return facts
