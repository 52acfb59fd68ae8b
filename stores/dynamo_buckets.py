"""Buckets on DynamoDB: one table a generation, guarded writes, and the change log of `dynamo_changes.py`.

Two writers of one bucket, and why nobody loses an event:

    A reads rev 3             B reads rev 3
    A puts rev 4 if rev = 3   -> stored
                              B puts rev 4 if rev = 3   -> refused, and the refusal carries A's item
                              B decides again upon it, puts rev 5 if rev = 4

A refusal whose item carries the token of this very write is our own write, whose answer got lost: that is a success.
"""

import itertools
import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from contracts.bucket import LANE_SEPARATOR, Bucket, BucketKey, BucketWrite
from contracts.clock import Clock
from contracts.errors import Transient
from contracts.instants import iso_ms
from contracts.ports import Change, StoredChange
from contracts.resolution import COARSEST, HOUR_MS, WIDTH_MS
from stores.aws_client import Refused, Service
from stores.dynamo import Row, Table, TableMissing
from stores.dynamo_bucket_item import (
    PARTIAL_SHARDS,
    SUBJECTS,
    bucket_of,
    bucket_row,
    is_bucket_row,
    key_of,
    key_row,
    part_keys,
    partition_of,
    ttl_s,
)
from stores.dynamo_changes import DynamoChanges
from stores.dynamo_schema import BY_TOUCH, TABLES, TIMESERIES, physical_name
from stores.dynamo_tables import NO_TABLE, await_table, create_table

#: Refused writes whose stored item the next `get_many` takes instead of asking for it.
MAX_HANDED_BACK: Final = 1_000
#: Member parts a process remembers to be stored.
MAX_KNOWN_PARTS: Final = 4_096
#: Candidates of the index `by_touch` whose items are read together.
READ_TOGETHER: Final = 1_000
_LAST_S: Final = "9999-12-31T23:59:59Z"
_BOOKKEEPING: Final = "PK, SK, is_partial, last_updated"


class DynamoBucketStore:
    """`contracts.ports.BucketStore` in `{env}-sentiment-timeseries-{generation}` and `{env}-sentiment-changes`."""

    def __init__(self, dynamodb: Service, environment: str, changes: DynamoChanges, clock: Clock, region: str) -> None:
        self._region = region
        self._service = dynamodb
        self._environment = environment
        self._changes = changes
        self._clock = clock
        self._tables: dict[str, Table] = {}
        self._handed_back: OrderedDict[tuple[str, BucketKey], Bucket] = OrderedDict()
        self._parts: OrderedDict[tuple[str, str, str], None] = OrderedDict()
        self._lock = threading.Lock()

    def log_name(self) -> str:
        """The region's: what another region has is a copy, which may lack the last second and then go on otherwise."""
        return self._region

    # ---- reading ----------------------------------------------------------------------------------------------
    def get_many(self, generation: str, keys: Sequence[BucketKey]) -> dict[BucketKey, Bucket]:
        """The stored buckets among the keys, with members and children; those past their TTL too, since the operator
        judges by `ttl` itself and a guarded write must know the stored `rev`. Consistent reads."""
        found: dict[BucketKey, Bucket] = {}
        asked = []
        with self._lock:
            for key in dict.fromkeys(keys):
                known = self._handed_back.pop((generation, key), None)
                if known is None:
                    asked.append(key)
                else:
                    found[key] = known
        table = self._table(generation)
        try:
            for row in table.get_many([key_row(key) for key in asked]):
                bucket = self._whole(table, row)
                if bucket is not None:
                    found[bucket.key] = bucket
        except TableMissing:
            return found
        return {key: found[key] for key in keys if key in found}

    def is_over(self, key: BucketKey) -> bool:
        """Whether a bucket's time to live is over, so that it may go at any moment."""
        return ttl_s(key.resolution, key.start_ms) <= self._clock.now_ms() // 1000

    def range(
        self,
        generation: str,
        subject: str,
        resolution: str,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 1_000,
        newest: bool = False,
    ) -> list[Bucket]:
        """Ascending buckets with `start_ms <= start < end_ms` (without members and children); the newest `limit` of
        them when `newest`, else the oldest. Those past their TTL are left out: deletion comes days late, and whoever
        reads a series that went quiet would page through them."""
        first_s = self._clock.now_ms() // 1000 - ttl_s(resolution, 0) + 1
        if start_ms is not None:
            first_s = max(first_s, -(-start_ms // 1000))
        values = {
            ":pk": {"S": partition_of(subject, resolution)},
            ":first": {"S": _clamped_s(first_s)},
            ":last": {"S": _LAST_S if end_ms is None else _clamped_s((end_ms - 1) // 1000)},
        }
        if values[":first"]["S"] > values[":last"]["S"]:
            return []
        rows = self._table(generation).query(
            "PK = :pk AND SK BETWEEN :first AND :last",
            values,
            ScanIndexForward=not newest,
            ConsistentRead=True,
            Limit=min(limit, 1_000),
        )
        try:
            found = [bucket_of(row, whole=False) for row in itertools.islice(rows, limit)]
        except TableMissing:
            return []
        return found[::-1] if newest else found

    def subjects(self, generation: str) -> list[str]:
        """Subjects that have a 24h bucket, ascending; from the list that every first 24h write adds to."""
        now_s = self._clock.now_ms() // 1000
        rows = self._table(generation).query("PK = :pk", {":pk": {"S": SUBJECTS}}, ConsistentRead=True)
        try:
            return [row["SK"]["S"] for row in rows if int(row["ttl"]["N"]) > now_s]
        except TableMissing:
            return []

    def scan(self, generation: str) -> Iterator[Bucket]:
        """Every bucket with members and children, ordered by (subject, resolution, start): a scan for the series'
        names, then a query a series, so that memory holds names only."""
        table = self._table(generation)
        try:
            rows = table.scan(ProjectionExpression="PK, SK")
            series = {key_of(row)[:2] for row in rows if is_bucket_row(row)}
            for subject, resolution in sorted(series):
                pk = {":pk": {"S": partition_of(subject, resolution)}}
                for row in table.query("PK = :pk", pk, ConsistentRead=True):
                    bucket = self._whole(table, row)
                    if bucket is not None:
                        yield bucket
        except TableMissing:
            return  # nothing is left of it

    def touched_since(self, generation: str, since_ms: int) -> list[BucketKey]:
        """Keys of buckets last updated at or after an instant, or still marked partial; ascending. The index names
        candidates (eventually consistent: a bucket written in the last second may come with the next call)."""
        partial = [f"partial/{shard}" for shard in range(PARTIAL_SHARDS)]
        since = iso_ms(max(since_ms, 0))
        table = self._table(generation)
        found: set[BucketKey] = set()
        try:
            for touched in partial + _hours(max(since_ms, 0), self._clock.now_ms() + HOUR_MS):
                rows = table.query("touched = :t", {":t": {"S": touched}}, IndexName=BY_TOUCH.name)
                # Some at a time: after a replay an hour holds millions that were touched before.
                while some := {key_of(row): row for row in itertools.islice(rows, READ_TOGETHER)}:
                    for row in table.get_many([key_row(key) for key in some], ProjectionExpression=_BOOKKEEPING):
                        if row["is_partial"]["BOOL"] or row["last_updated"]["S"] >= since:
                            found.add(key_of(row))
        except TableMissing:
            return []
        return sorted(found)

    def _whole(self, table: Table, row: Row) -> Bucket | None:
        """The bucket with its members; None when TTL has begun to delete them: it is as good as gone."""
        keys = part_keys(row)
        if not keys:
            return bucket_of(row)
        parts = {part["SK"]["S"]: part for part in table.get_many(keys)}
        if len(parts) < len(keys):
            if int(row["ttl"]["N"]) <= self._clock.now_ms() // 1000:
                return None
            raise Transient("dynamodb", f"{key_of(row)}: {len(keys) - len(parts)} parts of its members are not there")
        for part in parts.values():
            self._remember_part(table, part)
        return bucket_of(row, parts)

    def _remember_part(self, table: Table, part: Row) -> None:
        """It is stored; its content never changes, so it need not be written again."""
        with self._lock:
            self._parts[table.name, part["PK"]["S"], part["SK"]["S"]] = None
            while len(self._parts) > MAX_KNOWN_PARTS:
                self._parts.popitem(last=False)

    # ---- writing ----------------------------------------------------------------------------------------------
    def commit(
        self, generation: str, writes: Sequence[BucketWrite], changes: Sequence[Change] = (), lane: str = ""
    ) -> list[BucketKey]:
        """Apply guarded writes in order, then append the changes to the lane. Writes of one resolution go together;
        a lost guard stops before the next, so no parent is ever ahead of a child of this commit."""
        table = self._table(generation)
        for wave in _waves(writes):
            failed = self._write_wave(generation, table, wave)
            if failed:
                return failed
        if changes:
            self._changes.append(lane, changes)
        return []

    def _write_wave(self, generation: str, table: Table, wave: Sequence[BucketWrite]) -> list[BucketKey]:
        """Keys whose guard failed. The first write of a generation makes its table."""

        def attempt(write: BucketWrite) -> BucketKey | TableMissing | None:
            try:
                return self._write(generation, table, write)
            except TableMissing as missing:
                return missing

        found = table.each(attempt, wave)
        homeless = [write for write, result in zip(wave, found, strict=True) if isinstance(result, TableMissing)]
        if homeless:
            create_table(self._service, table.name, TABLES[TIMESERIES])
            found = [key for key in found if not isinstance(key, TableMissing)]
            again = table.each(attempt, homeless)
            if any(isinstance(key, TableMissing) for key in again):
                raise Transient("dynamodb", f"{table.name} was deleted as soon as it was made")
            found += again
        return [key for key in found if key is not None]

    def _write(self, generation: str, table: Table, write: BucketWrite) -> BucketKey | None:
        """One guarded put; the key when its guard failed."""
        bucket, expected = write
        if bucket.resolution == COARSEST.name and expected == 0:
            # Before the bucket: a crash between the two leaves a name too many, which the retry makes true.
            # It stays as long as the newest day: an older one, back-filled, does not shorten that.
            ttl = {"N": str(ttl_s(bucket.resolution, bucket.start_ms))}
            name = {"PK": {"S": SUBJECTS}, "SK": {"S": bucket.subject}, "ttl": ttl}
            table.put_if(name, "attribute_not_exists(#ttl) OR #ttl < :ttl", {":ttl": ttl}, {"#ttl": "ttl"})
        row, parts = bucket_row(bucket)
        row["token"] = {"S": secrets.token_hex(4)}
        for part in parts:
            if (table.name, part["PK"]["S"], part["SK"]["S"]) not in self._parts:
                table.put(part)
                self._remember_part(table, part)
        condition = "rev = :rev" if expected else "attribute_not_exists(PK)"
        lost = table.put_if(row, condition, {":rev": {"N": str(expected)}} if expected else {}, {})
        if lost is None or lost.stored is None:
            return None if lost is None else bucket.key
        if lost.stored.get("token") == row["token"]:
            return None
        stored = self._whole(table, lost.stored)
        if stored is None:
            return bucket.key
        with self._lock:
            self._handed_back[generation, bucket.key] = stored
            while len(self._handed_back) > MAX_HANDED_BACK:
                self._handed_back.popitem(last=False)
        return bucket.key

    def drop_generation(self, generation: str) -> int:
        """Delete a generation's table; returns how many buckets it had."""
        table = self._table(generation)
        try:
            dropped = sum(is_bucket_row(row) for row in table.scan(ProjectionExpression="PK"))
        except TableMissing:
            return 0
        with self._lock:
            for place in [place for place in self._parts if place[0] == table.name]:
                del self._parts[place]
            for handed in [handed for handed in self._handed_back if handed[0] == generation]:
                del self._handed_back[handed]
        with suppress(Refused):  # somebody else was quicker
            self._service.call("delete_table", expect=(NO_TABLE,), TableName=table.name)
        await_table(self._service, table.name, None)
        return dropped

    def _table(self, generation: str) -> Table:
        name = physical_name(self._environment, TIMESERIES, generation)
        with self._lock:
            table = self._tables.get(name)
            if table is None:
                table = self._tables[name] = Table(self._service, name, may_miss=True)
        return table

    # ---- change log -------------------------------------------------------------------------------------------
    def changes_head(self) -> dict[str, int]:
        """Lane → newest sequence."""
        return self._changes.head()

    def changes_tail(self) -> dict[str, int]:
        """Lane → oldest sequence still kept (head + 1 when none is)."""
        return self._changes.tail()

    def changes_after(self, cursor: Mapping[str, int], limit: int = 1_000) -> list[StoredChange]:
        """Changes past a cursor (lanes it does not name: from their beginning), each lane in order."""
        return self._changes.after(cursor, limit)

    def trim_changes(self, before_ms: int, now_ms: int | None = None) -> int:
        """Drop changes written before an instant (with `now_ms` also what is stamped later than it); returns how many.
        On AWS the TTL does it too, later."""
        return self._changes.trim(before_ms, now_ms)

    def close(self) -> None:
        """Let the writing threads go."""
        for table in self._tables.values():
            table.close()


def _waves(writes: Sequence[BucketWrite]) -> Iterator[list[BucketWrite]]:
    """Neighbours of one resolution (lanes before their 1m bucket, as they come), no key twice in a wave."""
    wave: list[BucketWrite] = []
    level: tuple[int, bool] | None = None
    keys: set[BucketKey] = set()
    for write in writes:
        key = write.bucket.key
        at = (WIDTH_MS[key.resolution], LANE_SEPARATOR in key.subject)
        if wave and (at != level or key in keys):
            yield wave
            wave, keys = [], set()
        wave.append(write)
        keys.add(key)
        level = at
    if wave:
        yield wave


def _hours(since_ms: int, until_ms: int) -> list[str]:
    """The hours of `touched_of` from one instant to another, at most two weeks of them: who asks further back is
    rebuilding, and scans."""
    first = max(since_ms, until_ms - 14 * 24 * HOUR_MS)
    return [iso_ms(at)[:13] for at in range(first - first % HOUR_MS, until_ms, HOUR_MS)]


def _clamped_s(second: int) -> str:
    low, high = -62_135_596_800, 253_402_300_799  # years 1 and 9999
    return f"{datetime.fromtimestamp(min(max(second, low), high), UTC).isoformat()[:19]}Z"
