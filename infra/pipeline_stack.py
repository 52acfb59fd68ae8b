"""Pipeline: from the sources to the buckets. Every mapping has every limit set, and an on-failure bucket."""

from typing import Final, NamedTuple

import aws_cdk as cdk
import jsii
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_lambda_event_sources as sources
from constructs import Construct

from infra.data_stack import DataStack
from infra.functions import ROWS, make_function
from infra.names import RAW_STREAM, SCORED_STREAM, physical
from infra.queues import make_queue
from infra.stages import Stage
from stores.dynamo_schema import ITEMS_PRIMARY

#: With Lambda's back-off of up to a minute that is more than an hour of a broken dependency.
MAX_RETRIES: Final = 100
#: Below the streams' retention, so that what cannot be processed reaches the failure bucket before it expires.
MAX_AGE_HOURS: Final = 20


class Feed(NamedTuple):
    """One event source mapping. `window_s` 0: none. With a window, parallelization must be 1, which neither CDK nor
    cfn-lint checks; `tests/infra` does."""

    name: str
    function: str
    source: str
    batch_size: int
    batching_s: int
    window_s: int = 0
    parallelization: int = 1


FEEDS: Final[tuple[Feed, ...]] = (
    Feed("classifier", "classifier", RAW_STREAM, 100, 1),
    Feed("aggregator", "aggregator", SCORED_STREAM, 10_000, 1, 60),
    Feed("read-model", "read-model", ITEMS_PRIMARY, 100, 1),
    Feed("archiver-raw", "archiver", RAW_STREAM, 5_000, 60),
    Feed("archiver-scored", "archiver", SCORED_STREAM, 10_000, 60),
)

#: Function → minutes between its runs.
SCHEDULES: Final = {"producers": 5, "finalizer": 5}


class PipelineStack(cdk.Stack):
    """Functions that read streams or run on a schedule."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        stage: Stage,
        data: DataStack,
        bundle_mode: str,
        drive_windows: bool = False,
        **more: object,
    ) -> None:
        """`drive_windows`: leave the windowed mapping off, for an emulator without windows (our driver does it)."""
        super().__init__(scope, name, **more)
        names = [*dict.fromkeys(feed.function for feed in FEEDS), *SCHEDULES]
        self.functions = {each: make_function(self, ROWS[each], stage, data, bundle_mode) for each in names}
        for feed in FEEDS:
            # The streams keep a day: who halts the line for longer has what came meanwhile in the lake.
            enabled = (stage.active or feed.function == "archiver") and not (drive_windows and feed.window_s)
            self.functions[feed.function].add_event_source(_source(feed, data, enabled))
        self.dead_letters = make_queue(self, "MissedRuns", stage, "candlewick-missed-runs")
        for each, minutes in SCHEDULES.items():
            self._schedule(each, minutes, stage)

    def _schedule(self, name: str, minutes: int, stage: Stage) -> None:
        """Tried once: the next run does what this one missed. The rule's limits end where Lambda has taken the event;
        from there on the function's own hold."""
        age = cdk.Duration.minutes(minutes)
        self.functions[name].configure_async_invoke(
            retry_attempts=0, max_event_age=age, on_failure=destinations.SqsDestination(self.dead_letters)
        )
        events.Rule(
            self,
            f"{name.title()}Schedule",
            rule_name=physical(stage.name, f"candlewick-{name}"),
            schedule=events.Schedule.rate(cdk.Duration.minutes(minutes)),
            enabled=stage.active,
            targets=[
                targets.LambdaFunction(
                    self.functions[name],
                    dead_letter_queue=self.dead_letters,
                    retry_attempts=1,
                    max_event_age=age,
                )
            ],
        )


@jsii.implements(lambda_.IEventSourceDlq)
class _FailureBucket:
    """The whole batch to S3. CDK's own destination would let the function read and delete there too."""

    def __init__(self, data: DataStack) -> None:
        self._bucket = data.failed

    def bind(self, target: lambda_.IEventSourceMapping, handler: lambda_.IFunction) -> lambda_.DlqDestinationConfig:
        """CDK's hook. Lambda itself puts with the function's role, and looks at the bucket first."""
        arn = self._bucket.bucket_arn
        handler.add_to_role_policy(iam.PolicyStatement(actions=["s3:ListBucket"], resources=[arn]))
        handler.add_to_role_policy(iam.PolicyStatement(actions=["s3:PutObject"], resources=[f"{arn}/aws/lambda/*"]))
        return lambda_.DlqDestinationConfig(destination=arn)


def _source(feed: Feed, data: DataStack, enabled: bool) -> lambda_.IEventSource:
    limits = {
        "starting_position": lambda_.StartingPosition.TRIM_HORIZON,
        "batch_size": feed.batch_size,
        "max_batching_window": cdk.Duration.seconds(feed.batching_s),
        "bisect_batch_on_error": True,
        "report_batch_item_failures": True,
        "retry_attempts": MAX_RETRIES,
        "max_record_age": cdk.Duration.hours(MAX_AGE_HOURS),
        "parallelization_factor": feed.parallelization,
        "on_failure": _FailureBucket(data),
        "enabled": enabled,
    }
    if feed.source == ITEMS_PRIMARY:
        return sources.DynamoEventSource(data.tables[ITEMS_PRIMARY], **limits)
    if feed.window_s:
        limits["tumbling_window"] = cdk.Duration.seconds(feed.window_s)
    return sources.KinesisEventSource(data.streams[feed.source], **limits)
