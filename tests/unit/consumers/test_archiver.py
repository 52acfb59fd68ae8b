"""The archiver: nothing vanishes, nothing is there twice, however retries cut the batches."""

import base64
import json
import random
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import pytest

from consumers.archiver.service import Archiver
from consumers.classifier.items import raw_place
from contracts.errors import BadEvent, Transient
from contracts.events import MAX_EVENT_BYTES, RAW_STREAM, SCORED_STREAM
from contracts.kinesis import StreamRecord, records_of
from contracts.ports import Record
from contracts.resolution import DAY_MS
from tests.fakes.kinesis import kinesis_event
from tests.fakes.log import SHARD
from tests.fakes.stores import FakeLake
from tests.unit.consumers.classifying import NOW_MS, article


def record(sequence: int, data: bytes, stream: str = RAW_STREAM, arrival_ms: int = NOW_MS) -> StreamRecord:
    return StreamRecord(stream, SHARD, str(sequence), 0, "key", data, arrival_ms)


def test_records_are_kept_by_stream_source_and_day_of_arrival() -> None:
    lake = FakeLake()
    raw, scored = article(source="finnhub"), b'{"source":"finnhub","x":1}'
    Archiver(lake).archive(
        [record(1, raw), record(2, article(source="rss-a")), record(3, raw, arrival_ms=NOW_MS + DAY_MS)]
    )
    Archiver(lake).archive([record(5, scored, SCORED_STREAM), record(6, scored, f"prod-{SCORED_STREAM}")])
    assert lake.objects == {
        f"raw/source=finnhub/date=2025-12-21/{SHARD}-1-1.jsonl.gz": [raw],
        f"raw/source=rss-a/date=2025-12-21/{SHARD}-2-2.jsonl.gz": [article(source="rss-a")],
        f"raw/source=finnhub/date=2025-12-22/{SHARD}-3-3.jsonl.gz": [raw],
        f"scored/date=2025-12-21/{SHARD}-5-6.jsonl.gz": [scored, scored],
    }


def test_what_cannot_be_read_is_kept_with_its_bytes() -> None:
    lake = FakeLake()
    damaged = record(3, b"\xf3\x89\x9a\xc2x")._replace(error=BadEvent("corrupt_aggregate", "x"))
    bad = [record(1, b"\x00\xff"), record(2, b'{"source":"../../etc"}'), damaged, record(4, b'{"source":"a\\n"}')]
    Archiver(lake).archive(bad)
    ((key, lines),) = lake.objects.items()
    assert key == f"raw/source=unknown/date=2025-12-21/{RAW_STREAM}-{SHARD}-1-4.jsonl.gz"
    assert [base64.b64decode(json.loads(line)["data"]) for line in lines] == [each.data for each in bad]


def test_what_is_too_large_to_count_is_not_made_smaller() -> None:
    lake, large = FakeLake(), b'{"source":"a",' + b"\n" * MAX_EVENT_BYTES + b'"title":"x"}'
    Archiver(lake).archive([record(1, large)])
    ((key, (line,)),) = lake.objects.items()
    assert key.startswith("raw/source=unknown/")
    assert base64.b64decode(json.loads(line)["data"]) == large


def test_a_record_over_several_lines_becomes_one() -> None:
    lake = FakeLake()
    Archiver(lake).archive([record(1, b'{\n "source": "a",\r\n "title": "x y"\n}')])
    assert list(lake.objects.values()) == [[b'{"source":"a","title":"x y"}']]


@pytest.mark.parametrize("depth", [900, 980, 985, 990, 995, 1_000, 1_005])
def test_a_record_nested_to_the_limit_stops_nothing(depth: int) -> None:
    lake = FakeLake()
    nested = b'{"source":"a",\n"x":' + b"[" * depth + b"]" * depth + b"}"
    Archiver(lake).archive([record(1, nested), record(2, article())])
    assert sum(map(len, lake.objects.values())) == 2


def test_a_source_called_unknown_is_not_among_what_cannot_be_read() -> None:
    lake = FakeLake()
    told = article(source="unknown")
    Archiver(lake).archive([record(1, told), record(2, b"no JSON")])
    assert lake.objects[f"raw/source=unknown_/date=2025-12-21/{SHARD}-1-1.jsonl.gz"] == [told]
    assert raw_place("unknown", record(1, told)) == f"raw/source=unknown_/date=2025-12-21/{SHARD}-1"
    assert f"raw/source=unknown/date=2025-12-21/{RAW_STREAM}-{SHARD}-2-2.jsonl.gz" in lake.objects


@pytest.mark.parametrize("seed", range(20))
def test_each_record_is_archived_once_however_retries_cut_the_batches(seed: int) -> None:
    chance = random.Random(seed)
    records = [record(n, article(f"Title {n}", source=chance.choice(["a", "b"]))) for n in range(1, 200)]
    lake = FakeLake()
    at = 0
    while at < len(records):
        size = chance.randrange(1, 40)
        lake.down = chance.choice([0, 0, 1])
        try:
            Archiver(lake).archive(records[at : at + size])
        except Transient:
            continue
        if chance.random() < 0.6:  # else the answer was lost: the batch comes again, cut another way
            at += size
    lines = sorted(line for lines in lake.objects.values() for line in lines)
    assert lines == sorted(each.data for each in records)


def test_a_copy_that_somebody_left_beside_the_objects_stops_nothing() -> None:
    lake = FakeLake()
    lake.put(f"raw/source=a/date=2025-12-21/{SHARD}-1-9-copy.jsonl.gz", [b"{}"])
    lake.put(f"raw/source=a/date=2025-12-21/{SHARD}-1.jsonl.gz", [b"{}"])
    assert Archiver(lake).archive([record(5, b'{"source":"a"}')]).written == 1


def test_what_a_lake_that_refuses_keeps_of_a_batch_has_no_gap_below_its_newest_record() -> None:
    """Who reads log and lake as one goes on in the log behind the newest record of the lake."""
    good, bad = b'{"source":"a"}', b"\x00"
    days = [(1, bad, 0), (2, good, 0), (3, bad, 0), (4, good, 1), (5, bad, 1)]
    batch = [record(number, data, SCORED_STREAM, NOW_MS + day * DAY_MS) for number, data, day in days]
    for kept in range(5):
        lake = FakeLake()
        put = lake.put

        def until_full(
            key: str, lines: Iterable[bytes], lake: FakeLake = lake, put: Any = put, kept: int = kept
        ) -> None:
            lake.down = int(len(lake.objects) == kept)
            put(key, lines)

        lake.put = until_full  # type: ignore[method-assign]
        with suppress(Transient):
            Archiver(lake).archive(batch)
        spans = [[int(each) for each in key.removesuffix(".jsonl.gz").split("-")[-2:]] for key in lake.objects]
        newest = max((last for _, last in spans), default=0)
        readable = sum(len(lines) for key, lines in lake.objects.items() if key.startswith("scored/"))
        assert readable == sum(data == good and number <= newest for number, data, _ in days)


def test_a_lambda_event_says_all_that_is_needed() -> None:
    lake = FakeLake()
    event = kinesis_event(RAW_STREAM, [Record("7", "k", article(source="a"), NOW_MS)])
    assert Archiver(lake).archive(records_of(event)).written == 1
    assert lake.keys() == [f"raw/source=a/date=2025-12-21/{SHARD}-7-7.jsonl.gz"]
