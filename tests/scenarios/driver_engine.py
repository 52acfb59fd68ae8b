"""The whole embedded line for scenarios: log → shard driver → Lambda handler → store, all of it the real thing."""

from pathlib import Path
from typing import Any, Final

from aggregation.handler import handle
from contracts.ports import Entry
from local.driver import MappingDriver, kinesis_driver
from local.driver_checkpoint import KIND
from local.mappings import Mapping
from stores.home import Home, open_home
from tests.scenarios.engines import Crash, Delivery, Setup, SqliteEngine

STREAM: Final = "scenario"
SHARDS: Final = 6
WINDOW_S: Final = 60


class DriverEngine(SqliteEngine):
    """Every batch is put on the log and read by the driver, with tumbling windows and checkpoints as on AWS. A crash
    loses the process; a batch not acknowledged is read again from the checkpoint."""

    def __init__(self, setup: Setup, folder: Path) -> None:
        super().__init__(setup, folder)
        self._home().log.create_stream(STREAM, SHARDS)
        self._shards: dict[str, int] = {}
        self._put: set[str] = set()
        self._driver: MappingDriver | None = None
        self._checkpoints: dict[str, Any] = {}
        self._waits_for_retry = False

    def _home(self) -> Home:
        return open_home(self._settings, self.clock)

    def _mapping(self) -> Mapping:
        return Mapping(
            "aggregator", STREAM, self._handler, batch_size=10_000, tumbling_window_s=WINDOW_S,
            report_item_failures=True,
        )  # fmt: skip

    def _handler(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        if self._service is None:
            self._service = self._process()
        answer = handle(self._service, event)
        name = next(name for name, at in self._shards.items() if event["shardId"].endswith(f"{at:012d}"))
        if answer["state"]["last_record_ms"] >= 0:
            self._windows[name] = answer["state"]
        return answer

    def _drive(self, close: bool = False) -> bool:
        """Step until nothing is left to do; false when a batch failed and waits for its retry."""
        home = self._home()
        driver = self._driver or kinesis_driver(self._mapping(), home.log, home.control, home.lake, self.clock)
        self._driver = driver
        while (step := driver.step(hurry=True, close=close)).kind == "worked":
            pass
        assert step.kind != "stopped", driver.status()
        return step.kind != "retry"

    def deliver(self, delivery: Delivery) -> bool:
        name = delivery.shard
        self._windows_before = dict(self._windows)
        number = self._shards.setdefault(name, len(self._shards))
        home = self._home()
        if delivery.records[0].sequence_number in self._put:
            if self._waits_for_retry and self._driver is not None:
                self.clock.advance(self._mapping().backoff_ms(1))
            else:
                self._read_again()
        else:
            self._checkpoints = home.control.list(KIND)
            self._put |= {record.sequence_number for record in delivery.records}
            shard = home.log.shards(STREAM)[number]
            entries = [Entry("AAPL", record.data, shard.first_hash) for record in delivery.records]
            assert all(result.sequence_number for result in home.log.put_records(STREAM, entries))
        self._store.fault = delivery.fault
        if delivery.meanwhile:
            other = delivery.meanwhile
            self._store.meanwhile = lambda: self._invoke(self._process(), other)
        try:
            acknowledged = self._drive()
            self._waits_for_retry = not acknowledged
            return acknowledged
        except Crash:
            self._driver = self._service = None
            return False

    def _read_again(self) -> None:
        """As if the answer had never arrived: back to the checkpoints from before the last batch."""
        control = self._home().control
        for name in control.list(KIND):
            control.delete(KIND, name)
        for name, value in self._checkpoints.items():
            control.put(KIND, name, value)
        self._driver = None

    def crash(self, acknowledged: bool) -> None:
        super().crash(acknowledged)
        self._driver = None

    def lose_window_state(self) -> None:
        super().lose_window_state()
        control = self._home().control
        for name, value in control.list(KIND).items():
            control.put(KIND, name, value | {"window": None})
        self._driver = None

    def end_window(self, shard: str, early: bool) -> None:
        """`early` means nothing here: the driver itself ends a window early when its state outgrows 1 MB."""
        self._drive(close=True)
        self._windows.pop(shard, None)
