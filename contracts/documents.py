"""Buckets as documents: the one JSON shape that REST, the stream and the command line share (design section 8)."""

from typing import Any

from contracts.bucket import E4, Bucket
from contracts.instants import iso_ms, iso_s
from contracts.resolution import WIDTH_MS

#: Fields that depend on batching and the clock; a document without them is a bucket's content.
BOOKKEEPING_FIELDS = ("rev", "last_updated", "is_partial")


def end_ms(bucket: Bucket) -> int:
    """The first instant after the bucket's window."""
    return bucket.start_ms + WIDTH_MS[bucket.resolution]


def bucket_document(bucket: Bucket, now_ms: int) -> dict[str, Any]:
    """A bucket as JSON-ready values; polarity as numbers with at most four decimals.

    `is_partial` is told by the clock: the window's end is in the future.
    """
    summary = bucket.summary
    return {
        "start": iso_s(bucket.start_ms),
        "end": iso_s(end_ms(bucket)),
        "open": summary.open_e4 / E4,
        "high": summary.high_e4 / E4,
        "low": summary.low_e4 / E4,
        "close": summary.close_e4 / E4,
        "sum": summary.sum_e4 / E4,
        "count": summary.count,
        "label_counts": {"positive": summary.positive, "neutral": summary.neutral, "negative": summary.negative},
        "sources": list(summary.sources),
        "model_versions": list(summary.model_versions),
        "open_at": {"time": iso_ms(summary.open_ms), "event_id": summary.open_id},
        "close_at": {"time": iso_ms(summary.close_ms), "event_id": summary.close_id},
        "rev": bucket.rev,
        "is_partial": end_ms(bucket) > now_ms,
        "last_updated": iso_ms(bucket.last_updated_ms),
    }


def partial_document(bucket: Bucket, now_ms: int) -> dict[str, Any]:
    """The document of the window that contains now: with `progress_pct` (0–100, one decimal) and `next_update_at`
    (the window's end)."""
    width_ms = WIDTH_MS[bucket.resolution]
    elapsed_ms = min(max(now_ms - bucket.start_ms, 0), width_ms)
    return bucket_document(bucket, now_ms) | {
        "progress_pct": round(100 * elapsed_ms / width_ms, 1),
        "next_update_at": iso_s(bucket.start_ms + width_ms),
    }
