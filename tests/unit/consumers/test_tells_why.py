"""Every handler that asks for its records again says why."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import aggregation.handler
import consumers.archiver.handler
from contracts import trouble
from contracts.errors import Transient
from tests.house.source_tree import ROOT, python_files


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


def test_nobody_who_catches_transient_for_a_batch_keeps_it_to_himself() -> None:
    """In the services behind handlers: `except Transient` is followed by telling, raising or logging."""
    silent = []
    for path in python_files():
        if path.parts[0] not in ("consumers", "aggregation") or "training" in path.parts:
            continue
        lines = (ROOT / path).read_text().splitlines()
        for number, line in enumerate(lines):
            if line.strip().startswith("except Transient"):
                after = " ".join(lines[number + 1 : number + 3])
                if not any(word in after for word in ("tell(", "raise", "log", "cause", "error")):
                    silent.append(f"{path}:{number + 1}")
    assert silent == []


def test_the_archiver_tells(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(consumers.archiver.service.Archiver, "archive", down)
    monkeypatch.setenv("CANDLEWICK_DATA_DIR", str(tmp_path))
    trouble.take()
    answer = consumers.archiver.handler.lambda_handler(EVENT, None)
    assert answer["batchItemFailures"] == [{"itemIdentifier": "1"}]
    assert trouble.take() == "store: told to be down"
