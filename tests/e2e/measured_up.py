"""`candlewick up` that says what of its memory is in use: `CANDLEWICK_IN_USE` names the file, rewritten every second.

What is resident never says whether memory leaks: it follows the most that ever was in use at one moment, and the holes
between what stays. What is in use goes up and down, and comes back unless something is kept for good.
"""

import ctypes
import json
import os
import sys
import threading
import time
from pathlib import Path

EVERY_S = 1.0
_MALLINFO2 = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"


class _MallInfo2(ctypes.Structure):
    """glibc's `struct mallinfo2` (mallinfo(3)), over all heaps."""

    _fields_ = [(name, ctypes.c_size_t) for name in _MALLINFO2.split()]


#: Taken once: each opening of a library makes a class, which only the cyclic collector takes away, and it comes rarely.
_look = ctypes.CDLL(None).mallinfo2
_look.restype = _MallInfo2


def in_use() -> dict[str, int]:
    """Python's blocks (`sys.getallocatedblocks`), and the bytes malloc has handed out, mapped ones included: SQLite,
    the model, TLS, and what Python keeps in more than 512 bytes."""
    found = _look()
    return {"python_blocks": sys.getallocatedblocks(), "malloc_bytes": found.uordblks + found.hblkhd}


def follow(path: Path) -> None:
    """Write it down for as long as the process lives; a reader sees the whole of it or the one before."""
    fresh = path.with_suffix(".new")
    while True:
        fresh.write_text(json.dumps(in_use()))
        fresh.replace(path)
        time.sleep(EVERY_S)


if __name__ == "__main__":
    threading.Thread(target=follow, args=(Path(os.environ["CANDLEWICK_IN_USE"]),), daemon=True).start()
    from ops.cli import main

    main()
