"""Instants at the edges of the calendar: the text of every one can be read back."""

import pytest

from contracts.errors import BadEvent
from contracts.events import check_raw_times, make_raw
from contracts.instants import date_of, iso_ms, iso_s, parse_ms


@pytest.mark.parametrize("year", [1, 99, 999, 1969, 2025, 9999])
def test_a_year_has_four_digits_and_can_be_read_back(year: int) -> None:
    text = f"{year:04d}-01-02T03:04:05.678Z"
    instant_ms = parse_ms(text)
    assert iso_ms(instant_ms) == text
    assert iso_s(instant_ms - 678) == text[:19] + "Z"
    assert date_of(instant_ms) == text[:10]


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59.999-23:59", "0001-01-01T00:00:00.000+23:59"])
def test_an_instant_whose_zone_takes_it_out_of_the_calendar_is_none(text: str) -> None:
    with pytest.raises(BadEvent, match="bad_time"):
        parse_ms(text)


def test_an_article_of_the_year_one_is_an_ordinary_one_from_before_2000() -> None:
    now = "2025-12-21T09:00:00.000Z"
    article = make_raw("wire", {"title": "t", "published_at": "0001-01-01T00:00:00Z", "ingested_at": now})
    assert article.published_at == "0001-01-01T00:00:00.000Z"
    with pytest.raises(BadEvent, match="before_2000: published 0001-01-01"):
        check_raw_times(article.published_ms, article.ingested_ms)
