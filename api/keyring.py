"""The keys that sign tokens. The first one signs, all of them verify, so a key can be rotated while tokens live.

Where the secret `CANDLEWICK_SIGNING_KEYS` is set (`id:secret,id:secret`, the one that signs first) it is used, and read
again, so that a rotated key reaches a running process; otherwise the keys live in the control store, made at first use
and rotated by themselves.
"""

import logging
import secrets
import threading
from contextlib import suppress

from api.logs import note
from contracts.clock import Clock
from contracts.errors import Conflict, Transient, Unusable
from contracts.ports import ControlStore, Secrets
from contracts.resolution import DAY_MS

SECRET_NAME = "CANDLEWICK_SIGNING_KEYS"
KIND, NAME = "signing-keys", "api"
ROTATE_AFTER_MS = 30 * DAY_MS
READ_AGAIN_MS = 60_000.0
#: An unknown key is looked up at once, but made-up ones must not become a flood of reads.
UNKNOWN_AGAIN_MS = 1_000.0
MIN_SECRET_CHARACTERS = 16
ATTEMPTS = 20


class Keyring:
    """Signing keys by id, the one that signs first; read at most once a minute."""

    def __init__(self, control: ControlStore, secret_store: Secrets, clock: Clock, token_days: int) -> None:
        self._control = control
        self._clock = clock
        self._keep_ms = token_days * DAY_MS
        self._lock = threading.Lock()
        self._keys: dict[str, bytes] = {}
        self._read_ms = float("-inf")
        self._secrets = secret_store
        # A secret that is none is told at the start; one that cannot be read now is asked for at the first use.
        with suppress(Transient):
            self._of_operator()

    def keys(self, must_hold: str | None = None) -> dict[str, bytes]:
        """The keys. Another process may have made the one a token names: then the store is asked at once, though not
        more than once a second. While one thread reads, the others go on with the keys there are, unless the one they
        need is not among them. Blocking. Raises `Transient`."""
        keys = self._keys
        enough = bool(keys) and (must_hold is None or must_hold in keys)
        if not self._due(must_hold) or not self._lock.acquire(blocking=not enough):
            return keys
        try:
            if self._due(must_hold):
                self._keys = self._read()
                self._read_ms = self._clock.monotonic_ms()
            return self._keys
        finally:
            self._lock.release()

    def _due(self, must_hold: str | None) -> bool:
        age_ms = self._clock.monotonic_ms() - self._read_ms
        unknown = must_hold is not None and must_hold not in self._keys
        return not self._keys or age_ms >= READ_AGAIN_MS or (unknown and age_ms >= UNKNOWN_AGAIN_MS)

    def _of_operator(self) -> dict[str, bytes]:
        """The secret's keys. Raises `Unusable` for one that is none, at the start: later the last good ones stay."""
        given = self._secrets.get(SECRET_NAME)
        try:
            return parse_keys(given) if given else {}
        except Unusable as error:
            if not self._keys:
                raise
            note(logging.ERROR, "signing keys cannot be read", cause=str(error))
            return self._keys

    def _read(self) -> dict[str, bytes]:
        operators = self._of_operator()
        if operators:
            return operators
        for _ in range(ATTEMPTS):
            stored = self._control.get(KIND, NAME)
            known = list((stored.value or {}).get("keys", ()))
            now_ms = self._clock.now_ms()
            if known and now_ms - int(known[0]["made_ms"]) < ROTATE_AFTER_MS:
                return {str(key["id"]): bytes.fromhex(key["key"]) for key in known}
            fresh = {"id": secrets.token_hex(4), "key": secrets.token_hex(32), "made_ms": now_ms}
            # A key is kept until the last token it may have signed is over.
            kept = [key for key in known if now_ms - int(key["made_ms"]) < ROTATE_AFTER_MS + self._keep_ms]
            try:
                self._control.put(KIND, NAME, {"keys": [fresh, *kept]}, stored.version)
            except Conflict:
                continue
            return {str(key["id"]): bytes.fromhex(key["key"]) for key in [fresh, *kept]}
        raise Conflict("signing keys: other processes keep writing them")


def parse_keys(text: str) -> dict[str, bytes]:
    """Keys of the secret's text. Raises `Unusable`, without showing any of it."""
    keys: dict[str, bytes] = {}
    for part in text.split(","):
        name, separator, secret = part.strip().partition(":")
        if not separator or not name.isalnum() or len(secret) < MIN_SECRET_CHARACTERS:
            raise Unusable(
                f"{SECRET_NAME} must be id:secret[,id:secret…], ids of letters and digits, secrets of at least "
                f"{MIN_SECRET_CHARACTERS} characters"
            )
        keys[name] = secret.encode()
    return keys
