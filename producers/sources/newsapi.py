"""NewsAPI: one question in its own query language, newest first, a hundred articles at a time.

Docs: https://newsapi.org/docs/endpoints/everything. Free plan: 100 calls a day, articles a day late, and only the first
page of any question: so older ones are asked for as the first page of what was published up to the oldest one seen
(`to`), which is the same on every plan. Cursor: see `paging.Walk`, by publication; its `page` is `to` in seconds, 0 for
the newest.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from contracts.errors import BadEvent
from contracts.instants import iso_s, parse_ms
from contracts.resolution import DAY_MS, HOUR_MS
from contracts.subjects import TAG_PREFIX
from producers.fetch import FetchFailed
from producers.pace import Limit
from producers.sources.json_api import JsonApi, Limits, articles_of, left_out_note, message_of, text_of
from producers.sources.paging import MAX_PAGES_A_POLL, Page, Walk
from producers.sources.registry import Fetched, Request, asked_for, notes

LIMITS: Final = (Limit(100, DAY_MS),)
MAX_QUERY_CHARACTERS: Final = 500
#: What is asked for when nobody watches anything and no query is set.
DEFAULT_QUERY: Final = 'stocks OR earnings OR "stock market"'
_REMOVED: Final = "[Removed]"
#: How a question about a time before the plan's history is refused.
_TOO_OLD: Final = (400, 426)
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
    question; `pages`: so many at most each time (the free plan allows two every half hour); `limits` of another
    plan."""

    model_config = ConfigDict(extra="forbid")

    query: str | None = Field(None, max_length=MAX_QUERY_CHARACTERS)
    language: str = Field("en", pattern=r"^[a-z]{2}$")
    days_back: int = Field(2, ge=1, le=30)
    page_size: int = Field(100, ge=1, le=100)
    pages: int = Field(2, ge=1, le=MAX_PAGES_A_POLL)
    limits: Limits = ()


def fetch(request: Request) -> Fetched:
    """Ask for what was published since the last walk, or for `days_back` when that is longer ago than the plan tells.
    Raises `FetchFailed`."""
    options = Options.model_validate(request.source.options)
    api = JsonApi(request, LIMITS, patience_ms=HOUR_MS)
    first_ms = request.now_ms - options.days_back * DAY_MS
    try:
        return _walked(request, options, api)
    except FetchFailed as error:
        if error.status not in _TOO_OLD or int(request.cursor.get("since_ms", first_ms)) >= first_ms:
            raise
    fetched = _walked(request._replace(cursor={}), options, api)
    begun = f"what was published before {iso_s(first_ms // 1000 * 1000)} is older than the plan tells"
    return fetched._replace(note=notes(begun, fetched.note))


def _walked(request: Request, options: Options, api: JsonApi) -> Fetched:
    chosen = asked_for(request.source, request.watched)
    query = options.query or query_of(chosen)
    walk = Walk(request, options.days_back * DAY_MS)
    asked = left_out = 0

    def ask(_: int, until_s: int) -> Page:
        nonlocal asked, left_out
        params = {
            "q": query,
            "from": iso_s(walk.since_ms - walk.since_ms % 1000),
            "language": options.language,
            "sortBy": "publishedAt",
            "pageSize": str(options.page_size),
            "page": "1",
        }
        if until_s:
            params["to"] = iso_s(until_s * 1000)
        document = api.get(request.source.url, params, {"X-Api-Key": api.secret})
        rows = document.get("articles") if isinstance(document, dict) else None
        if not isinstance(rows, list):
            raise _refusal(api, document)
        published = [at_ms for row in rows if (at_ms := _published_ms(row))]
        total = document.get("totalResults")
        more = len(rows) >= options.page_size and not (isinstance(total, int) and total <= len(rows))
        oldest_s = min(published, default=0) // 1000
        asked += 1
        enough = asked == options.pages
        if more and enough and oldest_s * 1000 > walk.known_ms:
            left_out = total - len(rows) if isinstance(total, int) else 1
        return Page(
            *articles_of(request, rows, _fields),
            newest_ms=max(published, default=0),
            # More articles in one second than are told at a time cannot be asked for.
            last=not more or enough or oldest_s in (0, until_s),
            following=oldest_s,
        )

    fetched = walk.run([query], ask)
    older = f"{left_out:,} or so older ones were left out; `pages` may ask for more" if left_out else None
    no_room = None if options.query else left_out_note(chosen, request.watched)
    return fetched._replace(note=notes(fetched.note, older, no_room))


def chosen_of(watched: Iterable[str]) -> tuple[str, ...]:
    """The watched subjects there is room for in one query: tags, then tickers, ascending."""
    chosen: list[str] = []
    for subject in watched:
        if len(query_of([*chosen, subject])) <= MAX_QUERY_CHARACTERS:
            chosen.append(subject)
    return tuple(sorted(chosen, key=lambda subject: (not subject.startswith(TAG_PREFIX), subject)))


def query_of(subjects: Iterable[str]) -> str:
    """A query for tags (all words of each) and tickers."""
    return " OR ".join(map(_term, subjects)) or DEFAULT_QUERY


def _term(subject: str) -> str:
    if not subject.startswith(TAG_PREFIX):
        return f'"{subject}"'
    return f"({' AND '.join(subject.removeprefix(TAG_PREFIX).replace('-', ' ').split())})"


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
        "title": title,
        "snippet": text_of(row.get("description")),
        "url": row.get("url") or None,
        "publisher": text_of(name, 200) or None,
        "author": text_of(row.get("author"), 300) or None,
        "published_at": str(row.get("publishedAt") or ""),
    }
