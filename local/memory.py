"""How the process keeps its memory."""

import ctypes
import sys

#: glibc's `M_ARENA_MAX` (malloc.h).
_M_ARENA_MAX = -8
#: The line is some twenty threads that take turns; each would keep a heap of its own with its own holes.
ARENAS = 2


def share_heaps() -> None:
    """Let all threads begun from now on share `ARENAS` heaps of glibc's malloc instead of eight for each core. Where
    the C library has no such option nothing is done."""
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "mallopt"):
        library.mallopt(_M_ARENA_MAX, ARENAS)
