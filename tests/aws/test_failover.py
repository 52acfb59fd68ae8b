"""The switch to another region, played on two regions of moto: tables are copied, up to a moment; streams are not."""

import json
from typing import Any
from unittest import mock

from aggregation.handler import handle
from aggregation.service import Aggregator
from contracts.clock import ManualClock
from contracts.events import SCORED_STREAM
from contracts.generation import FIRST_GENERATION
from contracts.ports import Entry, Position
from contracts.settings import AggregatorSettings
from local.driver import MappingDriver, kinesis_driver
from local.mappings import Mapping
from stores.aws_home import AwsHome
from stores.dynamo_schema import TABLES, TIMESERIES, physical_name
from tests import oracle
from tests.aws.moto_aws import moto_aws
from tests.events import BASE_MS, stream


class Region:
    """A line in one region, its clients made there."""

    def __init__(self, name: str, clock: ManualClock) -> None:
        settings = AggregatorSettings(home="aws", lake_bucket=f"lake-{name}")
        with mock.patch.dict("os.environ", {"AWS_DEFAULT_REGION": name}):
            self.aws = AwsHome(settings, clock)
            self.aws.provision({SCORED_STREAM: 2})
        assert self.aws._dynamodb.client.meta.region_name == name
        service = Aggregator(self.aws.buckets, self.aws.control, self.aws.lake, clock, settings)
        mapping = Mapping(
            f"aggregator-{name}", SCORED_STREAM, lambda event, context: handle(service, event), batch_size=100,
            tumbling_window_s=60, report_item_failures=True,
        )  # fmt: skip
        self.driver: MappingDriver = kinesis_driver(mapping, self.aws.log, self.aws.control, self.aws.lake, clock)

    def put(self, events: list[dict[str, Any]]) -> None:
        for start in range(0, len(events), 100):
            chunk = [Entry(e["subject"], json.dumps(e).encode()) for e in events[start : start + 100]]
            assert not any(result.error_code for result in self.aws.log.put_records(SCORED_STREAM, chunk))

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


def copy_tables(source: Region, target: Region) -> None:
    """What a global table has done up to this moment."""
    for row in TABLES.values():
        name = physical_name("dev", row.name, FIRST_GENERATION if row.name == TIMESERIES else "")
        for item in source.aws._dynamodb.client.scan(TableName=name)["Items"]:
            target.aws._dynamodb.client.put_item(TableName=name, Item=item)


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
