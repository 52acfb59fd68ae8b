"""Texts without news in them have defined answers, and no text is too long or too odd to be scored."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.classifier.models.registry import Model, Score, load
from consumers.classifier.text import model_text

NOTHING = Score("neutral", 10_000, 0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\n\t",
        "🚀",
        "🚀🌕 💎🙌",
        "123 456.7%",
        "!!! ???",
        "https://t.co/abc",
        "利益が増加した",
        "Прибыль выросла на 5%",
        "\x00\u200b",
    ],
)
def test_a_text_without_latin_words_is_neutral_by_definition(shipped: Model, text: str) -> None:
    assert shipped.score([text]) == [NOTHING]


def test_an_emoji_does_not_hide_the_words(shipped: Model) -> None:
    assert shipped.score(["🚀 Acme profit jumps 40%, raises guidance 🚀"])[0].label == "positive"


def test_a_latin_text_in_another_language_is_scored_as_it_is_read(shipped: Model) -> None:
    score = shipped.score(["Gewinn der Bank steigt um 12 Prozent"])[0]
    assert score != NOTHING
    assert score == shipped.score(["Gewinn der Bank steigt um 12 Prozent"])[0]


def test_of_a_very_long_text_only_the_beginning_is_read(shipped: Model) -> None:
    long = "Acme shares plunge 30% after profit warning. " + "The weather was fine. " * 500
    assert len(long) > 10_000
    score = shipped.score([long])[0]
    assert score.label == "negative"
    assert shipped.score([long + "Everything else changed."])[0] == score


def test_links_markup_and_odd_spaces_change_nothing(shipped: Model) -> None:
    plain = shipped.score(["Acme profit falls & shares drop"])[0]
    assert shipped.score(["  <b>Acme profit</b>\u00a0 falls &amp; shares drop https://t.co/x1 "])[0] == plain


def test_the_name_of_the_subject_is_kept() -> None:
    assert model_text("Nokia wins order", "Ericsson loses it.") == "Nokia wins order. Ericsson loses it."


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300))
def test_any_text_has_one_answer_in_range(text: str) -> None:
    model = _shared()
    first = model.score([text])[0]
    assert model.score([text])[0] == first
    assert 0 <= first.confidence_e4 <= 10_000
    assert abs(first.polarity_e4) <= 10_000


_MODELS: list[Model] = []


def _shared() -> Model:
    if not _MODELS:
        _MODELS.append(load())
    return _MODELS[0]
