"""Who works on what: one process at a time, on this machine and, where several machines reach the stores, on all."""

import fcntl
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Final, NamedTuple

from contracts.clock import Clock
from contracts.errors import CandlewickError, Conflict, InUse
from contracts.settings import Settings
from local.driver_lease import KIND as LEASE_KIND
from local.driver_lease import Lease
from stores.home import Home

ORPHAN_TRIES: Final = 100
ORPHAN_PAUSE_S: Final = 0.1
LEASE_MS: Final = 30_000


class Turn(NamedTuple):
    """What `exclusive` gives: the locked file, and whether the lease was lost, which `check` raises as `Conflict`."""

    descriptor: int
    lost: threading.Event

    def check(self) -> None:
        """Whoever works for long asks between its steps."""
        if self.lost.is_set():
            raise Conflict("the lease ran out unrenewed: another process may be at it; `resume` goes on when none is")


@contextmanager
def exclusive(home: Home, settings: Settings, name: str) -> Iterator[Turn]:
    """One process at a time; the operating system frees it when the process (and those it handed the descriptor) ends.
    On the AWS home also one machine at a time, by a lease. Raises `Conflict` naming the holder, `Unusable` where the
    store refuses."""
    folder = Path(settings.data_dir).expanduser().absolute() / "replay"
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _take(descriptor, name)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        turn, holder = Turn(descriptor, threading.Event()), f"{socket.gethostname()} {folder.parent}"
        with _leased(home, f"replay-{name}", holder, turn.lost) if settings.home == "aws" else nullcontext():
            yield turn
    finally:
        os.close(descriptor)


def _take(descriptor: int, name: str) -> None:
    """Lock it. The workers of a killed process hold its lock until they notice, at most a task later: that is waited
    for; a holder that lives is not."""
    for _ in range(ORPHAN_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            if not holder.isdecimal() or _lives(int(holder)):
                break
            threading.Event().wait(ORPHAN_PAUSE_S)
    raise Conflict(f"process {holder or 'unknown'} is working on {name}; wait for it or stop it")


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def _leased(home: Home, name: str, holder: str, lost: threading.Event) -> Iterator[None]:
    """Hold a lease, renewed in a thread. One that this data directory still holds is that of a process that died: we
    have its lock. A holder that lost it is told by `lost`; a run ends then, and a promote, which does not ask, goes on
    until its next guarded write is refused."""
    left, version = home.control.get(LEASE_KIND, name)
    if left is not None and left["holder"] == holder:
        home.control.put(LEASE_KIND, name, left, version, home.clock.now_ms())
    try:
        lease = Lease(home.control, name, holder, LEASE_MS, home.clock)
    except InUse as error:
        raise Conflict(str(error)) from None
    done = threading.Event()
    thread = threading.Thread(target=_renewing, args=(lease, done, lost, home.clock), name=f"lease {name}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        lease.release()


def _renewing(lease: Lease, done: threading.Event, lost: threading.Event, clock: Clock) -> None:
    """Until `done`, or `lost`: another has it, or may have, since it was not renewed for as long as it holds."""
    renewed_ms = clock.monotonic_ms()
    while not done.wait(LEASE_MS / 3_000):
        asked_ms = clock.monotonic_ms()
        try:
            lease.renew()
            renewed_ms = asked_ms
        except Conflict:
            lost.set()
        except CandlewickError:  # away, or refused: two more tries before it runs out
            if clock.monotonic_ms() - renewed_ms >= LEASE_MS:
                lost.set()
        if lost.is_set():
            return
