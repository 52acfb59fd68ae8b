"""What a caller wants of an answer but for its content: its head alone, or not compressed."""

from api.middleware import App, Message, Receive, Scope, Send
from api.paths import API, PROBES, is_stream


def refuses_gzip(accept_encoding: str) -> bool:
    """Whether gzip is named with a weight of 0 (RFC 9110, 12.5.3)."""
    for part in accept_encoding.lower().split(","):
        coding, *parameters = (each.strip() for each in part.split(";"))
        if coding == "gzip":
            weights = [each[2:].strip() for each in parameters if each.startswith("q=")]
            return any(weight.strip("0") in ("", ".") for weight in weights)
    return False


class Negotiation:
    """Answers HEAD as GET without the body, and hides from what compresses a header that names gzip to refuse it."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        accepted = b",".join(value for name, value in scope["headers"] if name == b"accept-encoding").decode("latin-1")
        if refuses_gzip(accepted):
            scope["headers"] = [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]
        if scope["method"] != "HEAD" or not _has_answer(scope["path"]):
            await self._app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        # A copy: the server must still know that it was HEAD, or it would miss the body.
        await self._app(dict(scope) | {"method": "GET"}, receive, without_body)


def _has_answer(path: str) -> bool:
    """A stream has no answer to measure, and would be opened for nobody."""
    return path in PROBES or (path.startswith(API) and not is_stream(path))
