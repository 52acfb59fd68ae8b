"""Places in a Kinesis shard that never expire.

An iterator of ours names a place: stream, shard, and the user record it comes after. Kinesis' own iterator for it, and
user records already read from an aggregate but not handed over, are kept beside; when they are gone (another process,
five minutes without a read, memory) they are made again from the place.

A user record's sequence number is its Kinesis record's and five digits more, its number within the aggregate: unique,
growing within the shard, and cut off again to find the Kinesis record.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, get_args

from contracts.clock import Clock
from contracts.errors import BadEvent, BadRequest
from contracts.hashing import hash_key
from contracts.kinesis import AGGREGATE_MAGIC, open_aggregate
from contracts.ports import MAX_GET_RECORDS, Page, Position, PositionKind, Record, Shard
from contracts.sequence import KINESIS_DIGITS, LAST_SUB, SUB_DIGITS, user_record
from stores.aws_client import Refused, Service

MAX_CURSORS: Final = 64
#: Empty answers in a row, before the tip, that are asked again: Kinesis may cross a stretch without records.
MAX_EMPTY: Final = 20
#: A shard may be read five times a second.
PACE_S: Final = 0.2
_EXPIRED: Final = ("ExpiredIteratorException",)
_NO_STREAM: Final = ("ResourceNotFoundException",)
_JOIN: Final = "|"


@dataclass
class Cursor:
    """What is known beside a place. `iterator` None: the shard ends behind `pending`."""

    iterator: str | None
    pending: list[Record] = field(default_factory=list)
    behind_ms: int = 0


class Cursors:
    """The cursors of one process. Thread-safe."""

    def __init__(self, kinesis: Service, prefix: str, clock: Clock, shards_of: Callable[[str], list[Shard]]) -> None:
        self._kinesis = kinesis
        self._prefix = prefix
        self._clock = clock
        self._shards_of = shards_of
        self._ranges: dict[tuple[str, str], Shard] = {}
        self._cursors: OrderedDict[str, Cursor] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, stream: str, shard_id: str, position: Position) -> str:
        """An iterator for a position. Raises `BadRequest`."""
        if position.kind not in get_args(PositionKind):
            raise BadRequest(f"unknown position {position.kind!r}")
        value = position.value
        if position.kind == "LATEST":
            value = str(self._clock.now_ms())
        place = _JOIN.join((stream, shard_id, position.kind, value))
        self._keep(place, Cursor(self._kinesis_iterator(stream, shard_id, position.kind, value, fresh=True)))
        return place

    def read(self, place: str, limit: int) -> Page:
        """The next user records after a place. No records and `behind_ms` above 0: there may be some further on."""
        stream, shard_id, kind, value = at = _parsed(place)
        limit = max(1, min(limit, MAX_GET_RECORDS))
        with self._lock:
            cursor = self._cursors.pop(place, None)
        if cursor is None:
            cursor = Cursor(self._kinesis_iterator(stream, shard_id, kind, value))
        if len(cursor.pending) < limit and cursor.iterator is not None:
            self._fill(cursor, at, limit - len(cursor.pending))
        for _ in range(MAX_EMPTY):
            if cursor.pending or cursor.iterator is None or cursor.behind_ms == 0:
                break
            self._kinesis.sleep(PACE_S)
            self._fill(cursor, at, limit)
        records, cursor.pending = cursor.pending[:limit], cursor.pending[limit:]
        ended = cursor.iterator is None and not cursor.pending
        behind_ms = cursor.behind_ms
        if cursor.pending:
            behind_ms = max(1, behind_ms, self._clock.now_ms() - records[-1].arrival_ms)
        if ended:
            return Page(records, None, behind_ms)
        if records:
            place = _JOIN.join((stream, shard_id, "AFTER_SEQUENCE_NUMBER", records[-1].sequence_number))
        self._keep(place, cursor)
        return Page(records, place, behind_ms)

    def _keep(self, place: str, cursor: Cursor) -> None:
        with self._lock:
            self._cursors[place] = cursor
            while len(self._cursors) > MAX_CURSORS:
                self._cursors.popitem(last=False)

    def _fill(self, cursor: Cursor, place: tuple[str, str, str, str], wanted: int) -> None:
        """One GetRecords; an expired iterator is made again from the place, or from the last record read."""
        stream, shard_id, kind, value = place
        # One more: the first may be the record at the place once more.
        given: dict[str, Any] = {"Limit": min(wanted + 1, MAX_GET_RECORDS)}
        try:
            answer = self._kinesis.call("get_records", expect=_EXPIRED, ShardIterator=cursor.iterator, **given)
        except Refused:
            if cursor.pending:
                kind, value = "AFTER_SEQUENCE_NUMBER", cursor.pending[-1].sequence_number
            again = self._kinesis_iterator(stream, shard_id, kind, value)
            answer = self._kinesis.call("get_records", ShardIterator=again, **given)
        after = cursor.pending[-1].sequence_number if cursor.pending else ""
        if not after and kind in ("AFTER_SEQUENCE_NUMBER", "AT_SEQUENCE_NUMBER"):
            after = value
        users = [user for record in answer["Records"] for user in self._users(stream, shard_id, record)]
        cursor.pending += [user for user in users if _follows(user, kind, after)]
        cursor.iterator = answer.get("NextShardIterator")
        cursor.behind_ms = int(answer.get("MillisBehindLatest") or 0)

    def _users(self, stream: str, shard_id: str, record: dict[str, Any]) -> list[Record]:
        number = str(record["SequenceNumber"])
        arrival_ms = round(record["ApproximateArrivalTimestamp"].timestamp() * 1000)
        data = bytes(record["Data"])
        whole = Record(user_record(number, 0), record["PartitionKey"], data, arrival_ms)
        if not data.startswith(AGGREGATE_MAGIC):
            return [whole]
        try:
            users = open_aggregate(data)
        except BadEvent:
            return [whole]  # as it is: who decodes it will set it aside as a corrupt aggregate
        shard = self._range(stream, shard_id)
        found = []
        for sub, user in enumerate(users):
            at = hash_key(user.partition_key) if user.explicit_hash_key is None else user.explicit_hash_key
            if shard.first_hash <= at <= shard.last_hash:
                found.append(Record(user_record(number, sub), user.partition_key, user.data, arrival_ms))
        return found

    def _range(self, stream: str, shard_id: str) -> Shard:
        """The shard's hash keys, which never change."""
        found = self._ranges.get((stream, shard_id))
        if found is None:
            self._ranges |= {(stream, shard.shard_id): shard for shard in self._shards_of(stream)}
            found = self._ranges[stream, shard_id]
        return found

    def _kinesis_iterator(self, stream: str, shard_id: str, kind: str, value: str, fresh: bool = False) -> str:
        given: dict[str, Any] = {"ShardIteratorType": kind}
        if kind == "LATEST" and not fresh:
            kind = "AT_TIMESTAMP"
        if kind == "AT_TIMESTAMP":
            given = self._at_timestamp(value)
        elif kind in ("AFTER_SEQUENCE_NUMBER", "AT_SEQUENCE_NUMBER"):
            # AT, whichever it is: the record may be an aggregate of which only a part was read.
            given = {
                "ShardIteratorType": "AT_SEQUENCE_NUMBER",
                "StartingSequenceNumber": _kinesis_number(value),
            }
        name = self._prefix + stream
        try:
            answer = self._kinesis.call(
                "get_shard_iterator", expect=_NO_STREAM, StreamName=name, ShardId=shard_id, **given
            )
        except Refused:
            raise BadRequest(f"stream {stream[:60]!r} has no shard {shard_id[:60]!r}") from None
        return str(answer["ShardIterator"])

    def _at_timestamp(self, value: str) -> dict[str, Any]:
        try:
            instant_ms = int(value)
        except ValueError:
            raise BadRequest(f"AT_TIMESTAMP takes milliseconds, not {value[:40]!r}") from None
        if instant_ms > self._clock.now_ms():
            return {"ShardIteratorType": "LATEST"}  # Kinesis refuses times to come
        return {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": datetime.fromtimestamp(instant_ms / 1000, UTC)}


def _follows(user: Record, kind: str, after: str) -> bool:
    """Whether a user record lies behind the place; only the aggregate the place is in holds some that do not."""
    if not after:
        return True
    if len(after) == KINESIS_DIGITS:
        after = user_record(after, 0 if kind == "AT_SEQUENCE_NUMBER" else LAST_SUB)
    here, there = int(user.sequence_number), int(after)
    return here >= there if kind == "AT_SEQUENCE_NUMBER" else here > there


def _kinesis_number(value: str) -> str:
    """The Kinesis record a user record is in. A number of exactly Kinesis' length is one of its own, as Lambda hands
    them out; emulators' are shorter, so theirs are known by our five digits only."""
    number = value if len(value) == KINESIS_DIGITS else value[:-SUB_DIGITS]
    if not value.isdecimal() or not number:
        raise BadRequest(f"sequence number {value[:60]!r} is not one")
    return number


def _parsed(place: str) -> tuple[str, str, str, str]:
    parts = place.split(_JOIN)
    if len(parts) != 4 or parts[2] not in get_args(PositionKind):
        raise BadRequest(f"{place[:60]!r} is not an iterator")
    return parts[0], parts[1], parts[2], parts[3]
