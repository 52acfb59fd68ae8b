"""Lambda entry point of the REST API: an HTTP API or Function URL, answered in one piece. Streams are
`api.stream_app`'s."""

import json
import os
from functools import cache
from typing import Any, Final

from mangum import Mangum

from api.app import create_app
from api.names import company_names
from api.options import ApiOptions
from api.problems import MEDIA_TYPE, problem
from api.respond import JSON
from contracts.logs import invoked
from contracts.settings import load
from stores.home import open_home

#: Bodies that travel as they are; anything else as base64.
TEXT = ["text/", JSON, MEDIA_TYPE]
#: Lambda hands on no longer answer, all of it as JSON, in which a quotation mark of the body takes two bytes.
MAX_ANSWER_BYTES: Final = 6 * 1024 * 1024
TOO_LONG: Final = (
    f"this answer would be longer than the {MAX_ANSWER_BYTES >> 20} MB that can be handed over in one piece; ask for"
    " fewer with `limit`, for fewer series, or with Accept-Encoding: gzip"
)


@cache
def adapter() -> Mangum:
    """Built at cold start, kept while warm."""
    settings = load(ApiOptions, os.environ)
    home = open_home(settings, env=os.environ)
    app = create_app(home, settings, names=company_names(), live=False)
    app.state.services.epoch.name_log(home.buckets)
    return Mangum(app, lifespan="off", text_mime_types=TEXT)


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """One request."""
    answer = adapter()
    invoked(event, context)
    return that_fits(answer(event, context), event.get("rawPath"))


def that_fits(answer: dict[str, Any], path: str | None) -> dict[str, Any]:
    """The answer, or the problem that it is too long."""
    # A character of a body takes at most six bytes.
    if len(answer["body"]) < MAX_ANSWER_BYTES // 8 or _size(answer) <= MAX_ANSWER_BYTES:
        return answer
    told = problem(400, TOO_LONG, path)
    of_the_body = {"content-encoding", "etag", "vary"}
    headers = {name: value for name, value in answer["headers"].items() if name not in of_the_body}
    return answer | {
        "statusCode": told.status_code,
        "headers": headers | dict(told.headers),
        "body": bytes(told.body).decode(),
        "isBase64Encoded": False,
    }


def _size(answer: dict[str, Any]) -> int:
    return len(json.dumps(answer, ensure_ascii=False).encode())
