"""Scores of another model, for the articles behind the events of a plan: a text is scored once per model, ever.

A text is what the classifier read: title and snippet of the raw article, the first of its id in the log (a re-fetch
with another headline was never scored). Where the raw article is gone, the stored item has both, as shown to people.
"""

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy

from consumers.classifier.text import model_text
from contracts.errors import BadEvent, BadRequest
from contracts.hashing import member_hash
from contracts.ports import ItemStore
from ops.replay.sources import Altered
from ops.replay.stitch import raw_pieces
from stores.home import Home
from stores.sqlite_scores import Score, SqliteScores

BATCH: Final = 512
ARTICLES: Final = "articles"

#: Scores texts, in order; called with at most `BATCH` of them.
ScoreTexts = Callable[[Sequence[str]], list[Score]]


class _Raw(msgspec.Struct, gc=False):
    article_id: str
    title: str
    snippet: str = ""


_decode: Final = msgspec.json.Decoder(_Raw).decode


class Rescored(NamedTuple):
    """How many articles got a score, how many texts the model had to read for that, how many have no text."""

    articles: int
    texts_read: int
    without_text: int


def text_key(text: str) -> bytes:
    """The cache's key of a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]


def rescore_articles(
    home: Home,
    wanted: numpy.ndarray,
    model_version: str,
    score: ScoreTexts,
    cache: SqliteScores,
    articles: SqliteScores,
    ids_of: Callable[[set[int]], Iterator[str]],
    progress: Callable[[int], None] = lambda done: None,
) -> Rescored:
    """Put a score into `articles` for every wanted article (hashes of ids) that has a text. `ids_of` finds the ids of
    hashes whose raw article is nowhere."""
    left = {int(hashed) for hashed in wanted}
    texts_read = done = 0
    for batch in _batches(itertools.chain(_texts(home, left), _item_texts(home.items, left, ids_of))):
        texts_read += _score_batch(batch, model_version, score, cache, articles)
        done += len(batch)
        progress(len(batch))
    return Rescored(done, texts_read, len(left))


def _score_batch(
    batch: list[tuple[str, str]], model_version: str, score: ScoreTexts, cache: SqliteScores, articles: SqliteScores
) -> int:
    keys = {article_id: text_key(text) for article_id, text in batch}
    known = cache.get_many(model_version, list(set(keys.values())))
    unread = {keys[article_id]: text for article_id, text in batch if keys[article_id] not in known}
    if unread:
        fresh = dict(zip(unread, score(list(unread.values())), strict=True))
        cache.put_many(model_version, fresh)
        known |= fresh
    articles.put_many(ARTICLES, [(article_id.encode(), known[key]) for article_id, key in keys.items()])
    return len(unread)


def _texts(home: Home, left: set[int]) -> Iterator[tuple[str, str]]:
    """(article id, text) of every wanted article once; takes from `left` what it found."""
    for piece in raw_pieces(home):
        try:
            found = [*_wanted(piece.lines, left)]  # to its end: only there is it certain that nothing of it was altered
        except (BadEvent, BadRequest) as error:
            raise Altered(f"{piece.segment.name}: {error}; restore it and resume") from None
        yield from found
        if not left:
            return


def _wanted(lines: Iterable[bytes], left: set[int]) -> Iterator[tuple[str, str]]:
    for line in lines:
        try:
            raw = _decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue  # quarantined by the classifier; no event speaks of it
        hashed = member_hash(raw.article_id)
        if hashed in left:
            left.discard(hashed)
            yield raw.article_id, model_text(raw.title, raw.snippet)


def _item_texts(
    items: ItemStore, left: set[int], ids_of: Callable[[set[int]], Iterator[str]]
) -> Iterator[tuple[str, str]]:
    """The same from stored items, for what the raw articles left over; read only when the first one is asked for."""
    names = ids_of(set(left)) if left else iter(())
    while chunk := list(itertools.islice(names, BATCH)):
        for name, text in texts_of_items(items, chunk).items():
            left.discard(member_hash(name))
            yield name, text


def texts_of_items(items: ItemStore, article_ids: Sequence[str]) -> dict[str, str]:
    """Texts from stored items."""
    return {
        name: model_text(item["metadata"]["title"], item["text_snippet"])
        for name, item in items.get_primaries(article_ids).items()
    }


def _batches(pairs: Iterable[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    batch: list[tuple[str, str]] = []
    for pair in pairs:
        batch.append(pair)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def open_cache(folder: Path) -> SqliteScores:
    """The installation's cache of scores by text and model."""
    return SqliteScores(folder / "scores.db")
