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
from feedparser.mixin import _FeedParserMixin

from contracts.errors import BadEvent
from contracts.events import MAX_TITLE_CHARACTERS, make_raw
from contracts.identity import article_id
from contracts.instants import iso_ms
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


def _bounded(search: Any) -> Any:
    """feedparser looks for an e-mail address in every author, in quadratic time that nothing interrupts: a long one
    would stop the whole program."""

    def sync(feed: Any, key: str = "author") -> None:
        if len(str(feed._get_context().get(key) or "")) <= MAX_AUTHOR_CHARACTERS:
            search(feed, key)

    return sync


_FeedParserMixin._sync_author_detail = _bounded(_FeedParserMixin._sync_author_detail)


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


def _iso_of(told: time.struct_time) -> str:
    """The instant; of a year no calendar has, which feedparser lets through, a text that is none."""
    try:
        return iso_ms(timegm(told) * 1000)
    except ValueError:
        return f"year {told.tm_year}"


def _fields(request: Request, feed: Any, entry: Any) -> dict[str, Any]:
    source = request.source
    link, guid = str(entry.get("link") or ""), str(entry.get("id") or "")
    # Past feedparser's own look-up, which takes one of the two for the other and warns that it will not for ever.
    told = dict.get(entry, "published_parsed") or dict.get(entry, "updated_parsed")
    url = link or (guid if _is_web(guid) else None)
    published_at = _iso_of(told) if told else ""
    if not told and url:
        # An undated entry is news when it is first met; its link keeps its identity on the next fetch.
        published_at = iso_ms(request.now_ms)
    return {
        "article_id": article_id(source.name, _permalink(guid, link), "", 0) if url else None,
        "title": plain_text(str(entry.get("title") or ""))[:MAX_TITLE_CHARACTERS],
        "snippet": plain_text(str(entry.get("summary") or "")),
        "url": url,
        "publisher": (source.title or plain_text(str(feed.feed.get("title") or "")) or source.name)[:200],
        "author": plain_text(str(entry.get("author") or ""))[:300] or None,
        "language": str(feed.feed.get("language") or "")[:20] or None,
        "published_at": published_at,
        "ingested_at": iso_ms(request.now_ms),
        "tickers": source.tickers,
        "tags": source.tags,
    }


def _permalink(guid: str, link: str) -> str:
    """The address an entry keeps: a guid that is one, on the link's own site, else the link."""
    if _is_web(guid) and (not link or urlsplit(guid).hostname == urlsplit(link).hostname):
        return guid
    return link


def _is_web(text: str) -> bool:
    return text.startswith(("http://", "https://"))
