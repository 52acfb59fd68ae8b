"""The whole of it on moto: events in, buckets equal to the oracle out, whatever is throttled, refused or resharded."""

import itertools
import json
from typing import Any
from unittest import mock

import pytest

from aggregation.handler import handle
from aggregation.service import Aggregator
from contracts.aside import list_asides
from contracts.clock import ManualClock
from contracts.errors import Unusable
from contracts.events import RAW_STREAM, SCORED_STREAM
from contracts.generation import FIRST_GENERATION
from contracts.ports import Entry
from contracts.settings import AggregatorSettings, Settings
from local.drain import drain_all, pending
from local.driver import MappingDriver, kinesis_driver
from local.driver_checkpoint import Checkpoint, Checkpoints
from local.driver_lease import Lease
from local.line import LINE
from local.line_lease import LEASE_MS, NAME, line_lease
from local.mappings import Mapping
from stores.aws_home import AwsHome
from stores.dynamo_buckets import DynamoBucketStore
from stores.home import forget_homes, open_home
from stores.kinesis_aggregate import aggregate
from tests import oracle
from tests.aws.line import run
from tests.aws.moto_aws import moto_aws, refusal
from tests.clocks import SteadyClock
from tests.events import BASE_MS, scored, stream


def test_events_under_throttling_a_split_and_a_merge_equal_the_oracle():
    clock = ManualClock(BASE_MS)
    with moto_aws(clock) as faults:
        found = run(faults, clock, 1_000, seed=12, share=0.15, hours=1.0)
    assert found["shards"] == 5
    assert sum(found["refused"].values()) > 40
    assert {"PutItem", "GetRecords"} <= found["refused"].keys()


class FunctionTimeout(Exception):
    """Lambda ends the function; what it wrote so far stays, and nothing is acknowledged."""


def line_of(clock: ManualClock) -> tuple[AwsHome, MappingDriver]:
    settings = AggregatorSettings(home="aws", lake_bucket="lake")
    aws = AwsHome(settings, clock)
    aws.provision({SCORED_STREAM: 1})
    service = Aggregator(aws.buckets, aws.control, aws.lake, clock, settings)
    mapping = Mapping(
        "aggregator", SCORED_STREAM, lambda event, context: handle(service, event), batch_size=100,
        tumbling_window_s=60, max_retries=20, bisect=True, report_item_failures=True,
    )  # fmt: skip
    return aws, kinesis_driver(mapping, aws.log, aws.control, aws.lake, clock)


def stored(aws: AwsHome) -> dict:
    return {tuple(each.key): oracle.fields_of(each) for each in aws.buckets.scan(FIRST_GENERATION)}


def test_a_function_that_times_out_between_two_levels_counts_each_event_once(monkeypatch):
    """Each try of each batch is ended after one more level than the one before, the writes before it made."""
    clock = ManualClock(BASE_MS)
    with moto_aws(clock):
        aws, driver = line_of(clock)
        plain, waves = DynamoBucketStore._write_wave, itertools.count()
        ends = {1, 4, 9, 15, 22, 30}

        def write_wave(self, *arguments):
            if next(waves) in ends:
                raise FunctionTimeout
            return plain(self, *arguments)

        monkeypatch.setattr(DynamoBucketStore, "_write_wave", write_wave)
        events = stream(300, seed=5, duplicates=0.1, hours=1.0)
        clock.instant_ms = oracle.to_ms(events[-1]["ingested_at"])
        for start in range(0, len(events), 100):
            chunk = events[start : start + 100]
            aws.log.put_records(SCORED_STREAM, [Entry(e["subject"], json.dumps(e).encode()) for e in chunk])
        driver.run_until_idle(final=True)
        assert next(waves) > max(ends)
        assert stored(aws) == oracle.buckets(events)
        assert not aws.lake.keys("failed/")


def test_a_partial_batch_failure_is_taken_up_from_its_first_record():
    """The store is away for part of a batch's time: the handler names the first record, and all from it come again."""
    clock = ManualClock(BASE_MS)
    with moto_aws(clock) as faults:
        aws, driver = line_of(clock)
        away = iter([True] * 20)
        faults.before.append(
            lambda s, operation, given: (
                refusal("InternalServerError", status=500) if operation == "PutItem" and next(away, False) else None
            )
        )
        events = stream(40, seed=6, hours=1.0)
        clock.instant_ms = oracle.to_ms(events[-1]["ingested_at"])
        aws.log.put_records(SCORED_STREAM, [Entry(e["subject"], json.dumps(e).encode()) for e in events])
        driver.run_until_idle(final=True)
        assert stored(aws) == oracle.buckets(events)


def test_a_poisoned_aggregate_is_quarantined_and_the_shard_goes_on():
    clock = ManualClock(BASE_MS)
    with moto_aws(clock):
        aws, driver = line_of(clock)
        events = [scored(n, "AAPL", BASE_MS - 60_000 + n, 0.5) for n in range(6)]
        good = [Entry("AAPL", json.dumps(event).encode()) for event in events]
        poison = bytearray(aggregate(good))
        poison[len(poison) // 2] ^= 0x55
        aws.log.put_records(SCORED_STREAM, good[:3])
        aws.log.put_records(SCORED_STREAM, [Entry("AAPL", bytes(poison))])
        aws.log.put_records(SCORED_STREAM, good[3:])
        driver.run_until_idle(final=True)
        assert stored(aws) == oracle.buckets(events)
        (aside,) = list_asides(aws.lake, "quarantined")
        assert (aside["reason"], aside["stream"]) == ("corrupt_aggregate", SCORED_STREAM)


def test_one_process_at_a_time_drives_the_line(monkeypatch):
    ended: list[int] = []
    monkeypatch.setattr("local.line_lease.os.kill", lambda process, number: ended.append(number))
    clock = SteadyClock(BASE_MS)
    settings = Settings(home="aws", lake_bucket="lake")
    with moto_aws(clock):
        AwsHome(settings, clock).provision({})
        home = open_home(settings, clock)
        with (
            pytest.raises(Unusable, match="driven by"),
            line_lease(home, settings),
            line_lease(home, settings),
        ):
            raise AssertionError("two at once")
        with line_lease(home, settings):
            pass
        assert ended == []
        forget_homes()


def test_a_lease_that_merely_ran_out_is_held_again():
    clock = ManualClock(BASE_MS)
    with moto_aws(clock):
        aws = AwsHome(Settings(home="aws", lake_bucket="lake"), clock)
        aws.provision({})
        lease = Lease(aws.control, "line", "a", 30_000, clock)
        clock.advance(31_000)
        lease.renew()
        with pytest.raises(Unusable, match="driven by a"):
            Lease(aws.control, "line", "b", 30_000, clock)


def test_what_lies_behind_a_checkpoint_or_an_empty_answer_is_pending():
    clock = ManualClock(BASE_MS)
    settings = Settings(home="aws", lake_bucket="lake")
    with moto_aws(clock) as faults:
        AwsHome(settings, clock).provision({SCORED_STREAM: 1, RAW_STREAM: 1})
        home = open_home(settings, clock)
        assert not pending(home)
        for number in range(2):
            (put,) = home.log.put_records(SCORED_STREAM, [Entry("AAPL", b"%d" % number)])
            assert pending(home)
            for row in (each for each in LINE if each.stream == SCORED_STREAM):
                Checkpoints(home.control, row.name).save(str(put.shard_id), Checkpoint(put.sequence_number))
            assert not pending(home)

        home.log.put_records(SCORED_STREAM, [Entry("AAPL", b"2")])
        empty = iter([True] * 50)

        def cross(service: str, operation: str, request: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
            if operation != "GetRecords" or not next(empty, False):
                return answer
            return answer | {"Records": [], "NextShardIterator": request["ShardIterator"], "MillisBehindLatest": 5_000}

        faults.after.append(cross)
        assert pending(home), "more empty answers in a row than are asked again"
        forget_homes()


def test_drain_waits_for_whoever_has_the_line_and_takes_it_when_it_is_given_up(tmp_path):
    clock = SteadyClock(BASE_MS)
    settings = AggregatorSettings(home="aws", lake_bucket="lake", data_dir=str(tmp_path / "data"))
    with moto_aws(clock):
        AwsHome(settings, clock).provision({SCORED_STREAM: 1, RAW_STREAM: 1})
        home = open_home(settings, clock)
        settings = settings.model_copy(update={"endpoint_url": "http://127.0.0.1:4566"})  # else it is a deployed stage
        lease = Lease(home.control, NAME, "another machine", LEASE_MS, clock)
        said: list[str] = []
        drain_all(home, settings, said.append)
        assert said == ["candlewick: line is driven by another machine: waiting for it to process what is pending"]
        home.log.put_records(SCORED_STREAM, [Entry("AAPL", b"{}")])
        holders = []

        def drain(*arguments: object) -> None:
            holders.append((home.control.get("lease", NAME).value or {})["holder"])

        with mock.patch("local.drain._drain", drain):
            drain_all(home, settings, lambda line: lease.release())
        assert len(holders) == 1
        assert holders != ["another machine"]
        assert not (tmp_path / "data").exists()
        forget_homes()
