"""Law 7: a score belongs to its text, alone or in any batch, in any order, on any number of threads."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from consumers.classifier.models.registry import LABELS, Model, Score, load

TEXTS = 250
SHUFFLES = 8
BATCHES = (1, 2, 3, 7, 32, 128)


def differences(model: Model, texts: Sequence[str], shuffles: int, seed: int = 7) -> int:
    """How many scores change with the company a text keeps."""
    alone = [model.score([text])[0] for text in texts]
    chance = random.Random(seed)
    found = 0
    for _ in range(shuffles):
        order = chance.sample(range(len(texts)), len(texts))
        while order:
            size = chance.choice(BATCHES)
            rows, order = order[:size], order[size:]
            scores = model.score([texts[row] for row in rows])
            assert len(scores) == len(rows)
            found += sum(score != alone[row] for row, score in zip(rows, scores, strict=True))
    return found


def mixed(headlines: list[str]) -> list[str]:
    """Titles of all lengths with the texts that have defined answers among them."""
    return [*headlines[:: len(headlines) // TEXTS], "", "🚀🚀", "利益が増加した", "profit " * 1500]


def test_a_score_never_depends_on_the_batch(any_model: Model, headlines: list[str]) -> None:
    assert differences(any_model, mixed(headlines), SHUFFLES) == 0


def test_a_score_never_depends_on_the_number_of_threads(shipped: Model, headlines: list[str]) -> None:
    texts = mixed(headlines)
    expected = shipped.score(texts)
    for threads in (2, 3):
        assert load(threads=threads).score(texts) == expected
    assert differences(load(threads=2), texts[:60], 2) == 0


def test_two_loads_of_a_model_agree(shipped: Model, headlines: list[str]) -> None:
    assert load().score(headlines[:100]) == shipped.score(headlines[:100])


def test_every_score_is_in_range(any_model: Model, headlines: list[str]) -> None:
    for score in any_model.score(mixed(headlines)):
        assert score.label in LABELS
        assert 0 <= score.confidence_e4 <= 10_000
        assert -10_000 <= score.polarity_e4 <= 10_000
        assert all(type(value) is int for value in score[1:])
        assert score.polarity_e4 >= 0 or score.label != "positive"
        assert score.polarity_e4 <= 0 or score.label != "negative"


def test_no_texts_no_scores(any_model: Model) -> None:
    assert any_model.score([]) == []


class PaddedTogether:
    """The planted bug: every text's scale comes from the longest text of its batch, as dynamic int8 in batches does."""

    version = "canary"

    def __init__(self, model: Model) -> None:
        self._model = model

    def score(self, texts: Sequence[str]) -> list[Score]:
        longest = max(map(len, texts), default=0)
        return [
            Score(score.label, score.confidence_e4, score.polarity_e4 // 2 if longest > 100 else score.polarity_e4)
            for score in self._model.score(texts)
        ]


def test_the_check_sees_a_model_that_reads_its_neighbours(shipped: Model, headlines: list[str]) -> None:
    assert differences(PaddedTogether(shipped), headlines[:60], 2) > 0


def test_threads_must_be_positive() -> None:
    with pytest.raises(ValueError, match="threads"):
        load(threads=0)
