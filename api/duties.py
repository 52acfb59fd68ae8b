"""What a process does beside answering, as long as it lives."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from api.logs import Failing

AGAIN_AFTER_S: Final = 1.0


async def kept_up(duty: Callable[[], Awaitable[None]]) -> None:
    """Run a duty until it is done or cancelled. An error that it does not foresee is logged, though not again while it
    stays the same, and the duty is begun anew."""
    failing = Failing(logging.ERROR, "what runs beside the requests failed and begins anew")
    while True:
        try:
            await duty()
            return
        except Exception as error:  # noqa: BLE001 — logged, and begun anew: the process lives on and needs it
            failing.failed(error)
        await asyncio.sleep(AGAIN_AFTER_S)


async def end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel tasks; returns when they are gone."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
