"""The hot loop says what the plain one says, and nothing falls between its paths."""

import random

import msgspec

from aggregation.event import Event
from aggregation.gather import Gathered, gather
from aggregation.group import Group
from aggregation.instant_table import instant_ms
from contracts.hashing import member_hash
from tests import oracle
from tests.events import BASE_MS, scored, stream


def as_events(documents: list[dict]) -> list[Event]:
    return [msgspec.convert(document, Event) for document in documents]


def facts(gathered: Gathered) -> dict:
    return {key: (group.summary(), set(group.members), group.repeats) for key, group in gathered.groups.items()}


def test_the_hot_loop_is_group_add_written_out() -> None:
    events = as_events(stream(2_000, seed=21, bad_stamps=0))
    plain: dict = {}
    for event in events:
        start_ms = instant_ms(event.event_time) // 60_000 * 60_000
        group = plain.setdefault((event.subject, "1m", start_ms), Group(start_ms, event.ingested_at, event.ingested_at))
        hashed = member_hash(event.event_id)
        if hashed in group.members:
            group.repeats += 1
        else:
            group.add(event, hashed, instant_ms(event.event_time) - start_ms)
    expected = {key: (group.summary(), set(group.members), group.repeats) for key, group in plain.items()}
    assert {tuple(key): value for key, value in facts(gather(events)).items()} == expected


def test_other_spellings_of_a_time_fall_into_the_same_groups() -> None:
    documents = stream(600, seed=22)
    rnd = random.Random(1)
    spelled = []
    for document in documents:
        time = document["event_time"]
        other = rnd.choice([time, time.replace("Z", "+00:00"), time.replace("T", "t"), time[:-1] + "000Z"])
        spelled.append(document | {"event_time": other})
    canonical, mixed = gather(as_events(documents)), gather(as_events(spelled))
    assert facts(mixed) == facts(canonical)
    assert len(mixed.too_late) == len(canonical.too_late)
    assert len(mixed.quarantined) == len(canonical.quarantined)
    assert mixed.newest_event_ms == canonical.newest_event_ms


def test_every_event_of_a_batch_is_in_exactly_one_place() -> None:
    documents = stream(3_000, seed=23, bad_stamps=0.2)
    gathered = gather(as_events(documents))
    held = sum(len(group.members) + group.repeats for group in gathered.groups.values())
    assert held + len(gathered.too_late) + len(gathered.quarantined) == len(documents)
    verdicts = [oracle.verdict(document) for document in documents]
    assert len(gathered.too_late) == verdicts.count("too_late") > 0
    assert len(gathered.quarantined) == verdicts.count("future") > 0


def test_a_bad_subject_or_minute_never_reaches_a_group() -> None:
    bad = [
        scored(1, "AA#PL", BASE_MS, 0.1),
        scored(2, "AAPL", BASE_MS, 0.1) | {"event_time": "2025-13-21T12:00:00.000Z"},
        scored(3, "AAPL", BASE_MS, 0.1) | {"event_time": "2025-12-21T12:00:0x.000Z"},
        scored(4, "AAPL", BASE_MS, 0.1) | {"event_time": ""},
    ]
    gathered = gather(as_events(bad))
    assert gathered.groups == {}
    assert [aside.reason for aside in gathered.quarantined] == ["bad_subject", "bad_time", "bad_time", "bad_time"]
    assert gathered.newest_event_ms is None
