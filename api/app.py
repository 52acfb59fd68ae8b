"""The application: routes, errors and middleware around one set of services."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware

from api import problems
from api.context import Home, Services
from api.duties import end, kept_up
from api.logs import note
from api.middleware import BodyLimit, Cors, SecurityHeaders
from api.negotiation import Negotiation
from api.openapi import make_openapi, operation_id
from api.options import options_of
from api.rate import RateLimit
from api.routes import (
    analytics,
    auth,
    configurations,
    generations,
    health,
    items,
    records,
    runs,
    sources,
    stream,
    subjects,
    timeseries,
)
from api.routes.records import metrics_now
from api.sse.slots import control_event
from api.web import web_fallback
from contracts.errors import Transient
from contracts.settings import ApiSettings

PREFIX = "/api/v2"
NOUNS = (
    timeseries,
    stream,
    subjects,
    items,
    records,
    analytics,
    configurations,
    sources,
    generations,
    runs,
    auth,
    health,
)
METRICS_EVERY_S = 60.0
METRICS_HOURS = 24
GZIP_FROM_BYTES = 1_000
GZIP_LEVEL = 5
#: What is waited for the store that is told of the farewell; without it the process is forgotten a little later.
LEAVE_S = 0.5


def create_app(
    home: Home,
    settings: ApiSettings,
    status: Callable[[], dict[str, Any]] | None = None,
    names: Mapping[str, str] | None = None,
    live: bool = True,
) -> FastAPI:
    """The API, the event stream and the dashboard over one home.

    `status()` (may block) is merged into `/api/v2/status`; `names` gives subjects a name to show; `live` false: the
    process answers requests in one piece (buffered Lambda), so it reads no change log and streams nothing.
    `app.state.services.connections.drain()` says farewell to all streams; do it before the server stops.
    """
    options = options_of(settings)
    services = Services(home, options, status, names or {}, live)

    app = FastAPI(
        title="Candlewick",
        version=health.version_of_package(),
        summary="Sentiment candles from a live stream of news",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=_life(services, live),
        redirect_slashes=False,
        generate_unique_id_function=operation_id,
    )
    app.state.services = services
    problems.install(app, options.behind_tls, options.origins)
    for noun in NOUNS:
        app.include_router(noun.router, prefix=PREFIX)
    app.include_router(health.bare)
    app.router.default = web_fallback(options.web_dir)
    document: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not document:
            document.update(make_openapi(app))
        return document

    app.openapi = openapi  # type: ignore[method-assign]
    _shield(app, services)
    return app


def _life(services: Services, live: bool) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """What runs while the application does, and its farewell."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        duties = (
            services.connections.start_when_up,
            services.follower.watch,
            services.fleet.report,
            partial(tell_metrics, services),
        )
        tasks = [asyncio.create_task(kept_up(duty)) for duty in duties] if live else []
        try:
            yield
        finally:
            leave = partial(services.offload.within, LEAVE_S, "control", services.fleet.leave)
            for farewell in (services.connections.stop, partial(end, tasks), leave):
                try:
                    await farewell()
                except Exception as error:  # noqa: BLE001 — logged; the rest of the farewell follows
                    note(logging.WARNING, "part of the farewell is left out", cause=repr(error))
            services.offload.close()

    return lifespan


def _shield(app: FastAPI, services: Services) -> None:
    """The middlewares; the last one added sees a request first."""
    options = services.options
    app.add_middleware(GZipMiddleware, minimum_size=GZIP_FROM_BYTES, compresslevel=GZIP_LEVEL)
    app.add_middleware(Negotiation)
    app.add_middleware(BodyLimit, max_bytes=options.max_body_bytes)
    app.add_middleware(
        RateLimit,
        clock=services.clock,
        per_s=options.rate_per_s,
        burst=options.rate_burst,
        trusted_hops=options.trusted_hops,
    )
    app.add_middleware(SecurityHeaders, behind_tls=options.behind_tls)
    if options.origins:
        app.add_middleware(Cors, origins=options.origins, behind_tls=options.behind_tls)


async def tell_metrics(services: Services) -> None:
    """The `metrics` event: once a minute, when something changed and somebody listens."""
    told: str | None = None
    while True:
        await asyncio.sleep(METRICS_EVERY_S)
        if not services.connections.open or services.hub.cursor == told:
            continue
        try:
            document = await services.run("items", metrics_now, services, METRICS_HOURS)
        except Transient as error:
            note(logging.WARNING, "metrics cannot be counted", cause=str(error))
            continue
        told = services.hub.cursor
        services.hub.broadcast(control_event("metrics", document))
