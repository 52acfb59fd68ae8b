"""Streams of watch lists follow their list: at once when this process made the edit, within a second otherwise."""

import asyncio
import logging
from collections.abc import Iterator

from api.logs import Failing
from api.sse.connections import Connections
from api.sse.filters import make_filter
from api.sse.opening import Opener, Run
from api.sse.stream import EventStream
from api.watch_lists import NoSuchList, WatchLists
from contracts.errors import BadRequest

LOOK_EVERY_S = 1.0
#: Lists read side by side; the threads of the control store are there for others too.
AT_ONCE = 4


class Follower:
    """Compares open streams with their lists."""

    def __init__(self, connections: Connections, opener: Opener, watch_lists: WatchLists, run: Run) -> None:
        self._connections = connections
        self._opener = opener
        self._watch_lists = watch_lists
        self._run = run

    async def watch(self) -> None:
        """Look after lists that other processes edited; runs until it is cancelled."""
        failing = Failing(logging.ERROR, "watch lists cannot be followed for now")
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            lists = {stream.configuration for stream in self._connections.open if stream.configuration is not None}
            left = iter(lists)
            done = await asyncio.gather(*(self._follow(left, failing) for _ in range(AT_ONCE)))
            if all(done):
                failing.went_well()

    async def _follow(self, left: Iterator[tuple[str, str]], failing: Failing) -> bool:
        """Look after what others leave; false when one could not be read."""
        well = True
        for user, identity in left:
            try:
                await self.changed(user, identity)
            except Exception as error:  # noqa: BLE001 — one that dies leaves the others going on without an owner
                failing.failed(error)
                well = False
        return well

    async def changed(self, user: str, identity: str) -> None:
        """Give every stream of a list the filter the list has now. Raises `Transient`."""
        streams = [each for each in self._connections.open if each.configuration == (user, identity)]
        if not streams:
            return
        try:
            found = await self._run("control", self._watch_lists.one_of, user, identity)
        except NoSuchList:
            for stream in streams:
                stream.end("configuration_deleted")
            return
        for stream in streams:
            await self._refilter(stream, frozenset(found["subjects"]))

    async def _refilter(self, stream: EventStream, subjects: frozenset[str]) -> None:
        if subjects == stream.wanted.subjects:
            return
        try:
            wanted = make_filter(subjects, stream.wanted.resolutions)
        except BadRequest:
            stream.end("too_many_series")
            return
        slot, index = await self._opener.snapshot(wanted)
        stream.refilter(wanted, slot, index)
