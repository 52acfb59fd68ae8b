"""cdk-nag and cfn-lint: no finding without a reason, no reason without a finding."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.infra.conftest import VARIANTS, Template

#: Checks that do not apply to templates CDK writes, and why.
IGNORED = {
    "W3005": "CDK writes dependencies that references already imply",
}


def findings(folder: Path, variant: str, acknowledge: bool, monkeypatch: pytest.MonkeyPatch) -> set[tuple[str, str]]:
    """(rule, stack) of nag's findings, warnings included."""
    import aws_cdk as cdk
    import cdk_nag

    import infra.app as app_module
    from infra.stages import stage_of

    if not acknowledge:
        monkeypatch.setattr(app_module, "acknowledge", lambda *arguments: None)
    app = cdk.App(outdir=str(folder))
    cdk.Validations.of(app).add_plugins(cdk_nag.AwsSolutionsChecks(app))
    app_module.build(app, stage_of(**VARIANTS[variant]), "stub")
    report = folder / "validation-report.json"
    try:
        app.synth()
    except RuntimeError:
        assert report.exists()
    found = json.loads(report.read_text())["pluginReports"]
    return {
        (violation["ruleName"], construct["constructPath"].split("/")[0])
        for plugin in found
        for violation in plugin["violations"]
        for construct in violation["violatingConstructs"]
    }


@pytest.mark.parametrize("variant", ["dev", "all", "standby"])
def test_nag_finds_nothing_that_has_no_reason(tmp_path: Path, variant: str, monkeypatch: pytest.MonkeyPatch):
    assert findings(tmp_path, variant, True, monkeypatch) == set()


def test_no_reason_is_given_for_what_nag_does_not_find(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from infra.acknowledgements import acknowledged
    from infra.app import OFFLINE_ACCOUNT
    from infra.stages import stage_of

    found = findings(tmp_path, "all", False, monkeypatch)
    for row in acknowledged(stage_of(**VARIANTS["all"]), OFFLINE_ACCOUNT):
        assert len(row.reason) > 10
        for stack in row.stacks:
            assert (row.rule, stack) in found, f"{row.rule} in {stack} is acknowledged for nothing"


@pytest.mark.parametrize("variant", list(VARIANTS))
def test_cfn_lint_finds_nothing(templates: Callable[[str], dict[str, Template]], variant: str):
    from cfnlint.api import lint
    from cfnlint.config import ManualArgs

    for name, template in templates(variant).items():
        matches = lint(json.dumps(template), config=ManualArgs(ignore_checks=list(IGNORED), regions=["us-east-1"]))
        assert [f"{name}: {match}" for match in matches] == []
