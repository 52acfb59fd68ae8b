"""Putting events on a stream: chunks the log takes, and patience with the entries it refuses."""

import random
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from contracts.clock import Clock
from contracts.errors import Transient
from contracts.ports import MAX_PUT_BYTES, MAX_PUT_RECORDS, Entry, EventLog

MAX_TRIES: Final = 8
BACK_OFF_MS: Final = 100
MAX_BACK_OFF_MS: Final = 5_000


class Publisher:
    """Publishes to one log. Order is kept within a chunk unless the log throttles single entries."""

    def __init__(self, log: EventLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock

    def publish(self, stream: str, entries: Iterable[Entry]) -> int:
        """Put all entries; returns how many. Raises `Transient` when some could not be put after all tries: what was
        put stays, and putting all of it again is harmless, because events have identities."""
        return sum(self._put(stream, chunk) for chunk in chunks(entries))

    def _put(self, stream: str, chunk: Sequence[Entry]) -> int:
        pending = list(chunk)
        cause = ""
        for attempt in range(MAX_TRIES):
            if attempt:
                limit_ms = min(MAX_BACK_OFF_MS, BACK_OFF_MS * 2**attempt)
                self._clock.wait(threading.Event(), random.uniform(0, limit_ms))
            try:
                results = self._log.put_records(stream, pending)
            except Transient as error:
                cause = str(error)
                continue
            refused = [index for index, result in enumerate(results) if result.error_code]
            if not refused:
                return len(chunk)
            cause = str(results[refused[0]].error_code)
            pending = [pending[index] for index in refused]
        raise Transient("log", f"{len(pending)} of {len(chunk)} records refused {MAX_TRIES} times: {cause}")


def chunks(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Entries in the sizes that one `put_records` takes."""
    chunk: list[Entry] = []
    size = 0
    for entry in entries:
        entry_size = len(entry.data) + 4 * len(entry.partition_key)  # a character is at most four bytes of UTF-8
        if chunk and (len(chunk) == MAX_PUT_RECORDS or size + entry_size > MAX_PUT_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(entry)
        size += entry_size
    if chunk:
        yield chunk
