"""The alarms: one row each, and each with a runbook in docs/runbooks/. A test compares metrics, rows and runbooks."""

from typing import Final, Literal, NamedTuple

Source = Literal["ours", "lambda", "kinesis", "sqs", "http-api", "balancer", "targets"]
#: Where event streams run on Fargate: the balancer, and the tasks behind it.
ON_FARGATE: Final = ("balancer", "targets")


class Alarm(NamedTuple):
    """It rings after `periods` periods of `period_s` at or beyond the threshold (below it when `below`).

    `of`: function, stream or queue the metric belongs to ("" for our own, whose only dimension is the stage, and for
    what there is one of: the HTTP API, the balancer).
    `missing`: what it means that there is no data.
    """

    name: str
    source: Source
    of: str
    metric: str
    statistic: str
    threshold: float
    period_s: int
    periods: int
    why: str
    below: bool = False
    missing: Literal["ok", "breach"] = "ok"
    book: str = ""

    @property
    def runbook(self) -> str:
        """Name of its page in docs/runbooks/; alarms that ask for the same steps share one."""
        return self.book or self.name


def _errors(function: str, why: str, period_s: int = 300) -> Alarm:
    """A run that times out is one error in all its time: three must fit into the period."""
    return Alarm(f"errors-{function}", "lambda", function, "Errors", "Sum", 3, period_s, 1, why, book="function-errors")


def _failing_runs(function: str, why: str) -> Alarm:
    """Every ten minutes have a run at least; one that fails alone is told by `missed-runs`."""
    return Alarm(f"errors-{function}", "lambda", function, "Errors", "Sum", 1, 600, 2, why, book="function-errors")


def _throttles(function: str, why: str) -> Alarm:
    return Alarm(
        f"throttles-{function}", "lambda", function, "Throttles", "Sum", 1, 300, 2, why, book="function-throttles"
    )


ALARMS: Final[tuple[Alarm, ...]] = (
    # Is it live?
    Alarm(
        "no-new-articles", "ours", "", "ArticlesPublished", "Sum", 1, 300, 6,
        "six runs in a row brought no article: sources, keys or the schedule", below=True, missing="breach",
    ),
    # Where is it stuck?
    Alarm(
        "iterator-age-classifier", "lambda", "classifier", "IteratorAge", "Maximum", 60_000, 60, 2,
        "articles wait over a minute for their score", book="iterator-age",
    ),
    Alarm(
        "iterator-age-aggregator", "lambda", "aggregator", "IteratorAge", "Maximum", 60_000, 60, 2,
        "scored events wait over a minute for their bucket", book="iterator-age",
    ),
    Alarm(
        "iterator-age-read-model", "lambda", "read-model", "IteratorAge", "Maximum", 60_000, 60, 2,
        "articles wait over a minute for the dashboard", book="iterator-age",
    ),
    Alarm(
        "iterator-age-archiver", "lambda", "archiver", "IteratorAge", "Maximum", 3_600_000, 300, 2,
        "the lake is an hour behind the streams, which forget after a day", book="iterator-age",
    ),
    _failing_runs("producers", "runs of the producers fail"),
    _errors("classifier", "batches of articles fail", 600),
    _errors("aggregator", "batches of scored events fail", 600),
    _failing_runs("finalizer", "the finaliser fails: law 2 goes unchecked"),
    _errors("archiver", "batches for the lake fail", 600),
    _errors("read-model", "batches for the dashboard fail", 600),
    _errors("api", "the API's function breaks"),
    # A dependency that is away is an answer of the function, 503, and no error of it.
    Alarm("errors-http-api", "http-api", "", "5xx", "Sum", 3, 300, 1, "requests fail", book="function-errors"),
    _errors("stream", "event streams fail"),
    _throttles("classifier", "no concurrency is left for the classifier"),
    _throttles("aggregator", "no concurrency is left for the aggregator"),
    _throttles("api", "requests are refused: more at once than the API's reserved concurrency"),
    Alarm(
        "stream-throttles-raw", "kinesis", "raw-articles", "WriteProvisionedThroughputExceeded", "Sum", 10, 300, 2,
        "raw-articles refuses records: a hot shard, or too few", book="stream-throttles",
    ),
    Alarm(
        "stream-throttles-scored", "kinesis", "scored-articles", "WriteProvisionedThroughputExceeded", "Sum",
        10, 300, 2,
        "scored-articles refuses records: a hot shard, or too few", book="stream-throttles",
    ),
    Alarm(
        "failure-destination", "sqs", "candlewick-failed", "ApproximateNumberOfMessagesVisible", "Maximum", 1, 60, 1,
        "batches were given up on and lie in the failure bucket",
    ),
    Alarm(
        "missed-runs", "sqs", "candlewick-missed-runs", "ApproximateNumberOfMessagesVisible", "Maximum", 1, 300, 1,
        "scheduled runs failed, or never reached their function",
    ),
    # Stream service
    Alarm(
        "stream-refusals", "ours", "", "StreamRefusals", "Sum", 20, 300, 2,
        "watchers are refused at the connection cap",
    ),
    # A function has one stream an environment: Lambda itself refuses the next one, and ours never hears of it.
    Alarm(
        "stream-refusals-function", "lambda", "stream", "Throttles", "Sum", 20, 300, 2,
        "watchers are refused: every reserved execution holds an open stream", book="stream-refusals",
    ),
    # A task that crashes or cannot start tells of nothing itself; another one is there within two minutes.
    Alarm(
        "stream-service-down", "targets", "", "HealthyHostCount", "Maximum", 1, 60, 5,
        "no task of the event streams on Fargate is well", below=True, missing="breach", book="stream-service",
    ),
    Alarm(
        "errors-stream-service", "balancer", "", "HTTPCode_ELB_5XX_Count", "Sum", 3, 300, 2,
        "event streams fail at the balancer before Fargate", book="stream-service",
    ),
    # Data
    Alarm(
        "quarantined", "ours", "", "EventsQuarantined", "Sum", 10, 300, 1,
        "records are set aside as bad: a producer changed its shape",
    ),
    Alarm(
        "read-model-errors", "ours", "", "StreamProcessorErrors", "Sum", 11, 300, 1,
        "articles cannot be copied for the dashboard: they lack what a row of it needs",
    ),
    Alarm(
        "late-surge", "ours", "", "EventsTooLate", "Sum", 100, 900, 1,
        "many events come after the allowed lateness: a source was out, or its clock is off",
    ),
    Alarm(
        "finalizer-repairs", "ours", "", "FinalizerRepairs", "Sum", 1, 300, 1,
        "law 2 had to be mended, which should never be needed",
    ),
    Alarm(
        "classifier-latency", "ours", "", "ClassifierLatency", "p95", 10_000, 300, 3,
        "a batch takes over ten seconds to score at the 95th percentile",
    ),
)  # fmt: skip


def alarms_of(stream_on: Literal["lambda", "fargate"]) -> tuple[Alarm, ...]:
    """The alarms of a stage: what its event streams do not run on is not there to be watched."""
    if stream_on == "fargate":
        return tuple(row for row in ALARMS if (row.source, row.of) != ("lambda", "stream"))
    return tuple(row for row in ALARMS if row.source not in ON_FARGATE)


#: The budget's notices come from the Guardrail stack; they have a runbook too.
BUDGET_RUNBOOK: Final = "budget"
