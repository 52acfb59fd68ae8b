"""How the process keeps its memory: where the C library is glibc, whose malloc would keep every hole it ever made.

Python's small objects have a heap of their own; this is about what is larger than 512 bytes, and about SQLite's pages.
"""

import ctypes
from typing import Any

#: `M_ARENA_MAX` (malloc.h).
_M_ARENA_MAX = -8
#: The line is some twenty threads that take turns; each would keep a heap of its own with its own holes.
ARENAS = 2


def share_heaps() -> None:
    """Let all threads begun from now on share `ARENAS` heaps instead of eight for each core."""
    if library := _glibc():
        library.mallopt(_M_ARENA_MAX, ARENAS)


def give_back() -> None:
    """Return to the system the pages inside the heaps that hold nothing."""
    if library := _glibc():
        library.malloc_trim(0)


def _glibc() -> Any:
    library = ctypes.CDLL(None)
    return library if hasattr(library, "malloc_trim") else None
