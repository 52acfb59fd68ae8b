"""The functions, one row each, and how one is made: its own role, log group and limits."""

from typing import Final, NamedTuple

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.bundling import code
from infra.data_stack import DataStack
from infra.names import PREFIX, function_name, physical
from infra.stages import Stage
from stores.dynamo_schema import CHANGES, CONTROL, ITEMS_DASHBOARD, ITEMS_PRIMARY, TABLES, TIMESERIES

READ: Final = ("dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query")
WRITE: Final = ("dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:BatchWriteItem")
DELETE: Final = ("dynamodb:DeleteItem",)
STREAM_READ: Final = ("kinesis:ListShards", "kinesis:GetShardIterator", "kinesis:GetRecords")
SCAN: Final = ("dynamodb:Scan", "dynamodb:DescribeTable")


class Access(NamedTuple):
    """What a function may do with one table."""

    table: str
    actions: tuple[str, ...]


class Row(NamedTuple):
    """One function. `timeout_s` of a mapping's function x 6 is what Lambda advises for queues; streams need none.

    `lake_writes`: prefixes it may write. `lake_reads`: it lists keys. `streams`: it puts on. `reads`: it reads without
    a mapping. `environment`: settings beyond those all have, by field name; `{stage.…}` is filled in.
    """

    name: str
    handler: str
    bundle: str
    memory_mb: int
    timeout_s: int
    access: tuple[Access, ...] = ()
    lake_writes: tuple[str, ...] = ()
    lake_reads: bool = False
    streams: tuple[str, ...] = ()
    secret: bool = False
    concurrency: int = 0
    environment: tuple[tuple[str, str], ...] = ()
    reads: tuple[str, ...] = ()


LATENESS: Final = ("allowed_lateness_ms", "{stage.allowed_lateness_ms}")
#: Whoever writes buckets must judge alike: one late event would else be counted here and not there.
BUCKETS: Final = (("expire", "true"), ("lanes", "{stage.lanes}"), LATENESS)

ROWS: Final[dict[str, Row]] = {
    row.name: row
    for row in (
        Row(
            "producers", "producers.handler.lambda_handler", "producers", 512, 240,
            (Access(CONTROL, READ + WRITE),),
            ("opinions/", "quarantined/"), False, ("raw-articles",), True, 1,
            (("sources_file", "{stage.sources_file}"), ("user_agent", "{stage.user_agent}"), LATENESS),
        ),
        Row(
            "classifier", "consumers.classifier.handler.lambda_handler", "classifier", 2_048, 120,
            (Access(CONTROL, READ + WRITE), Access(ITEMS_PRIMARY, READ + WRITE), Access(ITEMS_DASHBOARD, WRITE)),
            ("quarantined/",), False, ("scored-articles",), False, 0,
            (
                ("model", "{stage.model}"), ("lanes", "{stage.lanes}"), ("symbols_file", "{stage.symbols_file}"),
                LATENESS,
            ),
        ),
        Row(
            "aggregator", "aggregation.handler.lambda_handler", "core", 1_024, 120,
            (Access(CONTROL, READ + WRITE), Access(TIMESERIES, READ + WRITE), Access(CHANGES, READ + WRITE)),
            ("late/", "quarantined/"), False, (), False, 0, BUCKETS,
        ),
        Row(
            "finalizer", "aggregation.finalizer.lambda_handler", "core", 512, 240,
            (Access(CONTROL, READ + WRITE), Access(TIMESERIES, READ + WRITE), Access(CHANGES, READ + WRITE)),
            (), False, (), False, 1, BUCKETS, ("scored-articles",),
        ),
        Row(
            "archiver", "consumers.archiver.handler.lambda_handler", "core", 512, 120,
            (), ("raw/", "scored/"), True,
        ),
        Row(
            "read-model", "consumers.read_model.handler.lambda_handler", "core", 256, 60,
            # What an article was counted for is read before it is written.
            (Access(ITEMS_DASHBOARD, READ + WRITE),),
        ),
        Row(
            "api", "api.handler.lambda_handler", "api", 512, 29,
            (
                Access(CONTROL, READ + WRITE + DELETE), Access(TIMESERIES, READ), Access(CHANGES, READ),
                Access(ITEMS_PRIMARY, READ + SCAN), Access(ITEMS_DASHBOARD, READ),
            ),
            (), False, (), True, 0,
            (("behind_tls", "true"),),
        ),
        Row(
            "stream", "run.sh", "api", 256, 900,
            (
                # Headlines, the metrics event and the probes of /ready read articles too; a process takes its row out
                # of the fleet when it goes.
                Access(CONTROL, READ + WRITE + DELETE), Access(TIMESERIES, READ), Access(CHANGES, READ),
                Access(ITEMS_PRIMARY, READ), Access(ITEMS_DASHBOARD, READ),
            ),
            (), False, (), True, 0,
            # A closed browser does not stop a streaming function: it is billed to the stream's planned end.
            (("max_connections", "1"), ("heartbeat_s", "10"), ("max_lifetime_s", "300"), ("behind_tls", "true")),
        ),
    )
}  # fmt: skip


def settings_of(row: Row, stage: Stage, bucket: str) -> dict[str, str]:
    """Environment variables of a function; a test checks each against the code's settings model."""
    given = {"home": "aws", "environment": stage.name, "lake_bucket": bucket, "metrics": "emf"}
    given |= {name: value.format(stage=stage) for name, value in row.environment}
    return {PREFIX + name.upper(): value for name, value in given.items() if value != ""}


def retention_of(stage: Stage) -> logs.RetentionDays:
    """How long the stage's logs are kept."""
    return {7: logs.RetentionDays.ONE_WEEK, 14: logs.RetentionDays.TWO_WEEKS, 30: logs.RetentionDays.ONE_MONTH}[
        stage.log_days
    ]


def make_function(
    scope: Construct, row: Row, stage: Stage, data: DataStack, bundle_mode: str, **more: object
) -> lambda_.Function:
    """A function with its own role and log group, and the rights of its row and no others."""
    title = "".join(part.title() for part in row.name.split("-"))
    name = function_name(stage.name, row.name)
    group = logs.LogGroup(
        scope,
        f"{title}Logs",
        log_group_name=f"/aws/lambda/{name}",
        retention=retention_of(stage),
        removal_policy=cdk.RemovalPolicy.DESTROY,
    )
    role = iam.Role(
        scope, f"{title}Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"), description=f"{name}: its own"
    )
    group.grant_write(role)
    concurrency: dict[str, object] = {"reserved_concurrent_executions": row.concurrency} if row.concurrency else {}
    function = lambda_.Function(
        scope,
        title,
        function_name=name,
        description=f"Candlewick: {row.name}",
        runtime=lambda_.Runtime.PYTHON_3_14,
        architecture=lambda_.Architecture.ARM_64,
        handler=row.handler,
        code=code(row.bundle, bundle_mode),
        memory_size=row.memory_mb,
        timeout=cdk.Duration.seconds(row.timeout_s),
        role=role,
        log_group=group,
        tracing=lambda_.Tracing.ACTIVE,
        **{"environment": settings_of(row, stage, data.lake.bucket_name), **concurrency, **more},
    )
    if stage.telemetry_layer and "layers" not in more:
        function.add_layers(lambda_.LayerVersion.from_layer_version_arn(scope, f"{title}Sdk", stage.telemetry_layer))
        function.add_environment("AWS_LAMBDA_EXEC_WRAPPER", "/opt/otel-instrument")
    _grant(scope, row, stage, data, role)
    return function


def _grant(scope: Construct, row: Row, stage: Stage, data: DataStack, role: iam.Role) -> None:
    stack = cdk.Stack.of(scope)
    for access in row.access:
        role.add_to_policy(
            iam.PolicyStatement(actions=list(access.actions), resources=table_arns(stack, stage, data, access.table))
        )
    if row.lake_writes:
        arns = [data.lake.arn_for_objects(f"{prefix}*") for prefix in row.lake_writes]
        role.add_to_policy(iam.PolicyStatement(actions=["s3:PutObject", "s3:AbortMultipartUpload"], resources=arns))
    if row.lake_reads:
        role.add_to_policy(iam.PolicyStatement(actions=["s3:ListBucket"], resources=[data.lake.bucket_arn]))
    for name in row.streams:
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["kinesis:PutRecords", "kinesis:ListShards"], resources=[data.streams[name].stream_arn]
            )
        )
    for name in row.reads:
        role.add_to_policy(iam.PolicyStatement(actions=list(STREAM_READ), resources=[data.streams[name].stream_arn]))
    if row.secret:
        data.secret.grant_read(role)


def table_arns(stack: cdk.Stack, stage: Stage, data: DataStack, table: str) -> list[str]:
    """A table and its indexes, each by name."""
    arns = [data.tables[table].table_arn]
    if table == TIMESERIES:
        # Replay makes generations of its own, and any of them may be promoted: the live one cannot be named here.
        pattern = physical(stage.name, f"{TIMESERIES}-*")
        arns = [stack.format_arn(service="dynamodb", resource="table", resource_name=pattern)]
    return arns + [f"{arns[0]}/index/{index.name}" for index in TABLES[table].indexes]
