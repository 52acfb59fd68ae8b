"""Windows that lay ahead when they were written: a publisher's clock may run five minutes ahead.

Neither `/timeseries` nor a snapshot shows a window before it begins, and no change says that it has begun. So it is
told when it begins, and to who comes back later. It carries the whole state, so who knows it already is not harmed.
"""

from typing import Final

from api.sse.filters import Filter
from contracts.bucket import BucketKey
from contracts.resolution import DAY_MS

#: Windows kept of each kind; of more the oldest are told no more.
MOST: Final = 10_000
#: Who was away for longer gets a snapshot: the change log reaches no further back.
KEPT_MS: Final = DAY_MS


class Ahead:
    """The windows still to begin, and the newest of those that have begun."""

    def __init__(self) -> None:
        self._waiting: dict[BucketKey, None] = {}
        self._begun: dict[BucketKey, None] = {}

    def note(self, key: BucketKey, at_ms: int) -> None:
        """Remember a window if it lay ahead at an instant."""
        if key.start_ms > at_ms:
            self._waiting[key] = None
            _bound(self._waiting)

    def begin(self, now_ms: int) -> list[BucketKey]:
        """The windows that have begun, each once."""
        begun = [key for key in self._waiting if key.start_ms <= now_ms]
        for key in begun:
            del self._waiting[key]
            self._begun[key] = None
        _bound(self._begun)
        while self._begun and (oldest := next(iter(self._begun))).start_ms <= now_ms - KEPT_MS:
            del self._begun[oldest]
        return begun

    def since(self, wanted: Filter, since_ms: int) -> list[BucketKey]:
        """The wanted windows that have begun after an instant, as far back as is kept."""
        return [key for key in self._begun if key.start_ms > since_ms and wanted.takes(key.subject, key.resolution)]

    def clear(self) -> None:
        """Another generation is live."""
        self._waiting.clear()
        self._begun.clear()


def _bound(keys: dict[BucketKey, None]) -> None:
    while len(keys) > MOST:
        del keys[next(iter(keys))]
