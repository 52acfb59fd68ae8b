"""What is watched: the subjects of all watch lists, in the order in which there is room for them.

It is asked for at every batch and every second, so reading may take a fiftieth of the time at most: what was read of
the lists of many tokens counts for fifty times as long as the reading took, though never for more than a minute. Of a
thousand tokens that is about a second on one machine, and some seconds on AWS, where a read costs money.
"""

from collections.abc import Mapping
from itertools import islice, zip_longest
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from contracts.clock import Clock, SystemClock
from contracts.identity import series_of
from contracts.ports import ControlStore

WATCH_KIND: Final = "watch"
#: Anybody may make watch lists, so no more subjects than these are looked for in articles and asked for.
MAX_WATCHED: Final = 1_000
#: The lists of so many tokens are read at every look.
FEW: Final = 100
COUNTS_TIMES: Final = 50
COUNTS_AT_MOST_MS: Final = 60_000.0
_SYSTEM: Final = SystemClock()


class _Reading(NamedTuple):
    subjects: tuple[str, ...]
    until_ms: float


#: What this process read of many lists, by the store it read.
_readings: Final[WeakKeyDictionary[ControlStore, _Reading]] = WeakKeyDictionary()


def watched_subjects(control: ControlStore, clock: Clock = _SYSTEM) -> tuple[str, ...]:
    """The subjects of all watch lists: one of everybody, then a second of everybody, and so on, who came first before
    who came later; where there is not room for all, somebody who watches many leaves room for others. Raises
    `Transient`."""
    asked_ms = clock.monotonic_ms()
    last = _readings.get(control)
    if last is not None and asked_ms < last.until_ms:
        return last.subjects
    documents = control.list(WATCH_KIND)
    subjects = _in_turns(documents)
    if len(documents) > FEW:
        now_ms = clock.monotonic_ms()
        counts_ms = min(COUNTS_TIMES * (now_ms - asked_ms), COUNTS_AT_MOST_MS)
        _readings[control] = _Reading(subjects, now_ms + counts_ms)
    return subjects


def _in_turns(documents: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    in_order = sorted(documents.values(), key=began)
    turns = zip_longest(*(each.get("subjects", ()) for each in in_order))
    distinct = dict.fromkeys(series_of(subject) for turn in turns for subject in turn if subject is not None)
    return tuple(islice(distinct, MAX_WATCHED))


def began(document: Mapping[str, Any]) -> str:
    """When the oldest of somebody's lists was made; empty when there is none."""
    lists = document.get("lists", {})
    return min((str(each.get("created_at", "")) for each in lists.values()), default="")
