"""Log lines: one JSON object each, with the id of the request they belong to."""

import json
import logging
import re
import secrets
from contextvars import ContextVar
from typing import Any

from contracts.errors import Transient, Unusable

log = logging.getLogger("candlewick.api")
#: Id of the request being answered; empty outside of one.
request_id: ContextVar[str] = ContextVar("request_id", default="")
_ID = re.compile(rb"[A-Za-z0-9_\-]{1,64}\Z")


def take_request_id(given: bytes | None) -> str:
    """The caller's own id when it is a plain one (a proxy's, say), else a new one; log lines carry it from here on."""
    identity = given.decode() if given is not None and _ID.match(given) else secrets.token_hex(8)
    request_id.set(identity)
    return identity


def note(level: int, message: str, error: BaseException | None = None, **fields: Any) -> None:
    """One line. Levels as in `logging`; with `error` its traceback goes along."""
    if log.isEnabledFor(level):
        identity = request_id.get()
        document = {"message": message} | ({"request_id": identity} if identity else {}) | fields
        log.log(level, json.dumps(document, default=str), exc_info=error)


class Failing:
    """Notes what fails again and again, though not again while it fails in the same way: that would bury the log."""

    def __init__(self, level: int, message: str) -> None:
        self._level = level
        self._message = message
        self._told = ""

    def failed(self, error: BaseException) -> None:
        """It failed; noted when that is new, with its traceback when nobody foresaw it."""
        if self._told == repr(error):
            return
        self._told = repr(error)
        if isinstance(error, (Transient, Unusable)):
            note(logging.WARNING, self._message, cause=str(error))
        else:
            note(self._level, self._message, error, cause=self._told)

    def went_well(self) -> None:
        """It did not: the next error is news, whatever it is."""
        self._told = ""
