"""Lambda entry point: Kinesis raw-articles and scored-articles → the lake."""

import json
import logging
import os
from typing import Any

from consumers.archiver.service import Archiver
from contracts.errors import Transient
from contracts.kinesis import item_failures, records_of
from contracts.logs import invoked
from contracts.settings import Settings, load
from contracts.trouble import tell
from stores.home import open_home

logger = logging.getLogger(__name__)


def lambda_handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """A Kinesis event in, `{"batchItemFailures": […]}` out: all of the batch, or none of it."""
    archiver = Archiver(open_home(load(Settings, os.environ)).lake)
    invoked(event, context)
    records = records_of(event)
    try:
        archived = archiver.archive(records)
    except Transient as error:
        tell(error)
        logger.warning(json.dumps({"message": "batch to be retried", "cause": str(error)}))
        return {"batchItemFailures": item_failures(records[:1])}
    logger.info(json.dumps({"message": "archived", **archived._asdict()}))
    return {"batchItemFailures": []}
