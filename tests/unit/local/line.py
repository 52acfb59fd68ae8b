"""A stream, a clock that moves when told to, and a handler that does as it is told."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from contracts.clock import ManualClock
from contracts.ports import Entry
from local.driver import MappingDriver, kinesis_driver
from local.mappings import Mapping
from stores.files_lake import FilesLake
from stores.sqlite_control import SqliteControlStore
from stores.sqlite_log import SqliteEventLog

STREAM = "news"
#: A window boundary of every width used here.
START_MS = 1_766_309_400_000


class Line:
    """`calls` are the events the handler was given, as JSON made them; `answer` is what it does with one."""

    def __init__(self, folder: Path, shard_count: int = 1) -> None:
        self.clock = ManualClock(START_MS)
        self.log = SqliteEventLog(folder / "log.db", self.clock, "normal")
        self.control = SqliteControlStore(folder / "control.db", self.clock, "normal")
        self.lake = FilesLake(folder / "lake", "normal")
        self.log.create_stream(STREAM, shard_count)
        self.calls: list[dict[str, Any]] = []
        self.answer: Callable[[dict[str, Any]], Any] = lambda event: {"state": {}, "batchItemFailures": []}

    def handle(self, event: dict[str, Any], context: Any) -> Any:
        self.calls.append(json.loads(json.dumps(event)))
        return self.answer(event)

    def driver(self, **fields: Any) -> MappingDriver:
        """A driver as a new process would start one."""
        mapping = Mapping(**{"name": "m", "stream": STREAM, "handler": self.handle} | fields)
        return kinesis_driver(mapping, self.log, self.control, self.lake, self.clock)

    def put(self, *names: str, key: str = "AAPL") -> list[str]:
        """Puts records whose data are the names; their sequence numbers."""
        results = self.log.put_records(STREAM, [Entry(key, name.encode()) for name in names])
        return [str(result.sequence_number) for result in results]

    def put_each_second(self, *names: str) -> None:
        for name in names:
            self.put(name)
            self.clock.advance(1_000)

    @property
    def batches(self) -> list[str]:
        """The names in each call, joined."""
        return [names_of(call) for call in self.calls]

    def given_up(self) -> list[dict[str, Any]]:
        """The failure destination's documents, with the payload decoded."""
        documents = [json.loads(next(self.lake.read(key))) for key in self.lake.keys("failed/")]
        return [document | {"payload": json.loads(document["payload"])} for document in documents]

    def assert_nothing_left(self, driver: MappingDriver) -> None:
        """No record, window, retry or failure is left over, now and after a restart."""
        calls = len(self.calls)
        for each in (driver, self.driver(**vars(driver.mapping))):
            status = each.run_until_idle(final=True)
            assert status.state in ("idle", "done"), status
            assert (status.behind_ms, status.blocked, status.error) == (0, (), None)
        assert len(self.calls) == calls, "there was something left"

    def close(self) -> None:
        self.log.close()
        self.control.close()


def names_of(event: dict[str, Any]) -> str:
    return "".join(base64.b64decode(record["kinesis"]["data"]).decode() for record in event["Records"])


def sequences_of(event: dict[str, Any]) -> list[str]:
    return [record["kinesis"]["sequenceNumber"] for record in event["Records"]]


def failing_from(name: str) -> Callable[[dict[str, Any]], Any]:
    """Reports the record of that name as failed, if it is there."""

    def answer(event: dict[str, Any]) -> Any:
        at = names_of(event).find(name)
        failures = [] if at < 0 else [{"itemIdentifier": sequences_of(event)[at]}]
        return {"state": event.get("state", {}), "batchItemFailures": failures}

    return answer


def raising_on(name: str) -> Callable[[dict[str, Any]], Any]:
    """Fails whole invocations that hold the record of that name."""

    def answer(event: dict[str, Any]) -> Any:
        if name in names_of(event):
            raise ValueError(f"poison {name}")
        return {"state": event.get("state", {})}

    return answer
