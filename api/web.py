"""The built dashboard at `/`: hashed assets for ever, any other path the page itself; or a word on how to build it."""

import asyncio
import mimetypes
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from xxhash import xxh3_64_hexdigest

from api.middleware import App, Receive, Scope, Send
from api.respond import not_modified

PACKAGED = Path(__file__).resolve().parent.parent / "web" / "dist"
FOR_EVER = "public, max-age=31536000, immutable"
#: The page names its hashed assets, so it must never be old.
ASK_AGAIN = "no-cache"
#: Pages about one thing; its id may be any text, also one that looks like the name of a file.
WITH_ID = ("records/", "runs/")
NOT_BUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Candlewick</title>
<h1>Candlewick is running</h1><p>The dashboard has not been built. Build it with <code>make web</code> and load this
page again. The API is at <a href="/api/v2/openapi.json">/api/v2</a>.</p></html>"""

mimetypes.add_type("text/javascript", ".js")
mimetypes.add_type("font/woff2", ".woff2")
mimetypes.add_type("application/manifest+json", ".webmanifest")


def page_of(root: Path, path: str) -> Response:
    """The file, or the page for any path that names none. Raises `HTTPException` 404 for a missing file."""
    index = root / "index.html"
    if not index.is_file():
        return HTMLResponse(NOT_BUILT, headers={"Cache-Control": ASK_AGAIN})
    if path.startswith(WITH_ID):
        return _answer(index, ASK_AGAIN)
    if "\x00" in path:
        raise HTTPException(404, "no such file")
    try:
        found = (root / path).resolve()
        is_file = bool(path) and found.is_relative_to(root) and found.is_file()
    except (OSError, ValueError, RuntimeError):
        # A name the file system cannot hold, or a loop of links.
        raise HTTPException(404, "no such file") from None
    if is_file:
        hashed = "assets" in found.relative_to(root).parts[:-1]
        return _answer(found, FOR_EVER if hashed else ASK_AGAIN)
    if Path(path).suffix:
        raise HTTPException(404, "no such file")
    return _answer(index, ASK_AGAIN)


def _answer(file: Path, cache_control: str) -> Response:
    """The file, with an ETag of its bytes: builds may be of the same size and time. It is weak, for on the way the file
    may be compressed."""
    etag = f'W/"{xxh3_64_hexdigest(file.read_bytes())}"'
    return FileResponse(file, headers={"Cache-Control": cache_control, "ETag": etag})


def web_fallback(web_dir: str | None) -> App:
    """What answers where no route matches. The folder is looked at on every request: a build needs no restart."""
    root = Path(web_dir).expanduser().resolve() if web_dir else PACKAGED

    async def fallback(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].lstrip("/")
        if path == "api" or path.startswith("api/"):
            raise HTTPException(404, f"no such endpoint: {scope['path'][:200]}; /api/v2/openapi.json lists them")
        if scope["method"] not in ("GET", "HEAD"):
            raise HTTPException(405, "only GET and HEAD here", {"Allow": "GET, HEAD"})
        answer = await asyncio.to_thread(page_of, root, path)
        if "etag" in answer.headers:
            headers = answer.headers
            answer = not_modified(Request(scope), headers["etag"], headers["cache-control"]) or answer
        await answer(scope, receive, send)

    return fallback
