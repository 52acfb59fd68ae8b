"""DynamoDB as the stores use it: reads in pages, batches whose leftovers are asked for again, guarded writes."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple

from contracts.errors import Transient, Unusable
from stores.aws_client import MAX_TRIES, Refused, Service
from stores.dynamo_tables import NO_TABLE

MAX_BATCH_GET: Final = 100
MAX_BATCH_WRITE: Final = 25
MAX_WORKERS: Final = 8
GUARD_FAILED: Final = "ConditionalCheckFailedException"
TRANSACTION_CANCELED: Final = "TransactionCanceledException"
#: Reasons of a cancelled transaction that pass: another writer was there, or we were too fast.
PASSING_REASONS: Final = frozenset(
    {"None", "ConditionalCheckFailed", "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}
)

Row = dict[str, dict[str, Any]]


class TableMissing(Exception):
    """The table does not exist; never leaves `stores`."""


class Lost(NamedTuple):
    """A guarded write that lost: what is stored now (None: nothing, or not told)."""

    stored: Row | None


class Table:
    """One table. Every method raises `Transient`; and `Unusable` when the table is missing, unless `may_miss`, then
    `TableMissing`."""

    def __init__(self, dynamodb: Service, name: str, may_miss: bool = False) -> None:
        self.name = name
        self.service = dynamodb
        self._may_miss = may_miss
        self._lock = threading.Lock()
        self._workers: ThreadPoolExecutor | None = None

    # ---- reading ----------------------------------------------------------------------------------------------
    def get(self, key: Row) -> Row | None:
        """One item, strongly consistent."""
        answer = self._call("get_item", Key=key, ConsistentRead=True)
        return answer.get("Item")

    def get_many(self, keys: Sequence[Row], **more: Any) -> list[Row]:
        """Items among the keys, in any order, strongly consistent; what DynamoDB did not get to is asked again."""
        found: list[Row] = []
        for start in range(0, len(keys), MAX_BATCH_GET):
            wanted = list(keys[start : start + MAX_BATCH_GET])
            failures = 0
            while wanted:
                request = {self.name: {"Keys": wanted, "ConsistentRead": True, **more}}
                answer = self._call("batch_get_item", named=False, RequestItems=request)
                items = answer["Responses"].get(self.name, [])
                found += items
                wanted = answer.get("UnprocessedKeys", {}).get(self.name, {}).get("Keys", [])
                failures = 0 if items else failures + 1
                self._be_patient(wanted, failures)
        return found

    def query(self, condition: str, values: Mapping[str, Any], **more: Any) -> Iterator[Row]:
        """Items of a query, page after page; `values` are typed."""
        yield from self._pages(
            "query", KeyConditionExpression=condition, ExpressionAttributeValues=dict(values), **more
        )

    def scan(self, **more: Any) -> Iterator[Row]:
        """Every item, in no order."""
        yield from self._pages("scan", **more)

    def count(self) -> int:
        """How many items there are, as DynamoDB itself counts them every six hours or so: asking is free. Of a table
        too young to have been counted, those on the first page of a scan."""
        counted = int(self._call("describe_table")["Table"].get("ItemCount", 0))
        return counted or int(self._call("scan", Select="COUNT")["Count"])

    def _pages(self, operation: str, **parameters: Any) -> Iterator[Row]:
        while True:
            answer = self._call(operation, **parameters)
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            parameters["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    # ---- writing ----------------------------------------------------------------------------------------------
    def put(self, item: Row) -> None:
        """Write an item, whatever is there."""
        self._call("put_item", Item=item)

    def put_if(self, item: Row, condition: str, values: Mapping[str, Any], names: Mapping[str, str]) -> Lost | None:
        """Write an item if the condition holds, else say what is stored: the refusal carries it, so nobody reads."""
        found = self._guarded("put_item", Item=item, ConditionExpression=condition, **_expressions(values, names))
        return found if isinstance(found, Lost) else None

    def update_if(
        self, key: Row, update: str, condition: str, values: Mapping[str, Any], names: Mapping[str, str]
    ) -> Row | Lost:
        """Change an item if the condition holds; its new attributes, or what is stored instead."""
        given = {"Key": key, "UpdateExpression": update, "ReturnValues": "ALL_NEW", **_expressions(values, names)}
        if condition:
            given["ConditionExpression"] = condition
        answer: Row | Lost = self._guarded("update_item", **given)
        return answer

    def delete(self, key: Row) -> None:
        """Remove an item; no-op when it is not there."""
        self._call("delete_item", Key=key)

    def write_many(self, puts: Sequence[Row] = (), deletes: Sequence[Row] = ()) -> None:
        """Unguarded writes in batches; what DynamoDB did not get to is sent again. Keys must differ."""
        requests: list[dict[str, Any]] = [{"PutRequest": {"Item": item}} for item in puts]
        requests += [{"DeleteRequest": {"Key": key}} for key in deletes]
        for start in range(0, len(requests), MAX_BATCH_WRITE):
            pending = requests[start : start + MAX_BATCH_WRITE]
            failures = 0
            while pending:
                answer = self._call("batch_write_item", named=False, RequestItems={self.name: pending})
                left = answer.get("UnprocessedItems", {}).get(self.name, [])
                failures = 0 if len(left) < len(pending) else failures + 1
                pending = left
                self._be_patient(pending, failures)

    def _be_patient(self, left: Sequence[Any], failures: int) -> None:
        if left:
            if failures >= MAX_TRIES:
                raise Transient("dynamodb", f"{self.name}: {len(left)} items unprocessed {failures} times in a row")
            self.service.pause(failures)

    def each(self, action: Any, things: Sequence[Any]) -> list[Any]:
        """The action's results for all things, in their order, several at a time."""
        if len(things) <= 1:
            return [action(thing) for thing in things]
        with self._lock:
            if self._workers is None:
                self._workers = ThreadPoolExecutor(MAX_WORKERS, thread_name_prefix=f"write-{self.name}")
            done = self._workers.map(action, things)
        return list(done)

    def close(self) -> None:
        """Let the writing threads go."""
        with self._lock:
            workers, self._workers = self._workers, None
        if workers is not None:
            workers.shutdown()

    # ---- calling ----------------------------------------------------------------------------------------------
    def _guarded(self, operation: str, **parameters: Any) -> Any:
        try:
            answer = self._call(
                operation, expect=(GUARD_FAILED,), ReturnValuesOnConditionCheckFailure="ALL_OLD", **parameters
            )
        except Refused as refused:
            return Lost(refused.response.get("Item"))
        return answer.get("Attributes")

    def _call(self, operation: str, named: bool = True, expect: tuple[str, ...] = (), **given: Any) -> dict[str, Any]:
        if named:
            given["TableName"] = self.name
        try:
            return self.service.call(operation, expect=(*expect, NO_TABLE), **given)
        except Refused as refused:
            if refused.code != NO_TABLE:
                raise
            if self._may_miss:
                raise TableMissing(self.name) from None
            raise Unusable(
                f"table {self.name} does not exist in this region and account; `candlewick deploy` makes it, and so "
                "does `candlewick up --endpoint-url` on an endpoint of your own"
            ) from None


def _expressions(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    if values:
        given["ExpressionAttributeValues"] = dict(values)
    if names:
        given["ExpressionAttributeNames"] = dict(names)
    return given
