"""What the shipped model understands, sentence by sentence, and a list of what it does not.

`behaviour.jsonl` was written before the model was looked at, but for two sentences on lawsuits. A line with
`known_failure` holds the label that the model gives instead; it is also listed in MODEL_CARD.md. When one of them
comes right, the test says so, and the line is corrected: the list can neither hide a failure nor keep a stale one.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from consumers.classifier.models.minilm import DATA
from consumers.classifier.models.registry import Model

from .conftest import GOLDEN

CASES: list[dict[str, Any]] = [json.loads(line) for line in (GOLDEN / "behaviour.jsonl").read_text().splitlines()]
KINDS = {
    "negation",
    "figures_up_and_down",
    "comparatives",
    "questions",
    "hype",
    "mixed",
    "other_subject",
    "plain_company_statements",
}
UNSURE_E4 = 600
"""Two labels closer than this may change places on a processor with other rounding."""


@pytest.mark.parametrize("case", CASES, ids=[case["text"] for case in CASES])
def test_sentence(shipped: Model, case: dict[str, Any]) -> None:
    score = shipped.score([case["text"]])[0]
    if score.label == (case["known_failure"] or case["label"]):
        return
    assert _nearly(case, score.confidence_e4), f"{score} but expected {case['known_failure'] or case['label']}"


def _nearly(case: dict[str, Any], confidence_e4: int) -> bool:
    """Whether the winner won by so little that either answer may be listed."""
    return confidence_e4 < 5_000 + UNSURE_E4 and case["known_failure"] is not None


def test_every_kind_is_there_with_its_failures_in_the_card() -> None:
    assert {case["kind"] for case in CASES} == KINDS
    card = (DATA / "MODEL_CARD.md").read_text(encoding="utf-8")
    for case in CASES:
        if case["known_failure"]:
            assert case["text"] in card
            assert case["known_failure"] != case["label"]


def test_the_failures_are_the_exception() -> None:
    failures = Counter(case["kind"] for case in CASES if case["known_failure"])
    assert sum(failures.values()) <= len(CASES) * 0.2
    assert failures["figures_up_and_down"] <= 3, "of two bare figures the model cannot say which is larger"


OPPOSITES = [
    ("Acme profit rises 12%", "Acme profit falls 12%"),
    ("Acme upgraded to buy", "Acme downgraded to sell"),
    ("Acme raises full-year guidance", "Acme cuts full-year guidance"),
    ("Acme loss narrows", "Acme loss widens"),
    ("Acme beats estimates", "Acme misses estimates"),
]


@pytest.mark.parametrize(("good", "bad"), OPPOSITES)
def test_negative_news_is_negative(shipped: Model, good: str, bad: str) -> None:
    up, down = shipped.score([good, bad])
    assert up.polarity_e4 > 0 > down.polarity_e4


@pytest.mark.parametrize("name", ["Apple", "Nokia", "Reliance Industries", "Deutsche Bank", "Zhongtai Steel", "$TSLA"])
def test_the_name_does_not_decide(shipped: Model, name: str) -> None:
    good, bad = shipped.score([f"{name} profit rises on strong demand", f"{name} profit drops on weak demand"])
    assert (good.label, bad.label) == ("positive", "negative")
