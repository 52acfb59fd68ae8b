"""A lease on driving mappings, for homes without a common file system: one document in the control store.

Two processes on one data directory are kept apart by `UpLock`, which needs no renewing; prefer that.
"""

import secrets
from contextlib import suppress
from typing import Final

from contracts.clock import Clock
from contracts.errors import CandlewickError, Conflict, InUse
from contracts.ports import ControlStore

KIND: Final = "lease"


class Lease:
    """Held by one holder at a time, until it expires unrenewed. Renew at a third of `ttl_ms`."""

    def __init__(self, control: ControlStore, name: str, holder: str, ttl_ms: int, clock: Clock) -> None:
        """Takes the lease. Raises `InUse` naming the holder when somebody has it."""
        self._control = control
        self._name = name
        self._document = {"holder": holder, "token": secrets.token_hex(8)}
        self._ttl_ms = ttl_ms
        self._clock = clock
        stored = control.get(KIND, name)
        if stored.value is not None:
            raise InUse(f"{name} is driven by {stored.value['holder']}; stop it, or wait until its lease runs out")
        try:
            self._version = self._write(0)
        except Conflict as error:
            raise InUse(f"{name} was taken by another process just now ({error})") from None

    def renew(self) -> None:
        """Raises `Conflict` when it ran out and was taken: stop driving at once. One that merely ran out (the machine
        slept, its clock was set, the store was away) is taken again; its version tells whether somebody else had it
        meanwhile, whose work is not known here. A write of ours whose answer got lost is known by its token."""
        held = self._version
        try:
            self._version = self._write(held)
        except Conflict:
            stored = self._control.get(KIND, self._name)
            if stored.value == self._document:
                self._version = self._write(stored.version)
                return
            if stored.value is not None:
                raise
            self._version = self._write(0)
            if self._version != held + 1:
                raise Conflict(f"{self._name} ran out and was held by another process meanwhile") from None

    def release(self) -> None:
        """Give it up at once; no-op when it is not ours any more, and where the store is away or refuses: then it runs
        out by itself. It expires rather than being deleted, so that its versions count on and no earlier holder can
        take it for its own."""
        with suppress(CandlewickError):
            self._write(self._version, ttl_ms=0)

    def _write(self, expected_version: int, ttl_ms: int | None = None) -> int:
        expires_ms = self._clock.now_ms() + (self._ttl_ms if ttl_ms is None else ttl_ms)
        return self._control.put(KIND, self._name, self._document, expected_version, expires_ms)
