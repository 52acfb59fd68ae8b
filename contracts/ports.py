"""The ports: what services need from the world. Each has an embedded and an AWS implementation in `stores/`, and one
suite in `tests/ports/` that both must pass.

Errors: every method may raise `Transient` (the store is down or slow) and nothing else unless its text says so.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import msgspec

from contracts.bucket import Bucket, BucketKey, BucketWrite
from contracts.tally import Tally

MAX_RECORD_BYTES = 1 << 20  # data and partition key together, as Kinesis counts
MAX_PUT_RECORDS = 500
MAX_PUT_BYTES = 10 << 20
MAX_GET_RECORDS = 10_000
MAX_GET_BYTES = 10 << 20


@runtime_checkable
class Waking(Protocol):
    """What the embedded log, buckets and items offer besides their port: to be woken by a write of any process."""

    def seen(self) -> Any:
        """What there is to see now; take it before reading."""
        ...

    def wait(self, seen: Any, timeout_ms: float) -> bool:
        """Sleep until something was written since `seen` (true; by other processes: within 25 ms) or time is over."""
        ...

    def wake(self) -> None:
        """Wake this process' waiters without a write, to stop them."""
        ...


# ---- EventLog ------------------------------------------------------------------------------------------------------
class Entry(NamedTuple):
    """A record to put. `explicit_hash_key` overrides the MD5 of the partition key when routing."""

    partition_key: str
    data: bytes
    explicit_hash_key: int | None = None


class PutResult(NamedTuple):
    """What became of one entry: a sequence number, or an error code of this entry alone."""

    shard_id: str | None
    sequence_number: str | None
    error_code: str | None = None


class Record(NamedTuple):
    """A stored record. Sequence numbers are opaque decimal strings; within a shard they increase as integers."""

    sequence_number: str
    partition_key: str
    data: bytes
    arrival_ms: int


class Shard(NamedTuple):
    """A range of hash keys `[first_hash, last_hash]` (inclusive, as Kinesis has it). `closed`: takes no more records.

    A shard's parents must be read to their end before it: a subject's older records are there.
    """

    shard_id: str
    first_hash: int
    last_hash: int
    parent_ids: tuple[str, ...]
    closed: bool


PositionKind = Literal["TRIM_HORIZON", "LATEST", "AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER", "AT_TIMESTAMP"]


class Position(NamedTuple):
    """Where to start reading: `value` is a sequence number or, for AT_TIMESTAMP, arrival milliseconds as text."""

    kind: PositionKind
    value: str = ""


class Page(NamedTuple):
    """One read. `next_iterator` is None at the end of a closed shard; `behind_ms` is MillisBehindLatest."""

    records: list[Record]
    next_iterator: str | None
    behind_ms: int


class EventLog(Protocol):
    """A durable, sharded, ordered log: Kinesis Data Streams, or SQLite with the same semantics."""

    def create_stream(self, stream: str, shard_count: int) -> None:
        """Create it; no-op when it is there."""
        ...

    def streams(self) -> list[str]: ...

    def shards(self, stream: str) -> list[Shard]:
        """Open and closed shards, parents before children. Raises `BadRequest` for an unknown stream."""
        ...

    def put_records(self, stream: str, entries: Sequence[Entry]) -> list[PutResult]:
        """Append; one result per entry, in order; durable before it returns. At most 500 entries and 10 MiB, else
        `BadRequest`; an entry over 1 MiB fails alone with `error_code`."""
        ...

    def iterator(self, stream: str, shard_id: str, position: Position) -> str: ...

    def get_records(self, iterator: str, limit: int = MAX_GET_RECORDS) -> Page: ...

    def split_shard(self, stream: str, shard_id: str, at_hash: int) -> tuple[str, str]:
        """Close the shard; its range continues in two children. Raises `BadRequest` when it cannot be split there."""
        ...

    def merge_shards(self, stream: str, shard_id: str, adjacent_id: str) -> str:
        """Close two adjacent shards; one child holds both ranges."""
        ...

    def trim(self, stream: str, before_ms: int) -> int:
        """Retention: drop records that arrived before; returns how many. Embedded only; AWS does it by itself."""
        ...


# ---- BucketStore (with its change log) -----------------------------------------------------------------------------
class NewEvent(msgspec.Struct, frozen=True, gc=False):
    """A newly counted event, as the stream tells watchers of it."""

    event_id: str
    article_id: str
    event_time: str
    source: str
    label: str
    polarity_e4: int


class Change(msgspec.Struct, frozen=True, gc=False):
    """One batch's effect on one subject: the new state of every bucket it touched (kept without members and children),
    and the newest events that were new. `origin_ms`: when the last of these was ingested."""

    generation: str
    subject: str
    buckets: tuple[Bucket, ...]
    events: tuple[NewEvent, ...]
    origin_ms: int
    written_ms: int


class StoredChange(NamedTuple):
    """A change with its position: lane and sequence (1, 2, 3 … within the lane)."""

    lane: str
    sequence: int
    change: Change


class BucketStore(Protocol):
    """Buckets of all generations, and the change log written together with them."""

    def get_many(self, generation: str, keys: Sequence[BucketKey]) -> dict[BucketKey, Bucket]:
        """The stored buckets among the keys, with members and children."""
        ...

    def commit(
        self, generation: str, writes: Sequence[BucketWrite], changes: Sequence[Change] = (), lane: str = ""
    ) -> list[BucketKey]:
        """Apply guarded writes in order, then append the changes to the lane. Returns the keys whose guard failed:
        empty means all of it is durable; otherwise some or none of the writes are, no change is, and the caller
        re-reads, decides again and retries."""
        ...

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
        them when `newest`, else the oldest."""
        ...

    def subjects(self, generation: str) -> list[str]:
        """Subjects that have a 24h bucket, ascending (lanes left out)."""
        ...

    def scan(self, generation: str) -> Iterator[Bucket]:
        """Every bucket with members and children, ordered by (subject, resolution, start)."""
        ...

    def touched_since(self, generation: str, since_ms: int) -> list[BucketKey]:
        """Keys of buckets last updated at or after an instant, or still marked partial."""
        ...

    def drop_generation(self, generation: str) -> int: ...

    def changes_head(self) -> dict[str, int]:
        """Lane → newest sequence."""
        ...

    def changes_after(self, cursor: Mapping[str, int], limit: int = 1_000) -> list[StoredChange]:
        """Changes past a cursor (lanes it does not name: from their beginning), each lane in order."""
        ...

    def changes_tail(self) -> dict[str, int]:
        """Lane → oldest sequence still kept; a cursor below (tail − 1) is too old to resume."""
        ...

    #: Stamps later than `now_ms`, of a clock that was ahead, count as old. What is written meanwhile stays.
    def trim_changes(self, before_ms: int, now_ms: int | None = None) -> int: ...


@runtime_checkable
class BulkLoading(Protocol):
    """What a bucket store may offer besides its port: whole buckets at once, without guards."""

    def load_buckets(self, generation: str, buckets: Sequence[Bucket]) -> None:
        """Write them, replacing what is there; all of them are durable when it returns, or none. For the sole writer
        of a generation that is not live: nobody's update is looked out for, no change is logged."""
        ...


# ---- ItemStore -----------------------------------------------------------------------------------------------------
Item = dict[str, Any]


class ItemChange(NamedTuple):
    """One entry of the primary's stream (NEW_AND_OLD_IMAGES), oldest first."""

    sequence_number: str
    name: Literal["INSERT", "MODIFY", "REMOVE"]
    new: Item | None
    old: Item | None
    at_ms: int


class ItemStore(Protocol):
    """Articles: the primary table (one item an article), its change stream, and the dashboard's read model.

    Items are plain dictionaries with the attribute names of design section 6; numbers are int, float or Decimal.
    """

    def put_primary(self, item: Item) -> None:
        """Write the whole item (key `source_id`); the same item again is not a change."""
        ...

    def put_primaries(self, items: Iterable[Item]) -> None:
        """`put_primary` for many, in order; embedded: one transaction, one sync to disk."""
        ...

    def add_source(self, source_id: str, source: Mapping[str, Any]) -> bool:
        """Add a source (with an `article_id`) to the item's `sources`, once; false: it was there, or no item is."""
        ...

    def get_primary(self, source_id: str) -> Item | None: ...
    def get_primaries(self, source_ids: Sequence[str]) -> dict[str, Item]: ...

    def by_subject(self, subject: str, start_ms: int, end_ms: int, limit: int) -> list[Item]:
        """Items of a ticker or `tag:` subject published in `[start_ms, end_ms)`, ascending by (time, `source_id`)."""
        ...

    def stream_shards(self) -> dict[str, tuple[str, ...]]:
        """Shards of the primary's change stream, older before newer: id → ids of its parents, which may be gone."""
        ...

    def stream_read(self, shard_id: str, after: str, limit: int = 100) -> list[ItemChange]:
        """Changes after a number ("": the oldest kept; `BadRequest`: another's); none and `stream_ended`: closed."""
        ...

    def stream_ended(self, shard_id: str, after: str) -> bool: ...

    def put_dashboard(self, items: Sequence[Item]) -> None:
        """Write read-model items (keys `day_partition`, `item_key`); the same again changes nothing."""
        ...

    def dashboard_day(self, day: str, before_key: str | None, limit: int) -> list[Item]:
        """A day's articles, newest first, each once; `before_key` is an `item_key` to go on below."""
        ...

    def dashboard_tag(self, tag: str, before_key: str | None, limit: int) -> list[Item]:
        """A tag's copies, newest first (by `ingested_at`, `source_id`)."""
        ...

    def dashboard_sentiment(self, sentiment: str, before_key: str | None, limit: int) -> list[Item]:
        """A label's articles, each once, surest first (index `by_sentiment`: `sentiment_score_combined`, then newest);
        `before_key` is the `item_key` of the last one seen."""
        ...

    def count_primary(self) -> int: ...


@runtime_checkable
class Tallying(Protocol):
    """What an item store may offer besides its port: counters of the read model's articles, changed together with each
    article, so that they equal a recount at any moment. None: not all of the span's were counted, so recount."""

    def tally(self, since_ms: int) -> Tally | None:
        """Counts of the articles, as long as they are kept, ingested since the minute of an instant."""
        ...

    def tally_windows(self, width_ms: int, start_ms: int, end_ms: int) -> dict[int, Tally] | None:
        """Counts by window (its start) of the articles ingested in `[start_ms, end_ms)`; all three are multiples of the
        minute, the last two of the width."""
        ...

    def ingestion_range(self) -> tuple[str, str] | None:
        """`ingested_at` of the oldest and the newest article; None when there is none."""
        ...

    def forget_minutes(self, before_ms: int) -> int:
        """Drop the counters by minute of before an instant (AWS does it by itself); returns how many. A later `tally`
        must begin after it, or at a full hour: hours and days stay."""
        ...


@runtime_checkable
class Scanning(Protocol):
    """What an item store may offer besides its port, for when the read model is down: the whole primary table."""

    def scan_primary(self) -> Iterator[Item]:
        """Every item, in no order; slow, and on DynamoDB it costs."""
        ...


# ---- Control -------------------------------------------------------------------------------------------------------
class Versioned(NamedTuple):
    """A control document and the version that guards its next write (0: not there)."""

    value: dict[str, Any] | None
    version: int


class ControlWrite(NamedTuple):
    """A guarded write of one of several documents."""

    value: Mapping[str, Any]
    expected_version: int | None = None
    expires_ms: int | None = None


class ControlStore(Protocol):
    """Small documents with optimistic locking: generation pointer, checkpoints, watermarks, cursors, claims, runs."""

    def get(self, kind: str, name: str) -> Versioned: ...

    def put(
        self,
        kind: str,
        name: str,
        value: Mapping[str, Any],
        expected_version: int | None = None,
        expires_ms: int | None = None,
    ) -> int:
        """Write and return the new version. With `expected_version` it raises `Conflict` when another was stored;
        without, it overwrites."""
        ...

    def put_many(self, kind: str, writes: Mapping[str, ControlWrite]) -> Sequence[str]:
        """Guarded writes of several documents of a kind; the names whose guard failed. The others are durable."""
        ...

    def delete(self, kind: str, name: str, expected_version: int | None = None) -> None: ...

    def list(self, kind: str) -> dict[str, dict[str, Any]]:
        """All documents of a kind, expired ones left out, by name."""
        ...


# ---- Lake, Secrets -------------------------------------------------------------------------------------------------
class Lake(Protocol):
    """Immutable objects of gzip JSON lines, keyed `raw/source=…/date=YYYY-MM-DD/….jsonl.gz`."""

    def put(self, key: str, lines: Iterable[bytes]) -> None:
        """Write an object atomically; the same key again replaces it (names come from content ranges, so it is the
        same content)."""
        ...

    def read(self, key: str) -> Iterator[bytes]:
        """The lines of an object. Raises `BadRequest` when it is not there, `BadEvent("unparseable")` when it is
        damaged."""
        ...

    def keys(self, prefix: str = "") -> list[str]:
        """Ascending keys under a prefix."""
        ...


class Secrets(Protocol):
    """Keys of news sources and the API; never logged."""

    def get(self, name: str) -> str | None: ...
