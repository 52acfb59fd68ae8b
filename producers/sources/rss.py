"""RSS and Atom feeds: conditional GET, permanent moves remembered, HTML reduced to text.

Cursor: `etag` and `modified` of the last answer, `url` where a 301 led.
"""

import io
import re
import time
from calendar import timegm
from typing import Any, Final
from urllib.parse import urlsplit

import feedparser
from feedparser.datetimes.rfc822 import timezone_names
from feedparser.mixin import _FeedParserMixin

from contracts.errors import BadEvent
from contracts.events import MAX_TITLE_CHARACTERS, make_raw
from contracts.identity import article_id
from contracts.instants import iso_ms, parse_ms
from contracts.resolution import DAY_MS
from producers.fetch import Answer, FetchFailed
from producers.sources.feed_document import OverLimit, feed_document
from producers.sources.registry import Fetched, Rejected, Request
from producers.sources.text import plain_text

ACCEPT: Final = "application/rss+xml, application/atom+xml, application/xml;q=0.9, text/xml;q=0.8, */*;q=0.1"
MAX_ENTRIES: Final = 1_000
_ROOT_ENDS: Final = re.compile(rb"</(?:\w+:)?(?:rss|feed|rdf)\s*>", re.IGNORECASE)
_END_BYTES: Final = 1_000
#: Authors up to here may be searched for an e-mail address.
MAX_AUTHOR_CHARACTERS: Final = 200
#: Zones that mean one thing everywhere, and that feedparser does not know (it reads those as UTC).
_ZONES: Final = {"cet": 1, "cest": 2, "jst": 9}
#: The end of a time that says its zone: an offset, UTC, those above, or what RFC 822 names.
_ZONED: Final = re.compile(
    r"(?::\d\d(?:[.,]\d+)?\s*(?:GMT)?[+-]\d\d:?\d\d|(?<![a-z])(?:Z|UT|UTC|GMT|[ECMP][SD]T|CES?T|JST))"
    r"(?:\s*\([^()]*\))?\Z",
    re.IGNORECASE,
)


def _bounded(search: Any) -> Any:
    """feedparser looks for an e-mail address in every author, in quadratic time that nothing interrupts: a long one
    would stop the whole program."""

    def sync(feed: Any, key: str = "author") -> None:
        if len(str(feed._get_context().get(key) or "")) <= MAX_AUTHOR_CHARACTERS:
            search(feed, key)

    return sync


def _iso_time(text: str) -> time.struct_time | None:
    """An ISO-8601 instant; feedparser alone reads `+0530` as five hours."""
    try:
        return time.gmtime(parse_ms(text.strip()) // 1000)
    except BadEvent:
        return None


_FeedParserMixin._sync_author_detail = _bounded(_FeedParserMixin._sync_author_detail)
timezone_names.update(_ZONES)
feedparser.registerDateHandler(_iso_time)


def fetch(request: Request) -> Fetched:
    """Ask a feed for its entries. Raises `FetchFailed`, also when the answer is no feed."""
    cursor = dict(request.cursor)
    url = str(cursor.get("url") or request.source.url)
    headers = {"Accept": ACCEPT}
    if cursor.get("etag"):
        headers["If-None-Match"] = str(cursor["etag"])
    if cursor.get("modified"):
        headers["If-Modified-Since"] = str(cursor["modified"])
    answer = request.web.get(url, headers)
    if answer.status == 304:
        return Fetched(cursor=cursor)
    if answer.status == 410:
        return Fetched(cursor=cursor, gone=True)
    feed = parse_feed(answer, url)
    # A feed that was cut off is asked for again as if it had never come: "unchanged" would be half of it for good.
    whole = _ROOT_ENDS.search(answer.body[-_END_BYTES:].replace(b"\0", b"")) is not None
    following = {
        "etag": answer.headers.get("ETag") if whole else None,
        "modified": answer.headers.get("Last-Modified") if whole else None,
        "url": answer.moved_to or cursor.get("url"),
    }
    return _fetched(request, feed, {name: value for name, value in following.items() if value})


def parse_feed(answer: Answer, url: str) -> Any:
    """A feed from an answer's body; feedparser repairs what it can. Raises `FetchFailed` when it is no feed."""
    host, kind = urlsplit(url).hostname or "?", answer.headers.get("Content-Type", "an unnamed type").partition(";")[0]
    try:
        document = feed_document(answer.body, answer.headers.get("Content-Type", ""))
    except OverLimit as error:
        raise FetchFailed(host, f"answered with {error}, not a feed", 413) from None
    try:
        feed = feedparser.parse(
            io.BytesIO(document),  # bytes themselves it would take for the name of a file
            response_headers={"content-type": "text/xml; charset=utf-8", "content-location": url},
            # HTML is reduced to text here; cleaning it before is twice the work.
            sanitize_html=False,
            resolve_relative_uris=False,
        )
    except (LookupError, TypeError, ValueError, AttributeError, AssertionError, RecursionError) as error:
        # Elements where its extensions do not expect them: the feed's fault, not a bug of ours.
        raise FetchFailed(host, f"answered with a feed that cannot be read ({type(error).__name__})", 422) from None
    if not feed.get("version") and not feed.entries:
        raise FetchFailed(host, f"answered with {kind[:60]}, not a feed", answer.status)
    return feed


def _fetched(request: Request, feed: Any, cursor: dict[str, Any]) -> Fetched:
    articles, rejected = [], []
    for entry in feed.entries[:MAX_ENTRIES]:
        fields = _fields(request, feed, entry)
        try:
            articles.append(make_raw(request.source.name, fields))
        except BadEvent as error:
            place = str(fields["url"] or fields["title"] or "an entry")
            told = repr([entry.get(name) for name in ("id", "link", "title", "summary", "published")])
            rejected.append(Rejected(BadEvent(error.reason, f"{error.detail} ({place[:200]})"), told.encode()))
    more = len(feed.entries) - MAX_ENTRIES
    note = f"{more} entries after the first {MAX_ENTRIES:,} were left out" if more > 0 else None
    return Fetched(tuple(articles), tuple(rejected), cursor, note=note)


def _published_at(entry: Any, url: str | None, now_ms: int) -> str:
    """The instant an entry tells; of a year no calendar has, which feedparser lets through, a text that is none.

    An entry without one, or a fresh one whose zone would be a guess (`BST`, `ET`, none), is news when it is first met;
    its link keeps its identity on the next fetch.
    """
    first_met = iso_ms(now_ms) if url else ""
    # Past feedparser's own look-up, which takes one of the two for the other and warns that it will not for ever.
    name = next((name for name in ("published", "updated") if dict.get(entry, f"{name}_parsed")), None)
    if name is None:
        return first_met
    told: Any = dict.get(entry, f"{name}_parsed")
    try:
        told_ms = timegm(told) * 1000
        told_at = iso_ms(told_ms)
    except ValueError:
        return f"year {told.tm_year}"
    is_guess = not _ZONED.search(str(dict.get(entry, name)).strip())
    return first_met if url and is_guess and abs(told_ms - now_ms) <= DAY_MS else told_at


def _fields(request: Request, feed: Any, entry: Any) -> dict[str, Any]:
    source = request.source
    link, guid = str(entry.get("link") or ""), str(entry.get("id") or "")
    url = link or (guid if _is_web(guid) else None)
    return {
        "article_id": article_id(source.name, _permalink(guid, link), "", 0) if url else None,
        "title": plain_text(str(entry.get("title") or ""))[:MAX_TITLE_CHARACTERS],
        "snippet": plain_text(str(entry.get("summary") or "")),
        "url": url,
        "publisher": (source.title or plain_text(str(feed.feed.get("title") or "")) or source.name)[:200],
        "author": plain_text(str(entry.get("author") or ""))[:300] or None,
        "language": str(feed.feed.get("language") or "")[:20] or None,
        "published_at": _published_at(entry, url, request.now_ms),
        "ingested_at": iso_ms(request.now_ms),
        "tickers": source.tickers,
        "tags": source.tags,
    }


def _permalink(guid: str, link: str) -> str:
    """The address an entry keeps: a guid that is one, on the link's own site, else the link."""
    if _is_web(guid) and (not link or _host(guid) == _host(link)):
        return guid
    return link


def _is_web(text: str) -> bool:
    return text.startswith(("http://", "https://")) and _host(text) != ""


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:  # `http://[id]/7`
        return ""
