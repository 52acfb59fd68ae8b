"""Many small entries in few Kinesis records: KPL aggregates, one run of them a target shard.

The trap: an aggregate travels under its *first* entry's partition key, so aggregating across keys would put all of them
on that key's shard. Here entries are first sorted by the shard their own key belongs to, each shard has its own
aggregates, and these carry an ExplicitHashKey inside the shard. So a subject stays with its shard, in order.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from contracts.kinesis import AGGREGATE_MAGIC, kpl_messages
from contracts.ports import Entry, Shard

#: As large as KPL makes them: a retry repeats the whole aggregate, and Lambda's 6 MB take a hundred.
MAX_AGGREGATE_BYTES: Final = 51_200
#: Entries from this size on travel alone.
MAX_AGGREGATED_ENTRY_BYTES: Final = MAX_AGGREGATE_BYTES // 2
#: Envelope of a user record: tags, lengths and table indexes, at most.
_RECORD_OVERHEAD: Final = 24
_KEY_OVERHEAD: Final = 6


class Packed(NamedTuple):
    """One Kinesis record and the entries it carries, by their index in the put. `shard_id`: where it must go."""

    shard_id: str
    partition_key: str
    explicit_hash_key: int | None
    data: bytes
    indexes: tuple[int, ...]


class _Run:
    """The entries of one shard gathered for the next aggregate."""

    def __init__(self) -> None:
        self.indexes: list[int] = []
        self.keys: set[str] = set()
        self.size = 0

    def room_for(self, entry: Entry) -> bool:
        return self.size + self._cost(entry) <= MAX_AGGREGATE_BYTES

    def add(self, index: int, entry: Entry) -> None:
        self.size += self._cost(entry)
        self.indexes.append(index)
        self.keys.add(entry.partition_key)

    def _cost(self, entry: Entry) -> int:
        key = 0 if entry.partition_key in self.keys else _KEY_OVERHEAD + len(entry.partition_key.encode())
        return len(entry.data) + key + _RECORD_OVERHEAD + (0 if entry.explicit_hash_key is None else 44)


def pack(entries: Sequence[Entry], shard_of: Sequence[Shard | None]) -> list[Packed]:
    """Kinesis records for entries; `shard_of` names each entry's target shard (None: leave the entry out). Entries of
    one shard keep their order."""
    runs: dict[str, tuple[Shard, _Run]] = {}
    packed: list[Packed] = []
    for index, (entry, shard) in enumerate(zip(entries, shard_of, strict=True)):
        if shard is None:
            continue
        target, run = runs.setdefault(shard.shard_id, (shard, _Run()))
        alone = len(entry.data) > MAX_AGGREGATED_ENTRY_BYTES
        if run.indexes and (alone or not run.room_for(entry)):
            packed.append(_close(entries, target, run))
            run = _Run()
            runs[shard.shard_id] = (target, run)
        run.add(index, entry)
        if alone:
            packed.append(_close(entries, target, run))
            runs[shard.shard_id] = (target, _Run())
    packed += [_close(entries, shard, run) for shard, run in runs.values() if run.indexes]
    return packed


def _close(entries: Sequence[Entry], shard: Shard, run: _Run) -> Packed:
    indexes = tuple(run.indexes)
    first = entries[indexes[0]]
    if len(indexes) == 1:
        return Packed(shard.shard_id, first.partition_key, first.explicit_hash_key, first.data, indexes)
    data = aggregate([entries[index] for index in indexes])
    return Packed(shard.shard_id, first.partition_key, shard.first_hash, data, indexes)


def aggregate(entries: Sequence[Entry]) -> bytes:
    """The KPL aggregate of entries, in order."""
    message = kpl_messages().AggregatedRecord()
    keys: dict[str, int] = {}
    hashes: dict[str, int] = {}
    for entry in entries:
        record: Any = message.records.add()
        record.partition_key_index = keys.setdefault(entry.partition_key, len(keys))
        if entry.explicit_hash_key is not None:
            record.explicit_hash_key_index = hashes.setdefault(str(entry.explicit_hash_key), len(hashes))
        record.data = entry.data
    message.partition_key_table.extend(keys)
    message.explicit_hash_key_table.extend(hashes)
    body: bytes = message.SerializeToString()
    return AGGREGATE_MAGIC + body + hashlib.md5(body, usedforsecurity=False).digest()
