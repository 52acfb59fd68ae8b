"""A symbol table made anew from an open list of listed companies: what we wrote by hand stays, the rest is added.

The list is the SEC's `company_tickers_exchange.json` (public domain): {"fields": ["cik", "name", "ticker", "exchange"],
"data": [[320193, "Apple Inc.", "AAPL", "Nasdaq"], …]}. A company from there is recognised by its cashtag and listing
always, and by its name only in context: nobody has looked whether the name also means something else.
"""

import csv
import io
import re
from collections.abc import Iterable
from typing import Any, Final

from contracts.errors import BadRequest
from contracts.subjects import is_ticker

COLUMNS: Final = ("ticker", "exchange", "name", "aliases", "weak_aliases", "cues", "never_with")
MIN_COMPANIES: Final = 1_000
MIN_NAME_CHARACTERS: Final = 3
_LEGAL: Final = re.compile(
    r"[\s,]+(inc|incorporated|corp|corporation|co|company|companies|ltd|limited|plc|llc|lp|l\.p|n\.?v|s\.?a|ag|se|group|"
    r"holdings?|trust|the|new|/[a-z]{2,3}/?|class [a-c]|\([^)]*\))\.?\Z",
    re.IGNORECASE,
)
#: Written in capitals when they are a whole name of at most so many letters (`IBM`), else as a word.
_ACRONYM_LETTERS: Final = 4


def merged(ours: Iterable[str], listing: Any) -> str:
    """The CSV text of both, ours first. Raises `BadRequest` when the list is not what is expected."""
    rows = list(csv.DictReader(ours))
    tickers = {row["ticker"] for row in rows}
    names = {name for row in rows for column in ("aliases", "weak_aliases") for name in row[column].lower().split("|")}
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    for ticker, name, exchange in companies(listing):
        if ticker in tickers:
            continue
        tickers.add(ticker)
        alias = short_name(name)
        known = alias.lower() in names
        names.add(alias.lower())
        everyday = "" if " " in alias else "?"
        usable = not known and len(alias) >= MIN_NAME_CHARACTERS and alias[0].isalnum() and "|" not in alias
        weak = everyday + alias if usable else ""
        writer.writerow(dict.fromkeys(COLUMNS, "") | {
            "ticker": ticker, "exchange": exchange, "name": name, "weak_aliases": weak,
        })  # fmt: skip
    return out.getvalue()


def companies(listing: Any) -> list[tuple[str, str, str]]:
    """(ticker, name, exchange) of a list, in its order; what has no usable ticker or exchange is left out."""
    try:
        at = [listing["fields"].index(field) for field in ("ticker", "name", "exchange")]
        rows = [tuple(str(row[place] or "").strip() for place in at) for row in listing["data"]]
    except (KeyError, TypeError, ValueError, IndexError):
        raise BadRequest("this is not the SEC's company_tickers_exchange.json") from None
    found = [
        (ticker.upper().replace("-", ".", 1), name, exchange.upper())
        for ticker, name, exchange in rows
        if name and exchange and is_ticker(ticker.upper())
    ]
    if len(found) < MIN_COMPANIES:
        raise BadRequest(f"a list of {len(found)} companies is not whole: at least {MIN_COMPANIES} are expected")
    return found


def short_name(name: str) -> str:
    """A company's name as headlines write it: without its legal form, in capitals only when it is short letters."""
    short = name.strip()
    while (shorter := _LEGAL.sub("", short).strip(" ,.&")) != short and shorter:
        short = shorter
    if short.isupper():
        short = " ".join(
            word if len(word) <= _ACRONYM_LETTERS and len(short.split()) == 1 else word.capitalize()
            for word in short.split()
        )
    return short
