"""The newest slots of the stream, shared by all connections; each keeps only its place in it."""

import asyncio
from collections import deque

from api.sse.filters import Filter
from api.sse.slots import Slot

CAPACITY = 4_096
#: Most bytes handed to one send; what is more waits for the next.
MAX_SEND_BYTES = 64 * 1024


class Overrun(Exception):
    """A reader fell so far behind that slots it has not seen are gone."""


class Ring:
    """Slots numbered from 0. The oldest fall out, and go before that when nobody needs them (`forget`). Readers with
    equal filters at the same place share the bytes."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._slots: deque[Slot] = deque(maxlen=capacity)
        self.next_index = 0
        self._memo: dict[tuple[int, Filter, int], tuple[bytes, int]] = {}
        self._waiters: list[asyncio.Future[None]] = []

    def append(self, slot: Slot) -> None:
        """Add a slot; `announce` wakes the readers."""
        self._slots.append(slot)
        self.next_index += 1
        self._memo.clear()

    def announce(self) -> None:
        """Wake every reader that waits."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def waiter(self) -> "asyncio.Future[None]":
        """Done at the next announcement, or when its owner says so."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        return waiter

    def read(self, index: int, wanted: Filter, end: int | None = None) -> tuple[bytes, int]:
        """Wanted events from `index` on, encoded, and the index behind them, `end` at most. Raises `Overrun`."""
        end = self.next_index if end is None else end
        if index == end:
            return b"", index
        found = self._memo.get((index, wanted, end))
        if found is None:
            found = self._memo[index, wanted, end] = self._encode(index, wanted, end)
        return found

    def forget(self, before: int) -> None:
        """Let go of the slots below an index, which every reader is past."""
        while self._slots and self.next_index - len(self._slots) < before:
            self._slots.popleft()

    def holds(self, index: int) -> bool:
        """True while a reader can go on from there."""
        return index >= self.next_index - len(self._slots)

    def _encode(self, index: int, wanted: Filter, end: int) -> tuple[bytes, int]:
        if not self.holds(index):
            raise Overrun
        first = self.next_index - len(self._slots)
        parts = []
        size = 0
        while index < end and size < MAX_SEND_BYTES:
            part = self._slots[index - first].render(wanted)
            parts.append(part)
            size += len(part)
            index += 1
        return b"".join(parts), index
