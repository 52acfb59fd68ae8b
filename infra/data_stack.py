"""Data: streams, tables, lake, secret. Retained where the stage says so: deleting the stack leaves them. On standby in
another region, tables, lake and secret are the copies that the stage's own region keeps there.
"""

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.lake import bucket_defaults, bucket_name, make_access_logs, make_lake, removal_of
from infra.names import RAW_STREAM, SCORED_STREAM, physical
from infra.queues import make_queue
from infra.stages import Stage
from stores.dynamo_schema import ITEMS_PRIMARY, TABLES, TIMESERIES, Table, physical_name


class DataStack(cdk.Stack):
    """What must outlive every deployment."""

    def __init__(self, scope: Construct, name: str, stage: Stage, **more: object) -> None:
        super().__init__(scope, name, **more)
        self._stage = stage
        self.streams = {
            RAW_STREAM: self._stream(RAW_STREAM, stage.raw_shards),
            SCORED_STREAM: self._stream(SCORED_STREAM, stage.scored_shards),
        }
        make_table = self._copied_table if stage.standby else self._table
        self.tables: dict[str, dynamodb.ITableV2] = {row.name: make_table(row) for row in TABLES.values()}
        self.access_logs = make_access_logs(self, stage, self._bucket_name("logs"))
        self.lake = self._lake()
        # A queue only for the alarm: what failed is in the bucket, whole.
        self.failed_notes = make_queue(self, "FailedNotes", stage, "candlewick-failed")
        self.failed = s3.Bucket(
            self,
            "Failed",
            bucket_name=self._bucket_name("failed"),
            server_access_logs_bucket=self.access_logs,
            server_access_logs_prefix="failed/",
            lifecycle_rules=[s3.LifecycleRule(expiration=cdk.Duration.days(90))],
            **bucket_defaults(stage),
        )
        self._tell_of_failures()
        self.secret = self._secret()

    def _bucket_name(self, kind: str, region: str = "") -> str:
        return bucket_name(self._stage, kind, self.account, region or self.region)

    def _lake(self) -> s3.IBucket:
        stage = self._stage
        if stage.standby:
            return s3.Bucket.from_bucket_name(self, "Lake", self._bucket_name("lake"))
        copies = [
            s3.ReplicationRule(
                destination=s3.Bucket.from_bucket_name(self, f"LakeIn-{region}", self._bucket_name("lake", region)),
                priority=number,
            )
            for number, region in enumerate(stage.replicas)
        ]
        more = {"replication_rules": copies} if copies else {}
        return make_lake(self, stage, self._bucket_name("lake"), self.access_logs, **more)

    def _secret(self) -> secretsmanager.ISecret:
        stage, name = self._stage, physical(self._stage.name, "candlewick")
        if stage.standby:
            return secretsmanager.Secret.from_secret_name_v2(self, "Secret", name)
        return secretsmanager.Secret(
            self,
            "Secret",
            secret_name=name,
            description="JSON object of the keys of news sources and of the API; set it after the first deployment",
            removal_policy=removal_of(stage),
            secret_object_value={},
            replica_regions=[secretsmanager.ReplicaRegion(region=region) for region in stage.replicas] or None,
        )

    def _tell_of_failures(self) -> None:
        """A note in the queue for every object. By EventBridge: S3 itself would begin with a test message, which rings
        the alarm. In the template itself: CDK's own way is a function that does it when the stack is deployed."""
        bucket = self.failed.node.default_child
        assert isinstance(bucket, s3.CfnBucket), bucket
        bucket.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
            event_bridge_configuration=s3.CfnBucket.EventBridgeConfigurationProperty(event_bridge_enabled=True)
        )
        events.Rule(
            self,
            "FailedRule",
            rule_name=physical(self._stage.name, "candlewick-failed"),
            event_pattern=events.EventPattern(
                source=["aws.s3"],
                detail_type=["Object Created"],
                detail={"bucket": {"name": [self.failed.bucket_name]}},
            ),
            targets=[targets.SqsQueue(self.failed_notes)],
        )

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
            removal_policy=removal_of(self._stage),
        )

    def _table_name(self, row: Table) -> str:
        return physical_name(self._stage.name, row.name, self._stage.generation if row.name == TIMESERIES else "")

    def _copied_table(self, row: Table) -> dynamodb.ITableV2:
        stream = {"table_stream_arn": self._stage.items_stream} if row.name == ITEMS_PRIMARY else {}
        return dynamodb.TableV2.from_table_attributes(
            self, _table_id(row), table_name=self._table_name(row), grant_index_permissions=True, **stream
        )

    def _table(self, row: Table) -> dynamodb.TableV2:
        """All are copied where replicas are asked for: who takes over goes on with the same candles and articles, but
        also the same live generation, cursors, story claims, watch lists and numbers of changes."""
        stage = self._stage
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
        return dynamodb.TableV2(
            self,
            _table_id(row),
            table_name=self._table_name(row),
            partition_key=dynamodb.Attribute(name=row.partition, type=text),
            sort_key=dynamodb.Attribute(name=row.sort, type=text) if row.sort else None,
            billing=dynamodb.Billing.on_demand(),
            time_to_live_attribute=row.ttl,
            global_secondary_indexes=indexes or None,
            dynamo_stream=dynamodb.StreamViewType.NEW_AND_OLD_IMAGES if row.stream or stage.replicas else None,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=stage.retain_data,
            removal_policy=removal_of(self._stage),
            replicas=[dynamodb.ReplicaTableProps(region=region) for region in stage.replicas] or None,
        )


def _table_id(row: Table) -> str:
    return "Table" + "".join(part.title() for part in row.name.split("-"))
