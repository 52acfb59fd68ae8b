"""`candlewick drain`: process all that is pending, through the same handlers, then stop."""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from contracts.errors import Unusable
from contracts.ports import Position
from contracts.settings import AggregatorSettings
from local.driver import MappingDriver, run_until_idle
from local.driver_checkpoint import Checkpoints
from local.line import ITEMS_TABLE, LINE, apply_settings, drivers_of
from local.line_lease import line_lease
from local.ready import check_line
from stores.data_dir import DataDir, UpLock
from stores.home import Home

Ends = dict[tuple[str, str], str | None]  # (mapping, shard) → sequence number
Place = tuple[str, str, str | None]  # mapping, shard, sequence number

POLL_MS: Final = 100
TROUBLE_MS: Final = 1_000
#: Twice as long as the line's longest batching window.
STANDSTILL_MS: Final = 10_000


def drain_all(home: Home, settings: AggregatorSettings, say: Callable[[str], None]) -> None:
    """Returns when nothing is pending. Beside a running `up`, which owns the line, it waits for that to finish."""
    directory = DataDir(Path(settings.data_dir).expanduser().absolute())
    lock: UpLock | None
    try:
        lock = UpLock(directory)
    except Unusable as error:
        say(f"candlewick: {error}".partition(";")[0] + ": waiting for it to process what is pending")
        lock = _wait_for_owner(home, directory, say)
    if lock is not None:
        with lock:
            _drain(home, settings, say)


def _drain(home: Home, settings: AggregatorSettings, say: Callable[[str], None]) -> None:
    apply_settings(settings)
    check_line(os.environ, sources=False)
    drivers = drivers_of(home)
    finished = threading.Event()
    told = threading.Thread(target=_tell_of_trouble, args=(drivers, home, finished, say), daemon=True)
    told.start()
    try:
        with line_lease(home, settings):
            run_until_idle(drivers, home.clock, final=True)
    finally:
        finished.set()
        told.join()
    stopped = [status for driver in drivers if (status := driver.status()).state == "stopped"]
    if stopped:
        causes = "; ".join(
            f"{status.name}: {shard.error}" for status in stopped for shard in status.shards if shard.error
        )
        raise Unusable(f"stopped before the end: {causes}")


def _tell_of_trouble(
    drivers: list[MappingDriver], home: Home, finished: threading.Event, say: Callable[[str], None]
) -> None:
    """A stage that keeps retrying (a full disk, say) is named once per cause, not waited for in silence."""
    said: set[str] = set()
    while not home.clock.wait(finished, TROUBLE_MS):
        for status in (driver.status() for driver in drivers):
            for error in {status.error, *(shard.error for shard in status.shards)} - {None}:
                line = f"candlewick: {status.name} is being retried: {error}"
                if line not in said:
                    said.add(line)
                    say(line)


def _wait_for_owner(home: Home, directory: DataDir, say: Callable[[str], None]) -> UpLock | None:
    """Until nothing is pending (None), or the owner is gone: then its lock, to do the rest. What does not move is named
    once: its shard may have stopped."""
    nobody = threading.Event()
    before: Ends | None = None
    stuck: Place | None = None
    since_ms = home.clock.monotonic_ms()
    while True:
        ends, waiting = _done_with(home)
        if ends is not None and ends == before:
            return None
        before = ends
        if waiting != stuck:
            stuck, since_ms = waiting, home.clock.monotonic_ms()
        elif waiting and home.clock.monotonic_ms() - since_ms >= STANDSTILL_MS:
            say(f"candlewick: {waiting[0]} has not moved for {STANDSTILL_MS // 1000} s; see `candlewick status`")
            since_ms = float("inf")
        home.clock.wait(nobody, POLL_MS)
        with suppress(Unusable):
            return UpLock(directory)


def pending(home: Home) -> bool:
    """Whether any mapping of the line has records it is not done with."""
    return _done_with(home)[0] is None


def _done_with(home: Home) -> tuple[Ends | None, Place | None]:
    """(Up to where each mapping is done with each shard, None), when there is nothing after that; else (None, the first
    place that has more). Mappings are asked one after the other, and a record may slip through behind those asked
    already: two answers that are equal have a moment between them at which nothing was pending anywhere."""
    ends: Ends = {}
    for row in LINE:
        checkpoints = Checkpoints(home.control, row.name)
        if row.stream == ITEMS_TABLE:
            for shard_id in home.items.stream_shards():
                end = ends[row.name, shard_id] = checkpoints.load(shard_id).sequence_number
                if home.items.stream_read(shard_id, end or "", 1):
                    return None, (row.name, shard_id, end)
            continue
        for shard in home.log.shards(row.stream):
            end = ends[row.name, shard.shard_id] = checkpoints.load(shard.shard_id).sequence_number
            start = Position("AFTER_SEQUENCE_NUMBER", end) if end else Position("TRIM_HORIZON")
            page = home.log.get_records(home.log.iterator(row.stream, shard.shard_id, start), 1)
            if page.records or (page.behind_ms and page.next_iterator is not None):
                return None, (row.name, shard.shard_id, end)
    return ends, None
