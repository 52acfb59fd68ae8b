"""What is remembered of a source: one control document (kind `source`), as functions from state to state.

new ──> healthy ──failure──> unreachable ──5 failures in 5 min──> circuit open ──probe after 60 s──> healthy or open
        healthy ──allowance of its key spent──> waiting ──> healthy
paused: by an operator.  no key: its key is not in Secrets.  gone: it said so (410); not asked again.
"""

import base64
import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import msgspec

from contracts.events import FUTURE_TOLERANCE_MS, RawArticle
from contracts.instants import iso_ms
from contracts.resolution import HOUR_MS, MINUTE_MS, late_from_ms
from contracts.settings import PREFIX
from producers.fetch import FetchFailed, OverBudget
from producers.sources.registry import Fetched, Source, notes

FAILURES_TO_OPEN: Final = 5
FAILURE_WINDOW_MS: Final = 5 * MINUTE_MS
PROBE_AFTER_MS: Final = MINUTE_MS
FIRST_RETRY_MS: Final = 10_000
#: Of `every_s` so much is left between an answer and the next question, however long the answer took.
PAUSE_SHARE: Final = 10
#: How far the clocks of two processes may be apart; what was done later than that was done before a clock was set back.
CLOCK_TOLERANCE_MS: Final = MINUTE_MS
#: Articles a source is known to have told: twice what it told from the first page to the last, or the first symbol to
#: the last, within these bounds, as every poll writes them. What is told beyond that is published again, which the
#: classifier notices.
MIN_SEEN: Final = 500
MAX_SEEN: Final = 10_000
MAX_ERROR_CHARACTERS: Final = 300
#: States in which a source may wait for longer than its pace, or for what other settings would mend.
_HELD_UP: Final = ("unreachable", "circuit open", "waiting")
#: From this share of late ones on a source is one that nearly nothing counts of.
LATE_SHARE: Final = 0.9


def remembered(identity: str) -> str:
    """What is remembered of an id: 64 bits of its hash, in 11 characters."""
    return base64.urlsafe_b64encode(hashlib.blake2b(identity.encode(), digest_size=8).digest()).decode()[:11]


def late_note(articles: Collection[RawArticle], lateness_ms: int) -> str | None:
    """Why nearly nothing of a turn counts: it came too long after its publication."""
    late = sum(late_from_ms(each.published_ms, lateness_ms) <= each.ingested_ms for each in articles)
    if not late or late < LATE_SHARE * len(articles):
        return None
    told = f"{late:,} of {len(articles):,} new articles came over {lateness_ms / HOUR_MS:g} h after their publication"
    return f"{told}; what is later than {PREFIX}ALLOWED_LATENESS_MS does not count"


def arrived(fetched: Fetched, asked_ms: int, now_ms: int) -> Fetched:
    """What was asked for at an instant and is there now. One round may take minutes: what was published meanwhile and
    stamped as ingested when it began would be from the future."""
    began, now = iso_ms(asked_ms), iso_ms(now_ms)
    stamped = [
        each.model_copy(update={"ingested_at": now}) if each.ingested_at == began else each for each in fetched.articles
    ]
    return fetched._replace(articles=tuple(stamped)) if now != began else fetched


def is_ahead(article: RawArticle) -> bool:
    """Whether it will be refused as from the future."""
    return article.published_ms > article.ingested_ms + FUTURE_TOLERANCE_MS


def remembered_as(article: RawArticle) -> str:
    """What is remembered of an article. One that is dated ahead is news once more when its time has come."""
    return remembered(f"{article.article_id} ahead" if is_ahead(article) else article.article_id)


def ahead_note(articles: Collection[RawArticle]) -> str | None:
    """What to say of articles that are dated ahead."""
    ahead = [each.published_ms for each in articles if is_ahead(each)]
    if not ahead:
        return None
    said = f"{len(ahead):,} of {len(articles):,} articles are dated in the future, up to {iso_ms(max(ahead))}"
    return f"{said}: its clock or its time zone is wrong; they count when they are told again then"


def refused_note(refused: int, told: int) -> str | None:
    """What to say of records that no article could be made of."""
    return f"{refused:,} of {told:,} records are refused: `candlewick quarantine list` says why" if refused else None


def key_mark(*secrets: str) -> str:
    """By what a changed key is noticed, or one of several: 16 bits of a hash, which tell next to nothing of them."""
    return hashlib.blake2b("\0".join(secrets).encode(), digest_size=2).hexdigest()


def set_up(state: Mapping[str, Any] | None, source: Source, every_s: int) -> dict[str, Any]:
    """A source's state under its settings of today: new at another URL; with other options it begins anew, as where it
    left off says nothing under them, but knows what it has told, and is asked at once where it was held up, which they
    may mend; paced faster it has its turn sooner."""
    before = state if state and state.get("url") == source.url else {"state": "new"}
    content = msgspec.json.encode([source.kind, source.options], order="deterministic")
    settings = hashlib.blake2b(content, digest_size=8).hexdigest()
    told: dict[str, Any] = {
        "name": source.name,
        "kind": source.kind,
        "url": source.url,
        "every_s": every_s,
        "settings": settings,
    }
    if every_s < int(before.get("every_s", every_s)):
        told["next_due_ms"] = _sooner_ms(before, every_s)
    if before.get("settings", settings) != settings:
        told |= {"cursor": {}} | ({"next_due_ms": 0} if before["state"] in _HELD_UP else {})
    return dict(before) | told


def _sooner_ms(state: Mapping[str, Any], every_s: int) -> int:
    """When a source has its turn under a faster pace. A wait that it or its allowance asked for is kept to, and so is
    one of an older version, which did not note who had asked for it."""
    due_ms = int(state.get("next_due_ms", 0))
    if state["state"] not in ("healthy", *_HELD_UP):
        return due_ms
    wait_ms = max(every_s * 1000, PROBE_AFTER_MS if state["state"] == "circuit open" else 0)
    sooner_ms = min(due_ms, int(state.get("last_attempt_ms", 0)) + wait_ms)
    return sooner_ms if state["state"] == "healthy" else max(sooner_ms, int(state.get("not_before_ms", due_ms)))


def after_answer(
    state: Mapping[str, Any], fetched: Fetched, told: Sequence[str], published: int, asked_ms: int, now_ms: int
) -> dict[str, Any]:
    """A source's state after an answer, whole or in part. `told`: what is remembered of all that was in it, known or
    new: who goes on telling something is not to have it forgotten. `asked_ms`: the turn at which it was asked, from
    where its next one is counted."""
    newest_ms = max((article.published_ms for article in fetched.articles), default=0)
    walked, is_whole = int(state.get("walked", 0)) + len(told), not fetched.more and fetched.trouble is None
    walk = max(walked, int(state.get("walk", 0)))
    following = dict(state) | {
        "cursor": dict(fetched.cursor),
        "seen": _remembering(state.get("seen", ()), told, walk),
        "walk": walked if is_whole else walk,
        "walked": 0 if is_whole else walked,
        "published": int(state.get("published", 0)) + published,
        "newest_published_ms": max(int(state.get("newest_published_ms") or 0), min(newest_ms, now_ms)) or None,
        "recent": [*state.get("recent", ()), [now_ms, published]] if published else list(state.get("recent", ())),
    }
    if isinstance(fetched.trouble, OverBudget):  # what came before it is an answer all the same
        following |= {"last_success_ms": now_ms, "failures": []}
    if fetched.trouble is not None:
        return after_failure(following, fetched.trouble, now_ms)
    every_ms = int(state["every_s"]) * 1000
    forgotten = f"tells {walked:,} records each time; {MAX_SEEN:,} are remembered, all others are published again"
    return _rated(following, now_ms) | {
        "state": "gone" if fetched.gone else "healthy",
        "last_attempt_ms": now_ms,
        "last_success_ms": now_ms,
        "next_due_ms": now_ms if fetched.more else _turn_after(asked_ms, every_ms, now_ms),
        "failures": [],
        "refused_key": None,
        "error": "the source says it is gone (HTTP 410)" if fetched.gone else None,
        "note": _short(notes(fetched.note, forgotten if walked > MAX_SEEN else None)),
    }


def _turn_after(asked_ms: int, every_ms: int, now_ms: int) -> int:
    """Counted from when it was asked, unless the clock was ahead then, or the answer took nearly as long."""
    return min(max(asked_ms + every_ms, now_ms + every_ms // PAUSE_SHARE), now_ms + 2 * every_ms)


def _remembering(before: Sequence[str], told: Sequence[str], walk: int) -> list[str]:
    if not told:
        return list(before)
    now = frozenset(told)
    limit = min(MAX_SEEN, max(MIN_SEEN, 2 * walk))
    return [*(each for each in before if each not in now), *dict.fromkeys(told)][-limit:]


def after_failure(state: Mapping[str, Any], error: FetchFailed, now_ms: int) -> dict[str, Any]:
    """A source's state after a failure: a retry soon, then the open circuit with one probe a minute; where asking soon
    mends nothing, its usual pace; a source that asked for patience gets it; a spent allowance is nobody's failure."""
    asked_for_ms = now_ms + int(error.retry_after_ms or 0)
    told = _rated(state, now_ms) | {
        "error": _short(str(error)),
        "note": None,
        "last_attempt_ms": now_ms,
        "not_before_ms": asked_for_ms,
    }
    if isinstance(error, OverBudget):
        return told | {
            "state": "waiting",
            "error": None,
            "note": _short(error.detail),
            "next_due_ms": asked_for_ms,
        }
    failures = [*state.get("failures", ()), now_ms]
    failures = [at_ms for at_ms in failures if at_ms > now_ms - FAILURE_WINDOW_MS][-FAILURES_TO_OPEN:]
    is_open = len(failures) >= FAILURES_TO_OPEN or state["state"] == "circuit open"
    every_ms = int(state["every_s"]) * 1000
    if error.again:
        wait_ms = PROBE_AFTER_MS if is_open else min(every_ms, FIRST_RETRY_MS * 2 ** (len(failures) - 1))
    else:
        wait_ms = max(every_ms, PROBE_AFTER_MS if is_open else 0)
    return told | {
        "state": "circuit open" if is_open else "unreachable",
        "failures": failures,
        "next_due_ms": max(now_ms + wait_ms, asked_for_ms),
    }


def next_due_ms(state: Mapping[str, Any], now_ms: int) -> int:
    """When a source is to be asked; at once when its last turn was before the clock was set back."""
    was_set_back = int(state.get("last_attempt_ms", 0)) > now_ms + CLOCK_TOLERANCE_MS
    return 0 if was_set_back else int(state.get("next_due_ms", 0))


def asks_early(state: Mapping[str, Any], watched: frozenset[str], now_ms: int) -> bool:
    """Whether a source is to be asked before its turn, for what it was not asked for the last time. Anybody may edit a
    watch list, and calls are counted: when it was asked for something new within `every_s`, that waits for its turn."""
    is_new = not watched.issubset(state.get("watched", ()))
    return is_new and state["state"] == "healthy" and now_ms - _new_ms(state) >= int(state["every_s"]) * 1000


def asked(state: Mapping[str, Any], watched: frozenset[str], now_ms: int) -> dict[str, Any]:
    """The state of a source that was asked for these subjects of the watch lists."""
    before = state.get("watched", ())
    if not watched and not before:
        return dict(state)
    new_ms = _new_ms(state) if watched.issubset(before) else now_ms
    return dict(state) | {"watched": sorted(watched), "new_subjects_ms": new_ms}


def _new_ms(state: Mapping[str, Any]) -> int:
    return int(state.get("new_subjects_ms", 0))


def without_key(state: Mapping[str, Any], secret: str) -> dict[str, Any]:
    """A source whose key is not set: it waits for it, and nothing is wrong."""
    return dict(state) | {"state": "no key", "next_due_ms": 0, "error": None, "note": f"set {secret} to use it"}


def _rated(state: Mapping[str, Any], now_ms: int) -> dict[str, Any]:
    recent = [pair for pair in state.get("recent", ()) if pair[0] > now_ms - HOUR_MS]
    return dict(state) | {"recent": recent, "articles_per_hour": sum(count for _, count in recent)}


def _short(text: str | None) -> str | None:
    return text[:MAX_ERROR_CHARACTERS] if text else None
