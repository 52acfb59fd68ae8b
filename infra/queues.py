"""Queues that only hold notes of what failed, for an alarm to count and a person to read."""

import aws_cdk as cdk
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.names import physical
from infra.stages import Stage


def make_queue(scope: Construct, identity: str, stage: Stage, name: str) -> sqs.Queue:
    """`{env}-{name}`, encrypted; a note is kept for 14 days, the longest there is."""
    return sqs.Queue(
        scope,
        identity,
        queue_name=physical(stage.name, name),
        enforce_ssl=True,
        encryption=sqs.QueueEncryption.SQS_MANAGED,
        retention_period=cdk.Duration.days(14),
    )
