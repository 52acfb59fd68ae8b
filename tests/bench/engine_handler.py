"""The aggregator's handler: CPU milliseconds an invocation, store excluded, and DynamoDB write units an article."""

import argparse
import json
import math
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from aggregation.handler import handle, spare_collector
from aggregation.service import Aggregator
from contracts.bucket import Bucket
from contracts.clock import ManualClock
from contracts.events import SCORED_STREAM
from contracts.ports import Change, Entry, Record, Shard
from contracts.settings import AggregatorSettings
from stores.bucket_codec import encode_change
from stores.dynamo_bucket_item import bucket_row, touched_of
from stores.kinesis_aggregate import pack
from tests.bench.engine_events import T0_MS, news, scored_document
from tests.bench.report import median
from tests.events import BASE_MS, scored
from tests.fakes.kinesis import kinesis_event
from tests.fakes.stores import FakeControl, FakeLake
from tests.sim.store import MemoryBuckets

UNIT_BYTES = 1024
WARM_INVOCATIONS = 5
PROCESSES = 5
MEASURED_INVOCATIONS = {100: 60, 1_000: 30, 10_000: 8}
SHARD = Shard("shardId-000000000000", 0, (1 << 128) - 1, (), False)


class Excluded(MemoryBuckets):
    """A store whose CPU time is known, to be taken off."""

    def __init__(self) -> None:
        super().__init__()
        self.cpu_s = 0.0

    def get_many(self, *arguments: Any) -> Any:
        with self._timed():
            return super().get_many(*arguments)

    def commit(self, *arguments: Any) -> Any:
        with self._timed():
            return super().commit(*arguments)

    @contextmanager
    def _timed(self) -> Iterator[None]:
        started = time.process_time()
        yield
        self.cpu_s += time.process_time() - started


def aggregator(buckets: MemoryBuckets) -> Aggregator:
    clock = ManualClock(BASE_MS)
    spare_collector()
    return Aggregator(buckets, FakeControl(clock), FakeLake(), clock, AggregatorSettings())


def invocations(batch: int, count: int, aggregated: bool) -> Iterator[dict[str, Any]]:
    """Lambda events of the job's shape at its pace (13 subjects, a million a day): one record a user record, or KPL
    aggregates as our log packs them (51,200 bytes, KPL's own default)."""
    arriving = news(batch * count, 13, seed=batch, hours=24 * batch * count / 1_000_000)
    for at in range(count):
        records, entries = [], []
        for number, (arrival_ms, event) in enumerate(islice(arriving, batch)):
            document = json.dumps(scored_document(event, arrival_ms), separators=(",", ":")).encode()
            entries.append(Entry(event["ticker"], document))
            if not aggregated:
                records.append(Record(str(at * batch + number), event["ticker"], document, arrival_ms))
        if aggregated:
            packed = pack(entries, [SHARD] * len(entries))
            records = [
                Record(str(at * batch + n), each.partition_key, each.data, T0_MS) for n, each in enumerate(packed)
            ]
        yield kinesis_event(SCORED_STREAM, records) | {"shardId": SHARD.shard_id, "state": {}}


def handler_ms(batch: int, aggregated: bool = False) -> float:
    """Median CPU milliseconds of one warm invocation: base64, de-aggregation, decode, step, changes; store excluded."""
    store = Excluded()
    service = aggregator(store)
    took: list[float] = []
    count = WARM_INVOCATIONS + MEASURED_INVOCATIONS[batch]
    for text in [json.dumps(event) for event in invocations(batch, count, aggregated)]:
        event = json.loads(text)  # as the runtime does just before it calls
        store.cpu_s, started = 0.0, time.process_time()
        answer = handle(service, event)
        took.append(1000 * (time.process_time() - started - store.cpu_s))
        assert answer["batchItemFailures"] == []
    return median(took[WARM_INVOCATIONS:])


def fresh_handler_ms(batch: int, aggregated: bool = False) -> float:
    """The same in processes of its own, as on Lambda, where nothing else has been before: the median."""
    command = [sys.executable, "-m", "tests.bench.engine_handler", str(batch)] + ["--aggregated"] * aggregated
    done = [subprocess.run(command, capture_output=True, check=True, text=True).stdout for _ in range(PROCESSES)]
    return round(median([float(each) for each in done]), 2)


def item_bytes(value: Any) -> int:
    """Bytes of an item as DynamoDB counts them: names and values."""
    if isinstance(value, dict):
        if len(value) == 1 and next(iter(value)) in {"S", "N", "B", "BOOL", "NULL", "SS", "L", "M"}:
            ((kind, inner),) = value.items()
            if kind in ("S", "B"):
                return len(inner if isinstance(inner, bytes) else inner.encode())
            if kind == "N":
                return math.ceil(len(inner.strip("-0.")) / 2) + 1
            if kind == "SS":
                return sum(len(each.encode()) for each in inner)
            if kind in ("L", "M"):
                return 3 + item_bytes(inner if kind == "M" else {str(n): each for n, each in enumerate(inner)})
            return 1
        return sum(len(name.encode()) + item_bytes(inner) for name, inner in value.items())
    raise AssertionError(f"not an attribute: {value!r}")


def units(size: int) -> int:
    return max(1, math.ceil(size / UNIT_BYTES))


class Meter(MemoryBuckets):
    """Counts the write units that the same commits would take on DynamoDB: bucket items with their index entry where
    its key changes, and the change record with its lane's counter in one transaction (which costs double)."""

    def __init__(self) -> None:
        super().__init__(on_write=self._on_bucket)
        self.bucket_units = self.change_units = self.writes = 0

    def _on_bucket(self, generation: str, before: Bucket | None, after: Bucket) -> None:
        row, parts = bucket_row(after)
        self.writes += 1
        self.bucket_units += units(item_bytes(row)) + sum(units(item_bytes(part)) for part in parts)
        if before is None:
            self.bucket_units += 1
        elif touched_of(before) != touched_of(after):
            self.bucket_units += 2

    def commit(self, generation: str, writes: Any, changes: Any = (), lane: str = "") -> Any:
        lost = super().commit(generation, writes, changes, lane)
        if changes and not lost:
            self.change_units += 2 * (1 + units(sum(len(encode_change(each)) for each in _changes(changes)) + 100))
        return lost


def _changes(changes: Any) -> list[Change]:
    return list(changes)


def write_units(per_batch: int, batches: int = 120) -> dict[str, float]:
    """Write units and bucket writes per article, for one subject, `per_batch` articles in each batch, two batches a
    minute, over an hour."""
    meter = Meter()
    service = aggregator(meter)
    number = 0
    for batch in range(batches):
        records = []
        for part in range(per_batch):
            at_ms = BASE_MS + batch * 30_000 + part * 30_000 // per_batch
            number += 1
            document = scored(number, "AAPL", at_ms, ((number * 37) % 200 - 100) / 100)
            records.append(Record(str(number), "AAPL", json.dumps(document).encode(), at_ms))
        handle(service, kinesis_event(SCORED_STREAM, records) | {"shardId": SHARD.shard_id})
    return {
        "write_units": round((meter.bucket_units + meter.change_units) / number, 2),
        "bucket_writes": round(meter.writes / number, 2),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="CPU milliseconds of one invocation, in this process.")
    parser.add_argument("batch", type=int, choices=MEASURED_INVOCATIONS, help="records of an invocation")
    parser.add_argument("--aggregated", action="store_true", help="in KPL aggregates, as our log packs them")
    options = parser.parse_args()
    print(handler_ms(options.batch, options.aggregated))
