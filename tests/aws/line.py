"""Scored events through the AWS adapters on moto, with throttling, refused records, leftovers, a split and a merge,
compared with the oracle. `python -m tests.aws.line [COUNT]` runs the long version.
"""

import json
import random
import sys
from collections import Counter
from typing import Any

from aggregation.handler import handle
from aggregation.service import Aggregator
from contracts.aside import list_asides
from contracts.clock import ManualClock
from contracts.events import SCORED_STREAM
from contracts.generation import FIRST_GENERATION
from contracts.hashing import HASH_KEY_COUNT
from contracts.ports import Entry
from contracts.settings import AggregatorSettings
from local.driver import kinesis_driver
from local.mappings import Mapping
from stores.aws_home import AwsHome
from tests import oracle
from tests.aws.moto_aws import Faults, moto_aws, refusal
from tests.events import BASE_MS, stream

CHUNK = 250
THROTTLED_OPERATIONS = ("PutItem", "BatchGetItem", "Query", "GetRecords", "PutRecords", "TransactWriteItems", "GetItem")


class Weather:
    """Refuses a share of all calls, and counts what it refused. Each operation has luck of its own, so that how threads
    take turns decides nothing."""

    def __init__(self, share: float, seed: int) -> None:
        self._luck = {name: random.Random(f"{seed} {name}") for name in THROTTLED_OPERATIONS}
        self._share = share
        self.refused: Counter[str] = Counter()
        self.units = 0

    def meter(self, service: str, operation: str, given: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        """DynamoDB write units of what was written: a kilobyte each, transactions double, `by_touch` not counted."""
        if operation == "PutItem":
            self.units += _units(given["Item"])
        elif operation == "TransactWriteItems":
            self.units += sum(2 * _units(each.get("Put", {}).get("Item", {})) for each in given["TransactItems"])
        elif operation == "UpdateItem":
            self.units += 1
        return answer

    def fault(self, service: str, operation: str, given: dict[str, Any]) -> Any:
        if operation not in self._luck or self._luck[operation].random() >= self._share:
            return None
        self.refused[operation] += 1
        return refusal("ProvisionedThroughputExceededException")


def run(
    faults: Faults, clock: ManualClock, count: int, seed: int, share: float = 0.05, hours: float = 6.0
) -> dict[str, Any]:
    """Publish and aggregate in turns; a split after a third, a merge after two thirds. Raises AssertionError where a
    bucket differs from the oracle or a record vanished."""
    settings = AggregatorSettings(home="aws", lake_bucket="lake")
    aws = AwsHome(settings, clock)
    aws.provision({SCORED_STREAM: 2})
    weather = Weather(share, seed)
    faults.before.append(weather.fault)
    faults.after.append(weather.meter)
    service = Aggregator(aws.buckets, aws.control, aws.lake, clock, settings)
    mapping = Mapping(
        "aggregator",
        SCORED_STREAM,
        lambda event, context: handle(service, event),
        batch_size=5_000,
        tumbling_window_s=60,
        bisect=True,
        report_item_failures=True,
    )
    driver = kinesis_driver(mapping, aws.log, aws.control, aws.lake, clock)
    resharder = AwsHome(settings, clock).log  # another process: the writer's map goes stale
    events = stream(count, seed, hours=hours)
    thirds = {count // 3 // CHUNK: _split, 2 * count // 3 // CHUNK: _merge}
    for number, start in enumerate(range(0, count, CHUNK)):
        chunk = events[start : start + CHUNK]
        clock.instant_ms = max(clock.instant_ms, oracle.to_ms(chunk[-1]["ingested_at"]))
        results = aws.log.put_records(SCORED_STREAM, [_entry(event) for event in chunk])
        assert not any(result.error_code for result in results)
        if number in thirds:
            thirds[number](resharder)
        if number % 16 == 3:
            driver.run_until_idle()
    driver.run_until_idle(final=True)
    checked = _check(aws, events)
    aws.close()
    checked["write_units_per_counted_event"] = round(weather.units / checked["accepted"], 2)
    return checked | {
        "refused": dict(weather.refused),
        "calls": dict(faults.calls),
        "shards": len(aws.log.shards(SCORED_STREAM)),
    }


def _units(item: dict[str, Any]) -> int:
    """At least one. Binary counts as its bytes, not as their base64."""
    size = sum(
        len(name) + (len(part["B"]) * 3 // 4 if "B" in part else len(json.dumps(part)) * 2 // 3)
        for name, part in item.items()
    )
    return max(1, -(-size // 1024))


def _entry(event: dict[str, Any]) -> Entry:
    return Entry(event["subject"], json.dumps(event).encode())


def _split(log: Any) -> None:
    shard = next(each for each in log.shards(SCORED_STREAM) if not each.closed)
    log.split_shard(SCORED_STREAM, shard.shard_id, HASH_KEY_COUNT // 4)


def _merge(log: Any) -> None:
    shards = sorted((each for each in log.shards(SCORED_STREAM) if not each.closed), key=lambda each: each.first_hash)
    log.merge_shards(SCORED_STREAM, shards[1].shard_id, shards[2].shard_id)


def _check(aws: AwsHome, events: list[dict[str, Any]]) -> dict[str, Any]:
    expected = oracle.buckets(events)
    stored = {tuple(each.key): oracle.fields_of(each) for each in aws.buckets.scan(FIRST_GENERATION)}
    assert stored.keys() == expected.keys()
    differing = [key for key, fields in expected.items() if stored[key] != fields]
    assert differing == []
    distinct = {(event["event_id"], event["event_time"]): oracle.verdict(event) for event in events}
    verdicts = Counter(distinct.values())
    late = {line["event_key"] for line in list_asides(aws.lake, "late")}
    quarantined = {line["event_key"] for line in list_asides(aws.lake, "quarantined")}
    assert (len(late), len(quarantined)) == (verdicts["too_late"], verdicts["future"])
    assert not aws.lake.keys("failed/")
    return {"events": len(events), "distinct": len(distinct), "buckets": len(stored), **verdicts}


def main() -> None:
    """The long version, with its figures as JSON."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    clock = ManualClock(BASE_MS)
    with moto_aws(clock) as faults:
        sys.stdout.write(json.dumps(run(faults, clock, count, seed=1)) + "\n")


if __name__ == "__main__":
    main()
