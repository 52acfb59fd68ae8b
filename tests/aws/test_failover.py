"""The switch to another region, played on two regions of moto: tables are copied, up to a moment; streams are not."""

import json
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from aggregation.handler import handle
from aggregation.service import Aggregator
from api.epoch import Epoch
from consumers.archiver.service import Archiver
from contracts.clock import ManualClock
from contracts.errors import BadRequest
from contracts.events import SCORED_STREAM
from contracts.generation import FIRST_GENERATION, POINTER
from contracts.ports import Entry, Position
from contracts.settings import AggregatorSettings
from local.driver import MappingDriver, kinesis_driver
from local.mappings import Mapping
from ops.export import export
from ops.replay.promote import promote, rollback
from ops.verify import verify
from stores.aws_home import AwsHome
from stores.dynamo_schema import TABLES, TIMESERIES, physical_name
from stores.dynamo_tables import create_table
from stores.home import Home
from tests import oracle
from tests.aws.moto_aws import moto_aws
from tests.events import BASE_MS, stream
from tests.unit.replay.kit import compared, fields, replayed, stream_records


class Region:
    """A line in one region, its clients made there."""

    def __init__(self, name: str, clock: ManualClock, data_dir: str = ".candlewick") -> None:
        settings = AggregatorSettings(home="aws", lake_bucket=f"lake-{name}", data_dir=data_dir)
        with mock.patch.dict("os.environ", {"AWS_DEFAULT_REGION": name}):
            self.aws = AwsHome(settings, clock)
            self.aws.provision({SCORED_STREAM: 2})
        assert self.aws._dynamodb.client.meta.region_name == name
        service = Aggregator(self.aws.buckets, self.aws.control, self.aws.lake, clock, settings)
        mapping = Mapping(
            f"aggregator-{name}", SCORED_STREAM, lambda event, context: handle(service, event), batch_size=100,
            tumbling_window_s=60, report_item_failures=True,
        )  # fmt: skip
        self.settings = settings
        aws = self.aws
        self.home = Home(aws.log, aws.buckets, aws.items, aws.control, aws.lake, aws.secrets, clock)
        self.driver: MappingDriver = kinesis_driver(mapping, self.aws.log, self.aws.control, self.aws.lake, clock)

    def put(self, events: list[dict[str, Any]]) -> None:
        for start in range(0, len(events), 100):
            chunk = [Entry(e["subject"], json.dumps(e).encode()) for e in events[start : start + 100]]
            assert not any(result.error_code for result in self.aws.log.put_records(SCORED_STREAM, chunk))

    def archive(self) -> None:
        """Everything its stream still has, into its lake."""
        for shard in self.aws.log.shards(SCORED_STREAM):
            page = self.aws.log.get_records(
                self.aws.log.iterator(SCORED_STREAM, shard.shard_id, Position("TRIM_HORIZON"))
            )
            if page.records:
                Archiver(self.aws.lake).archive(stream_records(shard.shard_id, page.records))

    def held(self) -> list[dict[str, Any]]:
        """Everything its stream still has."""
        found = []
        for shard in self.aws.log.shards(SCORED_STREAM):
            page = self.aws.log.get_records(
                self.aws.log.iterator(SCORED_STREAM, shard.shard_id, Position("TRIM_HORIZON"))
            )
            assert page.behind_ms == 0
            found += [json.loads(record.data) for record in page.records]
        return found

    def buckets(self) -> dict:
        return {tuple(each.key): oracle.fields_of(each) for each in self.aws.buckets.scan(FIRST_GENERATION)}


def copy_tables(source: Region, target: Region, *generations: str) -> None:
    """What a global table has done up to this moment; those of generations that were given copies too."""
    names = [physical_name("dev", row.name) for row in TABLES.values() if row.name != TIMESERIES]
    for generation in (FIRST_GENERATION, *generations):
        names.append(physical_name("dev", TIMESERIES, generation))
        create_table(target.aws._dynamodb, names[-1], TABLES[TIMESERIES])
    for name in names:
        for item in source.aws._dynamodb.client.scan(TableName=name)["Items"]:
            target.aws._dynamodb.client.put_item(TableName=name, Item=item)


def copy_lake(source: Region, target: Region) -> None:
    """What the bucket's replication does."""
    for key in source.aws.lake.keys(""):
        target.aws.lake.put(key, source.aws.lake.read(key))


def epoch_of(region: Region) -> str:
    """What a process of the API there puts in front of its positions."""
    epoch = Epoch(region.aws.control, region.home.clock)
    epoch.name_log(region.aws.buckets)
    return epoch.refresh()


def test_a_position_in_what_was_not_copied_is_not_gone_on_from():
    """The new region's changes after the last one copied have the numbers of those that were lost."""
    clock = ManualClock(BASE_MS)
    with moto_aws(clock):
        old, new = Region("us-east-1", clock), Region("us-west-2", clock)
        before = epoch_of(old)
        copy_tables(old, new)
        clock.advance(1_000)
        there = epoch_of(new)
        assert there != before
        clock.advance(1_000)
        assert (epoch_of(old), epoch_of(new)) == (before, there), "each process of a region says the same"
        copy_tables(new, old)
        assert epoch_of(old) not in (before, there), "and back again"


def test_another_region_takes_over_and_ends_with_the_oracles_buckets():
    clock = ManualClock(BASE_MS)
    events = stream(400, seed=21, hours=1.0)
    clock.instant_ms = oracle.to_ms(events[-1]["ingested_at"])
    with moto_aws(clock):
        old, new = Region("us-east-1", clock), Region("us-west-2", clock)
        old.put(events[:150])
        old.driver.run_until_idle()
        copy_tables(old, new)
        seen = new.aws.buckets.changes_head()
        assert seen
        assert seen == old.aws.buckets.changes_head(), "a client's place means the same there"
        # The last second: counted in the old region, copied nowhere. And what nobody has read yet.
        old.put(events[150:200])
        old.driver.run_until_idle()
        old.put(events[200:220])

        new.put(events[220:])
        new.driver.run_until_idle()
        after = new.aws.buckets.changes_after(seen)
        assert after
        for lane, head in seen.items():
            numbers = [each.sequence for each in after if each.lane == lane]
            assert numbers == list(range(head + 1, head + 1 + len(numbers))), "an open page goes on without a gap"

        new.put(old.held())  # step 5 of the runbook: everything the old streams have, counted or not
        new.driver.run_until_idle(final=True)
        assert new.buckets() == oracle.buckets(events)
        assert old.buckets() != new.buckets()


@pytest.mark.slow
def test_the_lakes_copy_is_read_there_and_places_in_the_old_streams_are_not_taken_for_its_own(tmp_path: Path) -> None:
    """Step 5 with the old region gone for good; the new stream has records by then. Beforehand a run was promoted in
    the old region, and another one built."""
    clock = ManualClock(BASE_MS)
    events = stream(60, seed=22, hours=1.0)
    clock.instant_ms = oracle.to_ms(events[-1]["ingested_at"])
    with moto_aws(clock):
        old = Region("us-east-1", clock, str(tmp_path / "old"))
        new = Region("us-west-2", clock, str(tmp_path / "new"))
        old.put(events[:20])
        old.driver.run_until_idle()
        promote(old.home, old.settings, replayed(old.home, old.settings)["id"], force=True, reason="drill")
        rollback(old.home, old.settings)
        replayed(old.home, old.settings)
        pointer, version = old.home.control.get(*POINTER)
        old.home.control.put(*POINTER, {**pointer, "settled": False}, expected_version=version)
        copy_tables(old, new, "g2")
        old.put(events[20:40])
        old.archive()
        copy_lake(old, new)

        new.put(events[40:55])
        new.driver.run_until_idle()
        assert export(new.home, "scored", "jsonl", str(tmp_path / "events.jsonl"), None, None, None)
        new.put([json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()])
        new.driver.run_until_idle(final=True)
        assert new.buckets() == oracle.buckets(events[:55])
        assert verify(new.home, new.settings).differences == []

        for again in (
            lambda: promote(new.home, new.settings, "r2", force=True, reason="drill"),
            lambda: rollback(new.home, new.settings),
        ):
            with pytest.raises(BadRequest, match=r"another log.*plan and run again"):
                again()
        assert new.home.control.get(*POINTER).value["settled"], "a swap that the old region did not finish"
        run = replayed(new.home, new.settings)
        assert fields(new.home, run["generation"]) == oracle.buckets(events[:55])
        new.archive()
        assert fields(new.home, replayed(new.home, new.settings)["generation"]) == oracle.buckets(events[:55])
        from_lake = replayed(new.home, new.settings, sources=("lake",))
        new.put(events[55:])
        new.driver.run_until_idle()
        compared(new.home, from_lake)
        promote(new.home, new.settings, from_lake["id"])
        assert fields(new.home) == oracle.buckets(events)
