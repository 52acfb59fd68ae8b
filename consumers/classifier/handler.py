"""Lambda entry point: Kinesis raw-articles → scored-articles and items."""

import functools
import json
import logging
import os
import threading
from pathlib import Path
from typing import Any, Final

from consumers.classifier.models import registry
from consumers.classifier.service import ClassifierService
from consumers.classifier.subjects import Symbols, read_symbols, shipped_symbols
from contracts.kinesis import item_failures, records_of
from contracts.logs import invoked
from contracts.settings import ClassifierSettings, load
from contracts.telemetry import observe, record
from contracts.trouble import told
from stores.home import Home, open_home

logger = logging.getLogger(__name__)
METRIC_OF = {
    "scored": "ArticlesScored",
    "duplicates": "ArticlesDuplicate",
    "events": "EventsEmitted",
    "quarantined": "EventsQuarantined",
}
MAX_CORES: Final = 4
_opening = threading.Lock()


@functools.lru_cache(maxsize=4)
def _service(settings: ClassifierSettings, home: Home) -> ClassifierService:
    return ClassifierService(
        log=home.log,
        items=home.items,
        control=home.control,
        lake=home.lake,
        clock=home.clock,
        model=registry.load(settings.model or registry.DEFAULT, settings.model_threads or _cores()),
        symbols=_symbols(settings),
        lanes=settings.lanes,
        lateness_ms=settings.allowed_lateness_ms,
    )


def _cores() -> int:
    """The cores that texts are scored on when nobody says how many: a larger machine keeps some for all else. Measured
    on two (docs/model.md)."""
    return min(MAX_CORES, os.cpu_count() or 1)


def _symbols(settings: ClassifierSettings) -> Symbols:
    """The table the settings name, the refreshed one of the data directory, or the shipped one. Raises `Unusable`."""
    refreshed = Path(settings.data_dir).expanduser() / "symbols.csv"
    if settings.symbols_file:
        return read_symbols(Path(settings.symbols_file))
    if settings.home == "embedded" and refreshed.exists():
        return read_symbols(refreshed)
    return shipped_symbols()


def lambda_handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """A Kinesis event in, `{"batchItemFailures": […]}` out; raises `Unusable` when the settings or model are."""
    settings = load(ClassifierSettings, os.environ)
    with _opening:
        service = _service(settings, open_home(settings))
    invoked(event, context)
    clock = open_home(settings).clock
    started_ms = clock.monotonic_ms()
    outcome = service.process(records_of(event))
    observe({"ClassifierLatency": round(clock.monotonic_ms() - started_ms, 1)})
    record({METRIC_OF[name]: count for name, count in outcome.counts.items() if name in METRIC_OF and count})
    retry = [outcome.retry_from] if outcome.retry_from else []
    cause = {"cause": told()} if retry else {}
    logger.info(json.dumps({"message": "classified", **outcome.counts, "retry_from": item_failures(retry), **cause}))
    return {"batchItemFailures": item_failures(retry)}
