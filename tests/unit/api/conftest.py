"""Fixtures of the API's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.api.kit import Line, TestHome, made_home


@pytest.fixture
def home(tmp_path: Path) -> Iterator[TestHome]:
    """A home on real stores."""
    with made_home(tmp_path) as made:
        yield made


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is well stays so for a minute: the process may stand still for longer than a probe would wait."""
    monkeypatch.setattr("api.sse.hub.HEALTHY_FOR_MS", 60_000.0)
    monkeypatch.setattr("api.routes.health.PROBE_S", 60.0)
    monkeypatch.setattr("api.context.PROBED_MS", 60_000.0)


@pytest.fixture
def line(home: TestHome) -> Line:
    """An aggregator's stand-in writing into the home."""
    return Line(home)
