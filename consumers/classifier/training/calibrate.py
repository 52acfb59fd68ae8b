"""Temperature and class offsets from validation data, so that a confidence of 0.8 is right eight times in ten."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from consumers.classifier.training.export import Calibration

__all__ = ["fit_temperature", "negative_log_likelihood"]

Floats = NDArray[np.float64]
_LOWEST, _HIGHEST, _STEP = 0.5, 3.0, 0.01


def fit_temperature(logits: Floats, labels: NDArray[np.int64]) -> Calibration:
    """The temperature with the least negative log likelihood, to two decimals. The order of classes cannot change."""
    candidates = np.arange(_LOWEST, _HIGHEST + _STEP / 2, _STEP)
    losses = [negative_log_likelihood(logits / temperature, labels) for temperature in candidates]
    return Calibration(round(float(candidates[int(np.argmin(losses))]), 2))


def negative_log_likelihood(logits: Floats, labels: NDArray[np.int64]) -> float:
    """Mean of -log P(label)."""
    shifted = logits - logits.max(-1, keepdims=True)
    log_probability = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return float(-log_probability[np.arange(len(labels)), labels].mean())
