"""RSS and Atom feeds: conditional GET, permanent moves remembered, HTML reduced to text.

Cursor: `etag` and `modified` of the last answer, `url` where a 301 led.
"""

import io
import re
from calendar import timegm
from typing import Any, Final
from urllib.parse import urlsplit

import feedparser
from feedparser.mixin import _FeedParserMixin

from contracts.errors import BadEvent
from contracts.events import MAX_TITLE_CHARACTERS, make_raw
from contracts.identity import article_id
from contracts.instants import iso_ms
from contracts.resolution import DAY_MS
from producers.fetch import Answer, FetchFailed, conditions, validators
from producers.sources.feed_document import OverLimit, feed_document
from producers.sources.registry import Fetched, Rejected, Request
from producers.sources.text import plain_text
from producers.sources.times import zoned_ms

ACCEPT: Final = "application/rss+xml, application/atom+xml, application/xml;q=0.9, text/xml;q=0.8, */*;q=0.1"
MAX_ENTRIES: Final = 1_000
_ROOT_ENDS: Final = re.compile(rb"</(?:\w+:)?(?:rss|feed|rdf)\s*>", re.IGNORECASE)
_END_BYTES: Final = 1_000
#: Authors up to here may be searched for an e-mail address.
MAX_AUTHOR_CHARACTERS: Final = 200
#: Who answers so is there, and says so again.
_BUSY: Final = frozenset({429, 503})


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
    moved_to = request.cursor.get("url")
    try:
        fetched = _asked(request, str(moved_to or request.source.url))
    except FetchFailed as error:
        if moved_to is None or error.status in _BUSY:
            raise
    else:
        if moved_to is None or not fetched.gone:
            return fetched
    # Where a move led there is no feed any more: perhaps it is back where it was, or moved once more.
    return _asked(request._replace(cursor={}), request.source.url)


def _asked(request: Request, url: str) -> Fetched:
    cursor = dict(request.cursor)
    answer = request.web.get(url, {"Accept": ACCEPT, **conditions(cursor)})
    if answer.status == 304:
        return Fetched(cursor=cursor)
    if answer.status == 410:
        return Fetched(cursor=cursor, gone=True)
    feed = parse_feed(answer, url)
    # A feed that was cut off is asked for again as if it had never come: "unchanged" would be half of it for good.
    whole = _ROOT_ENDS.search(answer.body[-_END_BYTES:].replace(b"\0", b"")) is not None
    moved_to = answer.moved_to or cursor.get("url")
    following = (validators(answer) if whole else {}) | ({"url": moved_to} if moved_to else {})
    return _fetched(request, feed, following)


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

    An entry without one, or a fresh one whose instant would be a guess (its zone is `BST`, `ET` or none, or it is
    written as nobody else does), is news when it is first met; its link keeps its identity on the next fetch.
    """
    first_met = iso_ms(now_ms) if url else ""
    # Past feedparser's own look-up, which takes one of the two for the other and warns that it will not for ever.
    for name in ("published", "updated"):
        told_ms, guess = zoned_ms(str(dict.get(entry, name) or "")), dict.get(entry, f"{name}_parsed")
        if told_ms is not None:
            return iso_ms(told_ms)
        if guess is not None:
            break
    else:
        return first_met
    try:
        guess_ms = timegm(guess) * 1000
        guessed_at = iso_ms(guess_ms)
    except ValueError:
        return f"year {guess.tm_year}"
    return first_met if url and abs(guess_ms - now_ms) <= DAY_MS else guessed_at


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
