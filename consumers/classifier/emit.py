"""Putting scored events on the stream, with retry of the entries that failed alone."""

import random
import threading
from collections.abc import Sequence
from typing import Final

from contracts.clock import Clock
from contracts.errors import Transient
from contracts.ports import MAX_PUT_RECORDS, Entry, EventLog
from contracts.trouble import tell

MAX_TRIES: Final = 5
BACK_OFF_MS: Final = 100


def emit(log: EventLog, clock: Clock, stream: str, entries: Sequence[Entry]) -> int:
    """Put all entries on the stream. Returns how many leading entries are surely there: all of them, unless the log
    stayed down or throttled. An entry after the first missing one may be there too; emitting it again is harmless.
    """
    for start in range(0, len(entries), MAX_PUT_RECORDS):
        chunk = entries[start : start + MAX_PUT_RECORDS]
        missing = _put(log, clock, stream, chunk)
        if missing:
            return start + missing[0]
    return len(entries)


def _put(log: EventLog, clock: Clock, stream: str, chunk: Sequence[Entry]) -> list[int]:
    """Indices of the chunk that could not be put, ascending."""
    pending = list(range(len(chunk)))
    for attempt in range(MAX_TRIES):
        try:
            results = log.put_records(stream, [chunk[index] for index in pending])
        except Transient as error:
            tell(error)
            results = []
        if results:
            pending = [index for index, result in zip(pending, results, strict=True) if result.error_code]
        if not pending:
            break
        if attempt + 1 < MAX_TRIES:
            clock.wait(threading.Event(), random.uniform(0, BACK_OFF_MS * 2**attempt))
    return pending
