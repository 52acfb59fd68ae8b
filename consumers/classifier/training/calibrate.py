"""Temperature and class offsets from validation data, so that a confidence of 0.8 is right eight times in ten, and of
all that do this equally well those whose labels are right most often."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from consumers.classifier.training.metrics import accuracy, macro_f1

__all__ = ["Calibration", "fit_calibration", "fit_labels", "negative_log_likelihood"]

Floats = NDArray[np.float64]
_STEPS = (0.1, 0.05, 0.02, 0.01)
_GAIN_MIN = 1e-7
_LOWEST_TEMPERATURE = 0.5
LIKELIHOOD_SLACK = 0.002
"""Much less than three thousand texts can tell apart: the standard error of their likelihood is 0.008."""
_LABEL_STEP = 0.05
_LABEL_REACH = 8


@dataclass(frozen=True)
class Calibration:
    """Logits are divided by `temperature` and shifted by `offsets` before the softmax."""

    temperature: float
    offsets: tuple[float, float, float] = (0.0, 0.0, 0.0)


def fit_calibration(logits: Floats, labels: NDArray[np.int64]) -> Calibration:
    """Temperature and offsets of negative and positive with the least negative log likelihood, to two decimals.

    Likelihood and not accuracy is fitted: it is smooth, so three numbers from two thousand texts hold on others. The
    offsets give the classes back the shares that made sentences and balanced pools took from them.
    """
    best, least = (1.0, 0.0, 0.0), negative_log_likelihood(logits, labels)
    for step in _STEPS:
        moved = True
        while moved:
            moved = False
            for axis in range(3):
                for way in (step, -step):
                    tried = tuple(value + way * (place == axis) for place, value in enumerate(best))
                    if tried[0] < _LOWEST_TEMPERATURE:
                        continue
                    loss = negative_log_likelihood(_changed(logits, tried), labels)
                    if loss < least - _GAIN_MIN:
                        best, least, moved = (tried[0], tried[1], tried[2]), loss, True
    temperature, negative, positive = (round(value, 2) for value in best)
    return Calibration(temperature, (negative, 0.0, positive))


def fit_labels(logits: Floats, labels: NDArray[np.int64], kinds: NDArray[np.str_], fitted: Calibration) -> Calibration:
    """The offsets near the fitted ones, at no more than `LIKELIHOOD_SLACK` of likelihood, with which labels are right
    most often: the mean over the kinds of text of accuracy and macro-F1, taken over the steps beside them too, so that
    no single text decides."""
    temperature, (negative, _, positive) = fitted.temperature, fitted.offsets
    most = negative_log_likelihood(_changed(logits, (temperature, negative, positive)), labels) + LIKELIHOOD_SLACK
    steps = range(-_LABEL_REACH, _LABEL_REACH + 1)
    right: dict[tuple[int, int], float] = {}
    allowed: list[tuple[int, int]] = []
    for place in itertools.product(steps, steps):
        changed = _changed(logits, (temperature, *_moved(negative, positive, place)))
        right[place] = _right_by_kind(labels, changed.argmax(-1), kinds)
        if negative_log_likelihood(changed, labels) <= most:
            allowed.append(place)
    best = max(allowed, key=lambda place: (round(_around(right, place), 6), -abs(place[0]) - abs(place[1]), place))
    negative, positive = _moved(negative, positive, best)
    return Calibration(temperature, (negative, 0.0, positive))


def _moved(negative: float, positive: float, place: tuple[int, int]) -> tuple[float, float]:
    return round(negative + place[0] * _LABEL_STEP, 2), round(positive + place[1] * _LABEL_STEP, 2)


def _right_by_kind(labels: NDArray[np.int64], found: NDArray[np.int64], kinds: NDArray[np.str_]) -> float:
    each = [(labels[kinds == kind], found[kinds == kind]) for kind in np.unique(kinds)]
    return float(np.mean([(accuracy(true, said) + macro_f1(true, said)) / 2 for true, said in each]))


def _around(right: dict[tuple[int, int], float], place: tuple[int, int]) -> float:
    """The mean of a place and those that touch it."""
    near = [(place[0] + down, place[1] + along) for down in (-1, 0, 1) for along in (-1, 0, 1)]
    return float(np.mean([right[each] for each in near if each in right]))


def _changed(logits: Floats, numbers: tuple[float, ...]) -> Floats:
    temperature, negative, positive = numbers
    changed: Floats = logits / temperature + np.array([negative, 0.0, positive])
    return changed


def negative_log_likelihood(logits: Floats, labels: NDArray[np.int64]) -> float:
    """Mean of -log P(label)."""
    shifted = logits - logits.max(-1, keepdims=True)
    log_probability = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return float(-log_probability[np.arange(len(labels)), labels].mean())
