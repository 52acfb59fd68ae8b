"""Items of the read model for the suites that count them."""

from typing import Any

from contracts.instants import iso_ms
from contracts.tally import KEPT_MS


def dashboard_item(number: int, ingested_ms: int, **changes: Any) -> list[dict[str, Any]]:
    """An article taken in at an instant, as the dashboard reads it: once by its day, once by each of its tags."""
    at = iso_ms(ingested_ms)
    item = {
        "source_id": f"rss#{number}",
        "ingested_at": at,
        "source_type": "rss",
        "sentiment": "neutral",
        "score": 0.9,
        "polarity": 0.1,
        "model_version": "m-1",
        "matched_tags": ["ai"],
        "matched_tickers": ["AAPL"],
        "metadata": {"published_at": iso_ms(ingested_ms - 1_000)},
        "day_partition": at[:10],
        "item_key": f"{at}#rss#{number}",
        "sentiment_score_combined": "neutral#0.90",
        "expires_at": (ingested_ms + KEPT_MS) // 1000,
    } | changes
    return [item, *(item | {"tag": tag, "item_key": f"~{tag}#{item['item_key']}"} for tag in item["matched_tags"])]
