"""The sentiment models by name: one row each, loaded on first use.

Importing this module costs nothing: a row names the module that holds the model, and that module is
imported by `load` alone. Every model answers in integers of 1/10,000, rounded once, here, so that what is
stored never depends on how a float was printed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import NamedTuple, Protocol, cast

from contracts.errors import Unusable

__all__ = ["DEFAULT", "LABELS", "ROWS", "Model", "ModelUnavailable", "Row", "Score", "known", "load", "names"]

DEFAULT = "minilm-news-1"
LABELS = ("negative", "neutral", "positive")
"""The order of a model's three outputs."""

_HUGGING_FACE = "hf:"


class ModelUnavailable(Unusable):
    """The model named cannot be loaded here. One line: what is missing and the remedy."""


class Score(NamedTuple):
    """What is stored of one text."""

    label: str
    """`positive`, `neutral` or `negative`."""
    confidence_e4: int
    """Probability of the label in 1/10,000, in [0, 10000]."""
    polarity_e4: int
    """P(positive) - P(negative) in 1/10,000, in [-10000, 10000]."""


class Model(Protocol):
    """A loaded model. `score` is a function of each text alone (law 7): never of its neighbours or its batch."""

    version: str
    """Travels in every scored event as `model_version`."""

    def score(self, texts: Sequence[str]) -> list[Score]:
        """One score for each text, in the same order."""
        ...


@dataclass(frozen=True)
class Row:
    """One model that can be named in a setting or on the command line."""

    name: str
    module: str
    """Has `load(name: str, threads: int) -> Model`."""
    summary: str
    licence: str


ROWS: tuple[Row, ...] = (
    Row(
        name="minilm-news-1",
        module="consumers.classifier.models.minilm",
        summary="MiniLM-L6 taught financial news, int8 ONNX, shipped in the package",
        licence="Apache-2.0; data MIT",
    ),
    Row(
        name="hf:<name>",
        module="consumers.classifier.models.hugging_face",
        summary="any Hugging Face sequence classifier, by hub name or folder; exported to ONNX once, then cached",
        licence="the checkpoint's own",
    ),
    Row(
        name="vader",
        module="consumers.classifier.models.vader",
        summary="VADER, a word list and rules for social media; a baseline",
        licence="MIT",
    ),
    Row(
        name="finvader",
        module="consumers.classifier.models.finvader",
        summary="VADER with two financial word lists; a baseline, its package is optional",
        licence="Apache-2.0",
    ),
)


def names() -> list[str]:
    """Every name a user may write; `hf:<name>` stands for any checkpoint."""
    return [row.name for row in ROWS]


def known(name: str) -> bool:
    """Whether a row answers to this name. Says nothing about its files or packages being here."""
    return _row(name) is not None


def load(name: str = DEFAULT, threads: int = 1) -> Model:
    """The named model, ready to score with at most `threads` threads. Raises `ModelUnavailable`."""
    if threads < 1:
        raise ValueError(f"threads must be at least 1, not {threads}")
    row = _row(name)
    if row is None:
        raise ModelUnavailable(f"there is no model {name!r}; the names are: {', '.join(names())}")
    return cast(Model, import_module(row.module).load(name, threads))


def _row(name: str) -> Row | None:
    if name.startswith(_HUGGING_FACE) and len(name) > len(_HUGGING_FACE) and name != "hf:<name>":
        name = "hf:<name>"
    elif name == "hf:<name>":
        return None
    return next((row for row in ROWS if row.name == name), None)
