"""Every handler that asks for its records again says why."""

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import aggregation.handler
import consumers.archiver.handler
from contracts import trouble
from contracts.errors import Transient
from tests.house.source_tree import python_files, tree_of


def down(*_: Any, **__: Any) -> None:
    raise Transient("store", "told to be down")


class Down:
    """A service or store whose every call fails."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return down if name != "window_state" else lambda shard: {}


EVENT = {
    "Records": [
        {
            "kinesis": {"partitionKey": "k", "sequenceNumber": "1", "data": "e30=", "approximateArrivalTimestamp": 1.0},
            "eventID": "shardId-000000000000:1",
            "eventSourceARN": "arn:aws:kinesis:us-east-1:000000000000:stream/scored-articles",
        }
    ]
}


def test_the_aggregator_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    trouble.take()
    answer = aggregation.handler.handle(Down(), EVENT)  # type: ignore[arg-type]
    assert answer["batchItemFailures"] == [{"itemIdentifier": "1"}]
    assert trouble.take() == "store: told to be down"


def silent_in(tree: ast.AST) -> list[int]:
    """The lines at which a `Transient` is caught and neither told, raised on nor logged."""
    caught = [node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler) and _is_of_transient(node)]
    return [each.lineno for each in caught if not any(_tells(node) for line in each.body for node in ast.walk(line))]


def _is_of_transient(caught: ast.ExceptHandler) -> bool:
    return caught.type is not None and any(
        isinstance(node, ast.Name) and node.id == "Transient" for node in ast.walk(caught.type)
    )


def _tells(node: ast.AST) -> bool:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        logger = node.func.value
        return isinstance(logger, ast.Name) and logger.id in ("log", "logger")
    called = node.func if isinstance(node, ast.Call) else None
    return isinstance(node, ast.Raise) or (isinstance(called, ast.Name) and called.id == "tell")


def test_nobody_who_catches_transient_for_a_batch_keeps_it_to_himself() -> None:
    """In the services behind handlers."""
    looked_at = [path for path in python_files() if path.parts[0] in ("consumers", "aggregation")]
    silent = {str(path): silent_in(tree_of(path)) for path in looked_at if "training" not in path.parts}
    assert {path: lines for path, lines in silent.items() if lines} == {}


def test_canary_who_keeps_it_to_himself_is_seen() -> None:
    caught = "try:\n    work()\nexcept Transient as error:\n    {}\n"
    for kept in ("pass", "logs = error  # log, cause", "batch.fail(error)", "tell = error", "retell(error)"):
        assert silent_in(ast.parse(caught.format(kept))) == [3], kept
    several = caught.replace("Transient", "(ValueError, Transient)")
    assert silent_in(ast.parse(several.format("pass"))) == [3]
    for said in ("tell(error)", "raise", "raise Late() from error", "log.warning(error)", "logger.error('x')"):
        assert silent_in(ast.parse(caught.format(said))) == [], said
    assert silent_in(ast.parse(caught.replace("Transient", "ValueError").format("pass"))) == []


def test_the_archiver_tells(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(consumers.archiver.service.Archiver, "archive", down)
    monkeypatch.setenv("CANDLEWICK_DATA_DIR", str(tmp_path))
    trouble.take()
    answer = consumers.archiver.handler.lambda_handler(EVENT, None)
    assert answer["batchItemFailures"] == [{"itemIdentifier": "1"}]
    assert trouble.take() == "store: told to be down"
