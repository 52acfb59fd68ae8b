"""Metric names (namespace `SentimentAnalyzer`): one row each. Never a ticker or tag as a dimension."""

from typing import Final, NamedTuple

NAMESPACE: Final = "SentimentAnalyzer"


class Metric(NamedTuple):
    """One metric: CloudWatch unit and what it counts."""

    unit: str
    meaning: str


METRICS: Final[dict[str, Metric]] = {
    "ArticlesFetched": Metric("Count", "articles a source answered with, duplicates included"),
    "ArticlesPublished": Metric("Count", "articles put on raw-articles"),
    "ArticlesScored": Metric("Count", "articles the classifier scored"),
    "ArticlesDuplicate": Metric("Count", "articles already seen, or another source's copy of a known story"),
    "EventsEmitted": Metric("Count", "scored events put on scored-articles"),
    "EventsCounted": Metric("Count", "scored events that changed a bucket"),
    "EventsDuplicate": Metric("Count", "scored events that were already members"),
    "EventsTooLate": Metric("Count", "scored events ingested after the allowed lateness, expired ones included"),
    "EventsQuarantined": Metric("Count", "records set aside as bad"),
    "BucketsWritten": Metric("Count", "bucket writes committed"),
    "BucketConflicts": Metric("Count", "guarded bucket writes that lost and were merged again"),
    "BucketsRevised": Metric("Count", "final buckets changed by a late event"),
    "FinalizerRepairs": Metric("Count", "buckets the finaliser had to mend (should be 0)"),
    "StreamProcessorSuccess": Metric("Count", "primary item changes copied to the read model"),
    "StreamProcessorErrors": Metric("Count", "primary item changes skipped as malformed"),
    "StreamProcessorBatchSize": Metric("Count", "records in one read-model batch"),
    "ClassifierLatency": Metric("Milliseconds", "time to score one batch"),
    "SourceErrors": Metric("Count", "failed fetches of a source"),
    "StreamConnections": Metric("Count", "open event-stream connections"),
    "StreamRefusals": Metric("Count", "event-stream connections refused at the cap"),
}
