"""Around every request: security headers, and a bound on the body."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from contextlib import suppress
from typing import Any

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from api.headers import MAY_READ, MAY_SEND, headers_of
from api.logs import take_request_id
from api.problems import problem
from api.sse.stream import HANDOVER

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


REQUEST_ID = b"x-request-id"


class SecurityHeaders:
    """Outermost: gives requests an id, answers their security headers, and runs the streams that routes begin."""

    def __init__(self, app: App, behind_tls: bool) -> None:
        self._app = app
        self._headers = headers_of(behind_tls)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        identity = take_request_id(dict(scope["headers"]).get(REQUEST_ID)).encode()

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name for name, _ in message["headers"]}
                ours = [*self._headers, (REQUEST_ID, identity)]
                message["headers"] = [*message["headers"], *(pair for pair in ours if pair[0] not in given)]
            await send(message)

        brought = frozenset(scope)
        begun = scope[HANDOVER] = []
        await self._app(scope, receive, with_headers)
        if begun:
            # What routing left in the scope would stay as long as the stream does.
            for name in [name for name in scope if name not in brought]:
                del scope[name]
            await begun.pop()(scope, receive, with_headers)


class Cors(CORSMiddleware):
    """Answers preflights itself, before anything else is asked; these too have our headers, and problems for errors."""

    def __init__(self, app: ASGIApp, origins: Sequence[str], behind_tls: bool) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_credentials=True,
            allow_methods=["GET", "POST", "PATCH", "DELETE"],
            allow_headers=MAY_SEND,
            expose_headers=MAY_READ,
        )
        self._ours = headers_of(behind_tls)

    def preflight_response(self, request_headers: Headers) -> Response:
        """What the browser may send."""
        answer = super().preflight_response(request_headers)
        if answer.status_code != 200:
            detail = f"{bytes(answer.body).decode()}; pages of the origins in CANDLEWICK_CORS_ORIGINS may ask"
            answer = problem(answer.status_code, detail, None, {"Vary": "Origin"}, allowed=[*self.allow_methods])
        identity = take_request_id((request_headers.get(REQUEST_ID.decode()) or "").encode() or None)
        answer.raw_headers += [*self._ours, (REQUEST_ID, identity.encode())]
        return answer


#: What is read and thrown away of a body that is refused: a client that still sends when the connection is closed
#: would never see why.
DRAIN_BYTES = 32 << 20
DRAIN_S = 5.0
#: How long a body may take; one that drips would else hold a connection for ever.
BODY_S = 10.0


class BodyLimit:
    """Refuses bodies over a size: by their declared length, or as soon as too much has arrived."""

    def __init__(self, app: App, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"")
        if declared.isdigit() and int(declared) > self._max_bytes:
            await self._refuse(scope, receive, send, int(declared) <= DRAIN_BYTES)
            return
        if scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        messages: list[Message] = []
        try:
            async with asyncio.timeout(BODY_S):
                fits = await self._read(receive, messages)
        except TimeoutError:
            detail = f"the request body did not arrive within {BODY_S:g} s"
            await problem(408, detail, scope["path"], {"Connection": "close"})(scope, receive, send)
            return
        if not fits:
            await self._refuse(scope, receive, send, bool(messages[-1].get("more_body")))
            return
        messages.reverse()

        async def replay() -> Message:
            return messages.pop() if messages else await receive()

        await self._app(scope, replay, send)

    async def _read(self, receive: Receive, messages: list[Message]) -> bool:
        """The whole body into `messages`; false as soon as it is too large."""
        size = 0
        while True:
            message = await receive()
            messages.append(message)
            size += len(message.get("body", b""))
            if size > self._max_bytes:
                return False
            if message["type"] == "http.disconnect" or not message.get("more_body"):
                return True

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, more: bool) -> None:
        drained = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                while more and drained <= DRAIN_BYTES:
                    message = await receive()
                    drained += len(message.get("body", b""))
                    more = bool(message.get("more_body"))
        detail = f"the request body is larger than {self._max_bytes} bytes"
        answer = problem(413, detail, scope["path"], {"Connection": "close"}, max_bytes=self._max_bytes)
        await answer(scope, receive, send)
