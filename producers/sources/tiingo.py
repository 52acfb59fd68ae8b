"""Tiingo news: many tickers a call, newest crawl first.

Docs: https://www.tiingo.com/documentation/news. News is a paid add-on. Tickers are lower-case guesses, `brk-b` for
BRK.B: the classifier keeps those its symbol table knows when the source is called `tiingo` or `tiingo-…`; of one with
another name only those that were asked for are told. Some refusals come with HTTP 200.
Cursor: see `paging.Walk`, by crawl date.
"""

import re
from collections.abc import Container, Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from contracts.errors import BadEvent
from contracts.identity import series_of
from contracts.instants import date_of, parse_ms
from contracts.resolution import DAY_MS, HOUR_MS
from producers.pace import Limit
from producers.sources.json_api import (
    JsonApi,
    Limits,
    articles_of,
    left_out_note,
    message_of,
    symbols_of,
    text_of,
    tickers_of,
)
from producers.sources.paging import Page, Walk
from producers.sources.registry import Fetched, Request, notes

LIMITS: Final = (Limit(50, HOUR_MS), Limit(1_000, DAY_MS))
#: Tickers one call may name; more are asked for in a further call.
TICKERS_A_CALL: Final = 50
_NAMED: Final = re.compile(r"tiingo([_\-]|\Z)")


class Options(BaseModel):
    """`symbols` are asked for besides the watched ones (none at all: news of everything); `limits` of another plan."""

    model_config = ConfigDict(extra="forbid")

    symbols: tuple[str, ...] = ()
    days_back: int = Field(1, ge=1, le=90)
    page_size: int = Field(1_000, ge=1, le=1_000)
    limits: Limits = ()


def fetch(request: Request) -> Fetched:
    """Ask for what was crawled since the last walk. Raises `FetchFailed`."""
    options = Options.model_validate(request.source.options)
    api = JsonApi(request, LIMITS, patience_ms=HOUR_MS)
    symbols = symbols_of(request)
    groups = [symbols[at : at + TICKERS_A_CALL] for at in range(0, len(symbols), TICKERS_A_CALL)] or [()]
    walk = Walk(request, options.days_back * DAY_MS)
    headers = {"Authorization": f"Token {api.secret}"}
    asked, is_named = frozenset(map(series_of, symbols)), _NAMED.match(request.source.name) is not None

    def ask(group: int, page: int) -> Page:
        params = {
            "startDate": date_of(walk.since_ms),
            "limit": str(options.page_size),
            "offset": str(page * options.page_size),
            "sortBy": "crawlDate",
        }
        if groups[group]:
            params["tickers"] = ",".join(symbol.lower().replace(".", "-") for symbol in groups[group])
        rows = api.get(request.source.url, params, headers)
        if not isinstance(rows, list):
            raise api.refused(message_of(rows) or "answered with no list of news")
        crawled = [at_ms for row in rows if (at_ms := _crawled_ms(row)) is not None]
        return Page(
            *articles_of(request, rows, lambda row: _fields(row, asked, is_named)),
            newest_ms=max(crawled, default=0),
            last=len(rows) < options.page_size or min(crawled, default=0) < walk.since_ms,
        )

    fetched = walk.run([",".join(group) for group in groups], ask)
    return fetched._replace(note=notes(fetched.note, left_out_note(symbols, request.watched_tickers)))


def _crawled_ms(row: Any) -> int | None:
    try:
        return parse_ms(str(row["crawlDate"]))
    except (BadEvent, KeyError, TypeError):
        return None


def _series(ticker: object) -> str:
    return series_of(str(ticker).strip().upper())


def _fields(row: Mapping[str, Any], asked: Container[str], is_named: bool) -> dict[str, Any]:
    """`asked`: the series that were asked for, the only guesses that are told unless `is_named`, and the first: of many
    guesses not all are told."""
    told = row.get("tickers")
    named = sorted(told if isinstance(told, list) else (), key=lambda each: _series(each) not in asked)
    return {
        "title": text_of(row.get("title")),
        "snippet": text_of(row.get("description")),
        "url": row.get("url") or None,
        "publisher": text_of(row.get("source"), 200) or None,
        "published_at": str(row.get("publishedDate") or ""),
        "tickers": tickers_of(each for each in named if is_named or _series(each) in asked),
    }
