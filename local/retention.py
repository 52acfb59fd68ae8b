"""What the embedded home forgets. Log, articles and lake are kept, and buckets unless told to apply their TTL."""

from typing import Final

from contracts.ports import Tallying
from contracts.resolution import DAY_MS, HOUR_MS, RESOLUTIONS
from local.driver_checkpoint import Checkpoints
from local.line import ITEMS_TABLE, LINE
from stores.home import Home
from stores.sqlite_buckets import SqliteBucketStore
from stores.sqlite_control import SqliteControlStore
from stores.sqlite_items import SqliteItemStore

#: The change log is for reconnecting watchers; what is older they load afresh.
KEEP_CHANGES_MS: Final = DAY_MS
#: Counters by minute are for `/metrics`, which looks back a week at most.
KEEP_MINUTES_MS: Final = 8 * DAY_MS
#: As long as DynamoDB keeps a table's stream; what its reader is not done with is kept however old.
KEEP_ITEM_CHANGES_MS: Final = DAY_MS
#: Expired documents are read no more; the versions of leases that ran out lately count on, and no lease is so long.
KEEP_EXPIRED_MS: Final = DAY_MS


def forget_old(home: Home, expire: bool = False) -> None:
    """Drop what nobody will ask for any more; with `expire` also buckets past their TTL, which on AWS go by themselves.
    Raises `Transient`; doing it again is harmless."""
    now_ms = home.clock.now_ms()
    # What the line writes meanwhile is stamped later than now, and is of no clock that was ahead.
    home.buckets.trim_changes(now_ms - KEEP_CHANGES_MS, now_ms + HOUR_MS)
    if expire and isinstance(home.buckets, SqliteBucketStore):
        home.buckets.drop_before({row.name: now_ms - row.ttl_ms - row.width_ms + 1 for row in RESOLUTIONS})
    if isinstance(home.control, SqliteControlStore):
        home.control.sweep(now_ms - KEEP_EXPIRED_MS)
    if isinstance(home.items, Tallying):
        home.items.forget_minutes(now_ms - KEEP_MINUTES_MS)
    if isinstance(home.items, SqliteItemStore):
        (reader,) = (row for row in LINE if row.stream == ITEMS_TABLE)
        checkpoints = Checkpoints(home.control, reader.name)
        for shard_id in home.items.stream_shards():
            read_through = checkpoints.load(shard_id).sequence_number or ""
            home.items.trim_stream(now_ms - KEEP_ITEM_CHANGES_MS, read_through)
