"""Lambda entry point: DynamoDB stream of items-primary → items-dashboard."""

import json
import logging
import os
from typing import Any

from consumers.read_model.service import process
from contracts.errors import Transient
from contracts.logs import invoked
from contracts.settings import Settings, load
from contracts.telemetry import record
from contracts.trouble import tell
from stores.home import open_home

logger = logging.getLogger(__name__)


def lambda_handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """A DynamoDB stream event in, `{"batchItemFailures": […]}` out: all of the batch, or none of it."""
    items = open_home(load(Settings, os.environ)).items
    invoked(event, context)
    records = event.get("Records", [])
    try:
        processed = process(items, records)
    except Transient as error:
        tell(error)
        logger.warning(json.dumps({"message": "batch to be retried", "cause": str(error)}))
        # Without a number to begin at, Lambda takes it for a failure of the whole batch, which it is.
        first = records[0].get("dynamodb") or {}
        return {"batchItemFailures": [{"itemIdentifier": str(first.get("SequenceNumber", ""))}]}
    record(processed.metrics())
    logger.info(json.dumps({"message": "read model", **processed._asdict()}))
    return {"batchItemFailures": []}
