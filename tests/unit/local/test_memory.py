"""How the process keeps its memory."""

import ctypes
import os
import subprocess
import sys

import pytest

from local.memory import ARENAS

#: Twenty threads that each hold memory of malloc's own (beyond 512 bytes); prints how many heaps that took.
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
with tempfile.NamedTemporaryFile() as file:
    stream = ctypes.c_void_p(c.fopen(file.name.encode(), b"w"))
    c.malloc_info(0, stream)
    c.fclose(stream)
    print(len(re.findall("<heap nr", file.read().decode())))
done.set()
"""


def heaps(how: str) -> int:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    command = [sys.executable, "-c", PROGRAM, how]
    done = subprocess.run(command, capture_output=True, check=True, text=True, env=environment)
    return int(done.stdout)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="glibc's malloc alone has heaps by the core")
def test_threads_share_heaps() -> None:
    assert heaps("shared") <= ARENAS < heaps("unshared")
