"""Series answers shared between all users of a process.

An entry lives as long as its data: while this process reads the change log, until a change touches the series (at
most a minute); otherwise for a second. So a live bucket is never served older than one second.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import NamedTuple

from api.series import Page
from api.sse.hub import Hub

#: Buckets kept in all, some 1.3 KB each with their JSON; an empty page counts as one.
MAX_BUCKETS = 50_000
FRESH_MS = 1_000.0
WATCHED_MS = 60_000.0


class Key(NamedTuple):
    """What was asked, of which generation."""

    generation: str
    subject: str
    resolution: str
    question: Hashable


class Entry(NamedTuple):
    """A page, when it was read, and how many generations and changes of its series had been before."""

    page: Page
    read_ms: float
    version: tuple[int, int]


class SeriesCache:
    """Least recently used out; equal questions that miss at once are read once."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._entries: OrderedDict[Key, Entry] = OrderedDict()
        self._weight = 0
        self._loading: dict[Key, asyncio.Future[Page]] = {}

    def _version(self, key: Key) -> tuple[int, int]:
        """With the number of generations: what is read of one before it goes live is not told of its last changes."""
        return self._hub.swaps, self._hub.versions.get((key.subject, key.resolution), 0)

    def peek(self, key: Key) -> Page | None:
        """The page, if it is still good."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        age_ms = self._hub.clock.monotonic_ms() - entry.read_ms
        watched = self._hub.healthy and self._hub.generation == key.generation and entry.version == self._version(key)
        if not 0 <= age_ms < (WATCHED_MS if watched else FRESH_MS) or (self._hub.healthy and not watched):
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return entry.page

    async def get(self, key: Key, load: Callable[[], Awaitable[Page]]) -> tuple[Page, bool]:
        """The page and whether it came from the cache. Errors of `load` are not kept."""
        page = self.peek(key)
        if page is not None:
            return page, True
        waiting = self._loading.get(key)
        if waiting is not None:
            return await asyncio.shield(waiting), False
        future = self._loading[key] = asyncio.get_running_loop().create_future()
        read_ms, version = self._hub.clock.monotonic_ms(), self._version(key)
        try:
            page = await load()
        except BaseException as error:
            future.set_exception(error if isinstance(error, Exception) else asyncio.CancelledError())
            future.exception()
            raise
        else:
            future.set_result(page)
        finally:
            del self._loading[key]
        self._keep(key, Entry(page, read_ms, version))
        return page, False

    def _keep(self, key: Key, entry: Entry) -> None:
        self._drop(key)
        self._entries[key] = entry
        self._weight += len(entry.page.buckets) + 1
        while self._weight > MAX_BUCKETS:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._weight -= len(entry.page.buckets) + 1
