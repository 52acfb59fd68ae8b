"""Ops: alarms from their table, the operators' topic, and one dashboard in the order an operator asks."""

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from infra.alarming import TOPIC, alarm_name, make_alarm
from infra.alarms import ON_FARGATE, alarms_of
from infra.dashboard import widgets
from infra.names import dashboard_name, physical
from infra.stages import Stage


class OpsStack(cdk.Stack):
    """The operators' view."""

    def __init__(self, scope: Construct, name: str, stage: Stage, http_api: str, **more: object) -> None:
        """`http_api`: the API's id."""
        super().__init__(scope, name, **more)
        # Without a key: AWS' own for topics lets no alarm use it, and one of ours is 1.00 a month to hide names of
        # alarms, on disks that SNS encrypts anyway.
        self.topic = sns.Topic(self, "Alarms", topic_name=physical(stage.name, TOPIC), enforce_ssl=True)
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
        known = {"http-api": {"ApiId": http_api}}
        alarms = [
            # Made beside the balancer; its name is known here too.
            cloudwatch.Alarm.from_alarm_name(self, row.name, alarm_name(row, stage))
            if row.source in ON_FARGATE
            else make_alarm(self, row, stage, self.topic, known)
            for row in alarms_of(stage.stream_on)
        ]
        cloudwatch.Dashboard(
            self,
            "Dashboard",
            dashboard_name=dashboard_name(stage.name, stage.region if stage.standby else ""),
            widgets=widgets(stage, alarms),
            default_interval=cdk.Duration.hours(3),
        )
