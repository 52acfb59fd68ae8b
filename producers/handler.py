"""Lambda entry point of the producers, on a schedule: `{}` polls what is due, `{"source": NAME}` that source now."""

import functools
import json
import logging
import os
import threading
from typing import Any

from contracts.settings import ProducerSettings, load
from producers.fetch import Web
from producers.service import ProducerService
from producers.sources.registry import load_sources
from stores.home import Home, open_home

logger = logging.getLogger(__name__)
_opening = threading.Lock()


@functools.lru_cache(maxsize=4)
def _service(settings: ProducerSettings, home: Home) -> ProducerService:
    return ProducerService(
        log=home.log,
        control=home.control,
        lake=home.lake,
        secrets=open_home(settings, env=os.environ).secrets,
        clock=home.clock,
        web=Web(home.clock, settings.user_agent),
        sources=load_sources(settings.sources_file),
    )


def lambda_handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Counts of one round out; raises `Transient` when our own stores fail, `Unusable` for bad settings."""
    settings = load(ProducerSettings, os.environ)
    with _opening:
        service = _service(settings, open_home(settings))
    polled = service.poll(event.get("source"))._asdict()
    logger.info(json.dumps({"message": "polled", **polled}))
    return polled
