"""Composition root of the live API: `uvicorn api.stream_app:app` behind the Lambda Web Adapter or on Fargate, or
`python -m api.stream_app`, which also bounds send buffers and header times."""

import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from types import FrameType
from typing import Any

from fastapi import FastAPI

from api.app import create_app
from api.names import company_names
from api.options import ApiOptions
from api.server import bind, end_if_busy, make_server, settle_memory
from contracts.errors import CandlewickError, Unusable
from contracts.settings import load
from stores.home import open_home

SIGNALS = (signal.SIGTERM, signal.SIGINT)
INTERRUPTED = 130
NOT_STARTED = 3


def make_app() -> FastAPI:
    """The application over the home the environment names; it says farewell to its streams on SIGTERM."""
    settings = load(ApiOptions, os.environ)
    home = open_home(settings, env=os.environ)
    app = create_app(home, settings, names=company_names())
    app.state.services.epoch.name_log(home.buckets)
    app.state.services.reads.may_scan = False
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(application: FastAPI) -> AsyncIterator[Any]:
        if threading.current_thread() is threading.main_thread():
            _farewell_on_signal(application)
        async with inner(application) as state:
            yield state

    app.router.lifespan_context = lifespan
    return app


def _farewell_on_signal(app: FastAPI) -> None:
    """A plain uvicorn waits for open responses before it tells the application to stop, and a stream never ends by
    itself; so the farewell hangs on the signal, before uvicorn's own handler."""
    loop = asyncio.get_running_loop()
    for each in SIGNALS:
        previous = signal.getsignal(each)

        def on_signal(number: int, frame: FrameType | None, then: Any = previous) -> None:
            loop.call_soon_threadsafe(app.state.services.connections.drain)
            if callable(then):
                then(number, frame)

        signal.signal(each, on_signal)


def __getattr__(name: str) -> Any:
    """`app` is made when it is asked for, so that importing this module opens no stores."""
    if name != "app":
        raise AttributeError(name)
    application = globals()["app"] = make_app()
    return application


def main() -> None:
    """Serve on `CANDLEWICK_HOST` and `PORT` (127.0.0.1:8000) until SIGINT or SIGTERM."""
    try:
        application = make_app()
        listener = _listen(os.environ.get("CANDLEWICK_HOST") or "127.0.0.1", os.environ.get("PORT") or "8000")
    except CandlewickError as error:
        sys.exit(f"candlewick: {error}")
    server = make_server(application, "info")
    settle_memory()
    with suppress(KeyboardInterrupt):  # uvicorn may raise it once more when it is done
        asyncio.run(server.serve(sockets=[listener]))
    code = INTERRUPTED if server.started else NOT_STARTED
    end_if_busy(application, code)
    sys.exit(code)


def _listen(host: str, port: str) -> socket.socket:
    try:
        return bind(host, int(port))
    except (OSError, ValueError, TypeError, OverflowError) as error:
        raise Unusable(f"cannot listen on {host}:{port} ({error}); see CANDLEWICK_HOST and PORT") from None


if __name__ == "__main__":
    main()
