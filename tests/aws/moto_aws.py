"""moto in process, mended where it differs from AWS, with faults on request.

moto's Kinesis differs in ways that matter here; each mend follows the AWS documentation:

    moto                                               AWS, and here
    puts go to closed shards too                       to the open shard whose range holds the hash, both ends included
    a merge copies the parents' records                records stay where they were put
    sequence numbers 1, 2, 3 in every shard            56 digits that grow from parent to child
    a closed shard never ends                          its last page has no next iterator
    iterators live for ever                            five minutes
    any sequence number makes an iterator              one the shard never gave out is refused
    behind 0 in the middle of a shard                  now − arrival of the last record returned, 0 at the tip only
    an identical put is a change in the stream         it is not
    nested values of images in the stream are mangled  as they are in the table
"""

import functools
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import MethodType
from typing import Any
from unittest import mock

import moto.core.responses as moto_responses
import moto.dynamodb.models.table as moto_table
import moto.kinesis.models as moto_kinesis
from moto import mock_aws
from moto.core.botocore_stubber import BotocoreStubber
from moto.core.exceptions import JsonRESTError
from moto.core.serialize import JSONSerializer
from moto.kinesis.exceptions import InvalidArgumentError, ResourceNotFoundError, ShardNotFoundError
from moto.moto_api import recorder

from contracts.clock import Clock
from contracts.hashing import hash_key

ITERATOR_LIFE_MS = 300_000
MAX_PAGE_BYTES = 10 << 20
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCOUNT_ID_ENDPOINT_MODE": "disabled",  # moto does not know the addresses with account numbers
}
#: moto lists its methods anew in every call.
_METHOD_NAMES = functools.cache(moto_responses.method_names_from_class)

#: A fault: given service, operation and the request's body, an answer (status, body) instead of moto's, or None.
Fault = Callable[[str, str, dict[str, Any]], tuple[int, dict[str, Any]] | None]
#: Changes an answer: given service, operation, request and answer.
Twist = Callable[[str, str, dict[str, Any], dict[str, Any]], dict[str, Any]]


class Faults:
    """What goes wrong; tests put functions in, and read how often each operation was called."""

    def __init__(self) -> None:
        self.before: list[Fault] = []
        self.after: list[Twist] = []
        self.calls: dict[str, int] = {}


def refusal(code: str, text: str = "injected", status: int = 400, **more: Any) -> tuple[int, dict[str, Any]]:
    """An error as the JSON services answer it."""
    return status, {"__type": code, "message": text, **more}


@contextmanager
def moto_aws(clock: Clock) -> Iterator[Faults]:
    """AWS in this process, empty, its time taken from the clock."""
    faults = Faults()
    numbers = itertools.count(1)
    lock = threading.RLock()
    plain_process = BotocoreStubber.process_request

    def process(self: BotocoreStubber, request: Any) -> Any:
        with lock:
            return _process(lambda: plain_process(self, request), request, faults)

    def now() -> datetime:
        return datetime.fromtimestamp(clock.now_ms() / 1000, UTC).replace(tzinfo=None)

    patches = {
        (moto_kinesis.Shard, "put_record"): _put_record(numbers, clock),
        (moto_kinesis.Stream, "get_shard_for_key"): _shard_for_key,
        (moto_kinesis.Stream, "split_shard"): _split_shard,
        (moto_kinesis.Stream, "merge_shards"): _merge_shards,
        (moto_kinesis.KinesisBackend, "get_shard_iterator"): _get_shard_iterator(clock),
        (moto_kinesis.KinesisBackend, "get_records"): _get_records(clock),
        (moto_kinesis.KinesisBackend, "_send_stream_metrics"): lambda *args, **named: None,
        (moto_table.StreamShard, "add"): _add_stream_record(moto_table.StreamShard.add),
        (moto_table, "utcnow"): now,
        (BotocoreStubber, "process_request"): process,
        (type(recorder), "_record_request"): lambda *args, **named: None,
        (moto_responses, "method_names_from_class"): _METHOD_NAMES,
        (JSONSerializer, "_serialize_type_structure"): _serialize_structure(JSONSerializer._serialize_type_structure),
    }
    with mock.patch.dict("os.environ", CREDENTIALS), mock_aws():
        applied = [mock.patch.object(owner, name, new) for (owner, name), new in patches.items()]
        for each in applied:
            each.start()
        try:
            yield faults
        finally:
            for each in reversed(applied):
                each.stop()


def _process(plain: Callable[[], Any], request: Any, faults: Faults) -> Any:
    target = request.headers.get("X-Amz-Target", b"")
    target = target.decode() if isinstance(target, bytes) else target
    service, _, operation = target.partition(".")
    if not operation:
        return plain()
    faults.calls[operation] = faults.calls.get(operation, 0) + 1
    if not faults.before and not faults.after:
        return plain()
    given = json.loads(request.body or b"{}")
    for fault in faults.before:
        found = fault(service, operation, given)
        if found is not None:
            return found[0], {}, json.dumps(found[1])
    status, headers, body = plain()
    if status == 200 and faults.after:
        answer = json.loads(body)
        for twist in faults.after:
            answer = twist(service, operation, given, answer)
        body = json.dumps(answer)
    return status, headers, body


# ---- Kinesis -----------------------------------------------------------------------------------------------------
def _put_record(numbers: Iterator[int], clock: Clock) -> Any:
    def put_record(self: Any, partition_key: str, data: str, explicit_hash_key: str) -> str:
        number = int(f"49{next(numbers):054d}")
        record = moto_kinesis.Record(partition_key, data, number, explicit_hash_key)
        last = next(reversed(self.records.values())).created_at if self.records else 0.0
        record.created_at = max(last, clock.now_ms() / 1000)
        record.created_at_datetime = datetime.fromtimestamp(record.created_at, UTC)
        self.records[number] = record
        return str(number)

    return put_record


def _shard_for_key(self: Any, partition_key: str, explicit_hash_key: str) -> Any:
    at = int(explicit_hash_key) if explicit_hash_key else hash_key(partition_key)
    return next(s for s in self.shards.values() if s.is_open and s.starting_hash <= at <= s.ending_hash)


def _next_number(stream: Any) -> int:
    return max(shard._shard_id for shard in stream.shards.values()) + 1


def _open(stream: Any, shard_id: str) -> Any:
    shard = stream.shards.get(shard_id)
    if shard is None:
        raise ShardNotFoundError(shard_id, stream=stream.stream_name, account_id=stream.account_id)
    if not shard.is_open:
        raise InvalidArgumentError(f"{shard_id} has already been merged or split")
    return shard


def _split_shard(self: Any, shard_to_split: str, new_starting_hash_key: str) -> None:
    shard, at = _open(self, shard_to_split), int(new_starting_hash_key)
    if not shard.starting_hash < at < shard.ending_hash:
        raise InvalidArgumentError(f"NewStartingHashKey {at} is not inside {shard_to_split}")
    number = _next_number(self)
    for offset, (first, last) in enumerate(((shard.starting_hash, at - 1), (at, shard.ending_hash))):
        child = moto_kinesis.Shard(number + offset, first, last, parent=shard.shard_id)
        self.shards[child.shard_id] = child
    shard.is_open = False


def _merge_shards(self: Any, shard_to_merge: str, adjacent_shard_to_merge: str) -> None:
    low, high = _open(self, shard_to_merge), _open(self, adjacent_shard_to_merge)
    if low.ending_hash + 1 != high.starting_hash:
        raise InvalidArgumentError(f"{shard_to_merge} and {adjacent_shard_to_merge} are not adjacent")
    child = moto_kinesis.Shard(
        _next_number(self), low.starting_hash, high.ending_hash, parent=low.shard_id, adjacent_parent=high.shard_id
    )
    self.shards[child.shard_id] = child
    low.is_open = high.is_open = False


def _get_shard_iterator(clock: Clock) -> Any:
    def get_shard_iterator(
        self: Any, stream_arn: Any, stream_name: Any, shard_id: str, kind: str, sequence: Any, at_timestamp: Any
    ) -> str:
        stream = self.describe_stream(stream_arn=stream_arn, stream_name=stream_name)
        shard = stream.shards.get(shard_id)
        if shard is None:
            raise ResourceNotFoundError(message=f"Shard {shard_id} in stream {stream.stream_name} does not exist")
        numbers = list(shard.records)
        if kind in ("AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"):
            if int(sequence) not in shard.records:
                raise InvalidArgumentError(f"StartingSequenceNumber {sequence} did not come from this stream")
            last = int(sequence) - (kind == "AT_SEQUENCE_NUMBER")
        elif kind == "LATEST":
            last = numbers[-1] if numbers else 0
        elif kind == "AT_TIMESTAMP":
            at = at_timestamp if isinstance(at_timestamp, (int, float)) else at_timestamp.timestamp()
            earlier = [n for n, record in shard.records.items() if record.created_at < at - 0.0005]
            last = earlier[-1] if earlier else 0
        else:
            last = 0
        return f"{stream.stream_name}:{shard_id}:{last}:{clock.now_ms()}"

    return get_shard_iterator


def _get_records(clock: Clock) -> Any:
    def get_records(self: Any, stream_arn: Any, shard_iterator: str, limit: int | None) -> Any:
        parts = shard_iterator.split(":")
        if len(parts) != 4:
            raise InvalidArgumentError("Invalid ShardIterator")
        if clock.now_ms() - int(parts[3]) > ITERATOR_LIFE_MS:
            raise JsonRESTError("ExpiredIteratorException", "Iterator expired")
        shard = self.describe_stream(stream_arn=None, stream_name=parts[0]).shards[parts[1]]
        last, found, size = int(parts[2]), [], 0
        for number, record in shard.records.items():
            if number > last and len(found) < (limit or 10_000) and size < MAX_PAGE_BYTES:
                found.append(record)
                size += len(record.data) * 3 // 4
        if found:
            last = found[-1].sequence_number
        newest = next(reversed(shard.records)) if shard.records else 0
        at_tip = last >= newest
        behind_ms = 0 if at_tip else max(1, clock.now_ms() - round(found[-1].created_at * 1000))
        ended = at_tip and not shard.is_open
        return None if ended else f"{parts[0]}:{parts[1]}:{last}:{clock.now_ms()}", found, behind_ms

    return get_records


# ---- DynamoDB ----------------------------------------------------------------------------------------------------
def _serialize_structure(plain: Any) -> Any:
    """An attribute's value has one of ten types; moto looks for each of the ten under some ten names, which was half of
    all these tests' time. Here the one that is there is taken; everything else is as moto does it."""

    def serialize(self: Any, serialized: dict[str, Any], value: Any, shape: Any, key: str) -> None:
        if shape.name != "AttributeValue" or type(value) is not dict or not key:
            plain(self, serialized, value, shape, key)
            return
        wrapper: dict[str, Any] = {}
        for name, inner in value.items():
            self._serialize(wrapper, inner, shape.members[name], name)
        self._default_serialize(serialized, wrapper, shape, key)

    return serialize


# ---- DynamoDB streams --------------------------------------------------------------------------------------------
def _add_stream_record(plain: Any) -> Any:
    def add(self: Any, old: Any, new: Any) -> None:
        if old is None or new is None or old.to_json() != new.to_json():
            MethodType(plain, self)(old, new)
            told = self.items[-1].record["dynamodb"]
            for name in ("NewImage", "OldImage"):
                if name in told:
                    told[name] = json.loads(moto_table.dynamo_json_dump(told[name]))

    return add
