"""The dashboard's widgets as an operator asks: is it live, where is it stuck, the stream service, data, money."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch

from infra.names import NAMESPACE, RAW_STREAM, SCORED_STREAM, function_name, physical
from infra.stages import Stage
from stores.dynamo_schema import TABLES, TIMESERIES, physical_name

WIDE = 12
PIPELINE = ("producers", "classifier", "aggregator", "read-model", "archiver", "finalizer")


def widgets(stage: Stage, alarms: Sequence[cloudwatch.IAlarm]) -> list[list[cloudwatch.IWidget]]:
    """Rows of widgets."""

    def ours(name: str, statistic: str = "Sum") -> cloudwatch.Metric:
        return _metric(NAMESPACE, name, {"stage": stage.name}, statistic)

    def of(function: str, name: str, statistic: str) -> cloudwatch.Metric:
        label = f"{function} {name}"
        return _metric("AWS/Lambda", name, {"FunctionName": function_name(stage.name, function)}, statistic, label)

    def stream(name: str, metric: str) -> cloudwatch.Metric:
        return _metric("AWS/Kinesis", metric, {"StreamName": physical(stage.name, name)}, "Sum", f"{name} {metric}")

    def table(name: str, metric: str) -> cloudwatch.Metric:
        generation = stage.generation if name == TIMESERIES else ""
        physical_table = physical_name(stage.name, name, generation)
        return _metric("AWS/DynamoDB", metric, {"TableName": physical_table}, "Sum", f"{name} {metric}")

    return [
        [_title("Is it live?")],
        [
            cloudwatch.AlarmStatusWidget(title="Alarms", alarms=list(alarms), width=WIDE, height=6),
            _graph("Articles in, events counted", [ours("ArticlesPublished"), ours("EventsCounted")]),
        ],
        [_title("Where is it stuck?")],
        [
            _graph("Iterator age, ms", [of(name, "IteratorAge", "Maximum") for name in PIPELINE[1:5]]),
            _graph("Errors", [of(name, "Errors", "Sum") for name in PIPELINE]),
        ],
        [
            _graph("Duration p95, ms", [of(name, "Duration", "p95") for name in PIPELINE]),
            _graph(
                "Refused by streams",
                [stream(name, "WriteProvisionedThroughputExceeded") for name in (RAW_STREAM, SCORED_STREAM)],
            ),
        ],
        [_title("Stream service")],
        [
            _graph("Open connections, refusals", [ours("StreamConnections", "Maximum"), ours("StreamRefusals")]),
            _graph(
                "REST and streams: invocations, errors, refusals",
                [
                    of(name, metric, "Sum")
                    for name in ("api", "stream")
                    for metric in ("Invocations", "Errors", "Throttles")
                ],
            ),
        ],
        [_title("Data")],
        [
            _graph("Set aside", [ours("EventsQuarantined"), ours("EventsTooLate"), ours("FinalizerRepairs")]),
            _graph("Again", [ours("EventsDuplicate"), ours("BucketConflicts"), ours("BucketsRevised")]),
        ],
        [
            _graph("Classifier, ms a batch", [ours("ClassifierLatency", "p50"), ours("ClassifierLatency", "p95")]),
            _graph("Sources", [ours("ArticlesFetched"), ours("ArticlesDuplicate"), ours("SourceErrors")]),
        ],
        [_title("Money")],
        [
            _graph("This month so far, USD, the whole account", [_charges()]),
            _graph("Executions that open streams hold", [of("stream", "ConcurrentExecutions", "Maximum")]),
        ],
        [
            _graph("Write units", [table(name, "ConsumedWriteCapacityUnits") for name in TABLES]),
            _graph("Read units", [table(name, "ConsumedReadCapacityUnits") for name in TABLES]),
        ],
    ]  # fmt: skip


def _charges() -> cloudwatch.Metric:
    """Billing tells every six hours or so, in one region only."""
    return cloudwatch.Metric(
        namespace="AWS/Billing",
        metric_name="EstimatedCharges",
        dimensions_map={"Currency": "USD"},
        statistic="Maximum",
        label="USD",
        period=cdk.Duration.hours(6),
        region="us-east-1",
    )


def _metric(
    namespace: str, name: str, dimensions: dict[str, str], statistic: str, label: str = ""
) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace=namespace,
        metric_name=name,
        dimensions_map=dimensions,
        statistic=statistic,
        label=label or f"{name} {statistic}",
        period=cdk.Duration.minutes(1),
    )


def _title(text: str) -> cloudwatch.TextWidget:
    return cloudwatch.TextWidget(markdown=f"## {text}", width=2 * WIDE, height=1)


def _graph(title: str, metrics: list[cloudwatch.IMetric]) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=metrics, width=WIDE, height=6, left_y_axis={"min": 0})
