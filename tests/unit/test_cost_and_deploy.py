"""Cost model, scale figures, the deploy command and the dashboards' diff: what can be known without AWS."""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import boto3
import pytest
from typer.testing import CliRunner

from api.auth import ADMIN_SECRET
from api.keyring import SECRET_NAME
from consumers.classifier.models import registry
from contracts.clock import ManualClock
from contracts.errors import BadRequest, Conflict, Transient, Unusable
from ops import cost_cmd, dashboards_cmd, deploy_cmd, scale
from ops.cli import app
from ops.cost import Load, documents_figure, estimate, stream_usd, total_usd, units_per_bucket_batch
from ops.made_page import replaced
from producers.sources.registry import KINDS

ROOT = Path(__file__).resolve().parent.parent.parent
GOLDEN = ROOT / "tests" / "infra" / "golden"
runner = CliRunner()


# ---- cost --------------------------------------------------------------------------------------------------------
def test_the_documents_figure_is_reproduced():
    figure = documents_figure()
    assert figure["writes a day before fan-out"] == 18_720
    assert figure["usd a month, documents (18,000 x 8 x 30 x 1.25/M)"] == 5.40


def test_the_default_load_fits_the_budget_and_cache_or_ten_streams_do_not():
    assert 23 < total_usd(estimate(Load(articles_per_hour=0, viewers=0))) < 35
    assert total_usd(estimate(Load())) < 60
    assert total_usd(estimate(Load(dax=True))) > 60
    assert total_usd(estimate(Load(viewers=10))) > 60


def test_the_load_counts_the_alarms_metrics_and_caps_there_are():
    from contracts.metrics import METRICS
    from infra.alarms import alarms_of
    from infra.stages import STAGES

    assert {Load().alarms} == {len(alarms_of("lambda")), len(alarms_of("fargate"))}
    assert Load().custom_metrics == len(METRICS)
    assert {name: stage.stream_concurrency for name, stage in STAGES.items()} == cost_cmd.STREAM_CAPS
    assert {stage.raw_shards + stage.scored_shards for stage in STAGES.values()} == {Load().shards}
    assert {stage.stream_retention_hours for stage in STAGES.values()} == {Load().retention_hours}


def test_a_stage_may_have_the_models_that_need_nothing_of_an_extra():
    from infra.bundles import BUNDLES
    from infra.stages import MODELS

    assert {registry.DEFAULT, "vader"} == {*MODELS} - {""}
    assert "vaderSentiment" in BUNDLES["classifier"].libraries


def test_replicas_and_watchers_pay_for_all_they_take():
    alone, copied = ({line.name: line.usd for line in estimate(Load(replicas=count))} for count in (0, 3))
    for name in ("DynamoDB: recovery", "DynamoDB: storage", "Lake: puts", "Secret"):
        assert copied[name] == pytest.approx(4 * alone[name]), name
    assert stream_usd("fargate", 1_000) - stream_usd("fargate", 1) > 4, "what the balancer carries"


def test_a_bucket_batch_stays_at_the_documents_eight_units():
    assert units_per_bucket_batch() <= 8


@pytest.mark.parametrize("field", ["articles_per_hour", "viewers", "shards", "replicas", "subjects_per_article"])
def test_more_of_anything_never_costs_less(field: str):
    costs = [total_usd(estimate(Load()._replace(**{field: value}))) for value in (1, 3, 30)]
    assert costs == sorted(costs)
    assert costs[0] < costs[-1]


def test_lines_add_up_to_the_total_and_are_dearest_first():
    found = json.loads(runner.invoke(app, ["cost", "--json", "--viewers", "5"]).stdout)
    prices = [line["usd"] for line in found["lines"]]
    assert prices == sorted(prices, reverse=True)
    assert found["usd_a_month"] == pytest.approx(sum(prices), abs=0.01)
    assert "of the budget of 60" in runner.invoke(app, ["cost"]).stdout


@pytest.mark.parametrize(
    "arguments", [["--stream", "fax"], ["--viewers", "-1"], ["--viewers", "nan"], ["--articles-per-hour", "inf"]]
)
def test_a_load_that_is_none_is_refused(arguments: list[str]):
    assert runner.invoke(app, ["cost", *arguments]).exit_code == 2


@pytest.mark.parametrize("made", [cost_cmd, scale])
def test_the_pages_tables_are_what_the_script_computes(made):
    text = made.PAGE.read_text()
    assert made.page(text) == text, f"run python -m {made.__name__}"


def test_a_page_without_its_block_is_noticed():
    with pytest.raises(AssertionError):
        replaced("no blocks", {"a": ["1"]})


def test_more_shards_carry_more_until_the_busiest_subject_is_alone_on_one():
    rates = [scale.spread(shards).rate_at_80 for shards in (1, 2, 4, 8, 16)]
    assert rates == sorted(rates)
    top = scale.subject_shares()[0]
    assert all(scale.spread(shards).busiest_share >= top for shards in (1, 8, 64))


# ---- deploy ------------------------------------------------------------------------------------------------------
def test_a_dry_run_says_what_would_be_done_and_does_nothing():
    found = runner.invoke(app, ["deploy", "--stage", "prod", "-c", "cache=on", "--dry-run", "--json"])
    plan = json.loads(found.stdout)
    assert [step["name"] for step in plan["steps"]] == ["doctor", "synth", "diff", "deploy", "site", "smoke"]
    assert (plan["stage"], plan["context"]) == ("prod", ["cache=on"])


def test_what_the_app_asks_for_can_be_said_and_nothing_else():
    text = (Path(__file__).resolve().parents[2] / "infra" / "app.py").read_text()
    assert set(re.findall(r'asked\("(\w+)"', text)) - {"stage", "region"} == set(deploy_cmd.CONTEXT)


@pytest.mark.parametrize(
    ("stage", "context"),
    [
        ("live", []), ("dev", ["cache"]), ("dev", ["cahce=on"]), ("dev", ["cache=true"]), ("dev", ["active=no"]),
        ("dev", ["stream=Fargate"]), ("dev", ["standby=yes"]), ("dev", ["=on"]), ("dev", ["stream_on=fargate"]),
    ],
)  # fmt: skip
def test_a_wrong_stage_or_context_is_refused(stage: str, context: list[str]):
    with pytest.raises(BadRequest):
        deploy_cmd.plan_of(stage, "", context)


def test_all_faults_of_the_machine_are_told_at_once(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(Unusable) as caught:
        deploy_cmd.doctor(deploy_cmd.plan_of("dev", "", ["stream=fargate"]), tmp_path)
    for part in ("venv", "Node", "dashboard", "credentials", "Docker"):
        assert part in str(caught.value)


def tools(folder: Path, ends: int = 0) -> str:
    """A CDK CLI that writes down what it was asked and, for `deploy`, the outputs."""
    script = folder / "cdk"
    script.write_text(
        f'#!/bin/sh\necho "$@" >> {folder}/calls\n'
        f'if [ "$1" = deploy ]; then mkdir -p build; echo \'{{"dev-candlewick-api":{{"HttpApiUrl":"http://127.0.0.1:9"}}}}\''
        f" > {deploy_cmd.OUTPUTS}; fi\nexit {ends}\n"
    )
    script.chmod(0o755)
    return str(script)


def test_steps_run_in_order_and_stop_before_changing_anything_unless_agreed(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("CANDLEWICK_CDK", tools(tmp_path))
    monkeypatch.setattr(deploy_cmd, "doctor", lambda plan, root: None)
    plan = deploy_cmd.plan_of("dev", "us-west-2", ["active=off"])
    with pytest.raises(Unusable, match="--yes"):
        deploy_cmd.deploy(plan, False, False, tmp_path)
    assert [line.split()[0] for line in (tmp_path / "calls").read_text().splitlines()] == ["synth", "diff"]
    assert "-c stage=dev -c region=us-west-2 -c active=off" in (tmp_path / "calls").read_text()
    monkeypatch.setattr(deploy_cmd, "upload_site", lambda plan, root: None)
    with pytest.raises(Transient, match=r"127\.0\.0\.1:9/ready"):
        deploy_cmd.deploy(plan, True, False, tmp_path)
    assert (tmp_path / "calls").read_text().splitlines()[-1].startswith("deploy --all --require-approval never")


def test_a_tool_that_fails_stops_the_deployment(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("CANDLEWICK_CDK", tools(tmp_path, ends=3))
    monkeypatch.setattr(deploy_cmd, "doctor", lambda plan, root: None)
    with pytest.raises(Unusable, match="ended with 3"):
        deploy_cmd.deploy(deploy_cmd.plan_of("dev", "", []), True, False, tmp_path)
    assert len((tmp_path / "calls").read_text().splitlines()) == 1
    with pytest.raises(Unusable, match="not installed"):
        deploy_cmd.run([str(tmp_path / "nothing")], tmp_path)


def test_the_cli_is_the_one_that_reads_our_assemblies(monkeypatch):
    monkeypatch.delenv("CANDLEWICK_CDK", raising=False)
    assert deploy_cmd.cdk_command() == ["npx", "--yes", "aws-cdk@2.1148.1"]
    deployed = Path(__file__).resolve().parent.parent / "infra" / "test_deployed.py"
    assert f'CDK = "{deploy_cmd.CDK}"\n' in deployed.read_text(), "what is tried on the emulator is what deploys"


class Ready(BaseHTTPRequestHandler):
    pages = ("/ready", "/", "/records")

    def do_GET(self) -> None:
        self.send_response(200 if self.path in self.pages else 404)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


UNKNOWN = "/api/v2/items/nothing"


def test_the_smoke_test_asks_the_api_the_page_and_what_there_is_not(tmp_path: Path, capsys, monkeypatch):
    with HTTPServer(("127.0.0.1", 0), Ready) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        outputs = tmp_path / deploy_cmd.OUTPUTS
        outputs.parent.mkdir()
        outputs.write_text(json.dumps({"dev-candlewick-api": {"HttpApiUrl": url, "DashboardUrl": url}}))
        deploy_cmd.smoke(tmp_path)
        told = capsys.readouterr().err
        assert (told.count("200 http://"), told.count("404 http://")) == (3, 1)
        for pages, wrong in ((("/ready", "/"), "404 instead of 200"), ((*Ready.pages, UNKNOWN), "200 instead of 404")):
            monkeypatch.setattr(Ready, "pages", pages)
            with pytest.raises(Transient, match=wrong):
                deploy_cmd.smoke(tmp_path)
        outputs.write_text(json.dumps({"dev-candlewick-api": {"HttpApiUrl": url + "/wrong"}}))
        with pytest.raises(Transient, match="404"):
            deploy_cmd.smoke(tmp_path)
        server.shutdown()


def test_one_deployment_at_a_time_from_a_checkout(tmp_path: Path):
    """The other's templates would be written over those that were agreed to."""
    with (
        deploy_cmd.alone(deploy_cmd.plan_of("prod", "us-west-2", []), tmp_path),
        pytest.raises(Conflict, match=r"prod us-west-2 .* is being deployed"),
        deploy_cmd.alone(deploy_cmd.plan_of("dev", "", []), tmp_path),
    ):
        raise AssertionError("both at once")
    with deploy_cmd.alone(deploy_cmd.plan_of("dev", "", []), tmp_path):
        assert (tmp_path / deploy_cmd.LOCK).read_text().startswith("dev (process")


def test_what_a_deployment_leaves_behind_is_named():
    before = {"replicas": "us-west-2,eu-west-1", "cache": "on"}
    plan = deploy_cmd.plan_of("dev", "", ["replicas=us-west-2", "cache=", "guardrail=off"])
    told = deploy_cmd.left_behind(plan, before, "us-east-1")
    assert [command.split("--region ")[1] for command in told] == [
        "eu-west-1 --stack-name dev-candlewick-replica",
        "us-east-1 --stack-name dev-candlewick-cache",
        "us-east-1 --stack-name dev-candlewick-guardrail",
    ]
    again = deploy_cmd.plan_of("dev", "", ["replicas=us-west-2,eu-west-1", "cache=on"])
    assert deploy_cmd.left_behind(again, before, "us-east-1") == []


def test_what_may_not_be_dropped_is_what_the_page_says_one_may_ask_for():
    source = (ROOT / "infra" / "app.py").read_text()
    (line,) = (each for each in source.splitlines() if each.startswith("ASKED = "))
    rows = re.findall(r"^\| `(\w+)=", (ROOT / "docs" / "howto" / "deploy.md").read_text(), re.MULTILINE)
    assert sorted(rows) == re.findall(r'"(\w+)"', line)


def test_every_key_that_deploying_tells_of_is_one_that_the_code_reads():
    text = (ROOT / "docs" / "howto" / "deploy.md").read_text()
    (secret,) = re.findall(r"--secret-string '(\{.*?\})'", text)
    known = {ADMIN_SECRET, SECRET_NAME, *(kind.secret for kind in KINDS.values() if kind.secret)}
    assert len(json.loads(secret)) == 2
    assert set(json.loads(secret)) <= known


def test_a_standby_is_told_the_change_stream_of_the_copied_articles():
    from tests.aws.moto_aws import moto_aws

    plan = deploy_cmd.plan_of("prod", "us-west-2", ["standby=on"])
    with moto_aws(ManualClock()):
        with pytest.raises(Unusable, match="replicas=us-west-2"):
            deploy_cmd.found_copies(plan)
        boto3.client("dynamodb", region_name="us-west-2").create_table(
            TableName="prod-sentiment-items-primary",
            KeySchema=[{"AttributeName": "source_id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "source_id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        (stream,) = (each for each in deploy_cmd.found_copies(plan).arguments() if each.startswith("items_stream="))
    assert stream.startswith("items_stream=arn:aws:dynamodb:us-west-2:")
    assert "/table/prod-sentiment-items-primary/stream/" in stream.replace(":table/", "/table/")
    with pytest.raises(BadRequest, match="--region"):
        deploy_cmd.found_copies(deploy_cmd.plan_of("prod", "", ["standby=on"]))
    given = deploy_cmd.plan_of("prod", "us-west-2", ["standby=on", "items_stream=arn"])
    assert deploy_cmd.found_copies(given) == given


def test_a_bucket_that_refuses_the_dashboard_is_one_line(tmp_path: Path):
    from tests.aws.moto_aws import moto_aws

    (tmp_path / "web" / "dist").mkdir(parents=True)
    (tmp_path / "web" / "dist" / "index.html").write_text("page")
    (tmp_path / deploy_cmd.OUTPUTS).parent.mkdir()
    (tmp_path / deploy_cmd.OUTPUTS).write_text('{"site": {"SiteBucket": "nobodys"}}')
    with moto_aws(ManualClock()), pytest.raises(Unusable, match=r"NoSuchBucket.*deploy again"):
        deploy_cmd.upload_site(deploy_cmd.plan_of("dev", "us-east-1", []), tmp_path)


# ---- dashboards --------------------------------------------------------------------------------------------------
def test_a_dashboard_somebody_changed_by_hand_is_told_by_its_widgets():
    wanted = dashboards_cmd.wanted_widgets(GOLDEN / "dev-ops.json")
    assert "Is it live?" in "".join(wanted)
    changed = {title: dict(widget) for title, widget in wanted.items()}
    gone, moved = sorted(changed)[:2]
    del changed[gone]
    changed[moved] = changed[moved] | {"x": 23}
    changed["by hand"] = {"x": 0}
    assert dashboards_cmd.compare(wanted, changed) == {"missing": [gone], "extra": ["by hand"], "different": [moved]}
    assert not any(dashboards_cmd.compare(wanted, wanted).values())


def test_deployed_and_wanted_dashboards_are_read_alike():
    template = json.loads((GOLDEN / "dev-ops.json").read_text())
    (board,) = (each for each in template["Resources"].values() if each["Type"] == "AWS::CloudWatch::Dashboard")
    parts = board["Properties"]["DashboardBody"]["Fn::Join"][1]
    deployed = "".join(part if isinstance(part, str) else "us-east-1" for part in parts)
    wanted = dashboards_cmd.wanted_widgets(GOLDEN / "dev-ops.json")
    assert dashboards_cmd.compare(wanted, dashboards_cmd.by_title(deployed)) == {
        "missing": [],
        "extra": [],
        "different": [],
    }


def test_a_template_that_was_not_made_is_said_to_be_missing(tmp_path: Path):
    with pytest.raises(Unusable, match="synth"):
        dashboards_cmd.wanted_widgets(tmp_path / "none.json")
