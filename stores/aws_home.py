"""The AWS home: its stores, and making what is missing on an endpoint of one's own. In production `infra/` makes it."""

from contracts.clock import Clock
from contracts.generation import FIRST_GENERATION
from contracts.settings import Settings
from stores.aws_client import Services
from stores.dynamo import Table
from stores.dynamo_buckets import DynamoBucketStore
from stores.dynamo_changes import DynamoChanges
from stores.dynamo_control import DynamoControlStore
from stores.dynamo_items import DynamoItemStore
from stores.dynamo_schema import (
    CHANGES,
    CONTROL,
    ITEMS_DASHBOARD,
    ITEMS_PRIMARY,
    TABLES,
    TIMESERIES,
    physical_name,
)
from stores.dynamo_tables import create_table
from stores.kinesis import KinesisEventLog
from stores.s3 import S3Lake, create_bucket
from stores.secrets_manager import SecretsManagerSecrets


class AwsHome:
    """The stores of one environment in one account and region, each with its own client."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """Calls nothing yet, but for the account's number when the lake's bucket is not named. Raises `Unusable`."""
        self._environment = settings.environment
        self._services = services = Services(settings.endpoint_url, clock)
        self._dynamodb = services.open("dynamodb")
        self.s3 = services.open("s3")
        self.log = KinesisEventLog(services.open("kinesis"), settings.environment, clock)
        self.buckets = DynamoBucketStore(
            self._dynamodb,
            settings.environment,
            DynamoChanges(self._table(CHANGES), clock),
            clock,
            services.region,
        )
        self.items = DynamoItemStore(
            self._table(ITEMS_PRIMARY), self._table(ITEMS_DASHBOARD), services.open("dynamodbstreams"), clock
        )
        self.control = DynamoControlStore(self._table(CONTROL), clock)
        self.lake = S3Lake(self.s3, settings.lake_bucket or self.bucket_name("lake"))
        self.secrets = SecretsManagerSecrets(services.open("secretsmanager"), settings.environment)

    def provision(self, shard_counts: dict[str, int]) -> None:
        """Make streams, tables and bucket that are not there."""
        for stream, shard_count in shard_counts.items():
            self.log.create_stream(stream, shard_count)
        for name, table in TABLES.items():
            generation = FIRST_GENERATION if name == TIMESERIES else ""
            create_table(self._dynamodb, physical_name(self._environment, name, generation), table)
        create_bucket(self.s3, self.lake.bucket, self._services.region)

    def close(self) -> None:
        """Let the writing threads go."""
        self.buckets.close()
        self.items.close()
        self.control.close()

    def _table(self, name: str) -> Table:
        return Table(self._dynamodb, physical_name(self._environment, name))

    def bucket_name(self, kind: str) -> str:
        """`{env}-candlewick-{kind}-{account}-{region}`, as `infra/` names them."""
        account = self._services.open("sts").call("get_caller_identity")["Account"]
        return f"{self._environment}-candlewick-{kind}-{account}-{self._services.region}"
