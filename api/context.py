"""What every route needs, made once per application."""

import asyncio
import functools
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, Protocol, TypeVar

from fastapi import Depends, Request

from api.epoch import Epoch
from api.facts import Facts
from api.fleet import Fleet
from api.item_reads import ItemReads
from api.keyring import Keyring
from api.logs import note
from api.options import ApiOptions
from api.series_cache import SeriesCache
from api.shared import Shared
from api.sse.connections import Connections
from api.sse.follower import Follower
from api.sse.hub import Hub
from api.sse.opening import Opener
from api.tallies import Tallies
from api.watch_lists import WatchLists
from contracts.clock import Clock
from contracts.errors import Transient, Unusable
from contracts.ports import BucketStore, ControlStore, ItemStore, Secrets

#: Of each dependency, which takes as many as it needs.
THREADS = 8
MAX_WAITING = 256
#: Probes pass the rate limit; they share what was found within so long.
PROBED_MS = 1_000.0
Answer = TypeVar("Answer")


class TooSlow(Transient):
    """No answer yet; the call goes on."""


class Home(Protocol):
    """The stores an API needs; `stores.home.Home` is one."""

    @property
    def buckets(self) -> BucketStore: ...

    @property
    def items(self) -> ItemStore: ...

    @property
    def control(self) -> ControlStore: ...

    @property
    def secrets(self) -> Secrets: ...

    @property
    def clock(self) -> Clock: ...


class _Pool:
    """The threads of one dependency, and how many calls are in them or wait."""

    def __init__(self, name: str) -> None:
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix=f"api-{name}")
        self.waiting = 0


class Offload:
    """Store calls in threads, bounded in number and in time, so that a slow store never holds the event loop; each
    dependency has its own, so that it holds nobody who asks another."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._pools: dict[str, _Pool] = {}

    async def run(self, dependency: str, function: Callable[..., Answer], *arguments: Any) -> Answer:
        """The function's answer. Raises `Transient` when too many wait already, the time is over (the thread then
        finishes on its own), or the store cannot be used as this process is set up."""
        return await self.within(self._timeout_s, dependency, function, *arguments)

    async def within(
        self, timeout_s: float, dependency: str, function: Callable[..., Answer], *arguments: Any
    ) -> Answer:
        """`run` with another patience."""
        pool = self._pools.get(dependency)
        if pool is None:
            pool = self._pools[dependency] = _Pool(dependency)
        if pool.waiting >= MAX_WAITING:
            raise Transient(dependency, f"{MAX_WAITING} calls wait already")
        pool.waiting += 1
        future = asyncio.get_running_loop().run_in_executor(pool.threads, functools.partial(function, *arguments))
        future.add_done_callback(lambda _: self._done(pool))
        try:
            # Not `wait_for`: before Python 3.12 it loses a cancellation that comes together with the answer.
            async with asyncio.timeout(timeout_s):
                return await asyncio.shield(future)
        except Unusable as error:
            # Missing rights, say: to whoever asks, a dependency that does not answer. The operator finds it in the log.
            raise Transient(dependency, str(error)) from error
        except TimeoutError as error:
            if future.done():  # the call's own error: it does not go on
                raise Transient(dependency, str(error) or "timed out") from error
            future.add_done_callback(_tell_late)
            raise TooSlow(dependency, f"no answer within {timeout_s:g} s") from None

    def _done(self, pool: _Pool) -> None:
        """Called on the event loop, as `within` is: nothing to lock."""
        pool.waiting -= 1

    @property
    def is_busy(self) -> bool:
        """Whether calls are still under way."""
        return any(pool.waiting for pool in self._pools.values())

    def close(self) -> None:
        """Let go of the threads; running calls finish."""
        for pool in self._pools.values():
            pool.threads.shutdown(wait=False, cancel_futures=True)


def _tell_late(future: "asyncio.Future[Any]") -> None:
    """Nobody asks for the late answer; that it is an error is in the log at least."""
    if not future.cancelled() and (error := future.exception()) is not None:
        note(logging.WARNING, "failed when nobody waited for it any more", cause=str(error))


class Services:
    """The stores, settings and shared state of one API process."""

    def __init__(
        self,
        home: Home,
        options: ApiOptions,
        status: Callable[[], dict[str, Any]] | None,
        names: Mapping[str, str],
        live: bool,
    ) -> None:
        self.home = home
        self.live = live
        self.options = options
        self.clock = home.clock
        self.status = status
        self.names = names
        #: What administrators may have done to generations, by name. Filled by the process that can (`candlewick up`).
        self.actions: dict[str, Callable[..., dict[str, Any]]] = {}
        #: Held while two generations are compared: seconds of computing, that all other threads of the process feel.
        self.comparing = threading.Lock()
        self.probed: Shared[list[dict[str, Any]]] = Shared(home.clock, PROBED_MS)
        self.line_probed: Shared[dict[str, Any]] = Shared(home.clock, PROBED_MS)
        self.epoch = Epoch(home.control, home.clock)
        self.offload = Offload(options.request_timeout_s)
        self.hub = Hub(home.buckets, self.epoch, home.clock, options, self._titles)
        self.cache = SeriesCache(self.hub)
        self.run = self.offload.run
        #: The live generation's, as `/subjects` tells them.
        self.subjects: tuple[str, Shared[list[dict[str, Any]]]] | None = None
        self.connections = Connections(self.hub, self.run)
        self.opener = Opener(self.hub, home.buckets, self.run)
        self.keyring = Keyring(home.control, home.secrets, home.clock, options.token_days)
        self.watch_lists = WatchLists(home.control, home.clock, options.max_configurations, options.token_days)
        self.reads = ItemReads(home.items, home.clock)
        self.facts = Facts(self.reads)
        self.tallies = Tallies(self.reads, self.facts)
        self.fleet = Fleet(home.control, self.connections, home.clock, self.run)
        self.follower = Follower(self.connections, self.opener, self.watch_lists, self.run)

    def _titles(self, article_ids: list[str]) -> dict[str, str]:
        """Headlines by article id. Raises `Transient` and `Unusable`."""
        found = self.home.items.get_primaries(article_ids)
        return {each: str(item.get("metadata", {}).get("title") or "") for each, item in found.items()}


def services_of(request: Request) -> Services:
    """The application's services."""
    services: Services = request.app.state.services
    return services


Use = Annotated[Services, Depends(services_of)]
