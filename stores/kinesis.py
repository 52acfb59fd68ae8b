"""The event log on Kinesis Data Streams.

Writing: entries are aggregated per target shard (`kinesis_aggregate.py`), and every record of an answer is looked at:
partial failure is the normal failure. When a record lands on a shard the map did not expect, the stream was resharded
meanwhile: the map is read again, and those entries that landed outside their own shard are put again; readers pass over
them where they do not belong, as KCL does. So a subject is read from one shard at a time, and each entry once.

Reading: `kinesis_cursor.py`.
"""

import re
import threading
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from contracts.clock import Clock
from contracts.errors import BadRequest, Transient
from contracts.ports import MAX_GET_RECORDS, MAX_RECORD_BYTES, Entry, Page, Position, PutResult, Shard
from contracts.sequence import user_record
from stores.aws_client import LOOK_EVERY_S, Refused, Service
from stores.kinesis_aggregate import Packed, pack
from stores.kinesis_cursor import Cursors
from stores.put_limits import RECORD_TOO_LARGE, checked_sizes, routing_hash

MAX_SHARDS: Final = 1_000
#: Of entries refused one by one; the caller, who hears of what is left, has its own patience.
MAX_PUT_TRIES: Final = 5
#: Per call; Kinesis takes 10 MiB, older endpoints half of it.
MAX_CALL_BYTES: Final = 5_000_000
MAX_CALL_RECORDS: Final = 500
MAX_WAITS: Final = 60
NO_STREAM: Final = "ResourceNotFoundException"
_STREAM_NAME: Final = re.compile(r"[a-zA-Z0-9_.\-]{1,100}\Z", re.ASCII)
_MISPLACED: Final = "Resharded"


class KinesisEventLog:
    """`contracts.ports.EventLog`; stream `s` is `{env}-s` on AWS."""

    def __init__(self, kinesis: Service, environment: str, clock: Clock) -> None:
        self._kinesis = kinesis
        self._prefix = f"{environment}-"
        self._clock = clock
        self._maps: dict[str, list[Shard]] = {}
        self._lock = threading.Lock()
        self._cursors = Cursors(kinesis, self._prefix, clock, self.shards)

    # ---- streams and shards -----------------------------------------------------------------------------------
    def create_stream(self, stream: str, shard_count: int) -> None:
        """Create it and wait until it serves; no-op when it is there. Raises `BadRequest`."""
        if not _STREAM_NAME.match(stream) or not 1 <= shard_count <= MAX_SHARDS:
            raise BadRequest(f"cannot create stream {stream[:60]!r} with {shard_count} shards (1 to {MAX_SHARDS})")
        name = self._prefix + stream
        with suppress(Refused):  # it is there, perhaps made by another process a moment ago
            self._kinesis.call(
                "create_stream", expect=("ResourceInUseException",), StreamName=name, ShardCount=shard_count
            )
        self._await_active(stream)

    def streams(self) -> list[str]:
        """Names of this environment's streams, ascending."""
        found: list[str] = []
        start: dict[str, str] = {}
        while True:
            answer = self._kinesis.call("list_streams", **start)
            found += answer["StreamNames"]
            if not answer.get("HasMoreStreams"):
                mine = [name for name in found if name.startswith(self._prefix)]
                return sorted(name.removeprefix(self._prefix) for name in mine)
            start = {"ExclusiveStartStreamName": found[-1]}

    def shards(self, stream: str) -> list[Shard]:
        """Open and closed shards, parents before children. Raises `BadRequest` for an unknown stream."""
        listed: list[dict[str, Any]] = []
        given: dict[str, Any] = {"StreamName": self._prefix + stream}
        while True:
            answer = self._call(stream, "list_shards", **given)
            listed += answer["Shards"]
            if not answer.get("NextToken"):
                break
            given = {"NextToken": answer["NextToken"]}
        shards = sorted((_shard(each) for each in listed), key=lambda shard: shard.shard_id)
        with self._lock:
            self._maps[stream] = sorted((each for each in shards if not each.closed), key=lambda each: each.first_hash)
        return shards

    def split_shard(self, stream: str, shard_id: str, at_hash: int) -> tuple[str, str]:
        """Close the shard; `[first, at)` and `[at, last]` continue in two children. Raises `BadRequest`."""
        self._call(
            stream,
            "split_shard",
            StreamName=self._prefix + stream,
            ShardToSplit=shard_id,
            NewStartingHashKey=str(at_hash),
        )
        self._await_active(stream)
        children = [each for each in self.shards(stream) if shard_id in each.parent_ids]
        left, right = sorted(children, key=lambda each: each.first_hash)
        return left.shard_id, right.shard_id

    def merge_shards(self, stream: str, shard_id: str, adjacent_id: str) -> str:
        """Close two adjacent shards, in either order; one child holds both ranges. Raises `BadRequest`."""
        ranges = {each.shard_id: each.first_hash for each in self.shards(stream)}
        low, high = sorted((shard_id, adjacent_id), key=lambda name: ranges.get(name, 0))
        self._call(
            stream,
            "merge_shards",
            StreamName=self._prefix + stream,
            ShardToMerge=low,
            AdjacentShardToMerge=high,
        )
        self._await_active(stream)
        (child,) = (each for each in self.shards(stream) if shard_id in each.parent_ids)
        return child.shard_id

    def _await_active(self, stream: str) -> None:
        for _ in range(MAX_WAITS):
            found = self._call(stream, "describe_stream_summary", StreamName=self._prefix + stream)
            if found["StreamDescriptionSummary"]["StreamStatus"] == "ACTIVE":
                return
            self._kinesis.sleep(LOOK_EVERY_S)
        raise Transient("kinesis", f"stream {stream} is not active after {MAX_WAITS} looks")

    # ---- writing ----------------------------------------------------------------------------------------------
    def put_records(self, stream: str, entries: Sequence[Entry]) -> list[PutResult]:
        """Append; one result per entry, in order; durable before it returns. At most 500 entries and 10 MiB, else
        `BadRequest`; an entry over 1 MiB fails alone with `RecordTooLarge`, one that Kinesis kept refusing with its
        error code."""
        sizes = checked_sizes(entries)
        results: list[PutResult | None] = [
            PutResult(None, None, RECORD_TOO_LARGE) if size > MAX_RECORD_BYTES else None for size in sizes
        ]
        refused = ""
        for failures in range(MAX_PUT_TRIES):
            pending = [index for index, result in enumerate(results) if result is None]
            if not pending:
                break
            if failures:
                self._kinesis.pause(failures)
            shards = self._map(stream, fresh=refused == _MISPLACED)
            waiting = set(pending)
            targets = [_target(shards, entry) if at in waiting else None for at, entry in enumerate(entries)]
            for call in _calls(pack(entries, targets)):
                refused = self._put(stream, call, entries, results) or refused
        return [PutResult(None, None, refused or "InternalFailure") if each is None else each for each in results]

    def _put(
        self, stream: str, call: Sequence[Packed], entries: Sequence[Entry], results: list[PutResult | None]
    ) -> str:
        """One PutRecords; fills in what is stored where it belongs, and answers with the last error code."""
        records: list[dict[str, Any]] = []
        for packed in call:
            record: dict[str, Any] = {"Data": packed.data, "PartitionKey": packed.partition_key}
            if packed.explicit_hash_key is not None:
                record["ExplicitHashKey"] = str(packed.explicit_hash_key)
            records.append(record)
        answer = self._call(stream, "put_records", StreamName=self._prefix + stream, Records=records)
        refused = ""
        for packed, result in zip(call, answer["Records"], strict=True):
            if result.get("ErrorCode"):
                refused = str(result["ErrorCode"])
                continue
            landed = str(result["ShardId"])
            home = None if landed == packed.shard_id else self._shard(stream, landed)
            for sub, index in enumerate(packed.indexes):
                if home is not None and not _holds(home, entries[index]):
                    refused = _MISPLACED
                    continue
                number = user_record(str(result["SequenceNumber"]), sub)
                results[index] = PutResult(landed, number)
        return refused

    def _map(self, stream: str, fresh: bool = False) -> list[Shard]:
        """Open shards by hash range, as last seen."""
        with self._lock:
            known = self._maps.get(stream)
        if fresh or known is None:
            self.shards(stream)
            with self._lock:
                known = self._maps[stream]
        return known

    def _shard(self, stream: str, shard_id: str) -> Shard | None:
        return next((each for each in self.shards(stream) if each.shard_id == shard_id), None)

    # ---- reading ----------------------------------------------------------------------------------------------
    def iterator(self, stream: str, shard_id: str, position: Position) -> str:
        """An opaque place in a shard; it never expires (Kinesis' own do, and are then made again from the place).
        Raises `BadRequest` for an unknown shard, or a sequence number that this shard never gave out."""
        return self._cursors.open(stream, shard_id, position)

    def get_records(self, iterator: str, limit: int = MAX_GET_RECORDS) -> Page:
        """The next user records, aggregates opened: at most `limit`, 10,000 and about 10 MiB. A corrupt aggregate comes
        as the one record it is. Raises `BadRequest` for a foreign iterator."""
        return self._cursors.read(iterator, limit)

    def trim(self, stream: str, before_ms: int) -> int:
        """Nothing to do: Kinesis drops records at the end of their retention by itself."""
        return 0

    def _call(self, stream: str, operation: str, **given: Any) -> dict[str, Any]:
        try:
            return self._kinesis.call(operation, expect=(NO_STREAM,), **given)
        except Refused as refused:
            text = refused.response["Error"].get("Message", "")
            raise BadRequest(f"there is no such stream or shard: {stream[:60]!r} ({text})") from None


def _shard(listed: dict[str, Any]) -> Shard:
    parents = [listed[name] for name in ("ParentShardId", "AdjacentParentShardId") if listed.get(name)]
    return Shard(
        listed["ShardId"],
        int(listed["HashKeyRange"]["StartingHashKey"]),
        int(listed["HashKeyRange"]["EndingHashKey"]),
        tuple(parents),
        bool(listed["SequenceNumberRange"].get("EndingSequenceNumber")),
    )


def _target(shards: Sequence[Shard], entry: Entry) -> Shard:
    """The open shard an entry's hash key belongs to."""
    starts = [shard.first_hash for shard in shards]
    return shards[bisect_right(starts, routing_hash(entry)) - 1]


def _holds(shard: Shard, entry: Entry) -> bool:
    return shard.first_hash <= routing_hash(entry) <= shard.last_hash


def _calls(records: Sequence[Packed]) -> list[list[Packed]]:
    """Records in the amounts one PutRecords takes."""
    calls: list[list[Packed]] = []
    size = MAX_CALL_BYTES + 1
    for record in records:
        bytes_of = len(record.data) + len(record.partition_key.encode())
        size += bytes_of
        if size > MAX_CALL_BYTES or len(calls[-1]) == MAX_CALL_RECORDS:
            calls.append([])
            size = bytes_of
        calls[-1].append(record)
    return calls
