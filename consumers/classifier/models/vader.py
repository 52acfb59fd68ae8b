"""VADER and FinVADER share one adapter: a compound value in [-1, 1] with its authors' thresholds.

A word list has no probabilities. Polarity is the compound value; the label is positive from +0.05 and
negative from -0.05 (Hutto and Gilbert, 2014); confidence is |compound| for a label that takes a side and
1 - |compound| for neutral, so that it is comparable in use, not in calibration.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, cast

from consumers.classifier.models.registry import ModelUnavailable, Score

__all__ = ["CompoundModel", "load"]

THRESHOLD_E4 = 500


class Analyzer(Protocol):
    """The one method of VADER that is used."""

    lexicon: dict[str, float]

    def polarity_scores(self, text: str) -> dict[str, float]: ...


class CompoundModel:
    """A model from an analyzer that answers with one compound value."""

    def __init__(self, version: str, analyzer: Analyzer) -> None:
        self.version = version
        self._analyzer = analyzer

    def score(self, texts: Sequence[str]) -> list[Score]:
        """One score for each text; each text is read alone."""
        return [_score(self._analyzer.polarity_scores(text)["compound"]) for text in texts]


def analyzer() -> Analyzer:
    """VADER's own analyzer. Raises `ModelUnavailable` when the package is missing."""
    try:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
    except ImportError as error:
        raise ModelUnavailable("the vaderSentiment package is missing; run: pip install vaderSentiment") from error
    return cast(Analyzer, SentimentIntensityAnalyzer())


def load(name: str, threads: int) -> CompoundModel:
    """VADER. `threads` changes nothing: a word list runs on the caller's thread."""
    return CompoundModel("vader-3", analyzer())


def _score(compound: float) -> Score:
    polarity_e4 = round(compound * 10_000)
    assert -10_000 <= polarity_e4 <= 10_000, compound
    if polarity_e4 >= THRESHOLD_E4:
        return Score("positive", polarity_e4, polarity_e4)
    if polarity_e4 <= -THRESHOLD_E4:
        return Score("negative", -polarity_e4, polarity_e4)
    return Score("neutral", 10_000 - abs(polarity_e4), polarity_e4)
