"""The OpenAPI document is complete, and the API keeps to it whatever it is asked (Schemathesis).

`CANDLEWICK_FUZZ=n` asks n random questions per operation (default 12; `make fuzz` more).
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
import schemathesis
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from api.app import NOUNS
from api.examples import PARAMETERS, example_of
from api.openapi import MORE, NO_ETAG
from api.stream_answers import EVENTS
from tests.unit.api.kit import NOW_MS, RUN, Line, Told, article, made_home, options, serving_in_thread

DEFAULT_EXAMPLES = 12
EXAMPLES = int(os.environ.get("CANDLEWICK_FUZZ", DEFAULT_EXAMPLES))
ADMIN = "the-admin-key-of-the-tests"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A live server with some data, in a thread of its own."""
    path: Path = tmp_path_factory.mktemp("openapi")
    with made_home(path) as home:
        home.secrets.values["CANDLEWICK_ADMIN_KEY"] = ADMIN
        home.control.put("source", "rss-one", {"state": "healthy", "kind": "rss", "url": "https://x.example"})
        home.control.put("replay-run", "r1", RUN)
        line = Line(home)
        for number in range(6):
            event = Told("AAPL", NOW_MS - number * 40_000, 500 * number - 900, article(number))
            line.tell(event)
            line.item(event)
        with serving_in_thread(home, options()) as base:
            yield base


@pytest.fixture(scope="module")
def token(served: str) -> str:
    """Somebody's token."""
    return str(httpx.post(f"{served}/api/v2/auth/anonymous").json()["token"])


@pytest.fixture(scope="module")
def schema(served: str) -> Any:
    """The document as served."""
    return schemathesis.openapi.from_url(f"{served}/api/v2/openapi.json")


#: A stream never ends when asked rightly; with this it ends at once.
UNTIL = "2025-12-21T09:40:00Z"
OPERATIONS = [
    (method.lower(), "/api/v2" + route.path_format)
    for noun in NOUNS
    for route in noun.router.routes
    if isinstance(route, APIRoute)
    for method in sorted(route.methods)
]


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_no_answer_is_undocumented_and_none_is_a_500(
    schema: Any, token: str, method: str, path: str, mode: GenerationMode
) -> None:
    operation = schema[path][method]
    if mode is GenerationMode.NEGATIVE and not (operation.path_parameters or operation.query or operation.body):
        pytest.skip("nothing to ask wrongly")

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=EXAMPLES == DEFAULT_EXAMPLES,
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        headers = {"Authorization": f"Bearer {token}", "X-Admin-Key": ADMIN}
        # A schema cannot say which cursor continues which question, or that start is before end.
        excluded = [positive_data_acceptance]
        if path.endswith("/stream"):
            case.query = dict(case.query or {}) | {"until": UNTIL}
            excluded.append(negative_data_rejection)  # what was wrong may have been `until`
        case.call_and_validate(headers=headers, excluded_checks=excluded)

    ask()


def check_example(document: Any, schema: Any, example: Any, where: object) -> None:
    """The example is what the schema says, and no member is left out."""
    found = list(jsonschema_rs.validator_for(schema | {"components": document["components"]}).iter_errors(example))
    assert not found, (where, [each.message for each in found])


def test_a_wrong_example_is_found(served: str) -> None:
    document = httpx.get(f"{served}/api/v2/openapi.json").json()
    operation = document["paths"]["/api/v2/timeseries/{subject}"]["get"]
    content = operation["responses"]["200"]["content"]["application/json"]
    content["example"]["buckets"][0]["rev"] = 0
    with pytest.raises(AssertionError, match="minimum of 1"):
        check_example(document, content["schema"], content["example"], "here")
    with pytest.raises(LookupError, match="no example"):
        example_of({"type": "object", "properties": {"name": {"type": "string"}}}, {})


def test_every_event_of_the_stream_is_described(served: str) -> None:
    document = httpx.get(f"{served}/api/v2/openapi.json").json()
    schemas = document["components"]["schemas"]
    for path in ("/api/v2/stream", "/api/v2/configurations/{identity}/stream"):
        stream = document["paths"][path]["get"]["responses"]["200"]["content"]["text/event-stream"]
        kinds = {kind["properties"]["event"]["const"]: kind["properties"]["data"] for kind in stream["schema"]["oneOf"]}
        assert set(kinds) == set(EVENTS)
        for name, data in kinds.items():
            check_example(document, data["contentSchema"], example_of(data["contentSchema"], schemas), name)


def test_the_document_is_complete(served: str) -> None:
    document = httpx.get(f"{served}/api/v2/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    names, used = set(), set()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            names.add(operation["operationId"])
            where = f"{method} {path}"
            assert operation["summary"], where
            assert operation["description"], where
            assert "422" not in operation["responses"], where
            assert {"400", "429", "500", "503"} <= set(operation["responses"]), where
            assert ("304" in operation["responses"]) == (method == "get" and operation["operationId"] not in NO_ETAG)
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    content = answer["content"]["application/problem+json"]
                    assert content["example"]["status"] == int(status), where
                elif status in ("200", "201"):
                    (content,) = answer["content"].values()
                    assert content["schema"], where
                    check_example(document, content["schema"], content["example"], where)
            for parameter in operation["parameters"]:
                assert parameter["description"], (where, parameter["name"])
                schema = parameter["schema"]
                assert "enum" in schema or "example" in parameter or "examples" in schema, (where, parameter["name"])
                used.add(parameter["name"])
                if "example" in parameter:
                    check_example(document, schema, parameter["example"], (where, parameter["name"]))
    assert set(MORE) <= names
    assert set(PARAMETERS) <= used, "an example of a parameter that is no longer there"
    assert len(names) == sum(len(operations) for operations in document["paths"].values())
    declared = {route.path_format for noun in NOUNS for route in noun.router.routes}
    assert {path.removeprefix("/api/v2") for path in document["paths"]} == declared
    for name, part in document["components"]["schemas"].items():
        assert part.get("description"), name
