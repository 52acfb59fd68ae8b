"""The built dashboard at `/`: hashed assets for ever, any other path the page itself; or a word on how to build it."""

import mimetypes
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse, Response

from api.problems import problem

PACKAGED = Path(__file__).resolve().parent.parent / "web" / "dist"
FOR_EVER = "public, max-age=31536000, immutable"
#: The page names its hashed assets, so it must never be old.
ASK_AGAIN = "no-cache"
NOT_BUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Candlewick</title>
<h1>Candlewick is running</h1><p>The dashboard has not been built. Build it with <code>make web</code> and load this
page again. The API is at <a href="/api/v2/openapi.json">/api/v2</a>.</p></html>"""

mimetypes.add_type("text/javascript", ".js")
mimetypes.add_type("font/woff2", ".woff2")
mimetypes.add_type("application/manifest+json", ".webmanifest")


def web_router(web_dir: str | None) -> APIRouter:
    """Routes for the folder of the built dashboard; looked for at every request, so a build needs no restart."""
    root = Path(web_dir).expanduser().resolve() if web_dir else PACKAGED
    router = APIRouter(include_in_schema=False)

    @router.api_route("/{path:path}", methods=["GET", "HEAD"])
    def page(request: Request, path: str) -> Response:
        if path == "api" or path.startswith("api/"):
            return problem(
                404, f"no such endpoint: /{path[:200]}; they are listed at /api/v2/openapi.json", request.url.path
            )
        if "\x00" in path:
            raise HTTPException(404, "no such file")
        index = root / "index.html"
        if not index.is_file():
            return HTMLResponse(NOT_BUILT, headers={"Cache-Control": ASK_AGAIN})
        found = (root / path).resolve()
        if path and found.is_relative_to(root) and found.is_file():
            hashed = "assets" in found.relative_to(root).parts[:-1]
            return FileResponse(found, headers={"Cache-Control": FOR_EVER if hashed else ASK_AGAIN})
        if Path(path).suffix:
            raise HTTPException(404, "no such file")
        return FileResponse(index, headers={"Cache-Control": ASK_AGAIN})

    return router
