"""A watcher's browser, as far as its data goes: a page load, then the change log, applied by `rev`."""

from contracts.bucket import LANE_SEPARATOR, BucketKey, Summary
from contracts.generation import live_generation
from contracts.ports import BucketStore, ControlStore

Series = dict[BucketKey, tuple[int, Summary]]
PAGE = 7


def fresh(store: BucketStore, generation: str) -> Series:
    """What a new page load shows."""
    return {
        bucket.key: (bucket.rev, bucket.summary)
        for bucket in store.scan(generation)
        if LANE_SEPARATOR not in bucket.subject
    }


class Client:
    """Reads the head of the change log first and the series after, so nothing falls between them. `ended`: the windows
    it was told are over."""

    by_rev = True  # a canary clears it

    def __init__(self, store: BucketStore, control: ControlStore) -> None:
        self._store, self._control = store, control
        self.series: Series = {}
        self.ended: set[BucketKey] = set()
        self._cursor: dict[str, int] = {}
        self.connected = False
        self._load()

    def _load(self) -> None:
        self._generation = live_generation(self._control)
        self._cursor = self._store.changes_head()
        self.series = fresh(self._store, self._generation)
        self.ended = {bucket.key for bucket in self._store.scan(self._generation) if not bucket.is_partial}
        self.connected = True

    def lose(self) -> None:
        self.connected = False

    def reconnect(self) -> None:
        """With the cursor it has."""
        self.connected = True

    def poll(self) -> bool:
        """Take one page of changes; false when there was none. A fresh load when changes past the
        cursor are gone, or another generation went live."""
        if not self.connected:
            return False
        tail = self._store.changes_tail()
        moved = live_generation(self._control) != self._generation
        if moved or any(oldest > self._cursor.get(lane, 0) + 1 for lane, oldest in tail.items()):
            self._load()
        page = self._store.changes_after(self._cursor, PAGE)
        for lane, sequence, change in page:
            self._cursor[lane] = sequence
            if change.generation != self._generation:
                continue
            for bucket in change.buckets:
                known = self.series.get(bucket.key)
                if known is None or bucket.rev >= known[0] or not self.by_rev:
                    self.series[bucket.key] = (bucket.rev, bucket.summary)
                if not bucket.is_partial:
                    self.ended.add(bucket.key)
        return bool(page)
