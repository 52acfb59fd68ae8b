"""What is watched: the subjects of all watch lists, in the order in which there is room for them."""

from collections.abc import Mapping
from itertools import islice, zip_longest
from typing import Any, Final

from contracts.identity import series_of
from contracts.ports import ControlStore

WATCH_KIND: Final = "watch"
#: Anybody may make watch lists, so no more subjects than these are looked for in articles and asked for.
MAX_WATCHED: Final = 1_000


def watched_subjects(control: ControlStore) -> tuple[str, ...]:
    """The subjects of all watch lists: one of everybody, then a second of everybody, and so on, who came first before
    who came later; where there is not room for all, somebody who watches many leaves room for others. Raises
    `Transient`."""
    documents = sorted(control.list(WATCH_KIND).values(), key=_began)
    in_turns = zip_longest(*(each.get("subjects", ()) for each in documents))
    distinct = dict.fromkeys(series_of(subject) for turn in in_turns for subject in turn if subject is not None)
    return tuple(islice(distinct, MAX_WATCHED))


def _began(document: Mapping[str, Any]) -> str:
    """When the oldest of somebody's lists was made."""
    lists = document.get("lists", {})
    return min((str(each.get("created_at", "")) for each in lists.values()), default="")
