"""Accuracy of the shipped artefact on the test splits: it may not fall below what was released.

The bars that were asked for are SEntFiN .870 / .870 and TFNS .885 / .850; docs/model.md says how far they are.
"""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest

from consumers.classifier.models.minilm import DATA
from consumers.classifier.models.registry import LABELS, Model, load
from consumers.classifier.training.data import plain_validation
from consumers.classifier.training.metrics import accuracy, expected_calibration_error, macro_f1

from .conftest import GOLDEN, read_rows

FLOORS = {
    "sentfin_test.csv.gz": (0.852, 0.853),
    "tfns_valid.csv.gz": (0.873, 0.841),
    "news_test.csv.gz": (0.803, 0.803),
}
"""Accuracy and macro-F1: as released, less half a point for another processor's rounding."""
ROUNDING_E4 = 200
"""Another processor's int8 kernels may move a probability a little; see docs/model.md."""


@cache
def judged(model: Model, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The labels there are, the labels found, and their confidence."""
    rows = read_rows(name)
    scores = model.score([row["text"] for row in rows])
    true = np.array([LABELS.index(row["label"]) for row in rows])
    found = np.array([LABELS.index(score.label) for score in scores])
    return true, found, np.array([score.confidence_e4 for score in scores]) / 10_000


@pytest.mark.parametrize("name", FLOORS)
def test_accuracy_and_macro_f1(shipped: Model, name: str) -> None:
    true, found, confidence = judged(shipped, name)
    accuracy_floor, macro_f1_floor = FLOORS[name]
    assert accuracy(true, found) >= accuracy_floor
    assert macro_f1(true, found) >= macro_f1_floor
    assert expected_calibration_error(confidence, true == found) <= 0.06


def test_far_above_vader(shipped: Model) -> None:
    lexicon = load("vader")
    for name in FLOORS:
        true, found, _ = judged(shipped, name)
        _, vader, _ = judged(lexicon, name)
        assert accuracy(true, found) >= accuracy(true, vader) + 0.25


def test_far_above_vader_on_news_unlike_the_headlines(shipped: Model) -> None:
    """Sentences of other writers than those that were trained on. They validate: the weights were chosen by them."""
    rows = plain_validation()
    true = np.array([row.label for row in rows])
    found, vader = (
        np.array([LABELS.index(score.label) for score in model.score([row.text for row in rows])])
        for model in (shipped, load("vader"))
    )
    assert accuracy(true, found) >= max(0.9, accuracy(true, vader) + 0.25)


def test_quantisation_costs_at_most_half_a_point() -> None:
    validation = json.loads((DATA / "card.json").read_text())["validation"]
    for source in ("sentfin", "tfns", "news", "written"):
        assert validation["int8"][f"accuracy_{source}"] >= validation["fp32"][f"accuracy_{source}"] - 0.005


def test_stored_scores_are_what_they_were(shipped: Model) -> None:
    rows = [json.loads(line) for line in (GOLDEN / "scores.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(rows) >= 50
    for row, score in zip(rows, shipped.score([row["text"] for row in rows]), strict=True):
        assert abs(score.polarity_e4 - row["polarity_e4"]) <= ROUNDING_E4, row
        assert abs(score.confidence_e4 - row["confidence_e4"]) <= ROUNDING_E4, row
