"""The dashboard's widgets as an operator asks: is it live, where is it stuck, the stream service, data, money."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch

from infra.names import NAMESPACE, RAW_STREAM, SCORED_STREAM, function_name, physical
from infra.stages import Stage
from stores.dynamo_schema import TABLES, TIMESERIES, physical_name

WIDE = 12
PIPELINE = ("producers", "classifier", "aggregator", "read-model", "archiver", "finalizer")


class _Metrics:
    """The metrics of one stage."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.stream_on = stage.stream_on

    def ours(self, name: str, statistic: str = "Sum") -> cloudwatch.Metric:
        return _metric(NAMESPACE, name, {"stage": self._stage.name}, statistic)

    def function(self, function: str, name: str, statistic: str) -> cloudwatch.Metric:
        dimensions = {"FunctionName": function_name(self._stage.name, function)}
        return _metric("AWS/Lambda", name, dimensions, statistic, f"{function} {name}")

    def stream(self, name: str, metric: str) -> cloudwatch.Metric:
        dimensions = {"StreamName": physical(self._stage.name, name)}
        return _metric("AWS/Kinesis", metric, dimensions, "Sum", f"{name} {metric}")

    def table(self, name: str, metric: str) -> cloudwatch.IMetric:
        full = physical_name(self._stage.name, name)
        if name == TIMESERIES:  # all its generations: a replay makes another, and any may be the live one
            found = f'{{AWS/DynamoDB,TableName}} MetricName="{metric}" TableName={full}'
            return cloudwatch.SearchExpression(
                expression=f"SEARCH('{found}', 'Sum')", label="", period=cdk.Duration.minutes(1)
            )
        return _metric("AWS/DynamoDB", metric, {"TableName": full}, "Sum", f"{name} {metric}")


def widgets(stage: Stage, alarms: Sequence[cloudwatch.IAlarm]) -> list[list[cloudwatch.IWidget]]:
    """Rows of widgets."""
    metrics = _Metrics(stage)
    status = cloudwatch.AlarmStatusWidget(title="Alarms", alarms=list(alarms), width=WIDE, height=6)
    flow = _graph("Articles in, events counted", [metrics.ours("ArticlesPublished"), metrics.ours("EventsCounted")])
    return [
        [_title("Is it live?")],
        [status, flow],
        [_title("Where is it stuck?")],
        *_stuck(metrics),
        [_title("Stream service")],
        _service(metrics),
        [_title("Data")],
        *_data(metrics),
        [_title("Money")],
        *_money(metrics),
    ]


def _stuck(metrics: _Metrics) -> list[list[cloudwatch.IWidget]]:
    of = metrics.function
    kinds = ("WriteProvisionedThroughputExceeded", "ReadProvisionedThroughputExceeded")
    refused = [metrics.stream(name, kind) for name in (RAW_STREAM, SCORED_STREAM) for kind in kinds]
    return [
        [
            _graph("Iterator age, ms", [of(name, "IteratorAge", "Maximum") for name in PIPELINE[1:5]]),
            _graph("Errors", [of(name, "Errors", "Sum") for name in PIPELINE]),
        ],
        [
            _graph("Duration p95, ms", [of(name, "Duration", "p95") for name in PIPELINE]),
            _graph("Refused by streams", refused),
        ],
        [
            _graph("Writes refused by tables", [metrics.table(name, "WriteThrottleEvents") for name in TABLES]),
            _graph("Reads refused by tables", [metrics.table(name, "ReadThrottleEvents") for name in TABLES]),
        ],
    ]


def _service(metrics: _Metrics) -> list[cloudwatch.IWidget]:
    """Open connections: of a function, each is an execution, and Lambda refuses the next; a task counts its own."""
    of, ours = metrics.function, metrics.ours
    functions = ["api", "stream"]
    held = [of("stream", "ConcurrentExecutions", "Maximum"), of("stream", "Throttles", "Sum")]
    if metrics.stream_on == "fargate":
        functions = ["api"]
        held = [ours("StreamConnections", "Maximum"), ours("StreamRefusals")]
    asked = [of(name, metric, "Sum") for name in functions for metric in ("Invocations", "Errors", "Throttles")]
    return [
        _graph("Open connections, refusals", held),
        _graph("Functions behind the address: invocations, errors, refusals", asked),
    ]


def _data(metrics: _Metrics) -> list[list[cloudwatch.IWidget]]:
    ours = metrics.ours
    return [
        [
            _graph("Set aside", [ours("EventsQuarantined"), ours("EventsTooLate"), ours("FinalizerRepairs")]),
            _graph("Again", [ours("EventsDuplicate"), ours("BucketConflicts"), ours("BucketsRevised")]),
        ],
        [
            _graph("Classifier, ms a batch", [ours("ClassifierLatency", "p50"), ours("ClassifierLatency", "p95")]),
            _graph("Sources", [ours("ArticlesFetched"), ours("ArticlesDuplicate"), ours("SourceErrors")]),
        ],
    ]


def _money(metrics: _Metrics) -> list[list[cloudwatch.IWidget]]:
    return [
        [_graph("This month so far, USD, the whole account", [_charges()])],
        [
            _graph("Write units", [metrics.table(name, "ConsumedWriteCapacityUnits") for name in TABLES]),
            _graph("Read units", [metrics.table(name, "ConsumedReadCapacityUnits") for name in TABLES]),
        ],
    ]


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
