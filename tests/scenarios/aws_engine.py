"""The service on the AWS home: DynamoDB and S3, on moto in process."""

from contextlib import ExitStack
from pathlib import Path

from contracts.bucket import BucketKey
from contracts.clock import ManualClock
from contracts.generation import FIRST_GENERATION
from contracts.settings import Settings
from stores.aws_home import AwsHome
from stores.dynamo_bucket_item import key_row
from stores.dynamo_schema import TIMESERIES, physical_name
from stores.home import SHARD_COUNTS, close_home, open_home
from tests.aws.moto_aws import moto_aws
from tests.scenarios.engines import START_MS, ServiceEngine, Setup, Tripwire


class AwsEngine(ServiceEngine):
    """A crash opens the home again, as a new Lambda environment would."""

    def __init__(self, setup: Setup, folder: Path) -> None:
        self.clock = ManualClock(START_MS)
        self._open = ExitStack()
        self._aws = self._open.enter_context(moto_aws(self.clock))
        self._settings = Settings(home="aws", lake_bucket="lake")
        AwsHome(self._settings, self.clock).provision(SHARD_COUNTS)
        home = open_home(self._settings, self.clock)
        super().__init__(setup, home.buckets, home.control, home.lake)

    def crash(self, acknowledged: bool) -> None:
        close_home(self._settings)
        home = open_home(self._settings, self.clock)
        self._store, self._control, self._lake = Tripwire(home.buckets), home.control, home.lake
        super().crash(acknowledged)

    def delete(self, key: BucketKey) -> None:
        import boto3

        table = physical_name(self._settings.environment, TIMESERIES, FIRST_GENERATION)
        boto3.client("dynamodb", region_name="us-east-1").delete_item(TableName=table, Key=key_row(key))

    def close(self) -> None:
        close_home(self._settings)
        self._open.close()
