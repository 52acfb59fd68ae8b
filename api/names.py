"""Names of companies to show beside their tickers."""

import csv
from importlib.resources import files
from pathlib import Path


def company_names(table: Path | None = None) -> dict[str, str]:
    """Ticker → company, from a symbol table (None: the shipped one) that the classifier can read. It may lack names."""
    with (table or files("consumers.classifier").joinpath("symbols.csv")).open(encoding="utf-8-sig") as lines:
        return {row["ticker"]: row["name"] for row in csv.DictReader(lines) if row.get("name")}
