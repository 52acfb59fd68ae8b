"""Which generation is live, by which swap, and since when we know it."""

import threading
from contextlib import suppress

from api.sse.cursor import base36
from contracts.clock import Clock
from contracts.errors import Conflict, Damaged, Transient
from contracts.generation import FIRST_GENERATION, LOG, POINTER, NamedLog
from contracts.instants import iso_ms, parse_ms
from contracts.ports import BucketStore, ControlStore

KNOWN_FOR_MS = 1_000


def generation_of(epoch: str) -> str:
    """The generation of an epoch."""
    return epoch.partition(".")[0]


class Epoch:
    """The live epoch, asked of the store at most once a second; shared by all threads of the process.

    It is the live generation and when the log was begun and it went live, added up: `g1.mjfbzrk0`. Live again after a
    rollback it is another one, since it holds what no change has told of."""

    def __init__(self, control: ControlStore, clock: Clock) -> None:
        self._control = control
        self._clock = clock
        self._lock = threading.Lock()
        self._known: str | None = None
        self._checked_ms = float("-inf")
        self._begun_ms: int | None = None
        self._to_name: BucketStore | None = None

    def name_log(self, buckets: BucketStore) -> None:
        """Before the first look, note that the change log begins now, unless it is noted: a page that was open over
        another log, of a demo or of buckets that were built again, must not go on in this one."""
        self._to_name = buckets

    def current(self) -> str:
        """The live generation, as `identity` knows it. Raises `Transient`."""
        return generation_of(self.identity())

    def identity(self) -> str:
        """The live epoch, at most a second old; the last one known while the control store is down, or while another
        thread waits for it. Raises `Transient` when none was ever known."""
        known = self._known
        if known is not None and (self._fresh() or not self._lock.acquire(blocking=False)):
            return known
        if known is None:
            self._lock.acquire()
        try:
            return self._known if self._known is not None and self._fresh() else self._ask()
        except Transient:
            if known is None:
                raise
            return known
        finally:
            self._lock.release()

    def refresh(self) -> str:
        """The live epoch, asked of the store now. Raises `Transient`."""
        with self._lock:
            return self._ask()

    def _fresh(self) -> bool:
        return 0 <= self._clock.monotonic_ms() - self._checked_ms < KNOWN_FOR_MS

    def _ask(self) -> str:
        """The lock is held."""
        try:
            if self._begun_ms is None:
                if self._to_name is not None:
                    self._note_log(self._to_name)
                log = self._control.get(*LOG).value
                self._begun_ms = parse_ms(log["begun_at"]) if log else 0
            self._known = self._asked(self._begun_ms)
        finally:
            self._checked_ms = self._clock.monotonic_ms()
        return self._known

    def _asked(self, begun_ms: int) -> str:
        pointer, version = self._control.get(*POINTER)
        if not pointer:
            return f"{FIRST_GENERATION}.{base36(begun_ms)}" if begun_ms else FIRST_GENERATION
        # The instant and not the version, which counts what is filed of a swap too, and begins anew where one restored.
        swap = parse_ms(pointer["swapped_at"]) if "swapped_at" in pointer else version
        # Added, and not the later of them: a clock may have been set back between.
        return f"{pointer['generation']}.{base36(begun_ms + swap)}"

    def _note_log(self, buckets: BucketStore) -> None:
        with suppress(Conflict, Damaged):  # another process was first; or the file is served as far as it can be read
            name = buckets.log_name() if isinstance(buckets, NamedLog) else ""
            noted, version = self._control.get(*LOG)
            if noted is None or noted.get("name") != name:
                self._control.put(*LOG, {"name": name, "begun_at": iso_ms(self._clock.now_ms())}, version)
