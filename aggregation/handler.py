"""Lambda entry point of the aggregator: Kinesis scored-articles, tumbling windows of 60 s, parallelization 1.

Translate in, call one function, translate out. The answer always holds `state`. The final invocation of a window,
mostly an empty one, publishes the shard's progress; that may fail, because the store is the only truth.
"""

import gc
import json
import logging
import os
from functools import cache
from typing import Any

from aggregation.event import CHUNK
from aggregation.service import Aggregator
from contracts.errors import Transient
from contracts.kinesis import chunks_of, shard_of
from contracts.logs import invoked
from contracts.settings import AggregatorSettings, load
from contracts.telemetry import record
from contracts.trouble import tell
from stores.home import open_home

log = logging.getLogger(__name__)

#: Containers that may be made, less those that are gone, before the collector looks at them.
COLLECT_AFTER = 50_000
METRIC_OF = {
    "counted": "EventsCounted",
    "duplicates": "EventsDuplicate",
    "too_late": "EventsTooLate",
    "quarantined": "EventsQuarantined",
    "written": "BucketsWritten",
    "conflicts": "BucketConflicts",
    "revised": "BucketsRevised",
}


@cache
def aggregator(settings: AggregatorSettings) -> Aggregator:
    """The process's aggregator: built at cold start, kept while warm."""
    home = open_home(settings)
    spare_collector()
    return Aggregator(home.buckets, home.control, home.lake, home.clock, settings)


def spare_collector() -> None:
    """A batch makes containers by the thousand and no cycles, so the cyclic collector finds nothing: a tenth of an
    invocation. What is loaded now is kept for good and need not be walked again."""
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Apply one batch of a shard."""
    service = aggregator(load(AggregatorSettings, os.environ))
    invoked(event, context)
    return handle(service, event)


def handle(service: Aggregator, event: dict[str, Any]) -> dict[str, Any]:
    """The answer always holds `state`; `batchItemFailures` names the first record when nothing was made durable."""
    shard_id = shard_of(event)
    records, window = event.get("Records"), event.get("state") or {}
    failures: list[dict[str, str]] = []
    if records:
        try:
            done = service.process(shard_id, chunks_of(event, CHUNK), window)
        except Transient as error:
            tell(error)
            log.warning(json.dumps({"message": "batch to be retried", "shard": shard_id, "cause": str(error)}))
            failures = [{"itemIdentifier": records[0]["kinesis"]["sequenceNumber"]}]
        else:
            counts = done.counts()
            record({METRIC_OF[name]: count for name, count in counts.items() if name in METRIC_OF})
            log.info(json.dumps({"message": "batch", "shard": shard_id, **counts}))
    if not records or event.get("isFinalInvokeForWindow"):
        try:
            service.finish(shard_id, window)
        except Transient as error:
            log.warning(json.dumps({"message": "progress not published", "shard": shard_id, "cause": str(error)}))
    return {"state": service.window_state(shard_id) or window, "batchItemFailures": failures}
