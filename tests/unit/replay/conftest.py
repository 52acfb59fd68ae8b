"""A home per test, closed behind it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.settings import AggregatorSettings
from stores.home import Home, forget_homes
from tests.unit.replay.kit import home_of, settings_of


@pytest.fixture
def settings(tmp_path: Path) -> AggregatorSettings:
    return settings_of(tmp_path / "data")


@pytest.fixture
def home(settings: AggregatorSettings, tmp_path: Path) -> Iterator[Home]:
    yield home_of(tmp_path / "data")
    forget_homes()
