"""How the process keeps its memory."""

import ctypes
import gc
import sys

#: glibc's parameters of the same names (malloc.h).
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
#: The line is some twenty threads that take turns; each would keep a heap of its own with its own holes.
ARENAS = 2
#: From this size on memory is mapped by itself and given back at once. Left alone glibc raises the limit to the largest
#: block that was ever freed (32 MB): batches and answers then lie between what stays for hours, and leave holes.
MAPPED_FROM_BYTES = 64 * 1024


#: Containers that may be made, less those that are gone, before the collector looks at them. Every connection leaves a
#: few that hold one another: 10,000 a minute at thirty connections a second. Left for long they are a saw of 10 MB, and
#: what is made meanwhile lies between them.
COLLECT_AFTER = 5_000


def share_heaps() -> None:
    """Let all threads begun from now on share `ARENAS` heaps of glibc's malloc instead of eight for each core, and keep
    what is large out of them. Where the C library has no such options nothing is done."""
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "mallopt"):
        library.mallopt(_M_ARENA_MAX, ARENAS)
        library.mallopt(_M_MMAP_THRESHOLD, MAPPED_FROM_BYTES)


def collect_often() -> None:
    """Let the collector look at young containers every half minute or so (0.5 ms), and seldom at old ones."""
    gc.set_threshold(COLLECT_AFTER, *gc.get_threshold()[1:])
