"""The dashboard's read model from the primary's change stream: the stream-processor contract, its defects mended.

contract                                            here
key (day_partition, ingested_at): items overwrite   item_key = ingested_at#source_id
a tag's copy has the base item's key                item_key = ~tag#ingested_at#source_id, after every base item
every error is logged and the batch succeeds        a malformed record is skipped and counted, a store that fails
                                                    gives the batch back
expires_at = now + 7 days                           ingested_at + 7 days: the same on every retry
floats                                              Decimal, as DynamoDB sends them
"""

import json
import logging
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from consumers.read_model.attributes import plain_item
from contracts.errors import BadEvent
from contracts.events import LABELS
from contracts.instants import parse_ms
from contracts.ports import Item, ItemStore
from contracts.tally import KEPT_MS

logger = logging.getLogger(__name__)

_REQUIRED: Final = ("source_id", "ingested_at", "sentiment", "score")
#: Copied as they are when present.
_COPIED: Final = (
    "source_id",
    "ingested_at",
    "source_type",
    "source_url",
    "text_snippet",
    "sentiment",
    "score",
    "polarity",
    "model_version",
    "scored_at",
    "matched_tags",
    "matched_tickers",
    "metadata",
    "sources",
)


class Processed(NamedTuple):
    """Counts of one batch, under the metric names of contracts/metrics.py."""

    StreamProcessorSuccess: int
    StreamProcessorErrors: int
    StreamProcessorBatchSize: int
    skipped: int
    items: int

    def metrics(self) -> dict[str, float]:
        """Those that are metrics."""
        return {name: value for name, value in self._asdict().items() if name.startswith("StreamProcessor")}


def process(items: ItemStore, records: Sequence[Mapping[str, Any]]) -> Processed:
    """Copy one batch of DynamoDB-stream records into the read model.

    Raises `Transient` when the store fails: the batch must come again, and writing it again changes nothing.
    """
    written: dict[tuple[str, str], Item] = {}
    success = errors = skipped = 0
    for record in records:
        try:
            image = _analysed_image(record)
            if image is None:
                skipped += 1
                continue
            for item in dashboard_items(image):
                written[item["day_partition"], item["item_key"]] = item
            success += 1
        except BadEvent as error:
            errors += 1
            told = {"message": "read model: record skipped", "event_id": record.get("eventID"), "cause": str(error)}
            logger.error(json.dumps(told | {"source_id": (source_id_of(record) or "")[:200] or None}))
    if written:
        items.put_dashboard(list(written.values()))
    return Processed(success, errors, len(records), skipped, len(written))


def dashboard_items(image: Mapping[str, Any]) -> list[Item]:
    """The base item, then one copy a tag. Raises `BadEvent` for an image that lacks something."""
    for name in _REQUIRED:
        if image.get(name) in (None, ""):
            raise BadEvent("missing_field", f"{name} of {image.get('source_id')}")
    ingested_at, source_id = str(image["ingested_at"]), str(image["source_id"])
    sentiment, score = image["sentiment"], image["score"]
    if sentiment not in LABELS or not isinstance(score, Decimal) or not 0 <= score <= 1:
        raise BadEvent("bad_value", f"{source_id}: sentiment {sentiment!r}, score {score!r}")
    expires_ms = parse_ms(ingested_at) + KEPT_MS
    base: Item = {name: image[name] for name in _COPIED if name in image} | {
        "day_partition": ingested_at[:10],
        "item_key": f"{ingested_at}#{source_id}",
        "sentiment_score_combined": f"{sentiment}#{score:.2f}",
        "expires_at": expires_ms // 1000,
    }
    tags = dict.fromkeys(image.get("matched_tags") or ())
    return [base, *(base | {"tag": tag, "item_key": f"~{tag}#{base['item_key']}"} for tag in tags)]


def source_id_of(record: Any) -> str | None:
    """The article that a change is of; the record may be anything."""
    change = record.get("dynamodb") if isinstance(record, Mapping) else None
    if not isinstance(change, Mapping):
        return None
    for part in ("Keys", "NewImage", "OldImage"):
        image = change.get(part)
        attribute = image.get("source_id") if isinstance(image, Mapping) else None
        found = attribute.get("S") if isinstance(attribute, Mapping) else None
        if isinstance(found, str) and found:
            return found
    return None


def _analysed_image(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """The new image, or None when there is nothing to copy: a removal, or an item still pending."""
    if record.get("eventName") == "REMOVE":
        return None
    change = record.get("dynamodb")
    image = change.get("NewImage") if isinstance(change, Mapping) else None
    if not isinstance(image, Mapping):
        raise BadEvent("missing_field", "dynamodb.NewImage")
    plain = plain_item(image)
    return plain if plain.get("status") == "analyzed" else None
