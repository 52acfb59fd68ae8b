"""Finnhub: company news by symbol, and general news.

Docs: https://finnhub.io/docs/api/company-news. Free plan: 60 calls a minute and 30 a second. Times are UNIX seconds.
Cursor: see `json_api.by_symbol`, where the general news have their turn before the symbols; their `min_id`.
"""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from contracts.errors import BadEvent
from contracts.events import RawArticle
from contracts.instants import MAX_MS, date_of, iso_ms
from contracts.resolution import DAY_MS, MINUTE_MS
from producers.pace import Limit
from producers.sources.json_api import (
    Batch,
    JsonApi,
    Limits,
    articles_of,
    by_symbol,
    message_of,
    symbols_of,
    text_of,
    tickers_of,
)
from producers.sources.paging import OVERLAP_MS
from producers.sources.registry import Fetched, Rejected, Request

ADVERTISEMENT: Final = "Looking for stock market analysis and research with proves results?"
LIMITS: Final = (Limit(60, MINUTE_MS), Limit(30, 1_000))
MAX_ID: Final = 2**53  # a larger one is no number to ask after
#: What has its turn beside the symbols, none of which is written in lower case.
GENERAL: Final = "general news"


class Options(BaseModel):
    """`symbols` are asked for besides the watched ones; `category` of general news (none: only by symbol);
    `days_back`: how far the first question goes; `limits` of another plan: [[calls, seconds], …]."""

    model_config = ConfigDict(extra="forbid")

    symbols: tuple[str, ...] = ()
    category: str | None = "general"
    days_back: int = Field(2, ge=1, le=365)
    limits: Limits = ()


def fetch(request: Request) -> Fetched:
    """Ask for news of every symbol, and for general news. Raises `FetchFailed`."""
    options = Options.model_validate(request.source.options)
    api = FinnhubApi(request)
    category, min_id = options.category, int(request.cursor.get("min_id", 0))

    def ask(turn: str, since_ms: int | None) -> Batch:
        nonlocal min_id
        if turn == GENERAL and category is not None:
            articles, rejected, min_id = api.general(category, min_id)
        else:
            articles, rejected = api.company(turn, since_ms, options)
        return articles, rejected, ()

    turns = (*([] if category is None else [GENERAL]), *symbols_of(request))
    fetched = by_symbol(request, turns, ask)
    return fetched._replace(cursor={**fetched.cursor, "min_id": min_id})


class FinnhubApi:
    """The two questions."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._api = JsonApi(request, LIMITS)

    def company(self, symbol: str, since_ms: int | None, options: Options) -> tuple[list[RawArticle], list[Rejected]]:
        """News of one symbol. Days are whole, so the last day seen is asked for again, and what came late to it."""
        now_ms = self._request.now_ms
        start_ms = since_ms - OVERLAP_MS if since_ms is not None else now_ms - options.days_back * DAY_MS
        rows = self._ask("company-news", {"symbol": symbol, "from": date_of(start_ms), "to": date_of(now_ms)})
        return articles_of(self._request, rows, lambda row: _fields(row) | {"tickers": tickers_of([symbol])})

    def general(self, category: str, min_id: int) -> tuple[list[RawArticle], list[Rejected], int]:
        """General news after an id, and the id to ask after next: the newest. When nothing came after the id it is 0,
        which gives the latest again: one row with an id out of all order would otherwise end the news for good."""
        rows = self._ask("news", {"category": category, "minId": str(min_id)})
        ids = [row["id"] for row in rows if isinstance(row, Mapping) and isinstance(row.get("id"), int)]
        newest_id = max((each for each in ids if min_id < each <= MAX_ID), default=0)
        return (*articles_of(self._request, rows, _fields), newest_id)

    def _ask(self, path: str, params: Mapping[str, str]) -> list[Any]:
        url = f"{self._request.source.url.rstrip('/')}/{path}"
        document = self._api.get(url, params, {"X-Finnhub-Token": self._api.secret})
        if not isinstance(document, list):
            raise self._api.refused(message_of(document) or "answered with no list of news")
        return document


def news_of(summary: str) -> str:
    """What a summary says of the news: nothing, where there is the advertisement that stands in for a missing one."""
    return "" if summary.startswith(ADVERTISEMENT) else summary


def _fields(row: Mapping[str, Any]) -> dict[str, Any]:
    at_s = row.get("datetime")
    if not isinstance(at_s, int | float) or isinstance(at_s, bool) or not 0 < at_s <= MAX_MS / 1000:
        raise BadEvent("bad_time", f"datetime: {str(at_s)[:40]!r} is no UNIX time")
    return {
        "title": text_of(row.get("headline")),
        "snippet": news_of(text_of(row.get("summary"))),
        "url": row.get("url") or None,
        "publisher": text_of(row.get("source"), 200) or None,
        "published_at": iso_ms(round(at_s * 1000)),
    }
