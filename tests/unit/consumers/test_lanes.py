"""Where a subject has lanes, the classifier's handler puts each event into its own."""

import json
from pathlib import Path

import pytest

from consumers.classifier.handler import lambda_handler as classify
from contracts.bucket import LANE_SEPARATOR
from contracts.events import RAW_STREAM, SCORED_STREAM
from contracts.hashing import member_hash
from contracts.ports import Position, Record
from contracts.settings import ClassifierSettings
from stores.home import forget_homes, open_home
from tests.fakes.kinesis import kinesis_event
from tests.unit.consumers.classifying import NOW_MS, article


@pytest.mark.parametrize("lanes", [1, 4])
def test_events_go_to_the_lanes_of_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lanes: int) -> None:
    monkeypatch.setenv("CANDLEWICK_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("CANDLEWICK_MODEL", "vader")
    monkeypatch.setenv("CANDLEWICK_LANES", str(lanes))
    datas = [article(f"Apple shares soar in quarter {number}") for number in range(8)]
    records = [Record(str(number), "a", data, NOW_MS) for number, data in enumerate(datas, 1)]
    try:
        assert classify(kinesis_event(RAW_STREAM, records), None) == {"batchItemFailures": []}
        log = open_home(ClassifierSettings(data_dir=str(tmp_path))).log
        keys: dict[str, str] = {}
        for shard in log.shards(SCORED_STREAM):
            page = log.get_records(log.iterator(SCORED_STREAM, shard.shard_id, Position("TRIM_HORIZON")))
            keys |= {json.loads(each.data)["event_id"]: each.partition_key for each in page.records}
    finally:
        forget_homes()
    assert len(keys) == 8
    lane_of = {name: f"{LANE_SEPARATOR}{member_hash(name) % lanes}" if lanes > 1 else "" for name in keys}
    assert keys == {name: f"AAPL{lane}" for name, lane in lane_of.items()}
