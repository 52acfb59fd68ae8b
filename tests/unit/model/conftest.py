"""What the model tests share: the shipped model once, and real texts."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest

from consumers.classifier.models.registry import Model, ModelUnavailable, load

GOLDEN = Path(__file__).parents[2] / "golden" / "model"


def read_rows(name: str) -> list[dict[str, str]]:
    """The rows of a golden file."""
    with gzip.open(GOLDEN / name, "rt", encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture(scope="session")
def shipped() -> Model:
    """The default model."""
    return load()


@pytest.fixture(scope="session", params=["minilm-news-1", "vader", "finvader"])
def any_model(request: pytest.FixtureRequest) -> Model:
    """Every row of the table that can be loaded here; only the optional one may be missing."""
    try:
        return load(request.param)
    except ModelUnavailable as error:
        if request.param != "finvader":
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def headlines() -> list[str]:
    """5,000 real titles."""
    return [row["title"] for row in read_rows("headlines.csv.gz")]
