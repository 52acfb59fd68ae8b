"""Lambda names Kinesis' records, the log counts the user records within them: what was set aside or archived by Lambda
is compared with places in the log."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto.kinesis.models import kinesis_backends

from aggregation.handler import handle
from aggregation.service import Aggregator
from consumers.archiver.service import Archiver
from contracts.aside import list_asides
from contracts.clock import ManualClock
from contracts.events import SCORED_STREAM
from contracts.kinesis import records_of
from contracts.ports import Position
from contracts.resolution import DAY_MS, HOUR_MS
from contracts.sequence import KINESIS_DIGITS
from contracts.settings import AggregatorSettings
from ops.accounting import account
from ops.replay.promote import promote
from ops.verify import verify
from stores.aws_home import AwsHome
from stores.home import SHARD_COUNTS, Home, forget_homes, open_home
from tests.aws.moto_aws import moto_aws
from tests.events import BASE_MS, scored
from tests.unit.replay.kit import compared, put, replayed


class Lambda:
    """The stream's functions as Lambda calls them, with its own numbers."""

    def __init__(self, home: Home, settings: AggregatorSettings) -> None:
        self._home = home
        self._aggregator = Aggregator(home.buckets, home.control, home.lake, home.clock, settings)
        self._places: dict[str, str] = {}

    def run(self) -> None:
        log = self._home.log
        for shard in log.shards(SCORED_STREAM):
            place = self._places.get(shard.shard_id)
            at = Position("AFTER_SEQUENCE_NUMBER", place) if place else Position("TRIM_HORIZON")
            records = log.get_records(log.iterator(SCORED_STREAM, shard.shard_id, at)).records
            if not records:
                continue
            self._places[shard.shard_id] = records[-1].sequence_number
            event: dict[str, Any] = {"shardId": shard.shard_id, "state": {}, "Records": []}
            for record in records:
                number = record.sequence_number[:KINESIS_DIGITS]
                kinesis = {
                    "partitionKey": record.partition_key,
                    "sequenceNumber": number,
                    "data": base64.b64encode(record.data).decode(),
                    "approximateArrivalTimestamp": record.arrival_ms / 1000,
                }
                arn = "arn:aws:kinesis:us-east-1:1:stream/dev-scored-articles"
                event["Records"].append(
                    {"kinesis": kinesis, "eventID": f"{shard.shard_id}:{number}", "eventSourceARN": arn}
                )
            assert handle(self._aggregator, event)["batchItemFailures"] == []
            Archiver(self._home.lake).archive(records_of(event))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(BASE_MS + 3 * DAY_MS)


@pytest.fixture
def settings(tmp_path: Path) -> AggregatorSettings:
    return AggregatorSettings(home="aws", lake_bucket="lake", data_dir=str(tmp_path), expire=True)


@pytest.fixture
def home(settings: AggregatorSettings, clock: ManualClock) -> Iterator[Home]:
    with moto_aws(clock):
        AwsHome(settings, clock).provision(SHARD_COUNTS)
        yield open_home(settings, clock)
        forget_homes()


def recent(number: int, clock: ManualClock) -> dict[str, Any]:
    return scored(number, "AAPL", clock.now_ms() - 1000 * number, 0.2, clock.now_ms())


def replayed_and_live(home: Home, settings: AggregatorSettings, clock: ManualClock, **wish: Any) -> Lambda:
    """Three events counted, built again by a replay, and that made live."""
    live = Lambda(home, settings)
    put(home, [recent(number, clock) for number in range(3)])
    live.run()
    run = replayed(home, settings, **wish)
    compared(home, run)
    promote(home, settings, run["id"])
    return live


def test_what_expires_after_a_promote_is_not_built_from_the_replay(
    home: Home, settings: AggregatorSettings, clock: ManualClock
) -> None:
    live = replayed_and_live(home, settings, clock)
    clock.advance(60_000)
    put(home, [scored(77, "AAPL", BASE_MS, -0.5, BASE_MS)])
    live.run()
    assert [line["reason"] for line in list_asides(home.lake, "late")] == ["expired"]
    found = account(home, settings.allowed_lateness_ms, True)
    assert (found.counted, found.too_late, found.balanced) == (3, 1, True)
    assert verify(home, settings).total_differences == 0


def test_an_object_that_ends_where_scores_went_live_is_of_before(
    home: Home, settings: AggregatorSettings, clock: ManualClock
) -> None:
    live = replayed_and_live(home, settings, clock, model="vader")
    clock.advance(30 * HOUR_MS)
    put(home, [scored(9, "AAPL", clock.now_ms(), 0.3, clock.now_ms())])
    live.run()
    for shard in kinesis_backends["123456789012"]["us-east-1"].streams["dev-scored-articles"].shards.values():
        old = [number for number, row in shard.records.items() if row.created_at < (clock.now_ms() - DAY_MS) / 1000]
        for number in old:
            del shard.records[number]
    forget_homes()
    assert verify(open_home(settings, clock), settings).total_differences == 0
