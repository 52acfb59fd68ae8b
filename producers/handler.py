"""Lambda entry point of the producers: a schedule's event (or `{}`) polls what is due, `{"source": NAME}` that source
now, due or not.
"""

import functools
import json
import logging
import os
import threading
from typing import Any, Final

from contracts.logs import invoked
from contracts.settings import AggregatorSettings, ProducerSettings, load
from producers.fetch import Web
from producers.fetch_round import ROUND_MS
from producers.reach import Reach
from producers.service import ProducerService
from producers.sources.registry import load_sources
from stores.home import Home, open_home

#: Polled every second, a process that stays up need not wait: what comes later is taken by the next poll.
SHORT_ROUND_MS: Final = 500.0
#: Half of what lies between two runs of a function: a source is asked by the run that is nearest to its turn.
SCHEDULE_EARLY_MS: Final = 150_000
logger = logging.getLogger(__name__)
_opening = threading.Lock()


@functools.lru_cache(maxsize=4)
def _service(settings: ProducerSettings, home: Home) -> ProducerService:
    # Lambda sets it. `candlewick up` polls every second, on either home.
    is_function = "AWS_LAMBDA_FUNCTION_NAME" in os.environ
    return ProducerService(
        log=home.log,
        control=home.control,
        lake=home.lake,
        secrets=open_home(settings, env=os.environ).secrets,
        clock=home.clock,
        web=Web(home.clock, settings.user_agent, Reach(settings.networks)),
        sources=load_sources(settings.sources_file),
        round_ms=ROUND_MS if is_function else SHORT_ROUND_MS,
        early_ms=SCHEDULE_EARLY_MS if is_function else 0,
        lateness_ms=load(AggregatorSettings, os.environ).allowed_lateness_ms,
    )


def lambda_handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Counts of one round out; raises `Transient` when our own stores fail, `Unusable` for bad settings."""
    settings = load(ProducerSettings, os.environ)
    with _opening:
        service = _service(settings, open_home(settings))
    invoked(event, context)
    polled = service.poll(_asked_for(event))._asdict()
    if polled["polled"]:
        logger.info(json.dumps({"message": "polled", **polled}))
    return polled


def _asked_for(event: dict[str, Any]) -> str | None:
    """The source named; None for a schedule's own event, whose `source` is `aws.events`."""
    name = event.get("source")
    return None if "detail-type" in event else name
