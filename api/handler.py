"""Lambda entry point of the REST API: an HTTP API or Function URL, answered in one piece. Streams are
`api.stream_app`'s."""

import os
from functools import cache
from typing import Any

from mangum import Mangum

from api.app import create_app
from api.options import ApiOptions
from api.problems import MEDIA_TYPE
from api.respond import JSON
from contracts.logs import invoked
from contracts.settings import load
from stores.home import open_home

#: Bodies that travel as they are; anything else as base64.
TEXT = ["text/", JSON, MEDIA_TYPE]


@cache
def adapter() -> Mangum:
    """Built at cold start, kept while warm."""
    settings = load(ApiOptions, os.environ)
    app = create_app(open_home(settings, env=os.environ), settings, live=False)
    return Mangum(app, lifespan="off", text_mime_types=TEXT)


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """One request."""
    answer = adapter()
    invoked(event, context)
    return answer(event, context)
