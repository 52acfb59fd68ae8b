"""NewsAPI: one question in its own query language, newest first, a hundred articles a page.

Docs: https://newsapi.org/docs/endpoints/everything. Free plan: 100 calls a day, articles a day late, and nothing past
the first hundred results (that refusal is the end of the pages). Cursor: see `paging.Walk`, by publication.
"""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from contracts.errors import BadEvent
from contracts.instants import iso_s, parse_ms
from contracts.resolution import DAY_MS, HOUR_MS
from producers.fetch import FetchFailed
from producers.pace import Limit
from producers.sources.json_api import JsonApi, Limits, articles_of, message_of, text_of
from producers.sources.paging import Page, Walk
from producers.sources.registry import Fetched, Request

LIMITS: Final = (Limit(100, DAY_MS),)
MAX_QUERY_CHARACTERS: Final = 500
#: What is asked for when nobody watches anything and no query is set.
DEFAULT_QUERY: Final = 'stocks OR earnings OR "stock market"'
_REMOVED: Final = "[Removed]"
_NO_FURTHER: Final = "maximumResultsReached"
#: Statuses of the documented codes, for a refusal that came with another one.
CODES: Final = {
    "apiKeyDisabled": 401,
    "apiKeyExhausted": 429,
    "apiKeyInvalid": 401,
    "apiKeyMissing": 401,
    "parameterInvalid": 400,
    "parametersMissing": 400,
    "rateLimited": 429,
    "sourcesTooMany": 400,
    "sourceDoesNotExist": 400,
    "unexpectedError": 500,
}


class Options(BaseModel):
    """`query` in NewsAPI's language (none: the watched tags and tickers); `language`; `days_back` of the very first
    question; `limits` of another plan."""

    model_config = ConfigDict(extra="forbid")

    query: str | None = Field(None, max_length=MAX_QUERY_CHARACTERS)
    language: str = Field("en", pattern=r"^[a-z]{2}$")
    days_back: int = Field(2, ge=1, le=30)
    page_size: int = Field(100, ge=1, le=100)
    limits: Limits = ()


def fetch(request: Request) -> Fetched:
    """Ask for what was published since the last walk. Raises `FetchFailed`."""
    options = Options.model_validate(request.source.options)
    api = JsonApi(request, LIMITS, patience_ms=HOUR_MS)
    query = options.query or query_of(request)
    walk = Walk(request, options.days_back * DAY_MS)

    def ask(_: int, page: int) -> Page:
        params = {
            "q": query,
            "from": iso_s(walk.since_ms - walk.since_ms % 1000),
            "language": options.language,
            "sortBy": "publishedAt",
            "pageSize": str(options.page_size),
            "page": str(page + 1),
        }
        try:
            document = api.get(request.source.url, params, {"X-Api-Key": api.secret})
        except FetchFailed as error:
            if page > 0 and _NO_FURTHER.encode() in error.body:
                return Page((), (), 0, last=True)
            raise
        rows = document.get("articles") if isinstance(document, dict) else None
        if not isinstance(rows, list):
            raise _refusal(api, document)
        seen = (page + 1) * options.page_size
        total = document.get("totalResults")
        return Page(
            *articles_of(request, rows, _fields),
            newest_ms=max((_published_ms(row) for row in rows), default=0),
            last=len(rows) < options.page_size or (isinstance(total, int) and seen >= total),
        )

    return walk.run([query], ask)


def query_of(request: Request) -> str:
    """The watched tags (all words of each) and tickers as one query, as many as fit."""
    terms = [f"({' AND '.join(words)})" for tag in request.watched_tags if (words := tag.replace("-", " ").split())]
    terms += [f'"{ticker}"' for ticker in request.watched_tickers]
    query = ""
    for term in terms:
        longer = f"{query} OR {term}" if query else term
        if len(longer) > MAX_QUERY_CHARACTERS:
            break
        query = longer
    return query or DEFAULT_QUERY


def _refusal(api: JsonApi, document: object) -> FetchFailed:
    code = document.get("code") if isinstance(document, dict) else None
    return api.refused(message_of(document) or "answered with no list of articles", CODES.get(str(code), 400))


def _published_ms(row: object) -> int:
    try:
        return parse_ms(str(row["publishedAt"]))  # type: ignore[index]  # what is no mapping is caught
    except (BadEvent, KeyError, TypeError):
        return 0


def _fields(row: Mapping[str, Any]) -> dict[str, Any] | None:
    title = text_of(row.get("title"))
    if title == _REMOVED:
        return None
    publisher = row.get("source")
    name = publisher.get("name") if isinstance(publisher, Mapping) else None
    return {
        # The same headline from elsewhere does not end in this publisher's name, and they are one story.
        "title": title.removesuffix(f" - {name}"),
        "snippet": text_of(row.get("description")),
        "url": row.get("url") or None,
        "publisher": text_of(name, 200) or None,
        "author": text_of(row.get("author"), 300) or None,
        "published_at": str(row.get("publishedAt") or ""),
    }
