"""Answers with an ETag, and 304 for who has them already."""

from typing import Any

import msgspec
from fastapi import Request
from starlette.responses import Response
from xxhash import xxh3_64_hexdigest

JSON = "application/json"
#: Always ask again: what is shown live must not come from a browser's cache unasked.
REVALIDATE = "private, no-cache"


def not_modified(request: Request, etag: str) -> Response | None:
    """The 304 answer when the caller holds this very version."""
    given = request.headers.get("if-none-match")
    if given is None:
        return None
    known = {part.strip().removeprefix("W/") for part in given.split(",")}
    if "*" not in known and etag.removeprefix("W/") not in known:
        return None
    return Response(status_code=304, headers={"ETag": etag, "Cache-Control": REVALIDATE})


def json_answer(request: Request, document: Any, etag: str | None = None, status: int = 200) -> Response:
    """The document as JSON; its ETag is a hash of the bytes unless one is given that leaves out what always differs."""
    body = msgspec.json.encode(document)
    etag = etag or f'W/"{xxh3_64_hexdigest(body)}"'
    unchanged = not_modified(request, etag)
    if unchanged is not None:
        return unchanged
    return Response(body, status, {"ETag": etag, "Cache-Control": REVALIDATE}, JSON)
