"""An alarm of the table as CloudWatch's, which tells the operators' topic."""

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.alarms import Alarm
from infra.names import NAMESPACE, function_name, physical
from infra.stages import Stage

RUNBOOKS = "docs/runbooks"
TOPIC = "candlewick-alarms"


def make_alarm(
    scope: Construct, row: Alarm, stage: Stage, topic: sns.ITopic, known: Mapping[str, Mapping[str, str]]
) -> cloudwatch.Alarm:
    """`known`: the dimensions of what only AWS names, by the row's source."""
    below, at_least = (
        cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
        cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
    )
    alarm = metric_of(row, stage, known).create_alarm(
        scope,
        "".join(part.title() for part in row.name.split("-")),
        alarm_name=alarm_name(row, stage),
        alarm_description=f"{row.why}. Runbook: {RUNBOOKS}/{row.runbook}.md",
        threshold=row.threshold,
        evaluation_periods=row.periods,
        comparison_operator=below if row.below else at_least,
        # A stage that stands still is silent on purpose: an alarm that rings already could not tell when it matters.
        treat_missing_data=cloudwatch.TreatMissingData.BREACHING
        if row.missing == "breach" and stage.active
        else cloudwatch.TreatMissingData.NOT_BREACHING,
    )
    alarm.add_alarm_action(actions.SnsAction(topic))
    alarm.add_ok_action(actions.SnsAction(topic))
    return alarm


def alarm_name(row: Alarm, stage: Stage) -> str:
    """`{env}-candlewick-{name}`."""
    return physical(stage.name, f"candlewick-{row.name}")


def metric_of(row: Alarm, stage: Stage, known: Mapping[str, Mapping[str, str]]) -> cloudwatch.Metric:
    """The metric an alarm watches; most names are formed."""
    namespace, dimensions = {
        "ours": (NAMESPACE, {"stage": stage.name}),
        "lambda": ("AWS/Lambda", {"FunctionName": function_name(stage.name, row.of)}),
        "kinesis": ("AWS/Kinesis", {"StreamName": physical(stage.name, row.of)}),
        "http-api": ("AWS/ApiGateway", known.get("http-api", {})),
        "sqs": ("AWS/SQS", {"QueueName": physical(stage.name, row.of)}),
        "balancer": ("AWS/ApplicationELB", known.get("balancer", {})),
        "targets": ("AWS/ApplicationELB", known.get("targets", {})),
    }[row.source]
    assert dimensions, f"{row.name}: {row.source} is not here"
    return cloudwatch.Metric(
        namespace=namespace,
        metric_name=row.metric,
        dimensions_map=dimensions,
        statistic=row.statistic,
        period=cdk.Duration.seconds(row.period_s),
    )
