"""Answers with an ETag, and 304 for who has them already."""

import asyncio
import gzip
from typing import Any

import msgspec
from fastapi import Request
from starlette.responses import Response
from xxhash import xxh3_64_hexdigest

JSON = "application/json"
#: Longer bodies are compressed in a thread, and lightly: the event loop has streams to serve.
LARGE_BYTES = 32 * 1024
LARGE_GZIP_LEVEL = 2
#: Always ask again: what is shown live must not come from a browser's cache unasked.
REVALIDATE = "private, no-cache"


def not_modified(request: Request, etag: str, cache_control: str = REVALIDATE) -> Response | None:
    """The 304 answer when the caller holds this very version."""
    given = request.headers.get("if-none-match")
    # What a change made is its answer, whatever its caller holds.
    if given is None or request.method not in ("GET", "HEAD"):
        return None
    known = {part.strip().removeprefix("W/") for part in given.split(",")}
    if "*" not in known and etag.removeprefix("W/") not in known:
        return None
    return Response(status_code=304, headers={"ETag": etag, "Cache-Control": cache_control})


def json_answer(request: Request, document: Any, etag: str | None = None, status: int = 200) -> Response:
    """The document as JSON; its ETag is a hash of the bytes unless one is given that leaves out what always differs."""
    body = msgspec.json.encode(document)
    etag = etag or f'W/"{xxh3_64_hexdigest(body)}"'
    unchanged = not_modified(request, etag)
    if unchanged is not None:
        return unchanged
    return Response(body, status, {"ETag": etag, "Cache-Control": REVALIDATE}, JSON)


async def large_answer(request: Request, document: Any, etag: str) -> Response:
    """As `json_answer`, for documents that may be hundreds of kilobytes."""
    body = msgspec.json.encode(document)
    headers = {"ETag": etag, "Cache-Control": REVALIDATE}
    if len(body) >= LARGE_BYTES and "gzip" in request.headers.get("accept-encoding", ""):
        body = await asyncio.to_thread(gzip.compress, body, LARGE_GZIP_LEVEL, mtime=0)
        headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return Response(body, 200, headers, JSON)
