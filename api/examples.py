"""Examples for the OpenAPI document: of an answer, put together from the examples of its fields; of a parameter, from
one table."""

import json
from collections.abc import Mapping
from typing import Any, Final

Schema = Mapping[str, Any]

#: Parameters by name, where the route gives no example.
PARAMETERS: Final[dict[str, Any]] = {
    "cursor": "g1.0:5k",
    "end": "2025-12-21T12:00:00Z",
    "generation": "g2",
    "hours": 24,
    "identity": "0f1e2d3c4b5a6978",
    "item_id": "finnhub#9f86d081884c7d65",
    "lastKey": "WyJiMWM2Zjc2YSIsWyIyMDI1LTEyLTIxIiwiIl1d",
    "label": "negative",
    "last-event-id": "g1.0:5k",
    "limit": 20,
    "model": "minilm-news-1",
    "score": -3,
    "sentiment": "negative",
    "since": "2025-12-21T10:00:00Z",
    "source": "finnhub",
    "start": "2025-12-21T10:35:00Z",
    "tag": "ai-regulation",
    "ticker": "AAPL",
    "until": "2025-12-21T12:00:00Z",
}


def example_of(schema: Schema, schemas: Mapping[str, Schema]) -> Any:
    """A value of a schema: its own example, or one made of its parts'. Raises `LookupError` for a text without one:
    nobody can guess what it looks like."""
    if "examples" in schema:
        return schema["examples"][0]
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    for known in ("const", "default"):
        if known in schema:
            return schema[known]
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return _example_of_any(schema["anyOf"], schemas)
    return _example_of_type(schema, schemas)


def _example_of_any(schemas_of: list[Schema], schemas: Mapping[str, Schema]) -> Any:
    """Something rather than null, where it can be made."""
    for each in schemas_of:
        if each.get("type") != "null":
            try:
                return example_of(each, schemas)
            except LookupError:
                continue
    return None


def _example_of_type(schema: Schema, schemas: Mapping[str, Schema]) -> Any:
    match schema.get("type"):
        case "object":
            properties = schema.get("properties", {})
            return {name: example_of(each, schemas) for name, each in properties.items()}
        case "array":
            return [example_of(schema["items"], schemas)]
        case "integer" | "number":
            return schema.get("minimum", 0)
        case "boolean":
            return True
    raise LookupError(f"no example in {json.dumps(schema)}")


def example_of_event(name: str, schema: Schema, schemas: Mapping[str, Schema]) -> dict[str, str]:
    """How an event of the stream arrives: its data is JSON in a text."""
    data = json.dumps(example_of(schema, schemas), ensure_ascii=False, separators=(",", ":"))
    return {"event": name, "id": "g1.0:5k", "data": data}


def give_examples(document: dict[str, Any]) -> None:
    """Add the examples that are missing to a document. Raises `LookupError` naming the operation that has none."""
    schemas = document["components"]["schemas"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            try:
                _give(operation, schemas)
            except LookupError as error:
                raise LookupError(f"{method} {path}: {error}") from None


def _give(operation: dict[str, Any], schemas: Mapping[str, Schema]) -> None:
    for parameter in operation.get("parameters", ()):
        schema = parameter["schema"]
        if not {"examples", "enum"} & (set(schema) | set(parameter)) and "example" not in parameter:
            parameter["example"] = PARAMETERS[parameter["name"]]
    for place in (operation.get("requestBody", {}), *operation["responses"].values()):
        for kind, content in place.get("content", {}).items():
            if kind == "application/json" and "example" not in content:
                content["example"] = example_of(content["schema"], schemas)
