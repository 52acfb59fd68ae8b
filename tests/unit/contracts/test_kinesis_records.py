"""Two ways to the same user records: all bytes of a chunk at once, and each record with its place."""

import hashlib
import itertools
import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregation.handler import handle
from aggregation.service import Aggregator
from contracts import kinesis
from contracts.aside import list_asides
from contracts.clock import ManualClock
from contracts.events import SCORED_STREAM
from contracts.kinesis import AGGREGATE_MAGIC, StreamRecord, chunks_of, kpl_messages, open_aggregate, records_of
from contracts.ports import Entry, Record
from contracts.resolution import DAY_MS
from contracts.settings import AggregatorSettings
from stores.kinesis_aggregate import aggregate
from tests.events import BASE_MS, scored
from tests.fakes.kinesis import kinesis_event
from tests.fakes.stores import FakeControl, FakeLake
from tests.sim.store import MemoryBuckets


def pointing_nowhere(explicit: bool) -> bytes:
    """A right digest over user records of which the second names a key, or a hash key, that is in no table."""
    message: Any = kpl_messages().AggregatedRecord()
    message.partition_key_table.append("AAPL")
    message.explicit_hash_key_table.append("17")
    for number in range(2):
        user = message.records.add()
        user.partition_key_index = 0 if explicit else number
        user.data = b"{}"
        if explicit:
            user.explicit_hash_key_index = number
    if not explicit:
        del message.explicit_hash_key_table[:]
    body = message.SerializeToString()
    return AGGREGATE_MAGIC + body + hashlib.md5(body, usedforsecurity=False).digest()


Users = st.lists(
    st.builds(Entry, st.sampled_from(["AAPL", "MSFT"]), st.binary(max_size=40), st.none() | st.integers(0, 1 << 127)),
    min_size=1,
    max_size=6,
)
Whole = st.builds(aggregate, Users) | st.binary(max_size=40).filter(lambda data: not data.startswith(AGGREGATE_MAGIC))
Damaged = st.sampled_from([pointing_nowhere(False), pointing_nowhere(True), AGGREGATE_MAGIC + b"torn"])


def an_event(datas: list[bytes]) -> dict[str, Any]:
    return kinesis_event(SCORED_STREAM, [Record(str(n), f"k{n}", data, BASE_MS) for n, data in enumerate(datas)])


def told(record: StreamRecord) -> StreamRecord:
    """Errors compare by what they say."""
    return record._replace(error=record.error and (record.error.reason, record.error.detail))  # type: ignore[arg-type]


@given(st.lists(Whole | Damaged, max_size=12), st.integers(1, 8))
def test_chunks_hold_what_the_records_hold(datas: list[bytes], size: int) -> None:
    event = an_event(datas)
    chunks = list(chunks_of(event, size))
    assert list(map(told, itertools.chain(*chunks))) == list(map(told, records_of(event)))
    for chunk in chunks:
        records, payloads = list(chunk), chunk.payloads()
        if payloads is None:
            assert any(record.error for record in records)
        else:
            assert payloads == [record.data for record in records]
            assert not any(record.error for record in records)


@pytest.mark.parametrize("spoil", ["{}=", "{} ", "{}\n", "{}é", "={}", "{}A", "{}-_"])
def test_what_is_no_base64_is_said_of_its_record_alone(spoil: str) -> None:
    event = an_event([aggregate([Entry("AAPL", b"{}")])] * 3)
    record = event["Records"][1]["kinesis"]
    record["data"] = spoil.format(record["data"])
    (chunk,) = chunks_of(event, 1_000)
    assert chunk.payloads() is None
    assert [record.error and record.error.reason for record in chunk] == [None, "unparseable", None]


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf{}", "Акции".encode()])
def test_what_only_begins_like_an_aggregate_is_read_without_its_library(
    data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pybase64", None)
    kinesis._base64.cache_clear()
    (chunk,) = chunks_of(an_event([b"{}", data]), 1_000)
    assert chunk.payloads() == [b"{}", data]
    kinesis._base64.cache_clear()


@given(Users, Damaged)
def test_a_record_of_an_aggregate_says_where_it_was(users: list[Entry], damaged: bytes) -> None:
    found = records_of(an_event([b"alone", aggregate(users), damaged]))
    inside = [("1", n, user.partition_key, user.data) for n, user in enumerate(users)]
    expected = [("0", 0, "k0", b"alone"), *inside, ("2", 0, "k2", damaged)]
    assert [(each.sequence_number, each.sub_sequence, each.partition_key, each.data) for each in found] == expected
    assert [each.error.reason if each.error else None for each in found] == [None] * (1 + len(users)) + [
        "corrupt_aggregate"
    ]


@given(Users)
def test_an_aggregate_keeps_keys_and_hash_keys(users: list[Entry]) -> None:
    found = open_aggregate(aggregate(users))
    assert [Entry(user.partition_key, user.data, user.explicit_hash_key) for user in found] == users


@pytest.mark.parametrize("size", [1, 2, 1_000])
def test_what_is_late_in_an_aggregate_is_set_aside_with_its_place(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aggregation.handler.CHUNK", size)
    clock, lake = ManualClock(BASE_MS), FakeLake()
    service = Aggregator(MemoryBuckets(), FakeControl(clock), lake, clock, AggregatorSettings())
    times_ms = [BASE_MS - 90 * DAY_MS if n == 4 else BASE_MS - n for n in range(6)]
    documents = [scored(n, "AAPL", event_ms, 0.5, BASE_MS) for n, event_ms in enumerate(times_ms)]
    parts = [aggregate([Entry("AAPL", json.dumps(each).encode()) for each in documents[at : at + 3]]) for at in (0, 3)]
    answer = handle(service, an_event([*parts, b"no event"]) | {"shardId": "s", "state": {}})
    assert answer["batchItemFailures"] == []
    late, bad = (*list_asides(lake, "late"), *list_asides(lake, "quarantined"))
    assert (late["sequence_number"], late["part"], late["reason"]) == ("1", 1, "too_late")
    assert (bad["sequence_number"], bad["part"]) == ("2", 0)
