"""What watchers are told of a commit, in pieces a store can hold."""

from typing import Any

import msgspec
import pytest

from aggregation.changes import MAX_CHANGE_BYTES, MAX_CHANGE_EVENTS, changes_of
from aggregation.event import Event
from contracts.bucket import Bucket
from contracts.ports import Change
from stores.bucket_codec import encode_change
from tests.events import BASE_MS, scored
from tests.ports.bucket_values import bucket
from tests.unit.aggregation.test_laws import as_event

#: Of an item of DynamoDB, keys and all.
ITEM_BYTES = 400_000


def events(count: int, subject: str = "MSFT", identity: str = "", **more: Any) -> list[Event]:
    made = [scored(n, subject, BASE_MS + n, 0.5, BASE_MS + n, **more) for n in range(count)]
    if identity:
        made = [each | dict.fromkeys(("event_id", "article_id"), f"{identity}{n:08d}") for n, each in enumerate(made)]
    return [as_event(each) for each in made]


def named(count: int, identity: str, *sources: str) -> list[Bucket]:
    plain = [bucket("MSFT", at=at) for at in range(count)]
    said = {"open_id": identity, "close_id": identity, "sources": sources}
    return [msgspec.structs.replace(each, summary=msgspec.structs.replace(each.summary, **said)) for each in plain]


def told_once(changes: list[Change], buckets: list[Bucket], fresh: dict[str, list[Event]]) -> bool:
    told = [each for change in changes for each in change.buckets]
    news = [each.event_id for change in changes for each in change.events]
    return (
        told == [each for each in buckets if "~" not in each.subject]
        and news == [each.event_id for found in fresh.values() for each in found]
        and all(each.subject == change.subject for change in changes for each in change.buckets)
    )


@pytest.mark.parametrize("count", [0, 1, 8, 9, 500, 5_000])
def test_each_bucket_and_each_event_is_told_once(count: int) -> None:
    buckets = [bucket(subject, at=at) for subject in ("AAPL", "AAPL~3", "MSFT") for at in range(count)]
    fresh = {"MSFT": events(3)} if count else {}
    changes = changes_of("live", buckets, fresh, BASE_MS + 9)
    assert told_once(changes, buckets, fresh)
    assert {(change.generation, change.written_ms) for change in changes} <= {("live", BASE_MS + 9)}
    told = [change for change in changes if change.events]
    assert [(change.subject, change.origin_ms) for change in told] == ([("MSFT", BASE_MS + 2)] if count else [])
    assert len(changes) == 2 * (-(-count // 2_000)) or count > 500


ID = "x" * 292  # and eight digits
WIDE = "😀" * 292  # four bytes a character
LONGEST = {
    "events with the longest names": (named(8, "x" * 24), events(MAX_CHANGE_EVENTS, identity=ID, source="s" * 100)),
    "and of four bytes a character": (named(8, WIDE), events(MAX_CHANGE_EVENTS, identity=WIDE, source=WIDE[:100])),
    "and half as many": (named(8, WIDE), events(95, identity=WIDE, source=WIDE[:100])),
    "many buckets with the longest names": (named(600, "y" * 300, "s" * 100), events(1, source="s" * 100)),
    "and of four bytes": (named(300, WIDE, *[f"{n}{WIDE[:98]}" for n in range(9)]), events(30, identity=WIDE)),
    "few buckets of many sources": (named(16, "😀" * 300, *[f"{n}{'😀' * 90}" for n in range(90)]), events(30)),
}  # fmt: skip


@pytest.mark.parametrize("name", LONGEST)
def test_a_change_fits_an_item_whatever_the_names(name: str) -> None:
    buckets, fresh = LONGEST[name]
    changes = changes_of("live", buckets, {"MSFT": fresh}, BASE_MS)
    assert told_once(changes, buckets, {"MSFT": fresh})
    sizes = [len(encode_change(change)) for change in changes]
    assert max(sizes) <= MAX_CHANGE_BYTES < ITEM_BYTES
    assert len(sizes) <= 2 + sum(sizes) // (MAX_CHANGE_BYTES // 2), "no more pieces than needed"
