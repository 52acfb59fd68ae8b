"""The text helpers: one normalisation for the model, the story key and the subject search."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from consumers.classifier.models.minilm import DATA
from consumers.classifier.text import TEXT_CHARACTERS_MAX, clean, model_text, words


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(DATA / "tokenizer.json"))


def as_the_tokenizer_cuts(tokenizer: Tokenizer, text: str) -> list[str]:
    normal = tokenizer.normalizer.normalize_str(clean(text))
    return [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normal)]


def test_words_are_cut_as_the_shipped_tokenizer_cuts_them(tokenizer: Tokenizer, headlines: list[str]) -> None:
    odd = [
        "Nestlé’s Q4 EPS: $1.02 (+5%)",
        "S&P 500—up",
        "Łódź café naïve",
        "東京 shares",
        "A+B=C <x> `y` ~z^",
        "Ö\u0308l",
    ]
    for text in [*odd, *headlines[::5]]:
        assert words(text) == as_the_tokenizer_cuts(tokenizer, text), text


@given(st.text(max_size=200))
def test_cleaning_twice_is_cleaning_once_or_uncovers_nothing_longer(text: str) -> None:
    once = clean(text)
    assert "\n" not in once
    assert once == once.strip()
    assert "  " not in once
    assert len(clean(once)) <= len(once)


@pytest.mark.parametrize(
    ("title", "snippet", "expected"),
    [
        ("Acme wins order", "It is worth $5M.", "Acme wins order. It is worth $5M."),
        ("Acme wins order!", "It is worth $5M.", "Acme wins order! It is worth $5M."),
        ("Acme wins order", None, "Acme wins order"),
        ("Acme wins order", "", "Acme wins order"),
        ("", "It is worth $5M.", "It is worth $5M."),
        ("Acme wins order", "Acme wins order", "Acme wins order"),
        ("Acme wins order", "ACME WINS ORDER worth $5M", "ACME WINS ORDER worth $5M"),
        ("Acme wins order in Oslo", "Acme wins order", "Acme wins order in Oslo"),
        ("AT&amp;T\n rises", "<p>Up 5%</p>", "AT&T rises. Up 5%"),
        ("", None, ""),
    ],
)
def test_model_text(title: str, snippet: str | None, expected: str) -> None:
    assert model_text(title, snippet) == expected


def test_model_text_is_bounded() -> None:
    assert len(model_text("a" * 50_000, "b" * 50_000)) == TEXT_CHARACTERS_MAX
