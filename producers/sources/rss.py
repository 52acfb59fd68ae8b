"""RSS and Atom feeds: conditional GET, permanent moves remembered, HTML reduced to text.

An entry is known by its link, or by a guid that is one. Links that several entries had under different guids, as notes
on one page have, are remembered, and their entries are known by their guids; so are guids that entries with different
links had in common, as the address of the site is, and these are known by their links.
Cursor: `etag` and `modified` of the last answer, `url` where a 301 led, `shared` links and `common` guids.
"""

import io
import re
from calendar import timegm
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import feedparser
from feedparser.mixin import _FeedParserMixin

from contracts.errors import BadEvent
from contracts.events import MAX_SNIPPET_CHARACTERS, MAX_TITLE_CHARACTERS, make_raw
from contracts.identity import article_id, canonical_url, is_web
from contracts.instants import iso_ms
from contracts.resolution import DAY_MS
from producers.fetch import Answer, FetchFailed, conditions, validators
from producers.sources.feed_document import OverLimit, feed_document
from producers.sources.registry import Fetched, Rejected, Request
from producers.sources.text import plain_text
from producers.sources.times import zoned_ms

ACCEPT: Final = "application/rss+xml, application/atom+xml, application/xml;q=0.9, text/xml;q=0.8, */*;q=0.1"
MAX_ENTRIES: Final = 1_000
#: Links, and guids, that several entries of earlier answers had, of which so many are remembered.
MAX_SHARED: Final = 200
_NO_NAMES: Final = ("shared", "common")
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
    kept = {name: request.cursor[name] for name in _NO_NAMES if name in request.cursor}
    return _asked(request._replace(cursor=kept), request.source.url)


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
    return _fetched(request, feed, following | _no_names(request, feed))


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
        fields = _fields(request, feed, entry, cursor)
        try:
            articles.append(make_raw(request.source.name, fields))
        except BadEvent as error:
            place = str(fields["url"] or fields["title"] or "an entry")
            told = repr([entry.get(name) for name in ("id", "link", "title", "summary", "published")])
            rejected.append(Rejected(BadEvent(error.reason, f"{error.detail} ({place[:200]})"), told.encode()))
    more = len(feed.entries) - MAX_ENTRIES
    note = f"{more} entries after the first {MAX_ENTRIES:,} were left out" if more > 0 else None
    return Fetched(tuple(articles), tuple(rejected), cursor, note=note)


def _published_at(entry: Any, named: bool, now_ms: int) -> str:
    """The instant an entry tells; of a year no calendar has, which feedparser lets through, a text that is none.

    An entry without one, or a fresh one whose instant would be a guess (its zone is `BST`, `ET` or none, or it is
    written as nobody else does) or in the future, is news when it is first met: its link or guid keeps its identity.
    """
    first_met = iso_ms(now_ms) if named else ""
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
    return first_met if named and guess_ms >= now_ms - DAY_MS else guessed_at


def _no_names(request: Request, feed: Any) -> dict[str, Any]:
    """What names no single entry: links that several have under different guids, guids that several have with different
    links; those of earlier answers with them."""
    had: dict[str, defaultdict[str, set[str]]] = {name: defaultdict(set) for name in _NO_NAMES}
    for entry in feed.entries[:MAX_ENTRIES]:
        link, guid = _address(entry)
        if guid:
            identity = _identity(request.source.name, _permalink(guid, link))
            had["shared"][identity].add(_own_name(guid))
            had["common"][identity].add(canonical_url(link or guid))
    told = {}
    for name, entries in had.items():
        now = dict.fromkeys(identity for identity, each in entries.items() if len(each) > 1)
        before = [each for each in request.cursor.get(name, ()) if each not in now][-MAX_SHARED:]
        if before or now:
            told[name] = [*before, *now]
    return told


def _address(entry: Any) -> tuple[str, str]:
    """An entry's link and guid, "" for what it has not."""
    return str(entry.get("link") or ""), str(entry.get("id") or "")


def _fields(request: Request, feed: Any, entry: Any, cursor: Mapping[str, Any]) -> dict[str, Any]:
    source = request.source
    link, guid = _address(entry)
    url = link or (guid if _is_web(guid) else None)
    identity = _identity(source.name, _permalink(guid, link)) if url else None
    if (guid and not url) or (guid and identity in cursor.get("shared", ())):
        identity = article_id(source.name, None, _own_name(guid), 0)
    elif link and identity in cursor.get("common", ()):
        identity = _identity(source.name, link)
    summary = plain_text(str(entry.get("summary") or ""))
    title = plain_text(str(entry.get("title") or "")) or summary[:MAX_SNIPPET_CHARACTERS]  # RSS asks for one of the two
    publisher = _gathered_from(entry) or source.title or plain_text(str(feed.feed.get("title") or "")) or source.name
    return {
        "article_id": identity,
        "title": title[:MAX_TITLE_CHARACTERS],
        "snippet": summary,
        "url": url,
        "publisher": publisher[:200],
        "author": plain_text(str(entry.get("author") or ""))[:300] or None,
        "language": str(feed.feed.get("language") or "")[:20] or None,
        "published_at": _published_at(entry, bool(url or guid), request.now_ms),
        "ingested_at": iso_ms(request.now_ms),
        "tickers": source.tickers,
        "tags": source.tags,
    }


def _gathered_from(entry: Any) -> str:
    """Whose news an entry is, where the feed gathers those of others."""
    source = entry.get("source")
    return plain_text(str(source.get("title") or "")) if isinstance(source, dict) else ""


def _identity(source: str, address: str) -> str:
    """By the address an entry keeps; one that is no web address (`urn:…`) stands for the title."""
    return article_id(source, address if is_web(address) else None, address, 0)


def _permalink(guid: str, link: str) -> str:
    """The address an entry keeps: a guid that is one, on the link's own site, else the link."""
    if _is_web(guid) and (not link or _host(guid) == _host(link)):
        return guid
    return link


def _own_name(guid: str) -> str:
    """A guid as it names one entry: an address with what follows its `#`, without what tracks readers."""
    return f"{canonical_url(guid)}#{guid.partition('#')[2]}" if _is_web(guid) else guid


def _is_web(text: str) -> bool:
    return text.startswith(("http://", "https://")) and _host(text) != ""


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:  # `http://[id]/7`
        return ""
