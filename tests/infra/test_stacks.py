"""What the stacks say, one sentence each."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from api.headers import CSP
from infra.alarms import ALARMS, BUDGET_RUNBOOK, alarms_of
from infra.bundles import BUNDLES, SHARED
from infra.dashboard import PIPELINE
from infra.fargate import CLOUDFRONT_LISTS, cloudfront_addresses
from infra.functions import ROWS
from infra.stages import REPLICA_REGIONS, STAGES, stage_of
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


#: What an account has once, whatever the region: CloudFront's access controls and functions, dashboards, budgets.
WORLDWIDE = {
    "AWS::CloudFront::Function": lambda p: p["Name"],
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
    assert variables["AWS_LWA_READINESS_CHECK_PATH"] == "/health", "a store that is away is no reason to wait for one"
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


def test_an_answer_of_the_api_reaches_the_watcher_as_it_is(templates: Templates):
    """What CloudFront does about errors holds of every origin: a page for a missing file would hide the API's 404, and
    an error that is kept would answer the next one's question, whose query is not part of the key."""
    for variant in ("dev", "all"):
        (distribution,) = resources(templates(variant)["Api"], "AWS::CloudFront::Distribution").values()
        rows = distribution["Properties"]["DistributionConfig"]["CustomErrorResponses"]
        assert {400, 403, 404, 405, 500, 502, 503, 504} == {row["ErrorCode"] for row in rows}
        assert all(row == {"ErrorCode": row["ErrorCode"], "ErrorCachingMinTTL": 0} for row in rows)


def test_every_address_of_the_page_is_the_page_and_files_are_files(templates: Templates):
    api = templates("dev")["Api"]
    (distribution,) = resources(api, "AWS::CloudFront::Distribution").values()
    config = distribution["Properties"]["DistributionConfig"]
    (linked,) = config["DefaultCacheBehavior"]["FunctionAssociations"]
    ((name, function),) = resources(api, "AWS::CloudFront::Function").items()
    assert linked == {"EventType": "viewer-request", "FunctionARN": {"Fn::GetAtt": [name, "FunctionARN"]}}
    assert not any("FunctionAssociations" in each for each in config["CacheBehaviors"])
    asked = ["/", "/records", "/records/rss%23ab.c12", "/runs/g2.1", "/ops", "/nothing", "/sw.js", "/assets/a-B1.js"]
    script = function["Properties"]["FunctionCode"] + (
        f";console.log(JSON.stringify({json.dumps(asked)}.map((uri) => handler({{request: {{uri}}}}).uri)))"
    )
    told = subprocess.run([os.environ["JSII_NODE"], "-e", script], capture_output=True, text=True, check=True)
    page = "/index.html"
    assert json.loads(told.stdout) == [page, page, page, page, page, page, "/sw.js", "/assets/a-B1.js"]


def test_failures_of_requests_are_watched_where_they_are_counted(templates: Templates):
    """The function answers 503 and has not failed; only the HTTP API counts it."""
    ops = templates("dev")["Ops"]
    (alarm,) = (
        each["Properties"]
        for each in resources(ops, "AWS::CloudWatch::Alarm").values()
        if each["Properties"]["Namespace"] == "AWS/ApiGateway"
    )
    assert alarm["MetricName"] == "5xx"
    (dimension,) = alarm["Dimensions"]
    assert dimension["Name"] == "ApiId"
    assert "HttpApi" in json.dumps(dimension["Value"])


def test_a_new_failure_bucket_tells_of_nothing(templates: Templates):
    """S3 itself would put a test message into the queue, and the alarm would ring from the first deployment on."""
    data = templates("dev")["Data"]
    bucket = next(
        each["Properties"]
        for each in resources(data, "AWS::S3::Bucket").values()
        if "-failed-" in each["Properties"]["BucketName"]
    )
    assert bucket["NotificationConfiguration"] == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
    (rule,) = resources(data, "AWS::Events::Rule").values()
    assert rule["Properties"]["EventPattern"]["detail-type"] == ["Object Created"]
    assert "FailedNotes" in json.dumps(rule["Properties"]["Targets"])


def test_on_fargate_there_is_a_service_and_no_stream_function(templates: Templates):
    api = templates("all")["Api"]
    assert len(resources(api, "AWS::ECS::Service")) == 1
    assert not resources(api, "AWS::Lambda::Url")
    (task,) = resources(api, "AWS::ECS::TaskDefinition").values()
    (container,) = task["Properties"]["ContainerDefinitions"]
    image = (ROOT / "infra" / "stream.Dockerfile").read_text()
    assert f"CMD {json.dumps(container['Command'])}" in image
    assert "PYTHONUNBUFFERED=1" in image, "or metrics wait until a pipe is full"
    assert re.search(r":[0-9a-f]{64}$", container["Image"]["Fn::Sub"]), "by its content: an update is another image"
    role = task["Properties"]["ExecutionRoleArn"]["Fn::GetAtt"][0]
    pulling = json.dumps(
        [each for each in resources(api, "AWS::IAM::Policy").values() if {"Ref": role} in each["Properties"]["Roles"]]
    )
    for action in ("ecr:GetAuthorizationToken", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"):
        assert action in pulling, action
    names = [each["Properties"]["FunctionName"] for each in resources(api, "AWS::Lambda::Function").values()]
    assert names == ["preprod-candlewick-api"]


def test_the_image_holds_the_streams_code_and_nothing_of_whoever_builds_it():
    from aws_cdk import IgnoreStrategy

    left_out = IgnoreStrategy.docker(str(ROOT), (ROOT / ".dockerignore").read_text().splitlines())
    packages = {package.partition("/")[0] for package in (*SHARED, *BUNDLES["api"].packages)}
    for name in ("pyproject.toml", "constraints.txt", *(f"{package}/any.py" for package in packages)):
        assert not left_out.ignores(str(ROOT / name)), name
    lines = (ROOT / ".gitignore").read_text().splitlines()
    private = [line.rstrip("/").replace("*", "x") for line in lines] + [".git", "tests", "web", "notes.txt", "x.pem"]
    for name in private:
        assert left_out.ignores(str(ROOT / name)), name
    for name in (".env", "x.db", "x.db-wal", ".candlewick", "__pycache__", "x.onnx"):
        assert left_out.ignores(str(ROOT / "api" / name)), f"{name} in a folder"


def test_on_fargate_only_cloudfront_and_its_balancer_stand_between_a_caller_and_the_container(templates: Templates):
    """So the caller's address is the second from the end of X-Forwarded-For, and nobody can make one up."""
    api = templates("all")["Api"]
    (task,) = resources(api, "AWS::ECS::TaskDefinition").values()
    (container,) = task["Properties"]["ContainerDefinitions"]
    given = {each["Name"]: each["Value"] for each in container["Environment"]}
    assert given["CANDLEWICK_TRUSTED_HOPS"] == "2"
    assert int(given["CANDLEWICK_STREAMS_PER_ADDRESS"]) < int(given["CANDLEWICK_MAX_CONNECTIONS"])
    groups = resources(api, "AWS::EC2::SecurityGroup")
    inline = [rule for each in groups.values() for rule in each["Properties"].get("SecurityGroupIngress", ())]
    rules = inline + [each["Properties"] for each in resources(api, "AWS::EC2::SecurityGroupIngress").values()]
    assert not [rule for rule in rules if "CidrIp" in rule or "CidrIpv6" in rule]
    assert sorted("list" if "SourcePrefixListId" in rule else "group" for rule in rules) == ["group", "list"]
    (to_task,) = (rule for rule in rules if "SourceSecurityGroupId" in rule)
    assert (to_task["FromPort"], to_task["ToPort"]) == (8000, 8000)
    assert "Balancer" in json.dumps(to_task["SourceSecurityGroupId"])


def test_cloudfronts_addresses_are_another_list_in_each_region():
    assert {STAGES["prod"].region, *REPLICA_REGIONS} <= set(CLOUDFRONT_LISTS), "wherever a stage may fail over to"
    assert cloudfront_addresses("us-west-2") != cloudfront_addresses("us-east-1")
    with pytest.raises(ValueError, match="sa-east-1"):
        cloudfront_addresses("sa-east-1")


def test_a_standby_region_counts_nothing_until_it_is_switched_on(templates: Templates):
    """Failover: `-c active=on` there, and `-c active=off` here. What is on the streams is archived all the same."""
    for variant, enabled, state in (("prod", True, "ENABLED"), ("standby", False, "DISABLED")):
        pipeline = templates(variant)["Pipeline"]
        by_function = {
            (str(each["Properties"]["FunctionName"]), each["Properties"]["Enabled"]) for each in mappings_of(pipeline)
        }
        assert {on for function, on in by_function if "Archiver" not in function} == {enabled}
        assert {on for function, on in by_function if "Archiver" in function} == {True}
        assert {each["Properties"]["State"] for each in resources(pipeline, "AWS::Events::Rule").values()} == {state}


def test_the_budget_tells_before_the_money_is_gone(templates: Templates):
    (budget,) = resources(templates("dev")["Guardrail"], "AWS::Budgets::Budget").values()
    assert budget["Properties"]["Budget"]["BudgetLimit"] == {"Amount": 60, "Unit": "USD"}
    steps = [each["Notification"] for each in budget["Properties"]["NotificationsWithSubscribers"]]
    assert [(step["Threshold"], step["NotificationType"]) for step in steps] == [
        (50, "ACTUAL"), (80, "ACTUAL"), (100, "ACTUAL"), (100, "FORECASTED"),
    ]  # fmt: skip


def test_the_budget_counts_what_bears_no_tag(templates: Templates):
    """A filter by tag counts nothing until somebody activates the tag, and never metrics or a replay's tables."""
    (budget,) = resources(templates("dev")["Guardrail"], "AWS::Budgets::Budget").values()
    assert not {"CostFilters", "FilterExpression"} & set(budget["Properties"]["Budget"])


def test_what_was_asked_for_on_the_command_line_is_written_down(templates: Templates):
    """`candlewick deploy` refuses to leave out next time what this time was asked for, though it broke off."""
    for stack in ("Data", "Ops"):
        assert json.loads(templates("all")[stack]["Outputs"]["Context"]["Value"]) == {"stream": "fargate"}
        assert "Context" not in templates("dev")[stack].get("Outputs", {})


def test_the_cache_is_off_unless_asked_for(templates: Templates):
    assert "Cache" not in templates("dev")
    assert len(resources(templates("all")["Cache"], "AWS::DAX::Cluster")) == 1


def test_every_alarm_of_the_table_is_deployed_and_has_a_runbook(templates: Templates):
    for variant, stage, stream_on in (("dev", "dev", "lambda"), ("all", "preprod", "fargate")):
        deployed = {
            each["Properties"]["AlarmName"].removeprefix(f"{stage}-candlewick-")
            for name in ("Api", "Ops")
            for each in resources(templates(variant)[name], "AWS::CloudWatch::Alarm").values()
        }
        assert deployed == {row.name for row in alarms_of(stream_on)}
        (board,) = resources(templates(variant)["Ops"], "AWS::CloudWatch::Dashboard").values()
        shown = json.dumps(board["Properties"]["DashboardBody"])
        assert all(row.name in shown or row.name.title().replace("-", "") in shown for row in alarms_of(stream_on))
    assert {*alarms_of("lambda"), *alarms_of("fargate")} == set(ALARMS)
    for name in [*(row.runbook for row in ALARMS), BUDGET_RUNBOOK]:
        assert (ROOT / "docs" / "runbooks" / f"{name}.md").exists(), name


def test_the_dashboard_follows_the_operators_questions(templates: Templates):
    (board,) = resources(templates("dev")["Ops"], "AWS::CloudWatch::Dashboard").values()
    body = json.dumps(board["Properties"]["DashboardBody"])
    questions = ["Is it live?", "Where is it stuck?", "Stream service", "Data", "Money"]
    places = [body.index(f"## {question}") for question in questions]
    assert places == sorted(places)
    assert all(f"dev-candlewick-{name}" in body for name in PIPELINE)
    assert "timeseries-g1" not in body, "the live generation changes with every promote"
    assert body.count("TableName=dev-sentiment-timeseries") == 4, "units and refusals, of writes and of reads"


def test_open_connections_are_counted_where_they_are_held(templates: Templates):
    """A function's process has one stream at most: how many are open is how many executions there are."""
    for variant, of_function in (("dev", True), ("all", False)):
        (board,) = resources(templates(variant)["Ops"], "AWS::CloudWatch::Dashboard").values()
        body = json.dumps(board["Properties"]["DashboardBody"])
        assert ("ConcurrentExecutions" in body) == of_function
        assert ("StreamConnections" in body) != of_function
        assert ('-candlewick-stream\\"' in body) == of_function


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


def test_the_page_has_the_headers_that_the_api_answers_with(templates: Templates):
    api = templates("dev")["Api"]
    (policy,) = resources(api, "AWS::CloudFront::ResponseHeadersPolicy").items()
    (distribution,) = resources(api, "AWS::CloudFront::Distribution").values()
    behaviour = distribution["Properties"]["DistributionConfig"]["DefaultCacheBehavior"]
    assert behaviour["ResponseHeadersPolicyId"] == {"Ref": policy[0]}
    given = policy[1]["Properties"]["ResponseHeadersPolicyConfig"]
    security = given["SecurityHeadersConfig"]
    assert security["ContentSecurityPolicy"] == {"ContentSecurityPolicy": CSP, "Override": True}
    assert security["FrameOptions"]["FrameOption"] == "DENY"
    assert security["ReferrerPolicy"]["ReferrerPolicy"] == "no-referrer"
    assert security["StrictTransportSecurity"]["AccessControlMaxAgeSec"] == 31_536_000
    others = {each["Header"] for each in given["CustomHeadersConfig"]["Items"]}
    assert others == {"cross-origin-opener-policy", "permissions-policy"}


def test_the_api_knows_the_origin_of_the_page(templates: Templates):
    api = templates("dev")["Api"]
    (name,) = resources(api, "AWS::CloudFront::Distribution")
    (function,) = (
        each["Properties"]
        for each in resources(api, "AWS::Lambda::Function").values()
        if each["Properties"]["Handler"] == "api.handler.lambda_handler"
    )
    told = function["Environment"]["Variables"]["CANDLEWICK_CORS_ORIGINS"]
    assert told == {"Fn::Join": ["", ["https://", {"Fn::GetAtt": [name, "DomainName"]}]]}


def test_the_balancer_asks_only_whether_the_task_lives(templates: Templates):
    (group,) = resources(templates("all")["Api"], "AWS::ElasticLoadBalancingV2::TargetGroup").values()
    assert group["Properties"]["HealthCheckPath"] == "/health"
