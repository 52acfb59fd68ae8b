"""Deploying: who hears of alarms, and what a stage's functions are told."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from contracts.resolution import HOUR_MS
from contracts.settings import AggregatorSettings
from infra.stages import STAGES
from ops import deploy_cmd

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "howto" / "deploy.md"


def test_a_stage_whose_alarms_reach_nobody_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    plan = deploy_cmd.plan_of("dev", "", [])
    deploy_cmd.deploy(plan, yes=False, dry_run=True)
    assert "alarm_email of dev in infra/stages.py is empty" in capsys.readouterr().err
    monkeypatch.setitem(STAGES, "dev", replace(STAGES["dev"], alarm_email="desk@news.example"))
    deploy_cmd.deploy(plan, yes=False, dry_run=True)
    told = capsys.readouterr().err
    assert "is empty" not in told
    assert "desk@news.example" in told


def test_the_steps_of_deploying_name_who_hears_of_alarms_before_anything_is_deployed():
    steps = dict(re.findall(r"^(\d)\. (.*?)(?=^\d\. |^## )", PAGE.read_text(), re.M | re.S))
    (of_alarms,) = (number for number, text in steps.items() if "alarm_email" in text)
    (of_deploying,) = (number for number, text in steps.items() if "`candlewick deploy --stage dev`" in text)
    assert of_alarms < of_deploying
    assert "confirm" in steps[of_alarms]


def test_a_stage_allows_what_the_code_allows_unless_its_row_says_otherwise():
    default_ms = AggregatorSettings().allowed_lateness_ms
    assert {stage.allowed_lateness_hours * HOUR_MS for stage in STAGES.values()} == {default_ms}
    for stage in ("dev", "prod"):
        template = (ROOT / "tests" / "infra" / "golden" / f"{stage}-pipeline.json").read_text()
        told = {
            name: each["Properties"]["Environment"]["Variables"].get("CANDLEWICK_ALLOWED_LATENESS_MS")
            for name, each in json.loads(template)["Resources"].items()
            if each["Type"] == "AWS::Lambda::Function"
        }
        who = {re.sub("[0-9A-F]{8}$", "", name) for name, value in told.items() if value == str(default_ms)}
        assert who == {"Aggregator", "Classifier", "Finalizer", "Producers"}


@pytest.mark.parametrize(
    "name", ["allowed_lateness_hours", "alarm_email", "sources_file", "symbols_file", "user_agent"]
)
def test_what_a_row_may_say_of_a_stage_is_told(name: str):
    assert hasattr(STAGES["dev"], name)
    assert f"`{name}`" in PAGE.read_text()
