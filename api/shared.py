"""One look at something slow, for everybody who asks at about the same time."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from contracts.clock import Clock

Answer = TypeVar("Answer")


class Shared(Generic[Answer]):
    """What was found is kept for `kept_ms`, and whoever asks meanwhile or while it is being looked for gets that: so
    callers without a limit cost no more than one look at a time. A look that failed is not kept."""

    def __init__(self, clock: Clock, kept_ms: float) -> None:
        self._clock = clock
        self._kept_ms = kept_ms
        self._task: asyncio.Task[Answer] | None = None
        self._found_ms = float("-inf")

    async def get(self, look: Callable[[], Coroutine[Any, Any, Answer]]) -> Answer:
        """The answer of `look`, or one that somebody else has just had. Raises what `look` does."""
        task = self._task
        if task is None or not self._serves(task):
            task = self._task = asyncio.create_task(self._look(look))
        # A caller that goes away takes the answer from nobody else.
        return await asyncio.shield(task)

    def _serves(self, task: "asyncio.Task[Answer]") -> bool:
        if not task.done():
            return task.get_loop() is asyncio.get_running_loop()
        return not task.cancelled() and 0 <= self._clock.monotonic_ms() - self._found_ms < self._kept_ms

    async def _look(self, look: Callable[[], Coroutine[Any, Any, Answer]]) -> Answer:
        answer = await look()
        self._found_ms = self._clock.monotonic_ms()
        return answer
