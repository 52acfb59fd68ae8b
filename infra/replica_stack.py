"""Replicas: the copy of the lake in another region. Copies of tables and secret belong to the Data stack, which names
the regions. Nothing runs there: `-c standby=on` is the whole line over the copies (docs/runbooks/failover.md).
"""

import aws_cdk as cdk
from constructs import Construct

from infra.lake import bucket_name, make_access_logs, make_lake
from infra.stages import Stage


class ReplicaStack(cdk.Stack):
    """A region that keeps copies."""

    def __init__(self, scope: Construct, name: str, stage: Stage, **more: object) -> None:
        super().__init__(scope, name, **more)
        logs = make_access_logs(self, stage, bucket_name(stage, "lake-logs", self.account, self.region))
        self.lake = make_lake(self, stage, bucket_name(stage, "lake", self.account, self.region), logs)
