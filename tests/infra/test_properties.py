"""What must hold of every resource of a kind, whatever it is called: the checks that nobody else makes."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from infra.alarms import ALARMS
from infra.functions import ROWS
from infra.pipeline_stack import SCHEDULES
from infra.stages import STAGES
from tests.infra.conftest import VARIANTS, Template, resources

Templates = Callable[[str], dict[str, Template]]
ALL = list(VARIANTS)
MAPPING = "AWS::Lambda::EventSourceMapping"
#: Actions that know no resources.
NAMELESS = {"xray:PutTraceSegments", "xray:PutTelemetryRecords", "dynamodb:ListStreams", "ecr:GetAuthorizationToken"}


def every(templates: Templates, variant: str, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(stack/logical id, resource) of a type."""
    for stack, template in templates(variant).items():
        for name, each in resources(template, kind).items():
            yield f"{stack}/{name}", each


@pytest.mark.parametrize("variant", ALL)
def test_every_mapping_has_every_limit_and_a_destination(templates: Templates, variant: str):
    found = dict(every(templates, variant, MAPPING))
    assert len(found) == 5
    for name, mapping in found.items():
        given = mapping["Properties"]
        assert 0 <= given["MaximumRetryAttempts"] <= 10_000, name
        assert 60 <= given["MaximumRecordAgeInSeconds"] <= 604_800, name
        assert given["DestinationConfig"]["OnFailure"]["Destination"], name
        assert given["BisectBatchOnFunctionError"] is True, name
        assert given["FunctionResponseTypes"] == ["ReportBatchItemFailures"], name
        assert 1 <= given["BatchSize"] <= 10_000, name
        assert 0 <= given["MaximumBatchingWindowInSeconds"] <= 300, name
        assert given["ParallelizationFactor"] == 1, f"{name}: with windows, and for a subject's order, exactly 1"


@pytest.mark.parametrize("variant", ALL)
def test_a_record_reaches_the_failure_bucket_before_its_stream_forgets_it(templates: Templates, variant: str):
    hours = [
        each["Properties"]["RetentionPeriodHours"] for _, each in every(templates, variant, "AWS::Kinesis::Stream")
    ]
    for name, mapping in every(templates, variant, MAPPING):
        assert mapping["Properties"]["MaximumRecordAgeInSeconds"] < min([*hours, 24]) * 3600, name


@pytest.mark.parametrize("variant", ALL)
def test_only_the_aggregator_has_a_window(templates: Templates, variant: str):
    windows = [
        each["Properties"]["TumblingWindowInSeconds"]
        for _, each in every(templates, variant, MAPPING)
        if each["Properties"].get("TumblingWindowInSeconds")
    ]
    assert windows == [60]


@pytest.mark.parametrize("variant", ALL)
def test_every_log_group_forgets(templates: Templates, variant: str):
    groups = dict(every(templates, variant, "AWS::Logs::LogGroup"))
    assert groups
    assert all(group["Properties"].get("RetentionInDays") for group in groups.values())


def dimensions(templates: Templates, variant: str, metric: str = "") -> list[tuple[str, str]]:
    """(name, value as JSON) of the dimensions that the deployed alarms watch (those on one metric)."""
    return [
        (dimension["Name"], json.dumps(dimension["Value"]))
        for _, alarm in every(templates, variant, "AWS::CloudWatch::Alarm")
        for dimension in alarm["Properties"]["Dimensions"]
        if metric in ("", alarm["Properties"]["MetricName"])
    ]


@pytest.mark.parametrize("variant", ALL)
def test_every_function_has_a_role_of_its_own_a_log_group_and_an_alarm(templates: Templates, variant: str):
    functions = dict(every(templates, variant, "AWS::Lambda::Function"))
    roles = [str(each["Properties"]["Role"]) for each in functions.values()]
    assert len(set(roles)) == len(functions)
    watched = dimensions(templates, variant, "Errors")
    for name, function in functions.items():
        assert function["Properties"]["LoggingConfig"]["LogGroup"], name
        assert ("FunctionName", json.dumps(function["Properties"]["FunctionName"])) in watched, name
        assert function["Properties"]["Timeout"] <= 900, name


#: What answers callers, and the dimension by which its metrics are asked for.
ANSWERING = {
    "AWS::ApiGatewayV2::Api": "ApiId",
    "AWS::ElasticLoadBalancingV2::LoadBalancer": "LoadBalancer",
    "AWS::ElasticLoadBalancingV2::TargetGroup": "TargetGroup",
}


@pytest.mark.parametrize("variant", ALL)
def test_every_service_that_answers_has_an_alarm(templates: Templates, variant: str):
    for kind, dimension in ANSWERING.items():
        watched = [value for name, value in dimensions(templates, variant) if name == dimension]
        for name, _ in every(templates, variant, kind):
            assert any(name.partition("/")[2] in value for value in watched), f"{name}: nobody hears when it is down"


def test_a_service_that_nobody_watches_is_seen(templates: Templates):
    stacks = templates("all")
    quiet = {name: each for name, each in stacks["Api"]["Resources"].items() if "Alarm" not in each["Type"]}
    with pytest.raises(AssertionError, match="nobody hears"):
        test_every_service_that_answers_has_an_alarm(lambda variant: stacks | {"Api": {"Resources": quiet}}, "all")


@pytest.mark.parametrize("variant", ALL)
def test_every_alarm_names_its_runbook_and_tells_the_operators(templates: Templates, variant: str):
    topic = resources(templates(variant)["Ops"], "AWS::SNS::Topic")
    by_reference = [{"Ref": name} for name in topic]
    by_name = "".join(f":{each['Properties']['TopicName']}" for each in topic.values())
    for name, alarm in every(templates, variant, "AWS::CloudWatch::Alarm"):
        given = alarm["Properties"]
        assert "docs/runbooks/" in given["AlarmDescription"], name
        assert given["AlarmActions"] == given["OKActions"], name
        (action,) = given["AlarmActions"]
        assert [action] == by_reference or json.dumps(action).count(f'{by_name}"') == 1, name
        assert given.get("ActionsEnabled") is not False, name


@pytest.mark.parametrize("variant", ALL)
def test_the_topic_takes_what_alarms_and_the_budget_say(templates: Templates, variant: str):
    """AWS' own key for topics lets neither use it: everything they say would be lost without a word."""
    ((name, topic),) = every(templates, variant, "AWS::SNS::Topic")
    assert "KmsMasterKeyId" not in topic["Properties"], name
    ((name, policy),) = every(templates, variant, "AWS::SNS::TopicPolicy")
    allowed = [each for each in policy["Properties"]["PolicyDocument"]["Statement"] if each["Effect"] == "Allow"]
    assert [(each["Action"], each["Principal"]["Service"]) for each in allowed] == [
        ("sns:Publish", ["budgets.amazonaws.com", "cloudwatch.amazonaws.com"])
    ], name


def test_errors_ring_even_when_every_run_takes_until_its_timeout():
    """One that times out is one error in all that time. A shard's batch is tried again after up to a minute."""
    at_once = {"api": STAGES["dev"].api_concurrency, "stream": STAGES["dev"].stream_concurrency}
    for row in ALARMS:
        if row.metric == "Errors":
            timeout_s = ROWS[row.of].timeout_s
            apart_s = SCHEDULES[row.of] * 60 if row.of in SCHEDULES else timeout_s + 60
            assert row.threshold * max(timeout_s, apart_s) <= row.period_s * at_once.get(row.of, 1), row.name


@pytest.mark.parametrize("variant", ALL)
def test_a_scheduled_run_is_tried_once_and_told_of_when_it_is_given_up(templates: Templates, variant: str):
    """EventBridge only hands it over: how often and how long it is tried is said to the function's own queue."""
    found = dict(every(templates, variant, "AWS::Lambda::EventInvokeConfig"))
    assert len(found) == len(SCHEDULES)
    for name, each in found.items():
        given = each["Properties"]
        assert given["MaximumRetryAttempts"] == 0, name
        assert given["MaximumEventAgeInSeconds"] == 300, name
        assert "MissedRuns" in json.dumps(given["DestinationConfig"]["OnFailure"]), name


@pytest.mark.parametrize("variant", ALL)
def test_no_policy_allows_everything(templates: Templates, variant: str):
    for kind in ("AWS::IAM::Policy", "AWS::IAM::Role", "AWS::IAM::ManagedPolicy"):
        for name, each in every(templates, variant, kind):
            assert not each["Properties"].get("ManagedPolicyArns"), name
            for statement in each["Properties"].get("PolicyDocument", {}).get("Statement", ()):
                actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
                assert not any("*" in action for action in actions), f"{name}: {actions}"
                if statement["Resource"] == "*":
                    assert set(actions) <= NAMELESS, f"{name}: {actions}"


@pytest.mark.parametrize("variant", ALL)
def test_everything_at_rest_is_encrypted_and_nothing_is_public(templates: Templates, variant: str):
    for name, bucket in every(templates, variant, "AWS::S3::Bucket"):
        assert bucket["Properties"]["BucketEncryption"], name
        assert set(bucket["Properties"]["PublicAccessBlockConfiguration"].values()) == {True}, name
    for name, stream in every(templates, variant, "AWS::Kinesis::Stream"):
        assert stream["Properties"]["StreamEncryption"]["EncryptionType"] == "KMS", name
    for name, queue in every(templates, variant, "AWS::SQS::Queue"):
        assert queue["Properties"]["SqsManagedSseEnabled"] is True, name


@pytest.mark.parametrize("variant", ALL)
def test_every_bucket_and_queue_takes_tls_only(templates: Templates, variant: str):
    for kind, policy_kind in (
        ("AWS::S3::Bucket", "AWS::S3::BucketPolicy"),
        ("AWS::SQS::Queue", "AWS::SQS::QueuePolicy"),
    ):
        wanted = len(list(every(templates, variant, kind)))
        refusing = [
            name
            for name, policy in every(templates, variant, policy_kind)
            if any("aws:SecureTransport" in str(each) for each in policy["Properties"]["PolicyDocument"]["Statement"])
        ]
        assert len(refusing) == wanted, kind


@pytest.mark.parametrize("variant", ALL)
def test_data_is_retained_where_the_stage_says_so(templates: Templates, variant: str):
    kinds = ("AWS::DynamoDB::GlobalTable", "AWS::Kinesis::Stream", "AWS::S3::Bucket", "AWS::SecretsManager::Secret")
    data = templates(variant)["Data"]
    wanted = "Delete" if VARIANTS[variant]["name"] == "dev" else "Retain"
    for kind in kinds:
        found = {each["DeletionPolicy"] for each in resources(data, kind).values()}
        assert found == {wanted} or (not found and variant == "standby"), kind


@pytest.mark.parametrize("variant", ALL)
def test_every_index_key_is_a_declared_attribute(templates: Templates, variant: str):
    """cfn-lint misses it on global tables."""
    for name, table in every(templates, variant, "AWS::DynamoDB::GlobalTable"):
        declared = {each["AttributeName"] for each in table["Properties"]["AttributeDefinitions"]}
        schemas = [table["Properties"]["KeySchema"]]
        schemas += [index["KeySchema"] for index in table["Properties"].get("GlobalSecondaryIndexes", ())]
        used = {key["AttributeName"] for schema in schemas for key in schema}
        assert used == declared, name


@pytest.mark.parametrize("variant", ALL)
def test_everything_that_can_be_tagged_says_stage_and_project(templates: Templates, variant: str):
    for kind in ("AWS::Lambda::Function", "AWS::Kinesis::Stream", "AWS::S3::Bucket", "AWS::SQS::Queue"):
        for name, each in every(templates, variant, kind):
            tags = {tag["Key"]: tag["Value"] for tag in each["Properties"]["Tags"]}
            assert tags["project"] == "candlewick", name
            assert tags["stage"] == VARIANTS[variant]["name"], name


def broken(template: Template, kind: str, change: Callable[[dict[str, Any]], Any]) -> Template:
    """A copy in which one resource of a type is changed."""
    copy = json.loads(json.dumps(template))
    change(next(iter(resources(copy, kind).values()))["Properties"])
    return copy


#: Things broken on purpose → the check that must see it. Who trusts a check has seen it fail.
CANARIES: dict[str, tuple[str, str, Callable[[dict[str, Any]], Any], Callable[..., None]]] = {
    "two invocations on a windowed shard": (
        "Pipeline", MAPPING, lambda p: p.update(ParallelizationFactor=2),
        test_every_mapping_has_every_limit_and_a_destination,
    ),
    "retries for ever": (
        "Pipeline", MAPPING, lambda p: p.update(MaximumRetryAttempts=-1),
        test_every_mapping_has_every_limit_and_a_destination,
    ),
    "nowhere to put what failed": (
        "Pipeline", MAPPING, lambda p: p.pop("DestinationConfig"),
        test_every_mapping_has_every_limit_and_a_destination,
    ),
    "tried longer than the stream keeps it": (
        "Pipeline", MAPPING, lambda p: p.update(MaximumRecordAgeInSeconds=604_800),
        test_a_record_reaches_the_failure_bucket_before_its_stream_forgets_it,
    ),
    "logs for ever": (
        "Pipeline", "AWS::Logs::LogGroup", lambda p: p.pop("RetentionInDays"), test_every_log_group_forgets,
    ),
    "a function nobody watches": (
        "Pipeline", "AWS::Lambda::Function", lambda p: p.update(FunctionName="dev-candlewick-new"),
        test_every_function_has_a_role_of_its_own_a_log_group_and_an_alarm,
    ),
    "an alarm without a runbook": (
        "Ops", "AWS::CloudWatch::Alarm", lambda p: p.update(AlarmDescription="look into it"),
        test_every_alarm_names_its_runbook_and_tells_the_operators,
    ),
    "an alarm that nobody hears": (
        "Ops", "AWS::CloudWatch::Alarm", lambda p: p.update(AlarmActions=[]),
        test_every_alarm_names_its_runbook_and_tells_the_operators,
    ),
    "a topic with a key that alarms may not use": (
        "Ops", "AWS::SNS::Topic", lambda p: p.update(KmsMasterKeyId="alias/aws/sns"),
        test_the_topic_takes_what_alarms_and_the_budget_say,
    ),
    "a run that is tried for hours": (
        "Pipeline", "AWS::Lambda::EventInvokeConfig", lambda p: p.pop("MaximumEventAgeInSeconds"),
        test_a_scheduled_run_is_tried_once_and_told_of_when_it_is_given_up,
    ),
    "a right to everything": (
        "Pipeline", "AWS::IAM::Policy", lambda p: p["PolicyDocument"]["Statement"][0].update(Action="s3:*"),
        test_no_policy_allows_everything,
    ),
    "a public bucket": (
        "Data", "AWS::S3::Bucket", lambda p: p["PublicAccessBlockConfiguration"].update(BlockPublicAcls=False),
        test_everything_at_rest_is_encrypted_and_nothing_is_public,
    ),
    "an index on an attribute that is not declared": (
        "Data", "AWS::DynamoDB::GlobalTable", lambda p: p["KeySchema"][0].update(AttributeName="typo"),
        test_every_index_key_is_a_declared_attribute,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", list(CANARIES))
def test_each_check_sees_what_it_is_there_for(templates: Templates, name: str):
    stack, kind, change, check = CANARIES[name]
    stacks = templates("dev")
    with pytest.raises((AssertionError, KeyError)):
        check(lambda variant: stacks | {stack: broken(stacks[stack], kind, change)}, "dev")


@pytest.mark.parametrize("variant", ALL)
def test_silence_rings_where_the_stage_runs_and_not_where_it_stands_by(templates: Templates, variant: str):
    (missing,) = {
        each["Properties"]["TreatMissingData"]
        for _, each in every(templates, variant, "AWS::CloudWatch::Alarm")
        if each["Properties"]["AlarmName"].endswith("-no-new-articles")
    }
    assert missing == ("notBreaching" if VARIANTS[variant].get("active") == "off" else "breaching")


@pytest.mark.parametrize("variant", ALL)
def test_every_log_is_kept_as_long_as_the_stage_says_but_the_networks(templates: Templates, variant: str):
    days = {
        name: each["Properties"]["RetentionInDays"] for name, each in every(templates, variant, "AWS::Logs::LogGroup")
    }
    assert len(days) > 8
    others = {name: kept for name, kept in days.items() if kept != STAGES[VARIANTS[variant]["name"]].log_days}
    assert all("FlowLogs" in name and kept == 7 for name, kept in others.items()), others


@pytest.mark.parametrize("variant", ALL)
def test_the_budget_may_be_left_out_again(templates: Templates, variant: str):
    """What another stack imports of one keeps that from being deployed without it."""
    stacks = templates(variant)
    if guardrail := stacks.get("Guardrail"):
        assert "Fn::ImportValue" not in json.dumps(guardrail)
