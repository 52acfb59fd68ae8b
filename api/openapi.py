"""The OpenAPI document: what FastAPI derives, with every error an operation can answer, and how to authenticate."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from api.examples import example_of_event, give_examples
from api.problems import MEDIA_TYPE, Problem
from api.stream_answers import EVENTS

BASE = "/api/v2"
REFERENCE = "#/components/schemas/{model}"
#: Errors every operation may answer.
EVERYWHERE = {
    400: "a parameter is wrong; `errors` and `allowed` name which and what it may be",
    408: "the request body did not arrive in time",
    413: "the request body is too large",
    429: "too many requests; `Retry-After` says when the next may come",
    500: "our fault; it has been logged",
    503: "a store does not answer (`dependency` names it), or all places are taken; `Retry-After` says when to retry",
}
NOT_FOUND = "no such thing"
#: Further errors by operation.
MORE = {
    "anonymous": {403: "another site's page asks"},
    "articles": {404: "no such bucket"},
    "item": {404: "no such article"},
    "item_candles": {404: "no such article"},
    "record": {404: "no such record"},
    "one": {404: NOT_FOUND},
    "change": {404: NOT_FOUND, 403: "the cookie came from another site's page"},
    "delete": {404: NOT_FOUND, 403: "the cookie came from another site's page"},
    "create": {409: "as many watch lists as allowed", 403: "the cookie came from another site's page"},
    "configuration_stream": {404: NOT_FOUND, 501: "this process cannot stream"},
    "stream": {501: "this process cannot stream"},
    "patch": {401: "no admin key", 403: "a wrong admin key", 404: "no such source", 409: "somebody else wrote first"},
    "comparison": {404: "no such generation", 409: "this process cannot compare all buckets"},
    "run": {404: NOT_FOUND},
    "compare_run": {401: "no admin key", 403: "a wrong admin key", 404: NOT_FOUND, 409: "this process cannot compare"},
    "rollback": {
        401: "no admin key",
        403: "a wrong admin key",
        404: "no such generation",
        409: "it is not live, or this process cannot do it",
    },
    "timeseries": {404: "no such generation"},
    "promote": {
        401: "no admin key",
        403: "a wrong admin key",
        404: "no such generation",
        409: "it may not go live (`detail` says why), or another one did first",
    },
}
NO_ETAG = frozenset({"stream", "configuration_stream", "health"})
SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "a token of POST /api/v2/auth/anonymous"},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "candlewick_token"},
    "admin": {"type": "apiKey", "in": "header", "name": "X-Admin-Key"},
}
TAGS = {
    "series": "candles and the articles behind them",
    "stream": "live events",
    "items": "scored articles",
    "records": "the older curated-records API",
    "configurations": "watch lists",
    "sources": "news sources",
    "generations": "replay results",
    "auth": "tokens",
    "operations": "health and status",
}


def operation_id(route: APIRoute) -> str:
    """The handler's name; the stream of a watch list would else be a second `stream`."""
    return "configuration_stream" if "{identity}/stream" in route.path else route.name


def _problem(status: int, description: str) -> dict[str, Any]:
    example = {"type": "urn:candlewick:problem:…", "title": "…", "status": status, "detail": description}
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}}
    answer: dict[str, Any] = {"description": description, "content": content}
    if status in (429, 503):
        answer["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}}
    return answer


def _complete(method: str, operation: dict[str, Any]) -> None:
    name = operation["operationId"]
    responses = operation["responses"]
    responses.pop("422", None)
    errors = EVERYWHERE | MORE.get(name, {})
    if "configurations" in operation["tags"]:
        errors[401] = "no token, or one that is forged or expired"
        operation["security"] = [{"bearer": []}, {"cookie": []}]
    elif name in ("patch", "promote", "rollback", "compare_run"):
        operation["security"] = [{"admin": []}]
    for status, description in sorted(errors.items()):
        responses[str(status)] = _problem(status, description)
    if method == "get" and name not in NO_ETAG:
        responses["304"] = {"description": "as the `If-None-Match` given"}
    operation["parameters"] = [
        parameter for parameter in operation.get("parameters", []) if parameter["name"] != "x-admin-key"
    ]


def make_openapi(app: FastAPI) -> dict[str, Any]:
    """The document, made once."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description="Polarity is in [−1, 1]; times are ISO-8601 with a zone; windows are [start, end). The stream's "
        "events are described in docs/formats.md.",
        routes=app.routes,
        tags=[{"name": name, "description": text} for name, text in TAGS.items()],
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for gone in ("HTTPValidationError", "ValidationError"):
        schemas.pop(gone, None)
    problem = Problem.model_json_schema(ref_template=REFERENCE)
    schemas |= problem.pop("$defs", {}) | {"Problem": problem}
    document["components"]["securitySchemes"] = SECURITY_SCHEMES
    events = _add_events(schemas)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete(method, operation)
            if path.endswith("/stream"):
                stream = operation["responses"]["200"]["content"]["text/event-stream"]
                example = example_of_event("bucket_update", events["bucket_update"], schemas)
                stream |= {"example": example, "schema": _event_schema(events)}
    give_examples(document)
    return document


def _add_events(schemas: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Put the events' shapes among the schemas; references to them by event name."""
    references = {}
    for name, model in EVENTS.items():
        made = model.model_json_schema(ref_template=REFERENCE, mode="serialization")
        for inner, schema in (made.pop("$defs", {}) | {model.__name__: made}).items():
            schemas.setdefault(inner, schema)
        references[name] = {"$ref": REFERENCE.format(model=model.__name__)}
    return references


def _event_schema(events: dict[str, dict[str, str]]) -> dict[str, Any]:
    """One event: its name, and as text the JSON of what it says."""
    kinds = []
    for name, reference in events.items():
        data = {"type": "string", "contentMediaType": "application/json", "contentSchema": reference}
        properties = {"event": {"const": name}, "id": {"type": "string"}, "data": data}
        kinds.append({"type": "object", "properties": properties, "required": ["event", "data"]})
    return {"description": "one event of the stream", "oneOf": kinds}
