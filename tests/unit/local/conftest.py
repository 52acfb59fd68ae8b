from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.local.line import Line


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    made = Line(tmp_path)
    yield made
    made.close()
