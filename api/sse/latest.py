"""The newest buckets of every series, kept up to date by the change log: what snapshots are made of."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

from api.sse.filters import Filter
from contracts.bucket import Bucket, BucketKey
from contracts.documents import bucket_document, end_ms, partial_document
from contracts.events import FUTURE_TOLERANCE_MS
from contracts.ports import BucketStore
from contracts.resolution import COARSEST, WIDTH_MS

#: Buckets of a series, by its resolution: the windows that may lie in the future (a publisher's clock may run five
#: minutes ahead), the one that contains now, the newest final one, and one more, for clocks that differ.
KEPT = {name: -(-FUTURE_TOLERANCE_MS // width_ms) + 3 for name, width_ms in WIDTH_MS.items()}
#: Series read from the store because somebody asked, least recently asked for out: anybody may ask for any name.
MAX_LOADED = 100_000
Series = tuple[str, str]


def read_latest(store: BucketStore, generation: str, wanted: Sequence[Series]) -> dict[Series, list[Bucket]]:
    """The newest buckets of series, from the store. Blocking. Raises `Transient`."""
    return {each: store.range(generation, each[0], each[1], limit=KEPT[each[1]], newest=True) for each in wanted}


class Latest:
    """Newest buckets by (subject, resolution). `loaded` series were read from the store and are complete."""

    def __init__(self) -> None:
        self._buckets: dict[Series, list[Bucket]] = {}
        self._loaded: OrderedDict[Series, None] = OrderedDict()

    def put(self, bucket: Bucket) -> None:
        """Take in a newer state of a bucket; an older one is dropped."""
        series = (bucket.subject, bucket.resolution)
        known = self._buckets.setdefault(series, [])
        for at, other in enumerate(known):
            if other.start_ms == bucket.start_ms:
                if bucket.rev > other.rev:
                    known[at] = bucket
                return
        known.append(bucket)
        known.sort(key=lambda each: each.start_ms)
        del known[: -KEPT[bucket.resolution]]

    def get(self, key: BucketKey) -> Bucket | None:
        """The newest state of a bucket; None when it is not among the newest."""
        known = self._buckets.get((key.subject, key.resolution), [])
        return next((bucket for bucket in known if bucket.start_ms == key.start_ms), None)

    def load(self, series: Series, buckets: Sequence[Bucket]) -> None:
        """Take in what the store holds."""
        for bucket in buckets:
            self.put(bucket)
        self._loaded[series] = None
        while len(self._loaded) > MAX_LOADED:
            forgotten, _ = self._loaded.popitem(last=False)
            self._buckets.pop(forgotten, None)

    def missing(self, wanted: Iterable[Series]) -> list[Series]:
        """The series that were never read from the store, or so long ago that they are forgotten."""
        missing = []
        for series in wanted:
            if series in self._loaded:
                self._loaded.move_to_end(series)
            else:
                missing.append(series)
        return missing

    def clear(self) -> None:
        """Another generation is live."""
        self._buckets.clear()
        self._loaded.clear()

    def subjects(self) -> frozenset[str]:
        """Subjects of which the log or the store told, known as the store knows them: by a bucket of a day."""
        return frozenset(subject for subject, resolution in self._buckets if resolution == COARSEST.name)

    def rows(self, wanted: Filter, subjects: Iterable[str], now_ms: int) -> list[dict[str, Any]]:
        """`{ticker, resolution, final, partial}` of every wanted series that has a bucket."""
        rows = []
        for subject in sorted(subjects):
            for resolution in sorted(wanted.resolutions):
                known = self._buckets.get((subject, resolution), [])
                final = next((b for b in reversed(known) if end_ms(b) <= now_ms), None)
                partial = next((b for b in known if b.start_ms <= now_ms < end_ms(b)), None)
                if final is None and partial is None:
                    continue
                rows.append(
                    {
                        "ticker": subject,
                        "resolution": resolution,
                        "final": bucket_document(final, now_ms) if final else None,
                        "partial": partial_document(partial, now_ms) if partial else None,
                    }
                )
        return rows
