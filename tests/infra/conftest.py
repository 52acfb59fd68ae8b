"""Templates, synthesised once. These tests need the infrastructure's own venv: `make test-infra`."""

import importlib.util
import json
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

if importlib.util.find_spec("aws_cdk") is None:
    collect_ignore_glob = ["test_*.py"]
else:
    sys.path.insert(0, str(ROOT))
    import infra  # says which Node jsii takes, before any test imports CDK

    assert infra.__file__

Template = dict[str, Any]

#: What is looked at: the stages, and one with everything that is off by default.
VARIANTS: dict[str, dict[str, str]] = {
    "dev": {"name": "dev"},
    "prod": {"name": "prod"},
    "all": {
        "name": "preprod", "replicas": "us-west-2,eu-west-1", "cache": "on", "stream_on": "fargate",
        "telemetry_layer": "arn:aws:lambda:us-east-1:615299751070:layer:AWSOpenTelemetryDistroPython:16",
    },
    "standby": {
        "name": "prod", "active": "off", "region": "us-west-2", "standby": "on",
        "items_stream": "arn:aws:dynamodb:us-west-2:111122223333:table/prod-sentiment-items-primary/stream/2026-01-01",
    },
}  # fmt: skip


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, Template]]:
    """Variant → stack → template; nag's report lies beside them in `validation-report.json`."""

    @cache
    def synthesised(variant: str) -> dict[str, Template]:
        folder = synthesise(variant, tmp_path_factory.mktemp(variant))
        return {
            path.name.removesuffix(".template.json"): json.loads(path.read_text())
            for path in sorted(folder.glob("*.template.json"))
        }

    return synthesised


def synthesise(variant: str, folder: Path) -> Path:
    """Write a variant's assembly to a folder."""
    import aws_cdk as cdk

    from infra.app import build
    from infra.stages import stage_of

    app = cdk.App(outdir=str(folder))
    build(app, stage_of(**VARIANTS[variant]), "stub", context={"stream": "fargate"} if variant == "all" else {})
    app.synth()
    return folder


def resources(template: Template, kind: str) -> dict[str, dict[str, Any]]:
    """A template's resources of a type, by logical id."""
    return {name: each for name, each in template["Resources"].items() if each["Type"] == kind}
