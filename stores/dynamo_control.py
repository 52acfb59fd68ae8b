"""Control documents on DynamoDB, guarded by versions; the same rules as on SQLite.

A document past its expiry is not there any more, yet its version counts on. The item's own TTL lies a week behind the
expiry, so that DynamoDB forgets a version only when no holder of it can be left.
"""

import builtins
import secrets
from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec

from contracts.clock import Clock
from contracts.errors import Conflict
from contracts.ports import ControlWrite, Versioned
from contracts.resolution import DAY_MS
from stores.aws_client import Refused
from stores.dynamo import GUARD_FAILED, Lost, Row, Table

FORGET_MS: Final = 7 * DAY_MS
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode
_NAMES: Final = {"#value": "value", "#ttl": "ttl", "#token": "token", "#version": "version"}
_IS_VERSION: Final = "#version = :expected AND (attribute_not_exists(expires_ms) OR expires_ms > :now)"


class DynamoControlStore:
    """`contracts.ports.ControlStore` in `{env}-sentiment-control`."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    def get(self, kind: str, name: str) -> Versioned:
        """The document and its version; `(None, 0)` when it is not there or expired."""
        return self._versioned(self._table.get(_key(kind, name)))

    def get_many(self, kind: str, names: Collection[str]) -> dict[str, Versioned]:
        """`get` for several documents, a hundred a call."""
        rows = self._table.get_many([_key(kind, name) for name in dict.fromkeys(names)])
        found = {row["name"]["S"]: row for row in rows}
        return {name: self._versioned(found.get(name)) for name in names}

    def _versioned(self, row: Row | None) -> Versioned:
        if row is None or self._expired(row):
            return Versioned(None, 0)
        return Versioned(_decode(row["value"]["S"]), int(row["version"]["N"]))

    def put(
        self,
        kind: str,
        name: str,
        value: Mapping[str, Any],
        expected_version: int | None = None,
        expires_ms: int | None = None,
    ) -> int:
        """Write and return the new version. With `expected_version` (0: not there) it raises `Conflict` when another
        was stored; without, it overwrites. A refusal that carries our own token is our write, its answer lost."""
        token = secrets.token_hex(8)
        values: dict[str, Any] = {
            ":value": {"S": _encode(value).decode()},
            ":one": {"N": "1"},
            ":none": {"N": "0"},
            ":token": {"S": token},
        }
        update = "SET #value = :value, #token = :token, #version = if_not_exists(#version, :none) + :one"
        if expires_ms is None:
            update += " REMOVE expires_ms, #ttl"
        else:
            update += ", expires_ms = :expires, #ttl = :ttl"
            values[":expires"] = {"N": str(expires_ms)}
            values[":ttl"] = {"N": str((expires_ms + FORGET_MS) // 1000)}
        condition = ""
        if expected_version is not None:
            values[":now"] = {"N": str(self._clock.now_ms())}
            if expected_version == 0:
                condition = "attribute_not_exists(#version) OR expires_ms <= :now"
            else:
                condition = _IS_VERSION
                values[":expected"] = {"N": str(expected_version)}
        found = self._table.update_if(_key(kind, name), update, condition, values, _NAMES)
        if not isinstance(found, Lost):
            return int(found["version"]["N"])
        stored = found.stored or {}
        if stored.get("token") == {"S": token}:
            return int(stored["version"]["N"])
        visible = 0 if not stored or self._expired(stored) else int(stored["version"]["N"])
        raise Conflict(f"{kind} {name}: version {visible} is stored, {expected_version} was expected")

    def put_many(self, kind: str, writes: Mapping[str, ControlWrite]) -> builtins.list[str]:
        """Guarded writes of several documents, each by itself, several at a time; the names whose guard failed, in
        order."""

        def is_lost(name: str) -> bool:
            try:
                self.put(kind, name, *writes[name])
            except Conflict:
                return True
            return False

        names = builtins.list(writes)
        return [name for name, lost in zip(names, self._table.each(is_lost, names), strict=True) if lost]

    def delete(self, kind: str, name: str, expected_version: int | None = None) -> None:
        """Remove it. With `expected_version` it raises `Conflict` when another or nothing is stored (after a lost
        answer, because it is removed already); without, it is a no-op when nothing is."""
        if expected_version is None:
            self._table.delete(_key(kind, name))
            return
        try:
            self._table.service.call(
                "delete_item",
                expect=(GUARD_FAILED,),
                TableName=self._table.name,
                Key=_key(kind, name),
                ConditionExpression=_IS_VERSION,
                ExpressionAttributeNames={"#version": "version"},
                ExpressionAttributeValues={
                    ":expected": {"N": str(expected_version)},
                    ":now": {"N": str(self._clock.now_ms())},
                },
            )
        except Refused:
            raise Conflict(f"{kind} {name}: version {expected_version} is not stored (any more)") from None

    def list(self, kind: str) -> dict[str, dict[str, Any]]:
        """All documents of a kind, expired ones left out, by name."""
        rows: builtins.list[Row] = builtins.list(
            self._table.query(
                "#kind = :kind", {":kind": {"S": kind}}, ExpressionAttributeNames={"#kind": "kind"}, ConsistentRead=True
            )
        )
        return {row["name"]["S"]: _decode(row["value"]["S"]) for row in rows if not self._expired(row)}

    def close(self) -> None:
        """Let the writing threads go."""
        self._table.close()

    def _expired(self, row: Row) -> bool:
        return "expires_ms" in row and int(row["expires_ms"]["N"]) <= self._clock.now_ms()


def _key(kind: str, name: str) -> Row:
    return {"kind": {"S": kind}, "name": {"S": name}}
