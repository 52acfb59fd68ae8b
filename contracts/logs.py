"""Log lines of deployed functions: one JSON object each, by Powertools' Logger, with the batch or request they are of.

On one machine nothing of this is loaded: `candlewick up` writes the same messages to stderr.
"""

import logging
from collections.abc import Mapping
from functools import cache
from typing import Any

from contracts.metrics import NAMESPACE


@cache
def deploy(service: str, level: str = "INFO") -> Any:
    """Every logger of the process writes through Powertools from here on. Returns the Powertools logger."""
    from aws_lambda_powertools import Logger

    logger = Logger(service=service, level=level)
    root = logging.getLogger()
    root.handlers[:] = logger.handlers
    root.setLevel(level)
    return logger


def invoked(event: Mapping[str, Any], context: object) -> None:
    """Lines from here on carry this invocation's id and `correlation_id`; does nothing before `deploy`."""
    if deploy.cache_info().currsize:
        deploy(NAMESPACE).append_keys(
            correlation_id=correlation_of(event), function_request_id=getattr(context, "aws_request_id", "")
        )


def correlation_of(event: Mapping[str, Any]) -> str:
    """What stays the same when an invocation is tried again: a batch's first event, an HTTP request's or a schedule's
    id; empty when there is none (the empty last invocation of a window)."""
    records = event.get("Records")
    if records:
        return str(records[0].get("eventID", ""))
    return str(event.get("requestContext", {}).get("requestId") or event.get("id") or "")
