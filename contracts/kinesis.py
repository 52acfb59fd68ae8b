"""The Lambda Kinesis event: user records out of it (base64, KPL aggregates opened), failures named in answers."""

import hashlib
import importlib
import itertools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, lru_cache, partial
from typing import Any, Final, NamedTuple, overload

import msgspec

from contracts.errors import BadEvent, Unusable
from contracts.events import RAW_STREAM, SCORED_STREAM

AGGREGATE_MAGIC: Final = b"\xf3\x89\x9a\xc2"
_DIGEST_BYTES: Final = 16
#: Sorts after the base64 of every aggregate, and before that of any JSON.
_AFTER_AGGREGATES: Final = "84max"


class StreamRecord(NamedTuple):
    """One user record with its place: `sub_sequence` counts within a KPL aggregate (0 outside one; a retry repeats
    the whole aggregate, so answers name `sequence_number`). `error`: the bytes are not base64, or a damaged aggregate;
    `data` is then all there is."""

    stream: str
    shard_id: str
    sequence_number: str
    sub_sequence: int
    partition_key: str
    data: bytes
    arrival_ms: int
    error: BadEvent | None = None


#: A `StreamRecord` from a tuple without the detour through Python that the class itself takes.
_record: Final[Callable[[tuple[str, str, str, int, str, bytes, int, None]], StreamRecord]] = partial(
    tuple.__new__, StreamRecord
)


class WholeRecords(Sequence[StreamRecord]):
    """The records of an invocation without KPL aggregates: what they hold all at once, the rest of a record when it is
    asked for. Most never are: 1.5 µs a record, half of what the aggregator takes for it."""

    def __init__(self, records: Sequence[Mapping[str, Any]], texts: list[str]) -> None:
        self._records = records
        self._texts = texts

    def __len__(self) -> int:
        return len(self._texts)

    def payloads(self) -> list[bytes]:
        """What all records hold; none when one of them is not base64. One C call: 0.3 µs a record, against 1.1 µs with
        `binascii`."""
        try:
            return msgspec.convert(self._texts, list[bytes])
        except msgspec.ValidationError:
            return []

    @overload
    def __getitem__(self, place: int) -> StreamRecord: ...
    @overload
    def __getitem__(self, place: slice) -> "WholeRecords": ...
    def __getitem__(self, place: int | slice) -> "StreamRecord | WholeRecords":
        if isinstance(place, slice):
            return WholeRecords(self._records[place], self._texts[place])
        return _user_records(self._records[place])[0]

    def __iter__(self) -> Iterator[StreamRecord]:
        payloads = self.payloads()
        if payloads:
            return map(_whole, self._records, payloads)
        return itertools.chain.from_iterable(map(_user_records, self._records))


def records_of(event: Mapping[str, Any]) -> Sequence[StreamRecord]:
    """The user records of a Lambda Kinesis event, in order. The final invocation of a window may hold none."""
    records = event.get("Records", ())
    texts = [record["kinesis"]["data"] for record in records]
    if min(texts, default=_AFTER_AGGREGATES) < _AFTER_AGGREGATES:
        return [user for record in records for user in _user_records(record)]
    return WholeRecords(records, texts)


def shard_of(event: Mapping[str, Any]) -> str:
    """The shard of an invocation: `shardId` of a windowed one, else from the first record."""
    if "shardId" in event:
        return str(event["shardId"])
    return str(event["Records"][0]["eventID"]).partition(":")[0]


def item_failures(records: Sequence[StreamRecord]) -> list[dict[str, str]]:
    """`batchItemFailures` for records to be retried; Lambda takes the lowest sequence number as its checkpoint."""
    return [{"itemIdentifier": record.sequence_number} for record in records]


def user_data(data: bytes) -> list[bytes]:
    """The user records of a record as a log gives it: its bytes, or what a KPL aggregate holds (a damaged one is
    handed on as it is)."""
    if not data.startswith(AGGREGATE_MAGIC):
        return [data]
    return [user.data for user in _open_aggregate(StreamRecord("", "", "", 0, "", data, 0))]


def _user_records(record: Mapping[str, Any]) -> list[StreamRecord]:
    """One record by itself: of a batch that holds aggregates, or something that is not base64."""
    text = record["kinesis"]["data"]
    try:
        data = msgspec.convert(text, bytes)
    except msgspec.ValidationError as fault:
        error = BadEvent("unparseable", f"not base64: {fault}")
        return [_whole(record, str(text).encode())._replace(error=error)]
    whole = _whole(record, data)
    return _open_aggregate(whole) if data.startswith(AGGREGATE_MAGIC) else [whole]


def _whole(record: Mapping[str, Any], data: bytes) -> StreamRecord:
    kinesis = record["kinesis"]
    return _record(
        (
            _stream_of(record["eventSourceARN"]),
            record["eventID"].partition(":")[0],
            kinesis["sequenceNumber"],
            0,
            kinesis["partitionKey"],
            data,
            round(kinesis["approximateArrivalTimestamp"] * 1000),
            None,
        )
    )


@lru_cache(maxsize=64)
def _stream_of(arn: str) -> str:
    """The stream's name without the environment's prefix, so that what is kept of a record is the same on either
    home."""
    name = arn.rpartition("/")[2]
    return next((known for known in (RAW_STREAM, SCORED_STREAM) if name.endswith(f"-{known}")), name)


def _open_aggregate(whole: StreamRecord) -> list[StreamRecord]:
    try:
        users = open_aggregate(whole.data)
    except BadEvent as error:
        return [whole._replace(error=error)]
    stream, shard_id, sequence_number, _, _, _, arrival_ms, _ = whole
    return [
        _record((stream, shard_id, sequence_number, index, partition_key, data, arrival_ms, None))
        for index, (partition_key, _, data) in enumerate(users)
    ]


class AggregatedUser(NamedTuple):
    """One user record of a KPL aggregate."""

    partition_key: str
    explicit_hash_key: int | None
    data: bytes


_user: Final[Callable[[tuple[str, None, bytes]], AggregatedUser]] = partial(tuple.__new__, AggregatedUser)


def open_aggregate(data: bytes) -> list[AggregatedUser]:
    """The user records of a KPL aggregate (data that begins with `AGGREGATE_MAGIC`). Raises
    `BadEvent("corrupt_aggregate")`: the library passes a corrupt one through as one plain record without an error, so
    the digest is checked here."""
    body, digest = data[len(AGGREGATE_MAGIC) : -_DIGEST_BYTES], data[-_DIGEST_BYTES:]
    if hashlib.md5(body, usedforsecurity=False).digest() != digest:
        raise BadEvent("corrupt_aggregate", f"{len(data)} bytes; the digest differs")
    messages = kpl_messages()
    from google.protobuf.message import DecodeError

    try:
        aggregate = messages.AggregatedRecord.FromString(body)
        keys, hashes = aggregate.partition_key_table, aggregate.explicit_hash_key_table
        if hashes:
            users = [
                AggregatedUser(
                    keys[user.partition_key_index],
                    int(hashes[user.explicit_hash_key_index]) if user.HasField("explicit_hash_key_index") else None,
                    user.data,
                )
                for user in aggregate.records
            ]
        else:
            users = [_user((keys[user.partition_key_index], None, user.data)) for user in aggregate.records]
    except (DecodeError, IndexError, ValueError) as error:
        raise BadEvent("corrupt_aggregate", f"{len(data)} bytes: {type(error).__name__}") from None
    if not users:
        raise BadEvent("corrupt_aggregate", f"{len(data)} bytes without a user record")
    return users


@cache
def kpl_messages() -> Any:
    """The library's protobuf messages. They import their neighbour as a top-level module, which the library arranges by
    putting its folder first on `sys.path`; naming that one module does less harm. Raises `Unusable` without it.
    """
    try:
        sys.modules.setdefault("config_pb2", importlib.import_module("aws_kinesis_agg.config_pb2"))
        return importlib.import_module("aws_kinesis_agg.messages_pb2")
    except ImportError:
        raise Unusable("KPL-aggregated records need the extra: `pip install candlewick[aws]`") from None
