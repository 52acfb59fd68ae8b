"""Counts on their way to CloudWatch."""

import json

import pytest

from contracts import emf, telemetry
from contracts.clock import ManualClock, SystemClock
from contracts.metrics import METRICS, NAMESPACE


@pytest.fixture
def told(capsys):
    clock = ManualClock(SystemClock().now_ms())  # CloudWatch takes no older time, and Powertools says so
    telemetry.emit_to(emf.writer("dev", clock))
    yield lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    telemetry.emit_to(None)


def test_counts_and_observations_are_one_line_each_with_the_stage_as_only_dimension(told):
    telemetry.record({"EventsCounted": 3, "EventsDuplicate": 1})
    telemetry.observe({"ClassifierLatency": 12.5})
    telemetry.record({})
    first, second = told()
    assert (first["EventsCounted"], first["stage"]) == ([3], "dev")
    (metrics,) = first["_aws"]["CloudWatchMetrics"]
    assert metrics["Namespace"] == NAMESPACE
    assert metrics["Dimensions"] == [["stage"]]
    assert {each["Name"]: each["Unit"] for each in metrics["Metrics"]} == {
        "EventsCounted": "Count",
        "EventsDuplicate": "Count",
    }
    assert second["_aws"]["CloudWatchMetrics"][0]["Metrics"] == [{"Name": "ClassifierLatency", "Unit": "Milliseconds"}]


def test_observations_are_not_added_up(told):
    before = telemetry.totals()
    telemetry.observe({"StreamConnections": 7})
    assert telemetry.totals() == before


def test_names_that_are_no_metrics_are_our_bug(told):
    for call in (telemetry.record, telemetry.observe):
        with pytest.raises(AssertionError):
            call({"Nonsense": 1})
    assert "Nonsense" not in METRICS


def test_on_one_machine_nothing_is_written(capsys):
    telemetry.record({"EventsCounted": 1})
    assert capsys.readouterr().out == ""
