"""How the process keeps its memory."""

import ctypes
import os
import subprocess
import sys

import pytest

from local.memory import ARENAS

#: Twenty threads that each hold memory of malloc's own (beyond 512 bytes), and a block of a megabyte that was let go;
#: prints how many heaps that took, and how many of a hundred blocks of 100,000 bytes were mapped by themselves (a few
#: may be the program's own).
PROGRAM = """
import ctypes, re, sys, tempfile, threading
from local import memory
if sys.argv[1] == "shared":
    memory.share_heaps()
everyone, done = threading.Barrier(21), threading.Event()
def hold():
    kept = [bytes(2_000) for _ in range(100)]
    everyone.wait()
    done.wait()
threads = [threading.Thread(target=hold) for _ in range(20)]
for thread in threads:
    thread.start()
everyone.wait()
c = ctypes.CDLL(None)
c.fopen.restype = ctypes.c_void_p
def told(pattern):
    with tempfile.NamedTemporaryFile() as file:
        stream = ctypes.c_void_p(c.fopen(file.name.encode(), b"w"))
        c.malloc_info(0, stream)
        c.fclose(stream)
        return re.findall(pattern, file.read().decode())
mapped = lambda: int(told('type="mmap" count="([0-9]+)"')[-1])
bytes(1_000_000)
before, kept = mapped(), [bytes(100_000) for _ in range(100)]
print(len(told("<heap nr")), mapped() - before)
done.set()
"""


def heaps_and_mapped(how: str) -> tuple[int, int]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    command = [sys.executable, "-c", PROGRAM, how]
    done = subprocess.run(command, capture_output=True, check=True, text=True, env=environment)
    heaps, mapped = map(int, done.stdout.split())
    return heaps, mapped


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="glibc's malloc alone has heaps by the core")
def test_threads_share_heaps_and_what_is_large_stays_out_of_them() -> None:
    heaps, mapped = heaps_and_mapped("shared")
    assert heaps <= ARENAS
    assert mapped > 90
    heaps, mapped = heaps_and_mapped("unshared")
    assert heaps > ARENAS, "without it: what the test would catch"
    assert mapped < 10
