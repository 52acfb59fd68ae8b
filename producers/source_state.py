"""What is remembered of a source: one control document (kind `source`), as functions from state to state.

new ──> healthy ──failure──> unreachable ──5 failures in 5 min──> circuit open ──probe after 60 s──> healthy or open
        healthy ──allowance of its key spent──> waiting ──> healthy
paused: by an operator.  no key: its key is not in Secrets.  gone: it said so (410); not asked again.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from contracts.resolution import HOUR_MS, MINUTE_MS
from producers.fetch import FetchFailed, OverBudget
from producers.sources.registry import Fetched

FAILURES_TO_OPEN: Final = 5
FAILURE_WINDOW_MS: Final = 5 * MINUTE_MS
PROBE_AFTER_MS: Final = MINUTE_MS
FIRST_RETRY_MS: Final = 10_000
#: How far the clocks of two processes may be apart; what was done later than that was done before a clock was set back.
CLOCK_TOLERANCE_MS: Final = MINUTE_MS
#: Articles a source is known to have told: twice its last answer, within these bounds, as every poll writes them. What
#: is told beyond that is published again, which the classifier notices.
MIN_SEEN: Final = 500
MAX_SEEN: Final = 10_000
MAX_ERROR_CHARACTERS: Final = 300


def remembered(identity: str) -> str:
    """What is remembered of an id: 64 bits of its hash, in 11 characters."""
    return base64.urlsafe_b64encode(hashlib.blake2b(identity.encode(), digest_size=8).digest()).decode()[:11]


def after_answer(
    state: Mapping[str, Any], fetched: Fetched, told: Sequence[str], published: int, now_ms: int
) -> dict[str, Any]:
    """A source's state after an answer, whole or in part. `told`: what is remembered of all that was in it, known or
    new: who goes on telling something is not to have it forgotten."""
    newest_ms = max((article.published_ms for article in fetched.articles), default=0)
    following = dict(state) | {
        "cursor": dict(fetched.cursor),
        "seen": _remembering(state.get("seen", ()), told),
        "published": int(state.get("published", 0)) + published,
        "newest_published_ms": max(int(state.get("newest_published_ms") or 0), min(newest_ms, now_ms)) or None,
        "recent": [*state.get("recent", ()), [now_ms, published]] if published else list(state.get("recent", ())),
    }
    if fetched.trouble is not None:
        return after_failure(following, fetched.trouble, now_ms)
    every_ms = 0 if fetched.more else int(state["every_s"]) * 1000
    return _rated(following, now_ms) | {
        "state": "gone" if fetched.gone else "healthy",
        "last_attempt_ms": now_ms,
        "last_success_ms": now_ms,
        "next_due_ms": now_ms + every_ms,
        "failures": [],
        "error": "the source says it is gone (HTTP 410)" if fetched.gone else None,
        "note": _short(fetched.note),
    }


def _remembering(before: Sequence[str], told: Sequence[str]) -> list[str]:
    if not told:
        return list(before)
    now = frozenset(told)
    limit = min(MAX_SEEN, max(MIN_SEEN, 2 * len(now)))
    return [*(each for each in before if each not in now), *dict.fromkeys(told)][-limit:]


def after_failure(state: Mapping[str, Any], error: FetchFailed, now_ms: int) -> dict[str, Any]:
    """A source's state after a failure: a retry soon, then the open circuit with one probe a minute; a source that
    asked for patience gets it; a spent allowance is nobody's failure."""
    told = _rated(state, now_ms) | {"error": _short(str(error)), "note": None, "last_attempt_ms": now_ms}
    if isinstance(error, OverBudget):
        return told | {
            "state": "waiting",
            "error": None,
            "note": _short(error.detail),
            "next_due_ms": now_ms + int(error.retry_after_ms or 0),
        }
    failures = [*state.get("failures", ()), now_ms]
    failures = [at_ms for at_ms in failures if at_ms > now_ms - FAILURE_WINDOW_MS][-FAILURES_TO_OPEN:]
    is_open = len(failures) >= FAILURES_TO_OPEN or state["state"] == "circuit open"
    every_ms = int(state["every_s"]) * 1000
    if is_open:
        wait_ms = PROBE_AFTER_MS
    elif error.again:
        wait_ms = min(every_ms, FIRST_RETRY_MS * 2 ** (len(failures) - 1))
    else:
        wait_ms = every_ms
    return told | {
        "state": "circuit open" if is_open else "unreachable",
        "failures": failures,
        "next_due_ms": now_ms + max(wait_ms, error.retry_after_ms or 0),
    }


def next_due_ms(state: Mapping[str, Any], now_ms: int) -> int:
    """When a source is to be asked; at once when its last turn was before the clock was set back."""
    if int(state.get("last_attempt_ms", 0)) > now_ms + CLOCK_TOLERANCE_MS:
        return 0
    return int(state.get("next_due_ms", 0))


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
