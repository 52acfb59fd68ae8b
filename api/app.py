"""The application: routes, errors and middleware around one set of services."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware

from api import problems
from api.context import Home, Services
from api.middleware import BodyLimit, SecurityHeaders
from api.options import options_of
from api.routes import health, stream, subjects, timeseries
from api.web import web_router
from contracts.settings import ApiSettings

PREFIX = "/api/v2"
GZIP_FROM_BYTES = 1_000
GZIP_LEVEL = 5


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

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        starting = asyncio.create_task(services.connections.start_when_up()) if live else None
        yield
        if starting is not None:
            starting.cancel()
            with suppress(asyncio.CancelledError):
                await starting
            await services.connections.stop()
        services.offload.close()

    app = FastAPI(
        title="Candlewick",
        version=health.version_of_package(),
        summary="Sentiment candles from a live stream of news",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.services = services
    problems.install(app)
    for noun in (timeseries, stream, subjects, health):
        app.include_router(noun.router, prefix=PREFIX)
    app.include_router(health.bare)
    app.include_router(web_router(options.web_dir))
    app.add_middleware(GZipMiddleware, minimum_size=GZIP_FROM_BYTES, compresslevel=GZIP_LEVEL)
    app.add_middleware(BodyLimit, max_bytes=options.max_body_bytes)
    app.add_middleware(SecurityHeaders, behind_tls=options.behind_tls)
    return app
