"""`candlewick drain`: process all that is pending, through the same handlers, then stop."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from contracts.errors import BadRequest, InUse, Unusable
from contracts.ports import ItemStore
from contracts.settings import AggregatorSettings
from local.driver import MappingDriver, run_until_idle
from local.driver_checkpoint import Checkpoints, foreign_checkpoint
from local.driver_dynamo import MAX_PAGE
from local.foreign_control import note_head
from local.line import ITEMS_TABLE, LINE, Row, apply_settings, drivers_of
from local.line_lease import line_lease
from local.ready import check_line
from local.retention import forget_old
from stores.data_dir import DataDir, UpLock
from stores.home import Home
from stores.log_tip import newest

Heads = dict[tuple[Row, str], str]  # (mapping, shard) → sequence number
Place = tuple[Row, str, str | None]  # mapping, shard, sequence number

POLL_MS: Final = 100
TELL_MS: Final = 1_000
#: Twice as long as the line's longest batching window.
STANDSTILL_MS: Final = 10_000
#: What is done with one stream puts records on others, which put none.
ROUNDS: Final = 2


def drain_all(
    home: Home,
    settings: AggregatorSettings,
    say: Callable[[str], None],
    progress: Callable[[int], None] = lambda records: None,
) -> None:
    """Returns when nothing is pending; `progress` is told of records that a stage is done with. Beside a running `up`,
    which owns the line, it waits until that is done with what there is by now. On a deployed stage, where Lambda does
    it, nothing is done."""
    if settings.home == "aws" and not settings.endpoint_url:
        say("candlewick: Lambda processes what is pending on a deployed stage; this is the account of what it has done")
        return
    with ExitStack() as held:
        try:
            held.enter_context(_right(home, settings))
        except InUse as error:
            say(f"candlewick: {error}".partition(";")[0] + ": waiting for it to process what is pending")
            if not _wait_for_owner(home, settings, held, say):
                return
        _drain(home, settings, say, progress)


@contextmanager
def _right(home: Home, settings: AggregatorSettings) -> Iterator[None]:
    """To drive the line. Raises `InUse` naming who does."""
    folder = Path(settings.data_dir).expanduser().absolute()
    with UpLock(DataDir(folder)) if settings.home == "embedded" else line_lease(home, settings):
        yield


def _drain(
    home: Home, settings: AggregatorSettings, say: Callable[[str], None], progress: Callable[[int], None]
) -> None:
    apply_settings(settings)
    check_line(os.environ, sources=False)
    drivers = drivers_of(home)
    finished = threading.Event()
    told = threading.Thread(target=_tell, args=(drivers, home, finished, say, progress), daemon=True)
    told.start()
    try:
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
    forget_old(home, settings.expire)
    note_head(home)


def _tell(
    drivers: list[MappingDriver],
    home: Home,
    finished: threading.Event,
    say: Callable[[str], None],
    progress: Callable[[int], None],
) -> None:
    """How far it is. A stage that keeps retrying (a full disk, say) is named once per cause, not waited for in
    silence."""
    said: set[str] = set()
    records = 0
    while True:
        at_end = home.clock.wait(finished, TELL_MS)
        found = [driver.status() for driver in drivers]
        done_with = sum(shard.records for status in found for shard in status.shards)
        progress(done_with - records)
        records = done_with
        if at_end:
            return
        for status in found:
            for error in {status.error, *(shard.error for shard in status.shards)} - {None}:
                line = f"candlewick: {status.name} is being retried: {error}"
                if line not in said:
                    said.add(line)
                    say(line)


def _wait_for_owner(home: Home, settings: AggregatorSettings, held: ExitStack, say: Callable[[str], None]) -> bool:
    """Until what is on the streams now is processed, and what that put on them in turn; true when the owner is gone
    before, whose right is `held` then, to do the rest. What does not move is named once: its shard may have stopped, or
    its stream have lost what was to be read."""
    nobody = threading.Event()
    stuck: Place | None = None
    since_ms = home.clock.monotonic_ms()
    for _ in range(ROUNDS):
        heads = _heads(home)
        while waiting := _unfinished(home, heads):
            row, shard_id, _ = waiting
            if waiting != stuck:
                stuck, since_ms = waiting, home.clock.monotonic_ms()
            elif home.clock.monotonic_ms() - since_ms >= STANDSTILL_MS:
                if _head(home, row, shard_id) is None:
                    del heads[row, shard_id]
                    continue
                say(f"candlewick: {row.name} has not moved for {STANDSTILL_MS // 1000} s; see `candlewick status`")
                since_ms = float("inf")
            home.clock.wait(nobody, POLL_MS)
            with suppress(InUse):
                held.enter_context(_right(home, settings))
                return True
    return False


def pending(home: Home) -> bool:
    """Whether any mapping of the line has records it is not done with."""
    return bool(_heads(home))


def _heads(home: Home) -> Heads:
    """The newest record of every shard that a mapping is not done with."""
    heads: Heads = {}
    for row in LINE:
        of_items = row.stream == ITEMS_TABLE
        shard_ids = [*home.items.stream_shards()] if of_items else [one.shard_id for one in home.log.shards(row.stream)]
        for shard_id in shard_ids:
            head = _head(home, row, shard_id)
            if head is not None:
                heads[row, shard_id] = head
    return heads


def _head(home: Home, row: Row, shard_id: str) -> str | None:
    """The newest record of a shard; None when there is none that the mapping is not done with."""
    done_with, _, ended = Checkpoints(home.control, row.name).load(shard_id)
    if ended:
        return None
    try:
        if row.stream == ITEMS_TABLE:
            return _newest_change(home.items, shard_id, done_with or "")
        return newest(home.log, row.stream, shard_id, done_with)
    except BadRequest as error:
        raise foreign_checkpoint(row.name, error) from None


def _newest_change(items: ItemStore, shard_id: str, after: str) -> str | None:
    """The last change there is after a number. A page may be short though more follow."""
    found = None
    while changes := items.stream_read(shard_id, found or after, MAX_PAGE):
        found = changes[-1].sequence_number
    return found


def _unfinished(home: Home, heads: Heads) -> Place | None:
    """The first place at which a mapping is not done with a head."""
    for (row, shard_id), head in heads.items():
        done_with, _, ended = Checkpoints(home.control, row.name).load(shard_id)
        if not ended and (done_with is None or int(done_with) < int(head)):
            return row, shard_id, done_with
    return None
