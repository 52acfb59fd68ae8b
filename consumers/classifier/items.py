"""The primary item of an article: the attributes of the stream-processor contract, and ours (design section 6)."""

from collections.abc import Sequence
from typing import Any

from consumers.classifier.models.registry import Score
from consumers.classifier.text import clean
from contracts.bucket import E4
from contracts.events import RawArticle
from contracts.instants import iso_ms
from contracts.kinesis import StreamRecord, raw_prefix
from contracts.ports import Item
from contracts.subjects import TAG_PREFIX


def primary_item(
    article: RawArticle,
    record: StreamRecord,
    subjects: Sequence[str],
    story_key: str,
    score: Score,
    model_version: str,
    published_ms: int,
    scored_at: str,
) -> Item:
    """The whole item. `score` is the confidence in the label, `polarity` the signed value candles are made of."""
    return {
        "source_id": article.article_id,
        "ingested_at": article.ingested_at,
        "source_type": article.source,
        "source_url": safe_url(article.url),
        "text_snippet": display_text(article.snippet),
        "sentiment": score.label,
        "score": score.confidence_e4 / E4,
        "polarity": score.polarity_e4 / E4,
        "model_version": model_version,
        "scored_at": scored_at,
        "matched_tags": [each.removeprefix(TAG_PREFIX) for each in subjects if each.startswith(TAG_PREFIX)],
        "matched_tickers": [each for each in subjects if not each.startswith(TAG_PREFIX)],
        "status": "analyzed",
        "metadata": {
            "author": article.author,
            "title": display_text(article.title),
            "published_at": iso_ms(published_ms),
            "source_name": article.publisher or article.source,
        },
        "sources": [source_entry(article.article_id, article.source)],
        "story_key": story_key,
        "raw_key": article.raw_key or raw_place(article.source, record),
    }


def source_entry(article_id: str, source: str) -> dict[str, Any]:
    """One of the sources that told the story."""
    return {"article_id": article_id, "source": source}


def raw_place(source: str, record: StreamRecord) -> str:
    """Where the lake holds the raw record: partition, shard and sequence number; the object of that partition and
    shard whose range of sequence numbers includes it (the archiver names its objects so)."""
    return raw_prefix(source, record) + record.sequence_number


def display_text(text: str) -> str:
    """Text for people: markup is taken out; text without any stays exactly as written (right-to-left, emoji)."""
    return clean(text) if "<" in text or "&" in text else text


def safe_url(url: str | None) -> str:
    """The link, or nothing when it is not http(s): a `javascript:` link is never offered to a click."""
    return url if url and url.lower().startswith(("http://", "https://")) else ""
