"""What the stacks say, one sentence each."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from infra.alarms import ALARMS, BUDGET_RUNBOOK
from infra.dashboard import PIPELINE
from infra.functions import ROWS
from infra.stages import STAGES, stage_of
from stores.dynamo_schema import TABLES
from tests.infra.conftest import ROOT, VARIANTS, Template, resources

Templates = Callable[[str], dict[str, Template]]


def mappings_of(template: Template) -> list[dict[str, Any]]:
    return list(resources(template, "AWS::Lambda::EventSourceMapping").values())


def test_two_shards_are_provisioned_for_the_documents_load(templates: Templates):
    streams = resources(templates("dev")["Data"], "AWS::Kinesis::Stream")
    assert sum(each["Properties"]["ShardCount"] for each in streams.values()) == 2
    assert {each["Properties"]["StreamModeDetails"]["StreamMode"] for each in streams.values()} == {"PROVISIONED"}


def test_the_tables_are_those_the_code_reads(templates: Templates):
    found = resources(templates("dev")["Data"], "AWS::DynamoDB::GlobalTable")
    by_name = {each["Properties"]["TableName"]: each["Properties"] for each in found.values()}
    assert len(by_name) == len(TABLES)
    for row in TABLES.values():
        given = by_name.get(f"dev-{row.name}") or by_name[f"dev-{row.name}-g1"]
        keys = [key["AttributeName"] for key in given["KeySchema"]]
        assert keys == [each for each in (row.partition, row.sort) if each]
        assert given["TimeToLiveSpecification"] == {"AttributeName": row.ttl, "Enabled": True}
        assert given["BillingMode"] == "PAY_PER_REQUEST"
        indexes = {index["IndexName"]: index for index in given.get("GlobalSecondaryIndexes", ())}
        assert set(indexes) == {index.name for index in row.indexes}
        if row.stream:
            assert given["StreamSpecification"]["StreamViewType"] == "NEW_AND_OLD_IMAGES"


def test_replicas_are_made_where_asked_of_everything_who_takes_over_needs(templates: Templates):
    stacks = templates("all")
    regions = ["us-west-2", "eu-west-1"]
    data = stacks["Data"]
    tables = [each["Properties"] for each in resources(data, "AWS::DynamoDB::GlobalTable").values()]
    assert len(tables) == len(TABLES)
    for table in tables:
        assert [each["Region"] for each in table["Replicas"]] == [*regions, "us-east-1"], table["TableName"]
        assert table["StreamSpecification"]["StreamViewType"] == "NEW_AND_OLD_IMAGES", "or nothing is copied"
    (secret,) = resources(data, "AWS::SecretsManager::Secret").values()
    assert [each["Region"] for each in secret["Properties"]["ReplicaRegions"]] == regions
    lake = bucket_named(data, "preprod-candlewick-lake-111122223333-us-east-1")
    rules = lake["Properties"]["ReplicationConfiguration"]["Rules"]
    for region, rule in zip(regions, rules, strict=True):
        name = f"preprod-candlewick-lake-111122223333-{region}"
        assert json.dumps(rule["Destination"]["Bucket"]).count(name) == 1
        copy = bucket_named(stacks[f"Replica-{region}"], name)["Properties"]
        assert copy["VersioningConfiguration"] == lake["Properties"]["VersioningConfiguration"] == {"Status": "Enabled"}
    assert "Replica-ap-south-1" not in stacks
    assert "ReplicationConfiguration" not in json.dumps(templates("dev")["Data"])


def bucket_named(template: Template, name: str) -> dict[str, Any]:
    (found,) = (b for b in resources(template, "AWS::S3::Bucket").values() if b["Properties"]["BucketName"] == name)
    return found


def test_a_standby_makes_nothing_that_the_copies_already_are(templates: Templates):
    """Two owners of one name would stop the deployment in the middle of a failover."""
    stacks = templates("standby")
    data = stacks["Data"]
    for kind in ("AWS::DynamoDB::GlobalTable", "AWS::SecretsManager::Secret", "AWS::Budgets::Budget"):
        assert not any(resources(template, kind) for template in stacks.values()), kind
    assert not any(name.startswith("Replica") for name in stacks)
    names = {each["Properties"]["BucketName"] for each in resources(data, "AWS::S3::Bucket").values()}
    assert names == {f"prod-candlewick-{kind}-111122223333-us-west-2" for kind in ("logs", "failed")}
    streams = {each["Properties"]["Name"] for each in resources(data, "AWS::Kinesis::Stream").values()}
    assert streams == {"prod-raw-articles", "prod-scored-articles"}, "streams are not copied: they are made there"
    reads = [each["Properties"]["EventSourceArn"] for each in mappings_of(stacks["Pipeline"])]
    assert VARIANTS["standby"]["items_stream"] in reads, "the read model follows the copy's own change stream"


#: What an account has once, whatever the region: CloudFront's access controls, dashboards, budgets.
WORLDWIDE = {
    "AWS::CloudFront::OriginAccessControl": lambda p: p["OriginAccessControlConfig"]["Name"],
    "AWS::CloudWatch::Dashboard": lambda p: p["DashboardName"],
    "AWS::Budgets::Budget": lambda p: p["Budget"]["BudgetName"],
    "AWS::S3::Bucket": lambda p: p["BucketName"],
}


def test_stages_and_regions_share_no_name_that_an_account_has_once(templates: Templates):
    found = [
        (kind, name_of(each["Properties"]))
        for variant in VARIANTS
        for template in templates(variant).values()
        for kind, name_of in WORLDWIDE.items()
        for each in resources(template, kind).values()
    ]
    assert len(found) > 20
    assert len(found) == len(set(found))


def test_the_stream_answers_piece_by_piece_behind_the_web_adapter(templates: Templates):
    api = templates("dev")["Api"]
    (url,) = resources(api, "AWS::Lambda::Url").values()
    assert (url["Properties"]["InvokeMode"], url["Properties"]["AuthType"]) == ("RESPONSE_STREAM", "AWS_IAM")
    stream = next(
        each["Properties"]
        for each in resources(api, "AWS::Lambda::Function").values()
        if each["Properties"]["FunctionName"] == "dev-candlewick-stream"
    )
    assert stream["Handler"] == "run.sh"
    assert "LambdaAdapterLayerArm64" in json.dumps(stream["Layers"])
    variables = stream["Environment"]["Variables"]
    assert variables["AWS_LWA_INVOKE_MODE"] == "response_stream"
    assert variables["CANDLEWICK_MAX_CONNECTIONS"] == "1", "an environment serves one request"
    assert stream["ReservedConcurrentExecutions"] == STAGES["dev"].stream_concurrency
    actions = {each["Properties"]["Action"] for each in resources(api, "AWS::Lambda::Permission").values()}
    assert {"lambda:InvokeFunctionUrl", "lambda:InvokeFunction"} <= actions


def test_spans_go_where_a_layer_sends_them_when_one_is_named(templates: Templates):
    for variant, wanted in (("all", True), ("dev", False)):
        functions = resources(templates(variant)["Pipeline"], "AWS::Lambda::Function").values()
        for each in (function["Properties"] for function in functions):
            assert each["TracingConfig"] == {"Mode": "Active"}
            assert ("AWSOpenTelemetryDistroPython" in json.dumps(each.get("Layers", []))) == wanted
            wrapper = each["Environment"]["Variables"].get("AWS_LAMBDA_EXEC_WRAPPER")
            assert wrapper == ("/opt/otel-instrument" if wanted else None)


def test_a_gap_in_a_stream_is_shorter_than_cloudfront_waits(templates: Templates):
    (distribution,) = resources(templates("dev")["Api"], "AWS::CloudFront::Distribution").values()
    origins = distribution["Properties"]["DistributionConfig"]["Origins"]
    timeouts = [
        each["CustomOriginConfig"].get("OriginReadTimeout", 30) for each in origins if "CustomOriginConfig" in each
    ]
    heartbeat = dict(ROWS["stream"].environment)["heartbeat_s"]
    assert float(heartbeat) * 2 < min(timeouts)


def test_on_fargate_there_is_a_service_and_no_stream_function(templates: Templates):
    api = templates("all")["Api"]
    assert len(resources(api, "AWS::ECS::Service")) == 1
    assert not resources(api, "AWS::Lambda::Url")
    (task,) = resources(api, "AWS::ECS::TaskDefinition").values()
    (container,) = task["Properties"]["ContainerDefinitions"]
    image = (ROOT / "infra" / "stream.Dockerfile").read_text()
    assert f"CMD {json.dumps(container['Command'])}" in image
    names = [each["Properties"]["FunctionName"] for each in resources(api, "AWS::Lambda::Function").values()]
    assert names == ["preprod-candlewick-api"]
    alarms = resources(templates("all")["Ops"], "AWS::CloudWatch::Alarm").values()
    watched = {each["Properties"]["AlarmName"].removeprefix("preprod-candlewick-") for each in alarms}
    assert {row.name for row in ALARMS} - watched == {"errors-stream", "stream-refusals-function"}


def test_on_fargate_only_cloudfront_and_its_balancer_stand_between_a_caller_and_the_container(templates: Templates):
    """So the caller's address is the second from the end of X-Forwarded-For, and nobody can make one up."""
    api = templates("all")["Api"]
    (task,) = resources(api, "AWS::ECS::TaskDefinition").values()
    (container,) = task["Properties"]["ContainerDefinitions"]
    given = {each["Name"]: each["Value"] for each in container["Environment"]}
    assert given["CANDLEWICK_TRUSTED_HOPS"] == "2"
    groups = resources(api, "AWS::EC2::SecurityGroup")
    inline = [rule for each in groups.values() for rule in each["Properties"].get("SecurityGroupIngress", ())]
    rules = inline + [each["Properties"] for each in resources(api, "AWS::EC2::SecurityGroupIngress").values()]
    assert not [rule for rule in rules if "CidrIp" in rule or "CidrIpv6" in rule]
    assert sorted("list" if "SourcePrefixListId" in rule else "group" for rule in rules) == ["group", "list"]
    (to_task,) = (rule for rule in rules if "SourceSecurityGroupId" in rule)
    assert (to_task["FromPort"], to_task["ToPort"]) == (8000, 8000)
    assert "Balancer" in json.dumps(to_task["SourceSecurityGroupId"])


def test_a_standby_region_runs_nothing_until_it_is_switched_on(templates: Templates):
    """Failover: `-c active=on` there, and `-c active=off` here."""
    for variant, enabled, state in (("prod", True, "ENABLED"), ("standby", False, "DISABLED")):
        pipeline = templates(variant)["Pipeline"]
        assert {each["Properties"]["Enabled"] for each in mappings_of(pipeline)} == {enabled}
        assert {each["Properties"]["State"] for each in resources(pipeline, "AWS::Events::Rule").values()} == {state}


def test_the_budget_tells_before_the_money_is_gone(templates: Templates):
    (budget,) = resources(templates("dev")["Guardrail"], "AWS::Budgets::Budget").values()
    assert budget["Properties"]["Budget"]["BudgetLimit"] == {"Amount": 60, "Unit": "USD"}
    steps = [each["Notification"] for each in budget["Properties"]["NotificationsWithSubscribers"]]
    assert [(step["Threshold"], step["NotificationType"]) for step in steps] == [
        (50, "ACTUAL"), (80, "ACTUAL"), (100, "ACTUAL"), (100, "FORECASTED"),
    ]  # fmt: skip


def test_the_cache_is_off_unless_asked_for(templates: Templates):
    assert "Cache" not in templates("dev")
    assert len(resources(templates("all")["Cache"], "AWS::DAX::Cluster")) == 1


def test_every_alarm_of_the_table_is_deployed_and_has_a_runbook(templates: Templates):
    deployed = {
        each["Properties"]["AlarmName"].removeprefix("dev-candlewick-")
        for each in resources(templates("dev")["Ops"], "AWS::CloudWatch::Alarm").values()
    }
    assert deployed == {row.name for row in ALARMS}
    for name in [*(row.runbook for row in ALARMS), BUDGET_RUNBOOK]:
        assert (ROOT / "docs" / "runbooks" / f"{name}.md").exists(), name


def test_the_dashboard_follows_the_operators_questions(templates: Templates):
    (board,) = resources(templates("dev")["Ops"], "AWS::CloudWatch::Dashboard").values()
    body = json.dumps(board["Properties"]["DashboardBody"])
    questions = ["Is it live?", "Where is it stuck?", "Stream service", "Data", "Money"]
    places = [body.index(f"## {question}") for question in questions]
    assert places == sorted(places)
    assert all(f"dev-candlewick-{name}" in body for name in PIPELINE)


@pytest.mark.parametrize(
    "given",
    [
        {"name": "live"},
        {"name": "dev", "replicas": "mars-1"},
        {"name": "dev", "standby": "on", "items_stream": "arn"},
        {"name": "dev", "standby": "on", "region": "us-west-2"},
    ],
)
def test_a_wrong_stage_or_region_is_refused_with_what_is_allowed(given: dict[str, str]):
    with pytest.raises(ValueError, match="of "):
        stage_of(**given)
