"""Any JSON address, declared in the source settings: where the records are, what their fields are called, how it pages.

    {"name": "jsonplaceholder", "kind": "json", "url": "https://jsonplaceholder.typicode.com/posts",
     "options": {"fields": {"id": "id", "title": "title", "text": "body"}}}

    {"name": "randomuser", "kind": "json", "url": "https://randomuser.me/api/?results=20",
     "options": {"items": "results", "fields": {"id": "login.uuid", "title": "{name.first} {name.last}",
                 "text": "{location.city}, {location.country}"}}}

A record's identity is its own id and the content of its mapped fields: the same record again is known, a changed one is
one new article, and the rest of its page is not touched. Without `time` it is news when it is first met. Cursor: `etag`
and `modified` (without paging), `since_ms` (with `since`), and of an unfinished walk its `place`, `newest_ms`, how many
`pages` it had, and `asked_ms` (what they were asked from); `refused`: how often in turn that place was, when it was.
"""

import hashlib
import re
from collections.abc import Container, Mapping
from typing import Annotated, Any, Final, Literal
from urllib.parse import unquote_plus, urljoin

import msgspec
from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.instants import iso_ms, parse_ms
from contracts.resolution import DAY_MS
from producers.fetch import Answer, FetchFailed, OverBudget, conditions, validators
from producers.sources.json_api import JsonApi, Limits, articles_of, message_of, secret_of, text_of, tickers_of
from producers.sources.paging import (
    MAX_PAGES_A_POLL,
    MAX_REFUSALS,
    NO_SUCH_PAGE,
    OVERLAP_MS,
    is_about_the_source,
)
from producers.sources.registry import Fetched, Rejected, Request
from producers.sources.times import iso_time

#: Pages of one walk; the next walk begins at the first page again, where what is new is.
MAX_PAGES_A_WALK: Final = 100
#: What `size_parameter` asks for when no `size` is declared.
USUAL_SIZE: Final = 100
_PLACEHOLDER: Final = re.compile(r"\{([^{}]+)\}")


class FromSecrets(BaseModel):
    """A value that is in Secrets under a name: never in the settings."""

    model_config = ConfigDict(extra="forbid")

    secret: str = Field(pattern=r"^[A-Z][A-Z0-9_]{2,79}$")
    before: str = ""


Where = Annotated[str, Field(min_length=1)]


class Fields(BaseModel):
    """Where a record has what an article needs: a path (`name.first`, `tags.0`) or a text with paths in braces."""

    model_config = ConfigDict(extra="forbid")

    id: Where | None = None
    title: Where
    text: Where | None = None
    url: Where | None = None
    time: Where | None = None
    author: Where | None = None
    publisher: Where | None = None
    tickers: Where | None = None


class Paging(BaseModel):
    """`page`: pages counted from `start`; `offset`: records left out; `next`: a path to the next page's address or
    token (with `parameter`). `size`: a page of fewer records is the last; undeclared, an empty one is."""

    model_config = ConfigDict(extra="forbid")

    by: Literal["page", "offset", "next"]
    parameter: str | None = None
    start: int = 1
    size: int | None = Field(None, ge=1, le=10_000)
    size_parameter: str | None = None
    next: str | None = None

    @model_validator(mode="after")
    def _whole(self) -> "Paging":
        if self.by == "next" and not self.next:
            raise ValueError("paging by next needs `next`: where the next page's address or token is")
        return self


class Since(BaseModel):
    """The parameter that asks for what is newer than a time, and how it is written."""

    model_config = ConfigDict(extra="forbid")

    parameter: str
    form: Literal["iso", "date", "s", "ms"] = "iso"
    days_back: int = Field(1, ge=0, le=365)


class Options(BaseModel):
    """What is declared of one address."""

    model_config = ConfigDict(extra="forbid")

    items: str = ""
    fields: Fields
    headers: dict[str, str | FromSecrets] = Field(default_factory=dict)
    params: dict[str, str | FromSecrets] = Field(default_factory=dict)
    paging: Paging | None = None
    since: Since | None = None
    limits: Limits = ()


def fetch(request: Request) -> Fetched:
    """Ask for the records, page after page. Raises `FetchFailed`."""
    return _Feed(request, Options.model_validate(request.source.options)).fetch()


class _NoSuchPage(FetchFailed):
    """The source refused a page after the first: there were no more, or it was asked for too late."""


class _Feed:
    def __init__(self, request: Request, options: Options) -> None:
        self._request = request
        self._options = options
        self._cursor = dict(request.cursor)
        secrets: list[str] = []
        self._headers = {n: _filled(v, request, secrets) for n, v in options.headers.items()}
        self._params = {n: _filled(v, request, secrets) for n, v in options.params.items()}
        self._secret_params = {n: self._params[n] for n, v in options.params.items() if isinstance(v, FromSecrets)}
        self._api = JsonApi(request, hidden=secrets)
        self._since_ms = int(self._cursor.get("since_ms", 0))
        self._asked_ms = int(self._cursor.get("asked_ms", 0)) or self._fresh_ms()
        self._refused = int(self._cursor.get("refused", 0))

    def _fresh_ms(self) -> int:
        """What a walk that begins now asks from; 0 when it asks for everything."""
        since = self._options.since
        if since is None:
            return 0
        first_ms = self._request.now_ms - since.days_back * DAY_MS
        return self._since_ms - OVERLAP_MS if self._since_ms else first_ms

    def fetch(self) -> Fetched:
        """One round: at most so many pages; the cursor of an unfinished walk says where the next goes on."""
        articles: dict[str, Any] = {}
        rejected: dict[bytes, Rejected] = {}
        newest_ms, pages = int(self._cursor.get("newest_ms", 0)), int(self._cursor.get("pages", 0))
        place: Any = self._cursor.get("place")
        visited: set[Any] = set()
        for _ in range(MAX_PAGES_A_POLL):
            try:
                rows, following, seen = self._page(place)
                if rows is None:
                    return Fetched(cursor=self._cursor, gone=seen.get("gone", False))
                found, bad = articles_of(self._request, rows, self._fields)
            except FetchFailed as error:
                if not visited and place is not None and self._is_given_up(error):
                    place, pages = None, 0  # an earlier walk stopped there, and it is no place any more: from the start
                    continue
                if not visited:
                    return self._without_answer(place, error)
                so_far = tuple(articles.values()), tuple(rejected.values())
                if isinstance(error, _NoSuchPage):
                    refused = f"taken for the end of the pages: {error.detail}"
                    return Fetched(*so_far, self._finished(newest_ms), note=refused)
                return Fetched(*so_far, self._unfinished(place, newest_ms, pages), trouble=error)
            known = len(articles) + len(rejected)
            articles |= {article.article_id: article for article in found}
            rejected |= {each.data: each for each in bad}
            visited.add(place)
            pages += 1
            if self._options.fields.time is not None:
                newest_ms = max([newest_ms, *(each.published_ms for each in found)])
            is_repeating = len(articles) + len(rejected) == known or following in visited
            if following is None or is_repeating or pages >= MAX_PAGES_A_WALK:
                note = _end_note(is_repeating) if following is not None else None
                cursor = seen | self._finished(newest_ms)
                return Fetched(tuple(articles.values()), tuple(rejected.values()), cursor, note=note)
            place = following
        cursor = self._unfinished(place, newest_ms, pages)
        return Fetched(tuple(articles.values()), tuple(rejected.values()), cursor, more=True)

    def _is_given_up(self, error: FetchFailed) -> bool:
        """Whether the place where the last round stopped is to be left. Should the first page be refused too, it is the
        source that is down, and the place is kept."""
        if isinstance(error, OverBudget):
            return False
        return not error.again or (not is_about_the_source(error) and self._refused + 1 >= MAX_REFUSALS)

    def _without_answer(self, place: Any, error: FetchFailed) -> Fetched:
        """A round that got no page. Raises its error unless it counts against the place where the walk is to go on."""
        if place is None or is_about_the_source(error):
            raise error
        return Fetched(cursor=self._cursor | {"refused": self._refused + 1}, trouble=error)

    def _finished(self, newest_ms: int) -> dict[str, Any]:
        since_ms = min(max(self._since_ms, newest_ms), self._request.now_ms)
        return {"since_ms": since_ms} if self._options.since and since_ms else {}

    def _unfinished(self, place: Any, newest_ms: int, pages: int) -> dict[str, Any]:
        kept = {"place": place, "newest_ms": newest_ms, "pages": pages, "asked_ms": self._asked_ms}
        return kept | ({"since_ms": self._since_ms} if self._since_ms else {})

    def _page(self, place: Any) -> tuple[list[Any] | None, Any, dict[str, Any]]:
        """The records of one page (None: unchanged or gone), where the next one is (None: nowhere), and what to
        remember of the answer."""
        paging = self._options.paging
        conditional = paging is None and self._options.since is None
        answer = self._answer(place, conditional)
        if place is None and answer.status in (304, 410):
            return None, None, {"gone": answer.status == 410}
        document = self._api.document(answer)
        rows = _at(document, self._options.items)
        if not isinstance(rows, list):
            where = f"at {self._options.items!r}" if self._options.items else "at the top"
            raise self._api.refused(message_of(document) or f"answered with no list of records {where}")
        seen: dict[str, Any] = dict(validators(answer)) if conditional else {}
        if paging is None:
            return rows, None, seen
        if paging.by == "next":
            following = str(_at(document, str(paging.next)) or "")
            if paging.parameter is None:
                # It repeats the question, key and all; the place is kept where a key may not be.
                following = _without(following, self._secret_params)
            return rows, following or None, seen
        step = (paging.size or len(rows)) if paging.by == "offset" else 1
        here = place if place is not None else (0 if paging.by == "offset" else paging.start)
        return rows, (here + step if len(rows) >= (paging.size or 1) else None), seen

    def _answer(self, place: Any, conditional: bool) -> Answer:
        url, params = self._question(place)
        try:
            answer = self._api.answer(url, params, self._headers | (conditions(self._cursor) if conditional else {}))
        except FetchFailed as error:
            if place is not None and error.status in NO_SUCH_PAGE:
                raise _NoSuchPage(error.host, error.detail, error.status) from None
            raise
        if place is not None and answer.status == 410:
            raise _NoSuchPage(self._api.host, "HTTP 410", answer.status)
        return answer

    def _question(self, place: Any) -> tuple[str, dict[str, str]]:
        options, url, params = self._options, self._request.source.url, dict(self._params)
        if options.since:
            params[options.since.parameter] = _written(self._asked_ms, options.since.form)
        if options.paging:
            if options.paging.size_parameter:
                params[options.paging.size_parameter] = str(options.paging.size or USUAL_SIZE)
            if options.paging.by == "next":
                if place is not None and options.paging.parameter is None:
                    return self._same_site(str(place)), self._secret_params
                if place is not None:
                    params[str(options.paging.parameter)] = str(place)
            else:
                first = 0 if options.paging.by == "offset" else options.paging.start
                params[options.paging.parameter or options.paging.by] = str(place if place is not None else first)
        return url, params

    def _same_site(self, place: str) -> str:
        """The next page's address, which must be on the source's own site: our headers may hold a key."""
        try:
            url = urljoin(self._request.source.url, place)
        except ValueError:
            raise FetchFailed(self._api.host, "the next page has no address", status=400) from None
        if url.split("/")[:3] != self._request.source.url.split("/")[:3]:
            raise FetchFailed(self._api.host, "the next page is on another site", status=400)
        return url

    def _fields(self, record: Mapping[str, Any]) -> dict[str, Any]:
        fields = self._options.fields
        told = {name: _text(record, path) for name, path in fields.model_dump().items() if path}
        content = msgspec.json.encode(told, order="deterministic")
        fingerprint = hashlib.sha256(content).hexdigest()[:16]
        title = text_of(told["title"])
        tickers = told.get("tickers") or ""
        published_at = iso_time(told["time"]) if fields.time else iso_ms(self._request.now_ms)
        if fields.time:
            parse_ms(published_at)
        return {
            "article_id": f"{self._request.source.name}#{fingerprint}",
            "title": title,
            "snippet": text_of(told.get("text")),
            "url": told.get("url") or None,
            "publisher": text_of(told.get("publisher"), 200) or self._request.source.title,
            "author": text_of(told.get("author"), 300) or None,
            "published_at": published_at,
            "tickers": tickers_of(re.split(r"[\s,|;]+", tickers)),
        }


def _end_note(is_repeating: bool) -> str:
    """What an operator should know of pages that were not asked for."""
    if is_repeating:
        return "taken for the end of the pages: one that leads to another and brings nothing new"
    return f"what comes after {MAX_PAGES_A_WALK} pages was left out"


def _filled(value: str | FromSecrets, request: Request, secrets: list[str]) -> str:
    if isinstance(value, str):
        return value
    found = secret_of(request, value.secret)
    secrets.append(found)
    return value.before + found


def _without(address: str, names: Container[str]) -> str:
    """An address without these parameters; the others are left as they are written."""
    place, mark, asked = address.partition("?")
    return place + mark + "&".join(each for each in asked.split("&") if unquote_plus(each.split("=")[0]) not in names)


def _at(document: Any, path: str) -> Any:
    """The value at a dotted path ("": the document); None when there is none."""
    for part in path.split(".") if path else ():
        if isinstance(document, Mapping):
            document = document.get(part)
        elif isinstance(document, list) and part.isdecimal() and int(part) < len(document):
            document = document[int(part)]
        else:
            return None
    return document


def _text(record: Mapping[str, Any], path: str) -> str:
    """The text at a path, or a text with the paths in its braces filled in."""
    if "{" in path:
        return _PLACEHOLDER.sub(lambda found: _text(record, found[1]), path)
    value = _at(record, path)
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


def _written(instant_ms: int, form: str) -> str:
    match form:
        case "s":
            return str(instant_ms // 1000)
        case "ms":
            return str(instant_ms)
        case "date":
            return iso_ms(instant_ms)[:10]
    return iso_ms(instant_ms)
