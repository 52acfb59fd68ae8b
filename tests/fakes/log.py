"""An EventLog in memory: one shard a stream, sequence numbers 1, 2, 3 …"""

from collections.abc import Sequence

from contracts.errors import BadRequest, Transient
from contracts.hashing import HASH_KEY_COUNT
from contracts.ports import (
    MAX_PUT_BYTES,
    MAX_PUT_RECORDS,
    MAX_RECORD_BYTES,
    Entry,
    Page,
    Position,
    PutResult,
    Record,
    Shard,
)

SHARD = "shardId-000000000000"


class FakeLog:
    """`throttled`: how many of the coming entries fail alone; `down`: calls to come that raise `Transient`."""

    def __init__(self, arrival_ms: int = 1_766_310_000_000) -> None:
        self.records: dict[str, list[Record]] = {}
        self.arrival_ms = arrival_ms
        self.throttled = 0
        self.down = 0
        self.puts = 0

    def create_stream(self, stream: str, shard_count: int) -> None:
        self.records.setdefault(stream, [])

    def streams(self) -> list[str]:
        return sorted(self.records)

    def shards(self, stream: str) -> list[Shard]:
        if stream not in self.records:
            raise BadRequest(f"no stream {stream}")
        return [Shard(SHARD, 0, HASH_KEY_COUNT - 1, (), False)]

    def put_records(self, stream: str, entries: Sequence[Entry]) -> list[PutResult]:
        self.puts += 1
        if self.down:
            self.down -= 1
            raise Transient("log", "told to be down")
        size = sum(len(entry.data) + len(entry.partition_key) for entry in entries)
        if len(entries) > MAX_PUT_RECORDS or size > MAX_PUT_BYTES:
            raise BadRequest(f"{len(entries)} entries, {size} bytes")
        results = []
        records = self.records.setdefault(stream, [])
        for entry in entries:
            if self.throttled:
                self.throttled -= 1
                results.append(PutResult(None, None, "ProvisionedThroughputExceededException"))
            elif len(entry.data) + len(entry.partition_key) > MAX_RECORD_BYTES:
                results.append(PutResult(None, None, "InvalidArgumentException"))
            else:
                sequence = str(len(records) + 1)
                records.append(Record(sequence, entry.partition_key, entry.data, self.arrival_ms))
                results.append(PutResult(SHARD, sequence))
        return results

    def iterator(self, stream: str, shard_id: str, position: Position) -> str:
        length = len(self.records.get(stream, []))
        start = {
            "TRIM_HORIZON": 0,
            "LATEST": length,
            "AT_SEQUENCE_NUMBER": int(position.value or 0) - 1,
            "AFTER_SEQUENCE_NUMBER": int(position.value or 0),
            "AT_TIMESTAMP": 0,
        }[position.kind]
        return f"{stream}:{start}"

    def get_records(self, iterator: str, limit: int = 10_000) -> Page:
        stream, _, start = iterator.rpartition(":")
        taken = self.records.get(stream, [])[int(start) : int(start) + limit]
        return Page(taken, f"{stream}:{int(start) + len(taken)}", 0)

    def split_shard(self, stream: str, shard_id: str, at_hash: int) -> tuple[str, str]:
        raise BadRequest("the fake log has one shard")

    def merge_shards(self, stream: str, shard_id: str, adjacent_id: str) -> str:
        raise BadRequest("the fake log has one shard")

    def trim(self, stream: str, before_ms: int) -> int:
        kept = [record for record in self.records.get(stream, []) if record.arrival_ms >= before_ms]
        dropped = len(self.records.get(stream, [])) - len(kept)
        self.records[stream] = kept
        return dropped

    def data(self, stream: str) -> list[bytes]:
        """What is on a stream, in order."""
        return [record.data for record in self.records.get(stream, [])]
