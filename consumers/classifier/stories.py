"""Story claims: the same story from two sources counts once per subject (design section 4).

One control document a normalised headline, guarded by its version, holds that headline's stories:

    {"entries": [{"article_id": first, "published_ms": of the first, "subjects": {subject: owner's article id},
                  "articles": {article id: {"published_ms", "ingested_ms", "claimed_ms", "source", "told",
                                            "own": true, "lost": subjects}}}]}

    classifier A                classifier B                document
    get -> version 3            get -> version 3
    put(expected 3) -> 4                                    A owns AAPL
                                put(expected 3) Conflict
                                get -> version 4
                                put(expected 4) -> 5        B is a source, owns what A lacks

The decision made at an article's first try stands for every later try, as long as its story is remembered: the same
subjects, the same event time. After that an article is known by its item, and a copy, which has none, by its mark.

An event that came too late counts for nothing, so a subject whose owner came too late is there to be had by an article
that did not ("lost" keeps it for the retries of the one who lost it).

What a source tells under one headline at one address, or without any, is no copy where the text differs: a record that
changed, or another one. It is an article of its own, with an item, though a subject still counts once ("own", decided
by what all others have "told").
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from consumers.classifier.text import clean
from contracts.errors import Transient
from contracts.events import RawArticle
from contracts.identity import normalised_headline
from contracts.ports import ControlStore, ControlWrite, Versioned
from contracts.resolution import COARSEST, DAY_MS, HOUR_MS, late_from_ms
from contracts.trouble import tell

KIND: Final = "story"
BUCKET_MS: Final = 6 * HOUR_MS
CLAIM_TTL_MS: Final = 48 * HOUR_MS
#: What waits on the log for so long still finds the story it is of.
MAX_OUTAGE_MS: Final = 14 * DAY_MS
#: Of two publications of one story; what is processed late has the rest.
MAX_APART_MS: Final = 2 * BUCKET_MS
COPY_KIND: Final = "story-copy"
#: As long as anything is counted into: later it is expired.
COPY_TTL_MS: Final = COARSEST.ttl_ms
#: Articles one story remembers; past it only those that add a subject are.
MAX_ARTICLES: Final = 500
#: Of a document, far below DynamoDB's 400 KB, as every claim writes it all: some 500 stories of one article each. Past
#: it the stories that nobody joined for the longest time are forgotten.
MAX_DOCUMENT_BYTES: Final = 180_000
#: Each lost race means that another claimant won, so this many losses need as many rivals of one headline at once.
MAX_TRIES: Final = 100


class Claimant(NamedTuple):
    """What a claim is made for: one article and the subjects it is about. `told`: 8 hex digits of its source and
    address, 8 of its text."""

    article_id: str
    title: str
    source: str
    published_ms: int
    ingested_ms: int
    subjects: tuple[str, ...]
    told: str = ""


class Claim(NamedTuple):
    """What an article may emit. `owned`: its subjects, ascending; `first_id`: whose item lists the story's sources;
    `is_copy`: whether it adds neither a subject nor words of its own, so that it has no item; the two times are those
    of its first try."""

    story_key: str
    first_id: str
    is_copy: bool
    owned: tuple[str, ...]
    published_ms: int
    ingested_ms: int


def story_key(title: str) -> str:
    """The name of a headline's document: 32 hex digits. A headline without letters or digits stands as it is."""
    text = normalised_headline(clean(title)) or title.strip()
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def claimant_of(article: RawArticle, subjects: tuple[str, ...]) -> Claimant:
    """An article as one who claims subjects."""
    where_and_what = (f"{article.source}\n{article.url or ''}", article.snippet)
    told = "".join(hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8] for text in where_and_what)
    times = (article.published_ms, article.ingested_ms)
    return Claimant(article.article_id, article.title, article.source, *times, subjects, told)


def claim_all(
    control: ControlStore, claimants: Sequence[Claimant], now_ms: int, lateness_ms: int = DAY_MS
) -> list[Claim | None]:
    """Claim the claimants' subjects in their stories, in order; exact under races, and the same answer on every retry.
    One read and one write a headline. `lateness_ms`: how late an event may come and still count; a story is remembered
    for as long as another of its articles may, by the times at which they came: how long they waited on the log changes
    nothing, up to `MAX_OUTAGE_MS`. None: not claimed, because the store failed or the race was lost
    `MAX_TRIES` times in a row; claiming again is harmless."""
    claims: list[Claim | None] = [None] * len(claimants)
    pending = list(range(len(claimants)))
    for _ in range(MAX_TRIES):
        try:
            decided, writes = _decide(control, [(index, claimants[index]) for index in pending], now_ms, lateness_ms)
            lost = _write(control, writes)
        except Transient as error:
            tell(error)
            break
        for index, claimed in decided.items():
            if claimed.story_key not in lost:
                claims[index] = claimed
        pending = [index for index in pending if claims[index] is None]
        if not pending:
            break
    return claims


def _decide(
    control: ControlStore, claimants: Sequence[tuple[int, Claimant]], now_ms: int, lateness_ms: int
) -> tuple[dict[int, Claim], dict[str, ControlWrite]]:
    """What every claimant gets if the writes succeed."""
    names = {index: story_key(claimant.title) for index, claimant in claimants}
    stored = documents(control, list(dict.fromkeys(names.values())))
    entries = {name: (found.value or {}).get("entries", []) for name, found in stored.items()}
    changed: set[str] = set()
    claims: dict[int, Claim] = {}
    keep_ms = max(CLAIM_TTL_MS, lateness_ms + MAX_APART_MS)
    for index, claimant in claimants:
        name = names[index]
        known = next((entry for entry in entries[name] if claimant.article_id in entry["articles"]), None)
        if known is not None:
            claims[index] = _claim_of(name, known, claimant.article_id)
            continue
        kept = [
            entry
            for entry in entries[name]
            if _newest_ms(entry, "ingested_ms") > claimant.ingested_ms - keep_ms
            or _newest_ms(entry, "claimed_ms") > now_ms - keep_ms
        ]
        following, entry = _join(kept, claimant, now_ms, lateness_ms)
        claims[index] = _claim_of(name, entry, claimant.article_id)
        if len(entry["articles"]) > MAX_ARTICLES and not claims[index].owned:
            continue
        entries[name] = following
        changed.add(name)
    writes: dict[str, ControlWrite] = {
        name: ControlWrite({"entries": _newest(entries[name])}, stored[name].version, now_ms + keep_ms + MAX_OUTAGE_MS)
        for name in changed
    }
    return claims, writes


def documents(control: ControlStore, names: Sequence[str], kind: str = KIND) -> dict[str, Versioned]:
    """Documents, the headlines' without `kind`. A store that is far away offers `get_many`: it is not asked for one
    after the other. Raises `Transient`."""
    get_many = getattr(control, "get_many", None)
    if get_many is None:
        return {name: control.get(kind, name) for name in names}
    found: dict[str, Versioned] = get_many(kind, names)
    return found


def _newest(entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """As many of the last entries as a document holds; none when the last alone is too much, and its story begins
    anew."""
    sizes = [len(msgspec.json.encode(entry)) for entry in entries]
    size, first = sum(sizes), 0
    while size > MAX_DOCUMENT_BYTES:
        size -= sizes[first]
        first += 1
    return list(entries[first:])


def _write(control: ControlStore, writes: Mapping[str, ControlWrite]) -> Collection[str]:
    """Write the documents; returns the names that somebody else wrote first."""
    if not writes:
        return ()
    return control.put_many(KIND, writes)


def links(stories: Versioned, article_id: str) -> tuple[str, list[dict[str, Any]]]:
    """Whose item lists a story's sources, and which of them this article has to see to: the first article to all
    others, any other to itself. `stories`: the document of its headline."""
    entries = (stories.value or {}).get("entries", [])
    entry = next((entry for entry in entries if article_id in entry["articles"]), None)
    if entry is None:  # expired: whoever was to be linked has been
        return article_id, []
    first_id = str(entry["article_id"])
    mine = sorted(entry["articles"]) if article_id == first_id else [article_id]
    others = [each for each in mine if each != first_id and not entry["articles"][each].get("own")]
    return first_id, [{"article_id": each, "source": entry["articles"][each]["source"]} for each in others]


def mark(control: ControlStore, article_id: str, first_id: str, now_ms: int) -> None:
    """Note that an article is a copy of a story's first, for when its story is forgotten. Raises `Transient`."""
    control.put(COPY_KIND, article_id, {"first_id": first_id}, expires_ms=now_ms + COPY_TTL_MS)


def marked(control: ControlStore, article_ids: Sequence[str]) -> frozenset[str]:
    """Those known as copies, of stories that may be forgotten by now. Raises `Transient`."""
    found = documents(control, article_ids, COPY_KIND)
    return frozenset(name for name, document in found.items() if document.value is not None)


def _join(
    entries: Sequence[dict[str, Any]], claimant: Claimant, now_ms: int, lateness_ms: int
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The entries with the claimant in the last of them: the nearest story that matches, else a new one."""
    matching = [entry for entry in entries if _same_story(entry, claimant.published_ms)]
    told = {
        "published_ms": claimant.published_ms,
        "ingested_ms": claimant.ingested_ms,
        "claimed_ms": now_ms,
        "source": claimant.source,
        "told": claimant.told,
    }
    if not matching:
        entry = {
            "article_id": claimant.article_id,
            "published_ms": claimant.published_ms,
            "subjects": dict.fromkeys(claimant.subjects, claimant.article_id),
            "articles": {claimant.article_id: told},
        }
        return [*entries, entry], entry
    old = min(matching, key=lambda entry: (abs(entry["published_ms"] - claimant.published_ms), entry["article_id"]))
    if _tells_something_else(old, claimant.told):
        told["own"] = True
    taken = {
        subject
        for each in matching
        for subject, owner in each["subjects"].items()
        if _is_late(told, lateness_ms) or not _is_late(each["articles"][owner], lateness_ms)
    }
    mine = dict.fromkeys((subject for subject in claimant.subjects if subject not in taken), claimant.article_id)
    articles = old["articles"] | {claimant.article_id: told}
    for subject in mine.keys() & old["subjects"].keys():
        owner = old["subjects"][subject]
        articles[owner] = articles[owner] | {"lost": [*articles[owner].get("lost", ()), subject]}
    entry = old | {"subjects": old["subjects"] | mine, "articles": articles}
    return [*(each for each in entries if each is not old), entry], entry


def _is_late(article: Mapping[str, Any], lateness_ms: int) -> bool:
    """Whether an article's events come too late to count."""
    return late_from_ms(article["published_ms"], lateness_ms) <= int(article["ingested_ms"])


def _same_story(entry: dict[str, Any], published_ms: int) -> bool:
    """Two publications are one story when they share a 6-hour bucket, or one lies in the other's nearer neighbour."""
    first_ms: int = entry["published_ms"]
    mine, theirs = published_ms // BUCKET_MS, first_ms // BUCKET_MS
    return mine == theirs or _nearer_neighbour(published_ms) == theirs or _nearer_neighbour(first_ms) == mine


def _nearer_neighbour(published_ms: int) -> int:
    bucket, within_ms = divmod(published_ms, BUCKET_MS)
    return bucket - 1 if within_ms < BUCKET_MS // 2 else bucket + 1


def _tells_something_else(entry: Mapping[str, Any], mine: str) -> bool:
    """Whether a text at the first article's address is none that a story's articles have told."""
    told = {identity: str(article.get("told", "")) for identity, article in entry["articles"].items()}
    return told[entry["article_id"]][:8] == mine[:8] and mine not in told.values()


def _newest_ms(entry: dict[str, Any], time: str) -> int:
    return max(int(article[time]) for article in entry["articles"].values())


def _owned(entry: dict[str, Any], article_id: str) -> tuple[str, ...]:
    kept = [subject for subject, owner in entry["subjects"].items() if owner == article_id]
    return tuple(sorted([*kept, *entry["articles"][article_id].get("lost", ())]))


def _claim_of(name: str, entry: dict[str, Any], article_id: str) -> Claim:
    told = entry["articles"][article_id]
    owned = _owned(entry, article_id)
    is_copy = article_id != entry["article_id"] and not owned and not told.get("own")
    return Claim(name, entry["article_id"], is_copy, owned, told["published_ms"], told["ingested_ms"])
