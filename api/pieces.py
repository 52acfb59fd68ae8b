"""What takes a store long is read in pieces: each has the patience of one call, and what came is not thrown away."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeVar

#: Subjects or series a call, and calls at once.
PIECE = 25
AT_ONCE = 4
Wanted = TypeVar("Wanted")
Found = TypeVar("Found")


async def in_pieces(
    run: Callable[..., Awaitable[Any]],
    dependency: str,
    read: Callable[[Sequence[Wanted]], Found],
    wanted: Sequence[Wanted],
) -> AsyncIterator[Found]:
    """What `read` (may block) finds of each piece of what is wanted, in order. Raises `Transient`."""
    pieces = [wanted[at : at + PIECE] for at in range(0, len(wanted), PIECE)]
    for at in range(0, len(pieces), AT_ONCE):
        for found in await asyncio.gather(*(run(dependency, read, piece) for piece in pieces[at : at + AT_ONCE])):
            yield found
