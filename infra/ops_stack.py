"""Ops: alarms from their table, the operators' topic, and one dashboard in the order an operator asks."""

import json
from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from infra.alarms import ALARMS, Alarm
from infra.dashboard import widgets
from infra.names import NAMESPACE, dashboard_name, function_name, physical
from infra.stages import Stage

RUNBOOKS = "docs/runbooks"


class OpsStack(cdk.Stack):
    """The operators' view."""

    def __init__(
        self, scope: Construct, name: str, stage: Stage, http_api: str, context: Mapping[str, str], **more: object
    ) -> None:
        """`http_api`: the API's id. `context`: what the command line asked for, which the next deployment must know."""
        super().__init__(scope, name, **more)
        if context:
            cdk.CfnOutput(self, "Context", value=json.dumps(dict(context), sort_keys=True))
        # Without a key: AWS' own for topics lets no alarm use it, and one of ours is 1.00 a month to hide names of
        # alarms, on disks that SNS encrypts anyway.
        self.topic = sns.Topic(self, "Alarms", topic_name=physical(stage.name, "candlewick-alarms"), enforce_ssl=True)
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["sns:Publish"],
                principals=[iam.ServicePrincipal(f"{each}.amazonaws.com") for each in ("budgets", "cloudwatch")],
                resources=[self.topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": self.account}},
            )
        )
        if stage.alarm_email:
            self.topic.add_subscription(subscriptions.EmailSubscription(stage.alarm_email))
        on_lambda = stage.stream_on == "lambda"
        self.alarms = [
            self._alarm(row, stage, http_api)
            for row in ALARMS
            if on_lambda or (row.source, row.of) != ("lambda", "stream")
        ]
        cloudwatch.Dashboard(
            self,
            "Dashboard",
            dashboard_name=dashboard_name(stage.name, stage.region if stage.standby else ""),
            widgets=widgets(stage, self.alarms),
            default_interval=cdk.Duration.hours(3),
        )

    def _alarm(self, row: Alarm, stage: Stage, http_api: str) -> cloudwatch.Alarm:
        below, at_least = (
            cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            (cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD),
        )
        alarm = metric_of(row, stage, http_api).create_alarm(
            self,
            "".join(part.title() for part in row.name.split("-")),
            alarm_name=physical(stage.name, f"candlewick-{row.name}"),
            alarm_description=f"{row.why}. Runbook: {RUNBOOKS}/{row.runbook}.md",
            threshold=row.threshold,
            evaluation_periods=row.periods,
            comparison_operator=below if row.below else at_least,
            treat_missing_data=cloudwatch.TreatMissingData.BREACHING
            if row.missing == "breach"
            else cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(actions.SnsAction(self.topic))
        alarm.add_ok_action(actions.SnsAction(self.topic))
        return alarm


def metric_of(row: Alarm, stage: Stage, http_api: str) -> cloudwatch.Metric:
    """The metric an alarm watches; names are formed, but for the API's, which only AWS knows."""
    namespace, dimensions = {
        "ours": (NAMESPACE, {"stage": stage.name}),
        "lambda": ("AWS/Lambda", {"FunctionName": function_name(stage.name, row.of)}),
        "kinesis": ("AWS/Kinesis", {"StreamName": physical(stage.name, row.of)}),
        "http-api": ("AWS/ApiGateway", {"ApiId": http_api}),
        "sqs": ("AWS/SQS", {"QueueName": physical(stage.name, row.of)}),
    }[row.source]
    return cloudwatch.Metric(
        namespace=namespace,
        metric_name=row.metric,
        dimensions_map=dimensions,
        statistic=row.statistic,
        period=cdk.Duration.seconds(row.period_s),
    )
