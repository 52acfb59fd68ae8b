"""A decoder that knows the names it has met reads what the exact one reads, and refuses what it refuses."""

import json
from threading import Thread
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregation import known_names
from aggregation.event import EVENTS, NAME_TYPES, Event, EventOf
from aggregation.known_names import KnownNames
from tests.events import BASE_MS, scored

names = st.sampled_from([*["AAPL", "tag:eu", "Ünï", "\x00", '"\\'] * 8, "", "x" * 60, 7, None])
lines_of = st.lists(st.tuples(names, names, names), max_size=8)


def line(subject: Any = "AAPL", source: Any = "rss", version: Any = "v1", number: int = 0) -> bytes:
    event = scored(number, "AAPL", BASE_MS + number, 0.1)
    return json.dumps(event | {"subject": subject, "source": source, "model_version": version}).encode()


def reader() -> KnownNames[Event]:
    return KnownNames(EventOf, NAME_TYPES)


def read(events: KnownNames[Event], lines: list[bytes]) -> list[Event] | None:
    try:
        return events.read(lambda decoder: list(map(decoder.decode, lines)))
    except msgspec.ValidationError:
        return None


@given(st.lists(lines_of, max_size=6))
def test_what_is_read_does_not_depend_on_what_was_read_before(batches: list[list[tuple[Any, Any, Any]]]) -> None:
    events = reader()
    for batch in batches:
        lines = [line(*each) for each in batch]
        assert read(events, lines) == read(reader(), lines)


def test_a_name_that_was_met_is_one_string() -> None:
    events = reader()
    first, second = [read(events, [line(number=number)] * 2) for number in range(2)]
    read(events, [line(source="new")])
    third = read(events, [line(source="new"), line()])
    assert first is not None
    assert second is not None
    assert third is not None
    assert second[0].subject is second[1].subject is third[0].subject
    assert second[0].source is third[1].source
    assert second[0].source is second[1].source
    assert second[0].model_version is second[1].model_version
    assert type(second[0]) is type(first[0]) is EventOf


def test_a_field_with_very_many_names_is_read_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_names, "MAX_NAMES", 3)
    events = reader()
    for number in range(10):
        found = read(events, [line(subject=f"T{number}"), line(subject="AAPL")])
        assert found is not None
        assert [event.subject for event in found] == [f"T{number}", "AAPL"]
    again = read(events, [line()] * 2)
    assert again is not None
    assert again[0].subject is not again[1].subject  # not known any more, and no decoder is made anew for each
    assert again[0].source is again[1].source
    assert read(events, [line(subject="")]) is None


def test_threads_may_share_one() -> None:
    events, found = reader(), {}

    def work(own: int) -> None:
        lines = [line(f"T{own}x{number}", f"s{number}", number=number) for number in range(60)]
        found[own] = [read(events, lines[:at]) == read(reader(), lines[:at]) for at in range(1, 60)]

    threads = [Thread(target=work, args=(own,)) for own in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(all(found[own]) for own in range(4))


def test_the_exact_decoder_stays_as_it_was() -> None:
    before = EVENTS.exact
    assert read(EVENTS, [line()]) == read(EVENTS, [line()])
    assert EVENTS.exact is before
    with pytest.raises(msgspec.ValidationError):
        before.decode(line(source=""))
