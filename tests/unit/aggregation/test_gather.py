"""The hot loop says what the plain one says, and nothing falls between its paths."""

import random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregation.event import Event
from aggregation.gather import Gathered, gather
from aggregation.group import ROUNDER, Group, Single
from aggregation.instant_table import instant_ms
from contracts.bucket import unpack_members
from contracts.hashing import member_hash
from contracts.instants import MAX_MS
from tests import oracle
from tests.events import BASE_MS, scored, stream


def as_events(documents: list[dict]) -> list[Event]:
    return [msgspec.convert(document, Event) for document in documents]


def facts(gathered: Gathered) -> dict:
    return {key: (group.summary(), set(group.members), group.repeats) for key, group in gathered.groups.items()}


def test_the_hot_loop_is_group_add_written_out() -> None:
    events = as_events(stream(2_000, seed=21, bad_stamps=0))
    plain: dict[tuple[str, str, int], Group] = {}
    for event in events:
        start_ms = instant_ms(event.event_time) // 60_000 * 60_000
        key = (event.subject, "1m", start_ms)
        if key in plain:
            plain[key].add(event, event.event_time)
        else:
            plain[key] = Group(start_ms, event, event.event_time)
    expected = {key: (group.summary(), set(group.members), group.repeats) for key, group in plain.items()}
    found = gather(events)
    assert {tuple(key): value for key, value in facts(found).items()} == expected
    assert {type(group) for group in found.groups.values()} == {Single, Group}
    for key, group in found.groups.items():
        assert (group.open_ms, group.close_ms) == (plain[key].open_ms, plain[key].close_ms)
        assert unpack_members(group.packed()) == frozenset(map(member_hash, group.members))
        assert [time for _, time in group.times()] == [event.event_time for event in group.members.values()]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.floats(-1, 1) | st.integers(-10_000, 10_000).map(lambda e4: e4 / 10_000), min_size=1, max_size=60))
def test_sums_and_extremes_are_those_of_rounded_polarities(polarities: list[float]) -> None:
    gathered = gather(as_events([scored(n, "AAPL", BASE_MS + n, each) for n, each in enumerate(polarities)]))
    (group,) = gathered.groups.values()
    rounded = [round(each * 10_000) for each in polarities]
    said = group.summary()
    assert (said.sum_e4, said.high_e4, said.low_e4) == (sum(rounded), max(rounded), min(rounded))
    assert (said.open_e4, said.close_e4) == (rounded[0], rounded[-1])


def test_the_fast_rounding_is_round_for_every_polarity_there_is() -> None:
    whole = [e4 / 10_000 for e4 in range(-10_000, 10_001)]
    assert [each * 10_000 + ROUNDER - ROUNDER for each in whole] == list(range(-10_000, 10_001))
    halves = [(e4 + 0.5) / 10_000 for e4 in range(-10_000, 10_000)]
    assert [each * 10_000 + ROUNDER - ROUNDER for each in halves] == [round(each * 10_000) for each in halves]


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


def test_another_spelling_does_not_copy_those_before_it() -> None:
    first, second, third = as_events([scored(n, "AAPL", BASE_MS + n, 0.1) for n in range(3)])
    group = Group(BASE_MS, first, "another")
    known = group.respelled
    group.add(second, "another")
    group.add(third, third.event_time)
    assert group.respelled is known
    assert [time for _, time in group.times()] == ["another", "another", third.event_time]


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


ODD_TIMES = ("2100-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z", "9999-12-31T12:00:00.000Z",
             "9999-12-31T23:59:59.999-23:59", "0001-01-01T00:00:00.000+23:59")  # fmt: skip


def test_a_time_out_of_the_calendar_is_set_aside_and_holds_up_nobody() -> None:
    good = scored(1, "AAPL", BASE_MS, 0.1)
    for name in ("event_time", "ingested_at"):
        for text in ODD_TIMES:
            gathered = gather(as_events([scored(2, "AAPL", BASE_MS, 0.1) | {name: text}, good]))
            assert [aside.reason for aside in gathered.quarantined] == ["bad_time"], (name, text)
            assert [set(group.members) for group in gathered.groups.values()] == [{good["event_id"]}]


def test_the_last_minute_before_2100_is_judged_the_same_on_both_paths() -> None:
    last = scored(1, "AAPL", MAX_MS - 1_000, 0.1)
    late = last | {"ingested_at": "2100-01-01T00:00:00.000Z"}
    for time in (last["event_time"], last["event_time"].replace("Z", "+00:00")):
        assert len(gather(as_events([last | {"event_time": time}])).groups) == 1
        refused = gather(as_events([late | {"event_time": time}]))
        assert [aside.reason for aside in refused.quarantined] == ["bad_time"]


def test_a_spelling_cannot_hide_behind_its_neighbours() -> None:
    """The form is checked for all times of a batch at once; two that only together have its length are still seen."""
    good = [scored(n, "AAPL", BASE_MS + n, 0.1) for n in range(3)]
    time = good[0]["event_time"]
    for pair in (
        [time[:-1], "Z" + time],
        [time + "\n" + time, ""],
        [time + "0", time[:-1]],
        [time[:17] + "60.000Z", time],
    ):
        bad = [scored(7 + n, "AAPL", BASE_MS, 0.1) | {"event_time": text} for n, text in enumerate(pair)]
        right = [text for text in pair if text == time]
        gathered = gather(as_events([*good[:1], *bad, *good[1:]]))
        assert sum(len(group.members) for group in gathered.groups.values()) == len(good) + len(right)
        assert [aside.reason for aside in gathered.quarantined] == ["bad_time"] * (len(pair) - len(right))
