"""What is computed of labels and probabilities. numpy only, so that a report needs no training packages."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "accuracy",
    "bootstrap",
    "calibration_bins",
    "confusion",
    "expected_calibration_error",
    "f1_by_class",
    "macro_f1",
]

Ints = NDArray[np.int64]
CLASSES = 3
BINS = 10


def confusion(true: Ints, found: Ints) -> Ints:
    """Counts of shape (3, 3): rows are the true labels, columns the found ones."""
    return np.bincount(true * CLASSES + found, minlength=CLASSES * CLASSES).reshape(CLASSES, CLASSES)


def accuracy(true: Ints, found: Ints) -> float:
    """Share of texts whose label was found."""
    return float((true == found).mean())


def f1_by_class(true: Ints, found: Ints) -> list[float]:
    """F1 of negative, neutral and positive; 0 for a class that neither occurs nor is found."""
    table = confusion(true, found)
    right = table.diagonal()
    total = table.sum(0) + table.sum(1)
    return [float(2 * hit / size) if size else 0.0 for hit, size in zip(right, total, strict=True)]


def macro_f1(true: Ints, found: Ints) -> float:
    """The plain mean of the three F1 values."""
    return float(np.mean(f1_by_class(true, found)))


def bootstrap(true: Ints, found: Ints, rounds: int = 1_000, seed: int = 7) -> dict[str, list[float]]:
    """95 % intervals of accuracy and macro-F1 over resampled texts."""
    chance = np.random.default_rng(seed)
    rows = [chance.integers(0, len(true), len(true)) for _ in range(rounds)]
    values = {
        "accuracy": [accuracy(true[row], found[row]) for row in rows],
        "macro_f1": [macro_f1(true[row], found[row]) for row in rows],
    }
    return {name: [float(edge) for edge in np.percentile(value, [2.5, 97.5])] for name, value in values.items()}


def calibration_bins(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Ten equal bins of confidence: how many texts, their mean confidence, the share that was right."""
    number = np.minimum((confidence * BINS).astype(int), BINS - 1)
    bins = []
    for at in range(BINS):
        inside = number == at
        if inside.any():
            bins.append(
                {
                    "from": at / BINS,
                    "count": int(inside.sum()),
                    "confidence": float(confidence[inside].mean()),
                    "accuracy": float(right[inside].mean()),
                }
            )
    return bins


def expected_calibration_error(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Mean gap between confidence and accuracy over the bins, weighted by their counts."""
    bins = calibration_bins(confidence, right)
    gaps = [float(row["count"] * abs(row["confidence"] - row["accuracy"])) for row in bins]
    return sum(gaps) / len(confidence)
