"""Reading one series from the store: which buckets a question means, and where its next page begins."""

from typing import Any, NamedTuple

import msgspec
from xxhash import xxh3_64_hexdigest

from api.cursors import decode_page, encode_page, question_hash
from contracts.bucket import Bucket
from contracts.documents import bucket_document, end_ms, partial_document
from contracts.instants import MAX_MS
from contracts.ports import BucketStore
from contracts.resolution import BY_NAME, HOUR_MS

MAX_LIMIT = 1_000
#: Windows that may already exist though they have not ended: the one that contains now, and those a publisher's
#: clock ran ahead into (five minutes at most).
UNFINISHED = 8


class Question(NamedTuple):
    """A range of a series. `newest`: the page is the end of the range, the next page lies before it."""

    subject: str
    resolution: str
    start_ms: int | None
    end_ms: int | None
    limit: int
    newest: bool
    identity: str


class Page:
    """Buckets as stored (ascending, unfinished ones at the end), whether more follow, and the position of the change
    log at which they were read, or before. Remembers how it was last shown: between two windows nothing changes."""

    __slots__ = ("_shown", "buckets", "more", "stream_cursor")

    def __init__(self, buckets: list[Bucket], more: bool, stream_cursor: str) -> None:
        self.buckets = buckets
        self.more = more
        self.stream_cursor = stream_cursor
        self._shown: tuple[tuple[int, int, int], View] | None = None

    def view(self, question: Question, generation: str, now_ms: int) -> "View":
        """The page as it is at an instant."""
        ended, begun = len(self.buckets), len(self.buckets)
        while ended and end_ms(self.buckets[ended - 1]) > now_ms:
            ended -= 1
            if self.buckets[ended].start_ms > now_ms:
                begun -= 1
        shown = (ended, begun, now_ms // HOUR_MS)
        if self._shown is None or self._shown[0] != shown:
            self._shown = (shown, view_of(self, question, generation, now_ms))
        return self._shown[1]


def ask(
    subject: str,
    resolution: str,
    start_ms: int | None,
    before_ms: int | None,
    limit: int | None,
    cursor: str | None,
) -> Question:
    """The question a request means. Without `start` it is answered from the newest bucket backwards, page by page;
    with it from there on. A cursor carries the place, so nothing repeats or is skipped while data arrives.

    Raises `BadRequest` for a cursor of another question.
    """
    newest = start_ms is None
    identity = question_hash(subject, resolution, start_ms, before_ms)
    default = BY_NAME[resolution].newest_limit
    count = limit or (default if newest and before_ms is None else max(default, MAX_LIMIT))
    if cursor is not None:
        place_ms = decode_page(cursor, identity, int)
        place_ms = min(max(place_ms, 0), MAX_MS)
        if newest:
            before_ms = place_ms
        else:
            start_ms = place_ms
    return Question(subject, resolution, start_ms, before_ms, count, newest, identity)


def read_page(store: BucketStore, generation: str, question: Question, stream_cursor: str) -> Page:
    """The buckets from the store. Raises `Transient`."""
    wanted = question.limit + (UNFINISHED if question.newest else 1)
    buckets = store.range(
        generation,
        question.subject,
        question.resolution,
        question.start_ms,
        question.end_ms,
        limit=wanted,
        newest=question.newest,
    )
    return Page(buckets, len(buckets) == wanted, stream_cursor)


class View(NamedTuple):
    """A page as it is at one instant; `finals` is the JSON of its ended buckets."""

    finals: msgspec.Raw
    partial: Bucket | None
    next_cursor: str | None
    etag: str


def view_of(page: Page, question: Question, generation: str, now_ms: int) -> View:
    """Split a page at an instant: windows that have ended, and the one that contains it; later ones stay hidden."""
    finals = [bucket for bucket in page.buckets if end_ms(bucket) <= now_ms]
    partial = next((bucket for bucket in page.buckets if bucket.start_ms <= now_ms < end_ms(bucket)), None)
    next_ms = None
    if question.newest:
        if page.more or len(finals) > question.limit:
            finals = finals[-question.limit :]
            next_ms = finals[0].start_ms if finals else None
    elif len(finals) > question.limit:
        next_ms = finals[question.limit].start_ms
        finals, partial = finals[: question.limit], None
    cursor = encode_page(question.identity, next_ms) if next_ms is not None else None
    encoded = msgspec.json.encode([bucket_document(bucket, now_ms) for bucket in finals])
    # An answer that is kept keeps its position of the change log too: another swap ends it, and so does time.
    place = (page.stream_cursor.rpartition(".")[0], now_ms // HOUR_MS)
    shown = (generation, question, len(finals), cursor, place, (partial.start_ms, partial.rev) if partial else None)
    etag = xxh3_64_hexdigest(encoded + repr(shown).encode())
    return View(msgspec.Raw(encoded), partial, cursor, f'W/"{etag}"')


def document_of(
    view: View, page: Page, question: Question, generation: str, now_ms: int, cache_hit: bool, query_time_ms: float
) -> dict[str, Any]:
    """The JSON-ready answer (design section 8)."""
    return {
        "ticker": question.subject,
        "resolution": question.resolution,
        "buckets": view.finals,
        "partial_bucket": partial_document(view.partial, now_ms) if view.partial else None,
        "cache_hit": cache_hit,
        "query_time_ms": round(query_time_ms, 3),
        "next_cursor": view.next_cursor,
        "stream_cursor": page.stream_cursor,
        "generation": generation,
    }
