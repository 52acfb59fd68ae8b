"""A symbol table made from an open list: ours first, the rest only in context, nothing that is no list."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from consumers.classifier.subjects import parse_symbols, recognise, shipped_symbols
from consumers.classifier.symbol_list import MIN_COMPANIES, merged, short_name
from contracts.errors import BadRequest
from ops.symbols_cmd import app, refreshed

OURS = files("consumers.classifier").joinpath("symbols.csv").read_text(encoding="utf-8").splitlines()
REAL = [
    [320193, "Apple Inc.", "AAPL", "Nasdaq"],
    [7536, "ARROW ELECTRONICS, INC.", "ARW", "NYSE"],
    [1, "Coty Inc.", "COTY", "NYSE"],
    [2, "BERKSHIRE HATHAWAY INC", "BRK-B", "NYSE"],
    [3, "Unlisted Corp", "UNLS", None],
    [4, "…", "DOTS", "NYSE"],
    [5, "STITCH FIX, INC.", "SFIX", "Nasdaq"],
]


def listing(rows: list[Any]) -> dict[str, Any]:
    filler = [[number, f"Filler Number {number} Inc", f"Q{number}", "OTC"] for number in range(MIN_COMPANIES)]
    return {"fields": ["cik", "name", "ticker", "exchange"], "data": rows + filler}


def test_ours_stays_and_the_rest_needs_context() -> None:
    symbols = parse_symbols(merged(OURS, listing(REAL)).splitlines())
    assert len(symbols.tickers) == len(shipped_symbols().tickers) + MIN_COMPANIES + 4
    assert "UNLS" not in symbols.tickers
    for text, found in (
        ("Apple's earnings beat", {"AAPL"}),
        ("Arrow Electronics forges new ties", set()),
        ("Arrow Electronics shares rise", {"ARW"}),
        ("Coty acquires a stake", {"COTY"}),
        ("A coty of arms for investors", set()),
        ("Long $SFIX", {"SFIX"}),
        ("Berkshire Hathaway meets", {"BRK.B"}),
    ):
        assert recognise(text, symbols) == found, text


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("Apple Inc.", "Apple"),
        ("ARROW ELECTRONICS, INC.", "Arrow Electronics"),
        ("IBM CORP", "IBM"),
        ("Alphabet Inc. Class A", "Alphabet"),
        ("TAIWAN SEMICONDUCTOR MANUFACTURING CO LTD", "Taiwan Semiconductor Manufacturing"),
        ("Deere & Co", "Deere"),
    ],
)
def test_names_as_headlines_write_them(name: str, short: str) -> None:
    assert short_name(name) == short


@pytest.mark.parametrize(
    "bad", [[], {}, {"fields": [], "data": []}, {"fields": ["ticker", "name", "exchange"], "data": [1]}]
)
def test_what_is_no_list_is_refused(bad: Any) -> None:
    with pytest.raises(BadRequest):
        merged(OURS, bad)


def test_the_command_writes_the_table_the_classifier_reads(tmp_path: Path) -> None:
    file = tmp_path / "list.json"
    file.write_text(json.dumps(listing(REAL)))
    told = refreshed(str(file), tmp_path / "data")
    assert told["companies"] == len(shipped_symbols().tickers) + MIN_COMPANIES + 4
    assert (tmp_path / "data" / "symbols.csv").exists()
    for folder, is_new in (("other", True), ("other", False)):
        done = CliRunner().invoke(app, ["refresh", "--from", str(file), "--data-dir", str(tmp_path / folder)])
        assert done.exit_code == 0
        assert ("is a new data directory" in done.stderr) is is_new
    file.write_text("<html>")
    with pytest.raises(BadRequest, match="not JSON"):
        refreshed(str(file), tmp_path / "data")
