"""The Lambda Kinesis event: user records out of it (base64, KPL aggregates opened), failures named in answers."""

import hashlib
import importlib
import itertools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, lru_cache, partial
from typing import Any, Final, NamedTuple

import msgspec

from contracts.errors import BadEvent, Unusable
from contracts.events import RAW_STREAM, SCORED_STREAM
from contracts.instants import date_of

AGGREGATE_MAGIC: Final = b"\xf3\x89\x9a\xc2"
_DIGEST_BYTES: Final = 16
#: Sorts after the base64 of every aggregate, and before that of any JSON.
_AFTER_AGGREGATES: Final = "84max"
#: Base64 characters of a scored event.
_USUAL_CHARACTERS: Final = 450


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
_record: Final[Callable[[tuple[str, str, str, int, str, bytes, int, BadEvent | None]], StreamRecord]] = partial(
    tuple.__new__, StreamRecord
)


class Chunk:
    """Some user records of an invocation, in order: what all hold at once, the records themselves when they are asked
    for. Most never are: 1.5 µs a record, half of what the aggregator takes for it. Nothing is kept that the event does
    not hold, so that the next chunk is laid into memory the processor still has in its cache."""

    def __init__(self, records: Sequence[Mapping[str, Any]], texts: list[str]) -> None:
        self._records = records
        self._texts = texts

    def payloads(self) -> list[bytes] | None:
        """The bytes of every user record; None when a record is damaged. Single records: one C call, 0.3 µs each,
        against 1.1 µs with `binascii`. Aggregates are long: `pybase64` reads them nine times faster than that."""
        try:
            if min(self._texts) < _AFTER_AGGREGATES:
                read = _base64()
                return [each for text in self._texts for each in _held(read(text))]
            return msgspec.convert(self._texts, list[bytes])
        except (ValueError, BadEvent):  # ValueError: what either reader says of a text that is not base64
            return None

    def __iter__(self) -> Iterator[StreamRecord]:
        """A damaged record is itself, with the error."""
        return itertools.chain.from_iterable(map(_user_records, self._records))


def chunks_of(event: Mapping[str, Any], size: int) -> Iterator[Chunk]:
    """The user records of a Lambda Kinesis event, in order, some `size` at a time. The final invocation of a window may
    hold none."""
    records = event.get("Records", ())
    texts = [record["kinesis"]["data"] for record in records]
    if min(texts, default=_AFTER_AGGREGATES) < _AFTER_AGGREGATES:
        size = max(1, size * len(texts) * _USUAL_CHARACTERS // (1 + sum(map(len, texts))))  # 1: all may be empty
    for at in range(0, len(records), size):
        yield Chunk(records[at : at + size], texts[at : at + size])


def records_of(event: Mapping[str, Any]) -> list[StreamRecord]:
    """All of them at once."""
    return [user for record in event.get("Records", ()) for user in _user_records(record)]


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
    try:
        return _held(data)
    except BadEvent:
        return [data]


def _user_records(record: Mapping[str, Any]) -> list[StreamRecord]:
    kinesis = record["kinesis"]
    text = kinesis["data"]
    error = None
    try:
        data = msgspec.convert(text, bytes)
    except msgspec.ValidationError as fault:
        data, error = str(text).encode(), BadEvent("unparseable", f"not base64: {fault}")
    whole = _record(
        (
            _stream_of(record["eventSourceARN"]),
            record["eventID"].partition(":")[0],
            kinesis["sequenceNumber"],
            0,
            kinesis["partitionKey"],
            data,
            round(kinesis["approximateArrivalTimestamp"] * 1000),
            error,
        )
    )
    if error is not None or not data.startswith(AGGREGATE_MAGIC):
        return [whole]
    try:
        users = open_aggregate(data)
    except BadEvent as fault:
        return [whole._replace(error=fault)]
    stream, shard_id, sequence_number, _, _, _, arrival_ms, _ = whole
    return [
        _record((stream, shard_id, sequence_number, index, user.partition_key, user.data, arrival_ms, None))
        for index, user in enumerate(users)
    ]


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
    users: list[AggregatedUser] = []
    try:
        for user in aggregate.records:
            explicit = hashes and user.HasField("explicit_hash_key_index")
            hash_key = int(hashes[user.explicit_hash_key_index]) if explicit else None
            users.append(AggregatedUser(keys[user.partition_key_index], hash_key, user.data))
    except (IndexError, ValueError) as error:
        raise _corrupt(data, type(error).__name__) from None
    return users


def _held(data: bytes) -> list[bytes]:
    """What a record holds: its bytes, or those of the user records of a KPL aggregate. Raises as `open_aggregate`."""
    if not data.startswith(AGGREGATE_MAGIC):
        return [data]
    aggregate = _checked(data)
    if aggregate.explicit_hash_key_table:
        return [user.data for user in open_aggregate(data)]
    users, keys = aggregate.records, len(aggregate.partition_key_table)
    held = [user.data for user in users if user.partition_key_index < keys]
    if len(held) < len(users):
        raise _corrupt(data, "IndexError")
    return held


def _checked(data: bytes) -> Any:
    """The aggregate's message: its digest is right, and it holds something."""
    body, digest = memoryview(data)[len(AGGREGATE_MAGIC) : -_DIGEST_BYTES], data[-_DIGEST_BYTES:]
    if hashlib.md5(body, usedforsecurity=False).digest() != digest:
        raise _corrupt(data, "the digest differs")
    messages = kpl_messages()
    from google.protobuf.message import DecodeError

    try:
        aggregate = messages.AggregatedRecord.FromString(body)
    except DecodeError:
        raise _corrupt(data, "DecodeError") from None
    if not aggregate.records:
        raise _corrupt(data, "no user record")
    return aggregate


def _corrupt(data: bytes, why: str) -> BadEvent:
    return BadEvent("corrupt_aggregate", f"{len(data)} bytes: {why}")


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


@cache
def _base64() -> Callable[[str], bytes]:
    """Reads base64, with nothing else in it. Raises `ValueError`. Without the library no aggregate can be opened
    either; what only begins like one is read all the same."""
    try:
        from pybase64 import b64decode
    except ImportError:
        return partial(msgspec.convert, type=bytes)
    return partial(b64decode, altchars=None, validate=True)


def raw_prefix(source: str, record: StreamRecord) -> str:
    """The key of a raw record's object up to the range of sequence numbers."""
    folder = "unknown_" if source == "unknown" else source
    return f"raw/source={folder}/date={date_of(record.arrival_ms)}/{record.shard_id}-"
