"""Replicas: what a standby region needs besides the tables' own replicas (which the Data stack names): empty streams to
write to, and a lake to archive to. The same app with `-c region=R -c active=on` then takes over there.
"""

import aws_cdk as cdk
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.names import RAW_STREAM, SCORED_STREAM, physical
from infra.stages import Stage


class ReplicaStack(cdk.Stack):
    """A standby region."""

    def __init__(self, scope: Construct, name: str, stage: Stage, **more: object) -> None:
        super().__init__(scope, name, **more)
        for stream in (RAW_STREAM, SCORED_STREAM):
            kinesis.Stream(
                self,
                "Stream" + "".join(part.title() for part in stream.split("-")),
                stream_name=physical(stage.name, stream),
                # On demand: idle it costs more than a shard, so it is made only where a standby is asked for, and it
                # must take the whole load at the first second of a failover.
                stream_mode=kinesis.StreamMode.ON_DEMAND,
                retention_period=cdk.Duration.hours(24),
                encryption=kinesis.StreamEncryption.MANAGED,
                removal_policy=cdk.RemovalPolicy.DESTROY,
            )
        logs = s3.Bucket(
            self,
            "AccessLogs",
            bucket_name=f"{stage.name}-candlewick-standby-logs-{self.account}-{self.region}",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_PREFERRED,
            lifecycle_rules=[s3.LifecycleRule(expiration=cdk.Duration.days(30))],
        )
        s3.Bucket(
            self,
            "Lake",
            bucket_name=f"{stage.name}-candlewick-standby-{self.account}-{self.region}",
            versioned=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            server_access_logs_bucket=logs,
            lifecycle_rules=[s3.LifecycleRule(noncurrent_version_expiration=cdk.Duration.days(30))],
        )
