"""Data: streams, tables, lake, secret. Retained where the stage says so: deleting the stack leaves them."""

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.names import RAW_STREAM, SCORED_STREAM, physical
from infra.stages import Stage
from stores.dynamo_schema import ITEMS_PRIMARY, TABLES, TIMESERIES, Table, physical_name

ACCESS_LOG_DAYS: Final = 90


class DataStack(cdk.Stack):
    """What must outlive every deployment."""

    def __init__(self, scope: Construct, name: str, stage: Stage, **more: object) -> None:
        super().__init__(scope, name, **more)
        self._stage = stage
        self.streams = {
            RAW_STREAM: self._stream(RAW_STREAM, stage.raw_shards),
            SCORED_STREAM: self._stream(SCORED_STREAM, stage.scored_shards),
        }
        self.tables = {row.name: self._table(row) for row in TABLES.values()}
        self.access_logs = s3.Bucket(
            self,
            "AccessLogs",
            bucket_name=f"{stage.name}-candlewick-logs-{self.account}-{self.region}",
            lifecycle_rules=[s3.LifecycleRule(expiration=cdk.Duration.days(ACCESS_LOG_DAYS))],
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_PREFERRED,
            **self._bucket_defaults(),
        )
        self.lake = s3.Bucket(
            self,
            "Lake",
            bucket_name=f"{stage.name}-candlewick-lake-{self.account}-{self.region}",
            versioned=True,
            server_access_logs_bucket=self.access_logs,
            server_access_logs_prefix="lake/",
            lifecycle_rules=[_to_cold("raw/"), _to_cold("scored/"), _expiring_versions()],
            **self._bucket_defaults(),
        )
        # A queue only for the alarm: what failed is in the bucket, whole.
        self.failed_notes = sqs.Queue(
            self,
            "FailedNotes",
            queue_name=physical(stage.name, "candlewick-failed"),
            enforce_ssl=True,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            retention_period=cdk.Duration.days(14),
        )
        self.failed = s3.Bucket(
            self,
            "Failed",
            bucket_name=f"{stage.name}-candlewick-failed-{self.account}-{self.region}",
            server_access_logs_bucket=self.access_logs,
            server_access_logs_prefix="failed/",
            lifecycle_rules=[s3.LifecycleRule(expiration=cdk.Duration.days(90))],
            **self._bucket_defaults(),
        )
        self._tell_of_failures()
        self.secret = secretsmanager.Secret(
            self,
            "Secret",
            secret_name=physical(stage.name, "candlewick"),
            description="JSON object of the keys of news sources and of the API; set it after the first deployment",
            removal_policy=self._removal(),
            secret_object_value={},
        )

    def _tell_of_failures(self) -> None:
        """A note in the queue for every object. In the template itself: CDK's own way is a function that does it when
        the stack is deployed."""
        queue = self.failed_notes
        queue.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["sqs:SendMessage"],
                principals=[iam.ServicePrincipal("s3.amazonaws.com")],
                resources=[queue.queue_arn],
                conditions={"StringEquals": {"aws:SourceAccount": self.account}},
            )
        )
        bucket = self.failed.node.default_child
        assert isinstance(bucket, s3.CfnBucket), bucket
        bucket.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
            queue_configurations=[
                s3.CfnBucket.QueueConfigurationProperty(event="s3:ObjectCreated:*", queue=queue.queue_arn)
            ]
        )
        bucket.node.add_dependency(*[each for each in queue.node.children if each.node.id == "Policy"])

    def _removal(self) -> cdk.RemovalPolicy:
        return cdk.RemovalPolicy.RETAIN if self._stage.retain_data else cdk.RemovalPolicy.DESTROY

    def _bucket_defaults(self) -> dict[str, object]:
        return {
            "block_public_access": s3.BlockPublicAccess.BLOCK_ALL,
            "encryption": s3.BucketEncryption.S3_MANAGED,
            "enforce_ssl": True,
            "minimum_tls_version": 1.2,
            "removal_policy": self._removal(),
        }

    def _stream(self, name: str, shards: int) -> kinesis.Stream:
        """Provisioned by default; the arithmetic is in `stages.Stage`."""
        on_demand = self._stage.on_demand_streams
        return kinesis.Stream(
            self,
            "Stream" + "".join(part.title() for part in name.split("-")),
            stream_name=physical(self._stage.name, name),
            stream_mode=kinesis.StreamMode.ON_DEMAND if on_demand else kinesis.StreamMode.PROVISIONED,
            shard_count=None if on_demand else shards,
            retention_period=cdk.Duration.hours(self._stage.stream_retention_hours),
            encryption=kinesis.StreamEncryption.MANAGED,
            removal_policy=self._removal(),
        )

    def _table(self, row: Table) -> dynamodb.TableV2:
        stage = self._stage
        generation = stage.generation if row.name == TIMESERIES else ""
        text = dynamodb.AttributeType.STRING
        indexes = [
            dynamodb.GlobalSecondaryIndexPropsV2(
                index_name=index.name,
                partition_key=dynamodb.Attribute(name=index.partition, type=text),
                sort_key=dynamodb.Attribute(name=index.sort, type=text) if index.sort else None,
                projection_type=dynamodb.ProjectionType.KEYS_ONLY if index.keys_only else dynamodb.ProjectionType.ALL,
            )
            for index in row.indexes
        ]
        # A replica multiplies the item's writes: only what watchers read is copied, never control or the change log.
        copied = stage.replicas if row.name in (TIMESERIES, ITEMS_PRIMARY, "sentiment-items-dashboard") else ()
        return dynamodb.TableV2(
            self,
            "Table" + "".join(part.title() for part in row.name.split("-")),
            table_name=physical_name(stage.name, row.name, generation),
            partition_key=dynamodb.Attribute(name=row.partition, type=text),
            sort_key=dynamodb.Attribute(name=row.sort, type=text) if row.sort else None,
            billing=dynamodb.Billing.on_demand(),
            time_to_live_attribute=row.ttl,
            global_secondary_indexes=indexes or None,
            dynamo_stream=dynamodb.StreamViewType.NEW_AND_OLD_IMAGES if row.stream or copied else None,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=stage.retain_data,
            removal_policy=self._removal(),
            replicas=[dynamodb.ReplicaTableProps(region=region) for region in copied] or None,
        )


def _to_cold(prefix: str) -> s3.LifecycleRule:
    """The log is the truth, and is read back seldom: after a month cheap, after half a year cold."""
    days, kinds = cdk.Duration.days, s3.StorageClass
    return s3.LifecycleRule(
        prefix=prefix,
        transitions=[
            s3.Transition(storage_class=kinds.INFREQUENT_ACCESS, transition_after=days(30)),
            s3.Transition(
                storage_class=s3.StorageClass.GLACIER_INSTANT_RETRIEVAL, transition_after=cdk.Duration.days(180)
            ),
        ],
    )


def _expiring_versions() -> s3.LifecycleRule:
    return s3.LifecycleRule(
        noncurrent_version_expiration=cdk.Duration.days(30),
        abort_incomplete_multipart_upload_after=cdk.Duration.days(2),
    )
