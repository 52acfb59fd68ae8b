"""`candlewick tail`: events as they are counted, one line each, with their headline."""

import sys
import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from contracts.bucket import E4
from contracts.errors import BadEvent, BadRequest
from contracts.identity import series_of
from contracts.ports import NewEvent, StoredChange, Waking
from contracts.subjects import parse_subject
from ops.console import printable, put_json, say
from stores.home import Home

POLL_MS: Final = 500
EventKey = tuple[str, str]
"""Subject and event id, which together name an event."""
#: Events remembered, so that one is not shown again after a promote brought it a second time.
MAX_KNOWN: Final = 20_000
#: Changes of a lane that are looked through for history.
MAX_LOOK_BACK: Final = 5_000
STYLES: Final = {"positive": "green", "negative": "red", "neutral": ""}


def tail(home: Home, subjects: list[str], history: int, follow: bool, as_json: bool) -> None:
    """The last `history` events, then (with `follow`) every new one until Ctrl-C. Raises `BadRequest`."""
    try:
        wanted = frozenset(series_of(parse_subject(subject)) for subject in subjects)
    except BadEvent as error:
        raise BadRequest(error.detail) from None
    console = Console(highlight=False, soft_wrap=True)
    for row in _rows(home, wanted, history, follow):
        if as_json:
            put_json(row)
            sys.stdout.flush()
        else:
            console.print(_line(row))


def _rows(home: Home, wanted: frozenset[str], history: int, follow: bool) -> Iterator[dict[str, Any]]:
    known: OrderedDict[EventKey, None] = OrderedDict()
    cursor = home.buckets.changes_head()
    yield from _shown(home, _before(home, cursor, wanted, history), wanted, known, history)
    waking = home.buckets if isinstance(home.buckets, Waking) else None
    nobody = threading.Event()
    while follow:
        seen = waking.seen() if waking is not None else None
        changes = home.buckets.changes_after(cursor)
        if not changes:
            if waking is not None:
                waking.wait(seen, POLL_MS)
            else:
                home.clock.wait(nobody, POLL_MS)
            continue
        for stored in changes:
            cursor[stored.lane] = stored.sequence
        yield from _shown(home, changes, wanted, known, None)


def _before(home: Home, head: dict[str, int], wanted: frozenset[str], history: int) -> list[StoredChange]:
    """The newest changes, enough of them to hold `history` events of the subjects; looks further and further back, and
    says so where it gives up before the beginning. Whatever generation a change is of, it was live at the time."""
    found: list[StoredChange] = []
    if not history or not head:
        return found
    for reach in sorted({min(reach, MAX_LOOK_BACK) for reach in (history, 10 * history, MAX_LOOK_BACK)}):
        start = {lane: max(0, sequence - reach) for lane, sequence in head.items()}
        found = [
            stored
            for stored in home.buckets.changes_after(start, reach * len(head))
            if not wanted or series_of(stored.change.subject) in wanted
        ]
        known = {(stored.change.subject, event.event_id) for stored in found for event in stored.change.events}
        if len(known) >= history or not any(start.values()):
            return found
    say(f"{len(known)} events in the newest {MAX_LOOK_BACK:,} changes; tail looks no further back")
    return found


def _shown(
    home: Home,
    changes: list[StoredChange],
    wanted: frozenset[str],
    known: OrderedDict[EventKey, None],
    limit: int | None,
) -> Iterator[dict[str, Any]]:
    events: list[tuple[int, str, NewEvent]] = []
    for stored in changes:
        subject = stored.change.subject
        if not wanted or series_of(subject) in wanted:
            written_ms = stored.change.written_ms
            events += [
                (written_ms, subject, event) for event in stored.change.events if (subject, event.event_id) not in known
            ]
            known.update(dict.fromkeys((subject, event.event_id) for event in stored.change.events))
    while len(known) > MAX_KNOWN:
        known.popitem(last=False)
    if limit is not None:  # those that were counted last
        events.sort(key=lambda row: (row[0], row[2].event_time, row[2].event_id))
        events = events[max(0, len(events) - limit) :]
    events.sort(key=lambda row: (row[2].event_time, row[2].event_id))
    items = home.items.get_primaries(list({event.article_id for _, _, event in events}))
    for _, subject, event in events:
        item = items.get(event.article_id)
        yield {
            "event_time": event.event_time,
            "ticker": subject,
            "label": event.label,
            "polarity": event.polarity_e4 / E4,
            "source": event.source,
            "title": item["metadata"]["title"] if item else None,
            "event_id": event.event_id,
        }


def _line(row: dict[str, Any]) -> Text:
    text = Text(f"{row['event_time'][:19]}Z  {row['ticker']:<10} ")
    text.append(f"{row['polarity']:+.4f} {row['label']:<8}", style=STYLES[row["label"]])
    text.append(f"  {printable(row['title'] or row['event_id'])}")
    text.append(f"  {printable(row['source'])}", style="dim")
    return text
