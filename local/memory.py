"""How the process keeps its memory."""

import ctypes
import sys

#: glibc's parameters of the same names (malloc.h).
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
#: The line is some twenty threads that take turns; each would keep a heap of its own with its own holes.
ARENAS = 2
#: From this size on memory is mapped by itself and given back at once. Left alone glibc raises the limit to the largest
#: block that was ever freed (32 MB): batches and answers then lie between what stays for hours, and leave holes.
MAPPED_FROM_BYTES = 64 * 1024


def share_heaps() -> None:
    """Let all threads begun from now on share `ARENAS` heaps of glibc's malloc instead of eight for each core, and keep
    what is large out of them. Where the C library has no such options nothing is done."""
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "mallopt"):
        library.mallopt(_M_ARENA_MAX, ARENAS)
        library.mallopt(_M_MMAP_THRESHOLD, MAPPED_FROM_BYTES)
