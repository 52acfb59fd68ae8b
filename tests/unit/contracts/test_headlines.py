"""Headlines as stories are compared by: what differs for a reader differs, what is not seen does not."""

import random
import unicodedata

import pytest

from contracts.identity import normalised_headline

SAME = {
    "Apple’s  RISE: 5%!": "apple s rise 5",
    "Micro\u00adsoft raises": "Microsoft raises",
    "Micro\u200bsoft \ufeffraises\u2060": "Microsoft raises",
    "Cafe\u0301 culture": "CAFÉ CULTURE",
    "1\ufe0f\u20e3 chart ❤\ufe0f": "1 chart",
    "Ａｐｐｌｅ": "apple",
}
DIFFERENT = {
    "शेयर गिरा": "शेयर गोरी",
    "रिलायंस का मुनाफा": "रिलायंस के मुनाफे",
    "กำไร": "กาไร",
    "หุ้นขึ้น": "หุนขน",
    "Apple rises": "Apple falls",
}


@pytest.mark.parametrize("one", SAME)
def test_what_reads_the_same_is_the_same(one: str) -> None:
    assert normalised_headline(one) == normalised_headline(SAME[one])


@pytest.mark.parametrize("one", DIFFERENT)
def test_what_reads_differently_is_not(one: str) -> None:
    assert normalised_headline(one) != normalised_headline(DIFFERENT[one])


def test_words_stay_whole() -> None:
    assert normalised_headline("किरी, “कुरु”!") == "किरी कुरु"
    assert normalised_headline("\u0301 x") == "x", "a mark without a letter is none"


def test_normalised_twice_is_the_same_headline() -> None:
    draw = random.Random(1)
    marks = [chr(point) for point in range(0x20000) if unicodedata.category(chr(point))[0] == "M"]
    letters = [chr(point) for point in range(0x3000) if chr(point).isalnum()]
    for _ in range(20_000):
        text = "".join(draw.choice(draw.choice((marks, letters, " _'\u200d"))) for _ in range(draw.randint(1, 6)))
        once = normalised_headline(text)
        assert normalised_headline(once) == once, ascii(text)
