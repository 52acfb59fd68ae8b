"""Alpha Vantage NEWS_SENTIMENT: one ticker a call (several would mean articles that name all of them).

Docs: https://www.alphavantage.co/documentation/#news-sentiment. Free plan: 25 calls a day, one a second. The key goes
into the query, and refusals repeat it; both are kept out of every text. Limits come with HTTP 200 and an `Information`
or `Note`. Its scores are an outside opinion: they go into the lake for comparison and nowhere else.
Cursor: see `json_api.by_symbol`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from contracts.errors import BadEvent
from contracts.events import RawArticle
from contracts.identity import article_id
from contracts.instants import iso_ms
from contracts.resolution import DAY_MS
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
from producers.sources.registry import Fetched, Request

LIMITS: Final = (Limit(25, DAY_MS), Limit(1, 1_000))
#: An answer of so many rows may have been cut there: it is the size of one that is not asked for more.
FULL_ROWS: Final = 50
#: What it says of a ticker nobody wrote about.
NO_NEWS: Final = "No articles found"
_LISTED: Final = r"\(\s*[A-Z]+\s*:\s*[A-Z][A-Z0-9.\-]*\s*\)"
#: ` - Target  ( NYSE:TGT ) , Home Depot  ( NYSE:HD )` at the end of a headline.
_TICKERS_TOLD: Final = re.compile(rf"\s+-\s(?:(?! - )[^()])*{_LISTED}(?:\s*,[^()]*{_LISTED})*\s*\Z")
_STAMP: Final = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)?\Z", re.ASCII)


class Options(BaseModel):
    """`symbols` are asked for besides the watched ones; `min_relevance` of a ticker to count as a subject (0–1);
    `limits` of another plan."""

    model_config = ConfigDict(extra="forbid")

    symbols: tuple[str, ...] = ()
    min_relevance: float = Field(0.2, ge=0, le=1)
    days_back: int = Field(1, ge=1, le=365)
    page_size: int = Field(1_000, ge=1, le=1_000)
    limits: Limits = ()


def fetch(request: Request) -> Fetched:
    """Ask for news of every symbol. Raises `FetchFailed`."""
    options = Options.model_validate(request.source.options)
    api = JsonApi(request, LIMITS, patience_ms=DAY_MS // 24)

    def ask(symbol: str, since_ms: int | None) -> Batch:
        if since_ms is None:
            return batch(rows_from(symbol, request.now_ms - options.days_back * DAY_MS))
        rows = rows_from(symbol, since_ms - OVERLAP_MS)
        found = batch(rows)
        if len(rows) < min(options.page_size, FULL_ROWS) or any(each.published_ms > since_ms for each in found[0]):
            return found
        # So much came within the overlap that what is new may have had no room.
        return batch([*rows, *rows_from(symbol, since_ms)])

    def rows_from(symbol: str, start_ms: int) -> list[Any]:
        params = {
            "function": "NEWS_SENTIMENT",
            "tickers": symbol,
            "time_from": _minute(start_ms),
            # The oldest first: an answer that is full goes on where it ends, and nothing in between is missed.
            "sort": "EARLIEST",
            "limit": str(options.page_size),
            "apikey": api.secret,
        }
        document = api.get(request.source.url, params, {})
        rows = document.get("feed") if isinstance(document, dict) else None
        if not isinstance(rows, list):
            if (message_of(document) or "").startswith(NO_NEWS):
                return []
            raise api.refused(message_of(document) or "answered with no feed")
        return rows

    def batch(rows: Sequence[Any]) -> Batch:
        articles, rejected = articles_of(request, rows, lambda row: _fields(row, options.min_relevance))
        return articles, rejected, _opinions(request.source.name, articles, rows)

    return by_symbol(request, symbols_of(request), ask)


def _minute(instant_ms: int) -> str:
    """`20250603T0811`."""
    return iso_ms(instant_ms)[:16].replace("-", "").replace(":", "")


def _fields(row: Mapping[str, Any], min_relevance: float) -> dict[str, Any]:
    found = _STAMP.match(str(row.get("time_published")))
    if not found:
        raise BadEvent("bad_time", f"time_published: {str(row.get('time_published'))[:40]!r}")
    year, month, day, hour, minute, second = found.groups()
    authors = row.get("authors")
    told = row.get("ticker_sentiment")
    named = [each for each in told if isinstance(each, Mapping)] if isinstance(told, list) else []
    return {
        # Benzinga's headlines come with all their tickers; the same headline from elsewhere does not, and is one story.
        "title": _TICKERS_TOLD.sub("", text_of(row.get("title"))),
        "snippet": text_of(row.get("summary")),
        "url": row.get("url") or None,
        "publisher": text_of(row.get("source"), 200) or None,
        "author": text_of(", ".join(map(str, authors)), 300) or None if isinstance(authors, list) else None,
        "published_at": f"{year}-{month}-{day}T{hour}:{minute}:{second or '00'}Z",
        "tickers": tickers_of(each.get("ticker") for each in named if _relevance(each) >= min_relevance),
    }


def _relevance(named: Mapping[str, Any]) -> float:
    try:
        return float(named["relevance_score"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return 0.0


def _opinions(source: str, articles: Sequence[RawArticle], rows: Sequence[Any]) -> list[Mapping[str, Any]]:
    """The source's own scores, by our article ids."""
    ids = {article.article_id for article in articles}
    opinions: list[Mapping[str, Any]] = []
    for row in rows:
        if not isinstance(row, Mapping) or not row.get("url"):
            continue
        identity = article_id(source, str(row["url"]), "", 0)
        if identity in ids:
            told = ("overall_sentiment_score", "overall_sentiment_label", "ticker_sentiment")
            opinions.append({"article_id": identity, **{name: row.get(name) for name in told}})
    return opinions
