"""The line on one machine: which handlers read which streams, as a table. The same entry points as on AWS."""

import importlib
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, NamedTuple

from contracts.errors import Damaged
from contracts.events import RAW_STREAM, SCORED_STREAM
from contracts.settings import Settings, to_env
from local.driver import MappingDriver, dynamo_driver, kinesis_driver
from local.foreign_control import check_control
from local.mappings import Mapping
from stores.home import Home

ITEMS_TABLE: Final = "sentiment-items-primary"
#: At 30 s between the later ones that is 50 minutes of a broken dependency; then the payload goes to `failed/`.
MAX_RETRIES: Final = 100


class Row(NamedTuple):
    """One event source mapping of the line."""

    name: str
    stream: str
    handler: str
    batch_size: int
    batching_window_ms: int
    tumbling_window_s: int


LINE: Final[tuple[Row, ...]] = (
    Row("classifier", RAW_STREAM, "consumers.classifier.handler", 100, 0, 0),
    Row("aggregator", SCORED_STREAM, "aggregation.handler", 10_000, 0, 60),
    Row("read-model", ITEMS_TABLE, "consumers.read_model.handler", 100, 0, 0),
    Row("archiver-raw", RAW_STREAM, "consumers.archiver.handler", 5_000, 5_000, 0),
    Row("archiver-scored", SCORED_STREAM, "consumers.archiver.handler", 10_000, 5_000, 0),
)


def apply_settings(settings: Settings) -> None:
    """Tell the handlers, which read their settings from the environment as on Lambda, what home they work on."""
    os.environ.update(to_env(settings))


def entry_point(module: str) -> Callable[[dict[str, Any], Any], Any]:
    """A handler module's `lambda_handler`."""
    found: Callable[[dict[str, Any], Any], Any] = importlib.import_module(module).lambda_handler
    return found


def drivers_of(home: Home) -> list[MappingDriver]:
    """A driver for every row of the line. Raises `Unusable` where a checkpoint is not of the home's streams, or
    control.db not of its buckets."""
    with suppress(Damaged):  # the steps that meet it tell, and what can be read is served meanwhile
        check_control(home)
    drivers = []
    for row in LINE:
        mapping = Mapping(
            row.name,
            row.stream,
            entry_point(row.handler),
            batch_size=row.batch_size,
            batching_window_ms=row.batching_window_ms,
            tumbling_window_s=row.tumbling_window_s,
            max_retries=MAX_RETRIES,
            bisect=True,
            report_item_failures=True,
        )
        if row.stream == ITEMS_TABLE:
            drivers.append(dynamo_driver(mapping, home.items, home.control, home.lake, home.clock))
        else:
            drivers.append(kinesis_driver(mapping, home.log, home.control, home.lake, home.clock))
        drivers[-1].check()
    return drivers
