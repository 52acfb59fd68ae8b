"""CSV: every line is a row, a part of one, or a clear reject; a quote that is never closed takes nothing along."""

import gzip
from pathlib import Path

import pytest

from contracts.errors import BadRequest
from contracts.events import decode_raw
from producers.publish import RAW_STREAM, Report
from producers.sources.files import read_rows
from tests.unit.producers.test_publish import Publishing

HEAD = "title,published_at,tickers,snippet\n"


@pytest.fixture
def run(tmp_path: Path) -> Publishing:
    return Publishing(tmp_path)


def line(number: int, snippet: str) -> str:
    return f"Headline {number},2025-12-21T09:00:00Z,AAPL,{snippet}\n"


def published(run: Publishing, text: str) -> Report:
    (run.folder / "x.csv").write_bytes(text.encode())
    return run.publish(str(run.folder / "x.csv"))


@pytest.mark.parametrize("rows", [6, 500, 6_000])
@pytest.mark.parametrize("later", ["text", '"in quotes, as it should be"'])
def test_a_quote_that_is_never_closed_costs_its_own_line_only(run: Publishing, rows: int, later: str) -> None:
    unclosed = line(3, '"Strong quarter, says CEO')
    text = HEAD + "".join(unclosed if number == 3 else line(number, later) for number in range(rows))
    assert published(run, text) == Report(rows, rows - 1, 1)
    assert [problem.split(": ")[0] for problem in run.problems] == [f"{run.folder}/x.csv:5"]


def test_a_row_in_quotes_may_have_many_lines_and_is_named_by_its_first(run: Publishing) -> None:
    whole = line(1, '"One,\nand ""another"",\r\n\n\nof four"')
    bad = 'Headline 2,yesterday,AAPL,"two\nlines"\n'
    assert published(run, HEAD + whole + "\n" + bad + line(3, "text")) == Report(3, 2, 1)
    assert decode_raw(run.log.data(RAW_STREAM)[0]).snippet == 'One,\nand "another",\r\n\n\nof four'
    assert run.problems[0].startswith(f"{run.folder}/x.csv:8: bad_time")


def test_text_after_a_closing_quote_is_told_and_not_glued(run: Publishing) -> None:
    assert published(run, HEAD + line(1, '"Great" says Apple') + line(2, 'a "great" day')) == Report(2, 1, 1)
    assert run.problems[0].startswith(f"{run.folder}/x.csv:2: unparseable")


def test_a_first_line_with_an_open_quote_names_no_columns(run: Publishing) -> None:
    assert published(run, '"title,published_at\n' + line(1, "text")) == Report(1, 0, 1)
    assert "x.csv:1: unparseable: the first line names no columns" in run.problems[0]


def test_what_damage_cuts_off_is_told_once(run: Publishing) -> None:
    packed = gzip.compress((HEAD + "".join(line(number, f"{number * 7919}") for number in range(5_000))).encode())
    (run.folder / "x.csv.gz").write_bytes(packed[: len(packed) // 2])
    report = run.publish(str(run.folder / "x.csv.gz"))
    assert report.rejected == 1
    assert report.published > 1_000
    assert "damaged gzip, nothing after this is read" in run.problems[0]


def test_a_column_that_is_named_and_not_there_is_told_before_anything_is_published(run: Publishing) -> None:
    """Else its field would be empty in every row."""
    (run.folder / "x.csv").write_text("headline,when,t\nApple rises,2025-12-21T09:00:00Z,AAPL\n")
    rows = read_rows(str(run.folder / "x.csv"), {"title": "headline", "tickers": "tcker"})
    with pytest.raises(BadRequest, match="there is no column 'tcker'") as told:
        list(rows)
    assert told.value.allowed == ("headline", "when", "t")
