"""Going through the read model from the newest article to older ones, day by day, page by page.

A page ends at its limit or when enough was looked at; the cursor is the key of the last article looked at, whether it
passed the filter or not, so nothing repeats or is skipped, also under a filter and while articles arrive.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from api.cursors import NOT_OURS, decode_page, encode_page
from api.item_reads import ItemReads
from contracts.errors import BadEvent, BadRequest
from contracts.instants import date_of, iso_ms, parse_ms
from contracts.ports import Item
from contracts.resolution import DAY_MS
from contracts.tally import COPY_PREFIX

MAX_LOOKED_AT = 5_000
CHUNK = 500
#: Days that are looked into one by one: on DynamoDB the read model keeps seven from ingestion, and a day more for the
#: edges; with `since` up to a hundred. Older ones are looked into where the store's counters tell of articles.
DAYS_BACK = 8
MAX_DAYS_BACK = 100
#: DynamoDB takes no longer sort key.
MAX_KEY_BYTES = 1_024


class Place(NamedTuple):
    """Day (or tag) and the `item_key` below which to go on; "" = from its newest."""

    partition: str
    key: str


class ItemPage(NamedTuple):
    """Items newest first, and the cursor of the next page."""

    items: list[Item]
    next_cursor: str | None


def _days(store: ItemReads, newest_ms: int, since_ms: int | None) -> Iterator[str]:
    """Days, newest first, back to the oldest that may hold an article."""
    oldest_ms = since_ms if since_ms is not None else newest_ms - DAYS_BACK * DAY_MS
    oldest = date_of(max(oldest_ms, newest_ms - MAX_DAYS_BACK * DAY_MS))
    at_ms = newest_ms
    while (day := date_of(at_ms)) >= oldest:
        yield day
        at_ms -= DAY_MS
    since = date_of(since_ms) if since_ms is not None else ""
    if since < oldest:
        yield from (day for day in store.days_before(oldest) if day >= since)


def _place_of(cursor: str, question: str, tag: str | None) -> Place:
    """The place a cursor holds. A store may take a key apart, so only one of the form that keys have gets to it. Raises
    `BadRequest`."""
    place = Place(*decode_page(cursor, question, tuple[str, str]))
    prefix = "" if tag is None else f"{COPY_PREFIX}{tag}#"
    ingested_at, _, identity = place.key.removeprefix(prefix).partition("#")
    fits = place.key.startswith(prefix) and identity and len(place.key.encode()) <= MAX_KEY_BYTES
    if not fits or place.partition != (ingested_at[:10] if tag is None else tag):
        raise BadRequest(NOT_OURS)
    try:
        parse_ms(ingested_at)
    except BadEvent:
        raise BadRequest(NOT_OURS) from None
    return place


def walk(
    store: ItemReads,
    passes: Callable[[Item], bool],
    limit: int,
    cursor: str | None,
    question: str,
    now_ms: int,
    since_ms: int | None = None,
    until_ms: int | None = None,
    tag: str | None = None,
) -> ItemPage:
    """A page of the articles that pass, newest first, ingested in `[since_ms, until_ms)` where given. With `tag`, that
    tag's copies are read instead of whole days. Raises `BadRequest` for a foreign cursor, `Transient`."""
    place = _place_of(cursor, question, tag) if cursor is not None else None
    found: list[Item] = []
    looked_at = 0
    # One day ahead: an article may carry the stamp of a machine whose clock is fast.
    newest_ms = now_ms + DAY_MS if until_ms is None else min(now_ms + DAY_MS, until_ms)
    partitions = [tag] if tag is not None else _days(store, newest_ms, since_ms)
    since = iso_ms(since_ms) if since_ms is not None else None
    # Keys begin with the instant, a tag's copies with the tag before it: this is the first key not wanted.
    below = "" if until_ms is None else (f"{COPY_PREFIX}{tag}#" if tag is not None else "") + iso_ms(until_ms)
    for partition in partitions:
        if place is not None and tag is None and partition > place.partition:
            continue
        key = place.key if place is not None and place.partition == partition else below
        while True:
            read = store.dashboard_tag if tag is not None else store.dashboard_day
            chunk = read(partition, key or None, CHUNK)
            for item in chunk:
                if since is not None and str(item["ingested_at"]) < since:
                    return ItemPage(found, None)
                key = item["item_key"]
                looked_at += 1
                if passes(item):
                    found.append(item)
                if len(found) == limit or looked_at == MAX_LOOKED_AT:
                    return ItemPage(found, encode_page(question, Place(partition, key)))
            if len(chunk) < CHUNK:
                break
    return ItemPage(found, None)
