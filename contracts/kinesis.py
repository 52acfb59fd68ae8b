"""The Lambda Kinesis event: user records out of it (base64, KPL aggregates opened), failures named in answers."""

import hashlib
import importlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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


class UserRecords(Sequence[StreamRecord]):
    """The user records of an invocation, none of them damaged: what they hold, and the rest of one when it is asked
    for. Most never are: 1.5 µs a record, half of what the aggregator takes for it.

    Of each user record: the Kinesis record it came in, its number in that, its partition key where it is not that
    record's, and what it holds.
    """

    def __init__(
        self,
        records: Sequence[Mapping[str, Any]],
        numbers: Sequence[int],
        keys: Sequence[str | None],
        payloads: list[bytes],
    ) -> None:
        self._records = records
        self._numbers = numbers
        self._keys = keys
        self.payloads = payloads

    def __len__(self) -> int:
        return len(self.payloads)

    @overload
    def __getitem__(self, place: int) -> StreamRecord: ...
    @overload
    def __getitem__(self, place: slice) -> "UserRecords": ...
    def __getitem__(self, place: int | slice) -> "StreamRecord | UserRecords":
        parts = self._records[place], self._numbers[place], self._keys[place], self.payloads[place]
        return UserRecords(*parts) if isinstance(place, slice) else _user_record(*parts)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[StreamRecord]:
        return map(_user_record, self._records, self._numbers, self._keys, self.payloads)


def records_of(event: Mapping[str, Any]) -> Sequence[StreamRecord]:
    """The user records of a Lambda Kinesis event, in order. The final invocation of a window may hold none."""
    records = event.get("Records", ())
    texts = [record["kinesis"]["data"] for record in records]
    try:
        payloads = msgspec.convert(texts, list[bytes])  # one C call: 0.3 µs a record, against 1.1 µs with `binascii`
        if min(texts, default=_AFTER_AGGREGATES) < _AFTER_AGGREGATES:
            return _opened(records, payloads)
        return UserRecords(records, [0] * len(payloads), [None] * len(payloads), payloads)
    except (msgspec.ValidationError, BadEvent):
        return [user for record in records for user in _one_by_one(record)]


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
    try:
        return _held(data)[1]
    except BadEvent:
        return [data]


def _opened(records: Sequence[Mapping[str, Any]], payloads: list[bytes]) -> UserRecords:
    """Raises `BadEvent` when one of them is a damaged aggregate."""
    each: list[Mapping[str, Any]] = []
    numbers: list[int] = []
    keys: list[str | None] = []
    held: list[bytes] = []
    for record, data in zip(records, payloads, strict=True):
        own_keys, own_data = _held(data) if data.startswith(AGGREGATE_MAGIC) else ([None], [data])
        each += [record] * len(own_data)
        numbers += range(len(own_data))
        keys += own_keys
        held += own_data
    return UserRecords(each, numbers, keys, held)


def _one_by_one(record: Mapping[str, Any]) -> Sequence[StreamRecord]:
    """The user records of one Kinesis record; itself, with the error, when it is damaged."""
    text = record["kinesis"]["data"]
    data = str(text).encode()
    try:
        data = msgspec.convert(text, bytes)
        return _opened([record], [data])
    except msgspec.ValidationError as fault:
        error = BadEvent("unparseable", f"not base64: {fault}")
    except BadEvent as fault:
        error = fault
    return [_user_record(record, 0, None, data)._replace(error=error)]


def _user_record(record: Mapping[str, Any], number: int, key: str | None, data: bytes) -> StreamRecord:
    kinesis = record["kinesis"]
    return _record(
        (
            _stream_of(record["eventSourceARN"]),
            record["eventID"].partition(":")[0],
            kinesis["sequenceNumber"],
            number,
            kinesis["partitionKey"] if key is None else key,
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


class AggregatedUser(NamedTuple):
    """One user record of a KPL aggregate."""

    partition_key: str
    explicit_hash_key: int | None
    data: bytes


def open_aggregate(data: bytes) -> list[AggregatedUser]:
    """The user records of a KPL aggregate (data that begins with `AGGREGATE_MAGIC`). Raises
    `BadEvent("corrupt_aggregate")`: the library passes a corrupt one through as one plain record without an error, so
    the digest is checked here."""
    aggregate = _checked(data)
    keys, hashes = aggregate.partition_key_table, aggregate.explicit_hash_key_table
    with _naming_damage(data):
        return [
            AggregatedUser(
                keys[user.partition_key_index],
                int(hashes[user.explicit_hash_key_index])
                if hashes and user.HasField("explicit_hash_key_index")
                else None,
                user.data,
            )
            for user in aggregate.records
        ]


def _held(data: bytes) -> tuple[list[str | None], list[bytes]]:
    """Partition keys and bytes of the user records of a KPL aggregate. Raises as `open_aggregate` does."""
    aggregate = _checked(data)
    if aggregate.explicit_hash_key_table:
        users = open_aggregate(data)
        return [user.partition_key for user in users], [user.data for user in users]
    keys, users = list(aggregate.partition_key_table), list(aggregate.records)
    with _naming_damage(data):
        return [keys[user.partition_key_index] for user in users], [user.data for user in users]


def _checked(data: bytes) -> Any:
    """The aggregate's message: its digest is right, and it holds something."""
    body, digest = data[len(AGGREGATE_MAGIC) : -_DIGEST_BYTES], data[-_DIGEST_BYTES:]
    if hashlib.md5(body, usedforsecurity=False).digest() != digest:
        raise BadEvent("corrupt_aggregate", f"{len(data)} bytes; the digest differs")
    with _naming_damage(data):
        aggregate = kpl_messages().AggregatedRecord.FromString(body)
    if not aggregate.records:
        raise BadEvent("corrupt_aggregate", f"{len(data)} bytes without a user record")
    return aggregate


@contextmanager
def _naming_damage(data: bytes) -> Iterator[None]:
    from google.protobuf.message import DecodeError

    try:
        yield
    except (DecodeError, IndexError, ValueError) as error:
        raise BadEvent("corrupt_aggregate", f"{len(data)} bytes: {type(error).__name__}") from None


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
