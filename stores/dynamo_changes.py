"""The change log on DynamoDB: lanes of numbered changes, any of which a reader can go on from exactly.

    lane       the shard that wrote            | `#lanes`
    position   last sequence number it holds   | the lane's name
               (16 digits)                     |
    body       the changes, packed, in order   | head, tail
    ttl        a day after it was written

A commit's changes share an item (up to 300 KB of them): a write unit is a kilobyte, and most changes are smaller. The
item and the lane's new head are one transaction, so the head never tells of changes that are not there, numbers have
no gaps, and of two writers of a lane one is refused and numbers again.
"""

import heapq
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from contracts.clock import Clock
from contracts.errors import Transient
from contracts.ports import Change, StoredChange
from contracts.resolution import DAY_MS
from stores.aws_client import Refused
from stores.bucket_codec import decode_change, encode_change
from stores.dynamo import PASSING_REASONS, TRANSACTION_CANCELED, Row, Table

LANES: Final = "#lanes"
KEPT_MS: Final = DAY_MS
MAX_BODY_BYTES: Final = 300_000
MAX_APPEND_TRIES: Final = 20
MAX_READ_ITEMS: Final = 1_000
#: DynamoDB's own words stand in expressions under other names, and no name may be given in vain.
_POSITION: Final = {"#position": "position"}
_BOOKKEEPING: Final = _POSITION | {"#count": "count", "#ttl": "ttl"}
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(list[bytes]).decode


class DynamoChanges:
    """The change log's table."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    def append(self, lane: str, changes: Sequence[Change]) -> None:
        """Number the changes and store them, all before it returns. Raises `Transient`."""
        head: int | None = None
        for chunk in _chunks([encode_change(change) for change in changes]):
            head = self._append_chunk(lane, chunk, head)

    def _append_chunk(self, lane: str, bodies: list[bytes], head: int | None) -> int:
        for failures in range(MAX_APPEND_TRIES):
            if head is None:
                found = self._table.get(_lane_key(lane))
                head = int(found["head"]["N"]) if found else 0
            new_head = head + len(bodies)
            try:
                self._table.service.call(
                    "transact_write_items",
                    expect=(TRANSACTION_CANCELED,),
                    TransactItems=self._transaction(lane, head, new_head, bodies),
                )
            except Refused as refused:
                head = self._after_race(refused, lane, new_head, bodies)
                if head is None:
                    self._table.service.pause(failures)
                    continue
                return head
            return new_head
        raise Transient("dynamodb", f"lane {lane}: {MAX_APPEND_TRIES} appends in a row were refused")

    def _transaction(self, lane: str, head: int, new_head: int, bodies: list[bytes]) -> list[dict[str, Any]]:
        ttl = (self._clock.now_ms() + KEPT_MS) // 1000 + 1
        values: dict[str, Any] = {":new": {"N": str(new_head)}}
        if head:
            values[":old"] = {"N": str(head)}
        else:
            values[":first"] = {"N": "1"}
        return [
            {
                "Update": {
                    "TableName": self._table.name,
                    "Key": _lane_key(lane),
                    "UpdateExpression": "SET head = :new" + ("" if head else ", tail = :first"),
                    "ConditionExpression": "head = :old" if head else "attribute_not_exists(lane)",
                    "ExpressionAttributeValues": values,
                }
            },
            {
                "Put": {
                    "TableName": self._table.name,
                    "Item": _key(lane, new_head)
                    | {"body": {"B": _encode(bodies)}, "count": {"N": str(len(bodies))}, "ttl": {"N": str(ttl)}},
                }
            },
        ]

    def _after_race(self, refused: Refused, lane: str, new_head: int, bodies: list[bytes]) -> int | None:
        """The head when the refused transaction was ours after all (its first answer got lost), else None: again."""
        codes = {str(reason.get("Code")) for reason in refused.response.get("CancellationReasons", ())}
        if codes - PASSING_REASONS:
            raise Transient("dynamodb", f"lane {lane}: {', '.join(sorted(codes))}")
        stored = self._table.get(_key(lane, new_head))
        mine = stored is not None and bytes(stored["body"]["B"]) == _encode(bodies)
        return new_head if mine else None

    # ---- reading ----------------------------------------------------------------------------------------------
    def head(self) -> dict[str, int]:
        """Lane → newest sequence."""
        return {lane: head for lane, head, _ in self._lanes()}

    def tail(self) -> dict[str, int]:
        """Lane → oldest sequence still kept (head + 1 when none is)."""
        return {lane: self._oldest(lane, head, tail) for lane, head, tail in self._lanes()}

    def after(self, cursor: Mapping[str, int], limit: int) -> list[StoredChange]:
        """Changes past a cursor, each lane in order, lanes merged by the time of writing."""
        found = [
            self._read(lane, cursor.get(lane, 0), limit)
            for lane, head, _ in self._lanes()
            if head > cursor.get(lane, 0)
        ]
        return list(heapq.merge(*found, key=lambda stored: stored.change.written_ms))[:limit]

    def trim(self, before_ms: int, now_ms: int | None = None) -> int:
        """Drop changes written before an instant, up to the first that was not; returns how many. With `now_ms` those
        stamped later than it count as old. What is written meanwhile stays."""
        last_ms = math.inf if now_ms is None else now_ms
        dropped = 0
        for lane, head, tail in self._lanes():
            keys, new_tail = [], tail
            for row in self._rows(lane, tail - 1):
                if int(row["position"]["S"]) > head:
                    break
                bodies = _decode(bytes(row["body"]["B"]))
                if any(before_ms <= decode_change(body).written_ms <= last_ms for body in bodies):
                    break
                keys.append(_key(lane, int(row["position"]["S"])))
                new_tail = int(row["position"]["S"]) + 1
                dropped += len(bodies)
            if new_tail != tail:
                self._table.update_if(_lane_key(lane), "SET tail = :t", "tail < :t", {":t": {"N": str(new_tail)}}, {})
                self._table.write_many(deletes=keys)
            assert new_tail <= head + 1, f"lane {lane}: tail {new_tail} beyond head {head}"
        return dropped

    def _lanes(self) -> list[tuple[str, int, int]]:
        rows = self._table.query("lane = :lane", {":lane": {"S": LANES}}, ConsistentRead=True)
        return [(_named(row), int(row["head"]["N"]), int(row["tail"]["N"])) for row in rows]

    def _oldest(self, lane: str, head: int, tail: int) -> int:
        """By bisection, since what is written later expires later: what is expired stays for days, so that most of a
        lane may be."""
        now_s = self._clock.now_ms() // 1000
        low = at = tail - 1
        high, oldest = head, head + 1
        while low < high:
            row = next(self._rows(lane, at, _BOOKKEEPING, Limit=1, ProjectionExpression=", ".join(_BOOKKEEPING)), None)
            if row is None:
                high = at
            elif int(row["ttl"]["N"]) > now_s:
                high, oldest = at, int(row["position"]["S"]) - int(row["count"]["N"]) + 1
            else:
                low = int(row["position"]["S"])
            at = (low + high) // 2
        return oldest

    def _read(self, lane: str, after: int, limit: int) -> list[StoredChange]:
        found: list[StoredChange] = []
        for row in self._rows(lane, after, Limit=min(limit, MAX_READ_ITEMS)):
            last = int(row["position"]["S"])
            bodies = _decode(bytes(row["body"]["B"]))
            for sequence, body in enumerate(bodies, last - len(bodies) + 1):
                if sequence > after:
                    found.append(StoredChange(lane, sequence, decode_change(body)))
            if len(found) >= limit:
                break
        return found[:limit]

    def _rows(self, lane: str, after: int, names: Mapping[str, str] = _POSITION, **more: Any) -> Iterator[Row]:
        values = {":lane": {"S": _stored_name(lane)}, ":after": {"S": f"{after:016d}"}}
        return self._table.query(
            "lane = :lane AND #position > :after",
            values,
            ExpressionAttributeNames=names,
            ConsistentRead=True,
            **more,
        )


def _stored_name(lane: str) -> str:
    """Keys may not be empty, a lane's name may."""
    return f"lane/{lane}"


def _named(row: Row) -> str:
    return str(row["position"]["S"]).removeprefix("lane/")


def _lane_key(lane: str) -> Row:
    return {"lane": {"S": LANES}, "position": {"S": _stored_name(lane)}}


def _key(lane: str, last: int) -> Row:
    return {"lane": {"S": _stored_name(lane)}, "position": {"S": f"{last:016d}"}}


def _chunks(bodies: Sequence[bytes]) -> list[list[bytes]]:
    """Runs of bodies that fit one item."""
    chunks: list[list[bytes]] = []
    size = MAX_BODY_BYTES
    for body in bodies:
        size += len(body) + 8
        if size > MAX_BODY_BYTES:
            chunks.append([])
            size = len(body) + 8
        chunks[-1].append(body)
    return chunks
