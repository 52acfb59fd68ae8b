"""What the cost model is made from is what the code does."""

import json
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from consumers.archiver.service import Archiver
from contracts.events import RAW_STREAM
from contracts.ports import Record
from ops import scale
from ops.cost import (
    HOURS,
    POLL_EVERY_S,
    RUN_EVERY_S,
    Load,
    asked_sources,
    cheaper_on_fargate,
    estimate,
    finalizer_read_units,
    lake_objects,
    sources_write_units,
    stream_usd,
    subjects_read_units,
    total_usd,
)
from tests.events import BASE_MS
from tests.fakes.stores import FakeLake
from tests.unit.replay.kit import raw, stream_records

ROOT = Path(__file__).resolve().parents[3]
PIPELINE = ROOT / "tests" / "infra" / "golden" / "prod-pipeline.json"


def deployed(kind: str) -> list[dict[str, Any]]:
    """The properties of the resources of a kind in the line's template."""
    resources = json.loads(PIPELINE.read_text())["Resources"].values()
    return [each["Properties"] for each in resources if each["Type"] == kind]


def test_the_pace_of_the_page_and_of_the_schedules_is_reckoned_with():
    client = (ROOT / "web" / "src" / "stream" / "stream_client.ts").read_text()
    found = re.search(r"POLL_EVERY = ms\(([\d_]+)\)", client)
    assert found is not None
    assert int(found[1]) == POLL_EVERY_S * 1000
    paces = {rule["ScheduleExpression"] for rule in deployed("AWS::Events::Rule")}
    assert paces == {f"rate({RUN_EVERY_S // 60} minutes)"}


def test_the_classifiers_bound_is_that_of_its_function():
    (feed,) = (
        each
        for each in deployed("AWS::Lambda::EventSourceMapping")
        if each["FunctionName"]["Ref"].startswith("Classifier")
    )
    assert (feed["BatchSize"], feed["ParallelizationFactor"]) == (scale.CLASSIFIER_RECORDS, 1)
    (function,) = (
        each for each in deployed("AWS::Lambda::Function") if each["FunctionName"] == "prod-candlewick-classifier"
    )
    assert function["Timeout"] == scale.CLASSIFIER_TIMEOUT_S


def test_no_stream_has_more_readers_than_the_page_says():
    sources = Counter(str(each["EventSourceArn"]) for each in deployed("AWS::Lambda::EventSourceMapping"))
    assert max(sources.values()) == scale.STREAM_READERS


def test_an_open_stream_pays_for_its_own_looks_and_reports():
    lines = {line.name: line for line in estimate(Load(viewers=1))}
    assert lines["DynamoDB: streams' looks"].usd == pytest.approx(0.99, abs=0.01)
    assert lines["DynamoDB: streams' reports"].usd == pytest.approx(0.33, abs=0.01)
    both = {line.name: line for line in estimate(Load(viewers=2))}
    assert both["DynamoDB: streams' looks"].usd == 2 * lines["DynamoDB: streams' looks"].usd


def test_what_runs_without_watchers_is_counted():
    assert finalizer_read_units(13, 1e9) == 13 * 38
    assert finalizer_read_units(13, 0) == 0
    assert 100 < sources_write_units() / (30 * 288) < 200
    assert subjects_read_units(13) == 105
    assert {"DynamoDB: finalizer", "DynamoDB: sources", "Lake: lists"} <= {line.name for line in estimate(Load())}


def test_a_polling_page_costs_what_it_asks():
    one, none = (total_usd(estimate(Load(viewers=viewers, stream="poll"))) for viewers in (1, 0))
    assert 5 < one - none < 15
    assert total_usd(estimate(Load(viewers=0, stream="lambda"))) == none


def test_from_some_number_of_streams_on_fargate_is_cheaper_and_stays_so():
    first = cheaper_on_fargate()
    assert [stream_usd("fargate", n) < stream_usd("lambda", n) for n in range(1, 2_000)] == [
        n >= first for n in range(1, 2_000)
    ]
    assert stream_usd("fargate", 1) >= 34.46
    for fewer, more in pairwise((1, 3, 10, 1_000, 10_000)):
        assert stream_usd("fargate", fewer) <= stream_usd("fargate", more)


def test_no_tickers_cost_no_error():
    assert total_usd(estimate(Load(tickers=0))) > 0


class _CountedLake(FakeLake):
    lists = 0

    def keys(self, prefix: str = "") -> list[str]:
        self.lists += 1
        return super().keys(prefix)


def test_the_archiver_puts_an_object_a_batch_and_source_after_a_list():
    lake, names = _CountedLake(), [source.name for source in asked_sources()]
    articles = [json.dumps(raw(n, "A title") | {"source": name}).encode() for n, name in enumerate(names * 3)]
    batch = stream_records("s-0", [Record(str(n), "a", data, BASE_MS) for n, data in enumerate(articles)], RAW_STREAM)
    Archiver(lake).archive(batch)
    assert (len(lake.objects), lake.lists) == (len(names), len(names))
    minutes = HOURS * 60
    assert lake_objects(Load(), 1e12, 1e12) == pytest.approx(minutes * (len(names) + 1)), "all of them in every batch"
    assert lake_objects(Load(), 100, 300) == pytest.approx(400, rel=0.01), "each has a batch of its own"
    assert lake_objects(Load(shards=4), 1e12, 1e12) == 2 * lake_objects(Load(), 1e12, 1e12)
    assert lake_objects(Load(), 0, 0) == 0
    (puts,) = (line for line in estimate(Load()) if line.name == "Lake: puts")
    assert f"{len(names)} sources" in puts.why
