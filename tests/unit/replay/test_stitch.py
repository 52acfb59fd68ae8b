"""Log and lake as one: nothing left out and nothing twice, whatever the log forgets meanwhile, in either home."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from consumers.archiver.service import Archiver
from contracts.clock import ManualClock
from contracts.events import SCORED_STREAM
from contracts.ports import Position
from contracts.resolution import HOUR_MS, MINUTE_MS
from contracts.settings import AggregatorSettings
from ops.replay.run import Drive, start_run
from ops.replay.stitch import heads, stitched
from ops.verify import verify
from stores.home import Home, close_home, forget_homes, open_home
from tests import oracle
from tests.events import BASE_MS, lines, scored, stream
from tests.ports.conftest import HOMES
from tests.unit.replay.kit import Live, fields, ignore, planned, put, stream_records

KEPT_MS = 24 * HOUR_MS
_HORIZON = Position("TRIM_HORIZON")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def aged(settings: AggregatorSettings, clock: ManualClock) -> Iterator[tuple[Home, list[dict[str, Any]]]]:
    """A home whose log keeps a day of the two it has seen, and its events: some every half hour, archived at once."""
    home = open_home(settings, clock)
    live = Live(home, settings)
    events = stream(480, seed=7, hours=20, duplicates=0)
    for at in range(0, len(events), 5):
        put(home, events[at : at + 5])
        live.all()
        clock.advance(30 * MINUTE_MS)
    home.log.trim(SCORED_STREAM, clock.now_ms() - KEPT_MS)
    yield home, events
    forget_homes()


def counted(events: list[dict[str, Any]]) -> int:
    return sum(row["count"] for key, row in oracle.buckets(events).items() if key[1] == "24h")


def test_what_the_log_forgets_while_the_lake_is_read_is_read_from_the_lake(
    aged: tuple[Home, list[dict[str, Any]]],
    settings: AggregatorSettings,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home, events = aged
    read = home.lake.read

    def slowly(key: str) -> Iterator[bytes]:
        yield from read(key)
        clock.advance(10 * MINUTE_MS)
        home.log.trim(SCORED_STREAM, clock.now_ms() - KEPT_MS)

    monkeypatch.setattr(home.lake, "read", slowly)
    plan = planned(home, settings)
    assert home.log.get_records(_oldest(home)).records == [], "the log has forgotten everything by now"
    assert plan.census.events == counted(events)
    assert plan.census.duplicates == 0


def _oldest(home: Home) -> str:
    return home.log.iterator(SCORED_STREAM, home.log.shards(SCORED_STREAM)[0].shard_id, Position("TRIM_HORIZON"))


def test_a_plan_can_be_run_hours_after_it_was_made(
    aged: tuple[Home, list[dict[str, Any]]], settings: AggregatorSettings, clock: ManualClock
) -> None:
    home, events = aged
    plan = planned(home, settings)
    clock.advance(5 * HOUR_MS)
    home.log.trim(SCORED_STREAM, clock.now_ms() - KEPT_MS)
    run = start_run(home, settings, plan, Drive(concurrency=1), ignore)
    assert fields(home, run["generation"]) == oracle.buckets(events)


@pytest.mark.parametrize("missing", [(1,), (2,), (1, 2), (3,)], ids=str)
def test_what_the_lake_lacks_between_two_objects_is_read_from_the_log(
    missing: tuple[int, ...], settings: AggregatorSettings, clock: ManualClock
) -> None:
    """Four batches, an hour apart; the archiver gave up on some of them, the log has lost the first."""
    home = open_home(settings, clock)
    live = Live(home, settings)
    events = stream(80, seed=3, hours=1, duplicates=0, bad_stamps=0)
    arrivals = []
    for number in range(4):
        put(home, events[number * 20 : number * 20 + 20])
        arrivals.append(clock.now_ms())
        if number in missing:
            kept, home.lake.put = home.lake.put, lambda key, lines: None  # type: ignore[method-assign]
            live.archive()
            home.lake.put = kept  # type: ignore[method-assign]
        live.all()
        clock.advance(HOUR_MS)
    home.log.trim(SCORED_STREAM, arrivals[1])
    run = start_run(home, settings, planned(home, settings), Drive(concurrency=1), ignore)
    assert fields(home, run["generation"]) == oracle.buckets(events)
    assert run["counts"]["duplicates"] == 0
    assert verify(home, settings).differences == []
    forget_homes()


def test_an_object_that_is_gone_is_read_from_the_log(
    aged: tuple[Home, list[dict[str, Any]]], settings: AggregatorSettings
) -> None:
    home, events = aged
    soon = {one.place for one in planned(home, settings).segments if one.kind == "lake"}
    oldest = {
        shard.shard_id: home.log.get_records(home.log.iterator(SCORED_STREAM, shard.shard_id, _HORIZON), 1).records[0]
        for shard in home.log.shards(SCORED_STREAM)
    }
    one = next(
        each
        for each in planned(home, settings).segments
        if each.place in soon and int(each.first) > int(oldest[each.shard_id].sequence_number)
    )
    (Path(settings.data_dir) / "lake" / one.place).unlink()
    plan = planned(home, settings)
    assert (plan.census.events, plan.census.duplicates) == (counted(events), 0)


def test_objects_of_another_regions_stream_are_read_whole_whatever_their_numbers(
    aged: tuple[Home, list[dict[str, Any]]], settings: AggregatorSettings
) -> None:
    """Under the names of our shards, numbered below ours and above them."""
    home, events = aged
    others = [scored(5_000 + n, "AAPL", BASE_MS + n * MINUTE_MS, 0.1) for n in range(20)]
    shard_id = home.log.shards(SCORED_STREAM)[0].shard_id
    for at, part in ((0, others[:10]), (10**15, others[10:])):
        first, last = (f"49{at + n:034d}{77:020d}" for n in (1, 10))
        home.lake.put(f"scored/date=2025-12-20/{shard_id}-{first}-{last}.jsonl.gz", lines(part).splitlines())
    assert counted(events + others) > counted(events)
    plan = planned(home, settings)
    assert (plan.census.events, plan.census.duplicates) == (counted(events + others), 0)


def test_a_log_that_has_lost_nothing_is_read_itself(home: Home, settings: AggregatorSettings) -> None:
    put(home, stream(60, seed=8))
    Live(home, settings).all()
    assert {segment.kind for segment in planned(home, settings).segments} == {"log"}


@pytest.mark.parametrize("digits_less", [0, 5], ids=["our driver", "lambda"])
def test_what_the_lake_lacks_is_read_from_the_log_whoever_archived(digits_less: int, tmp_path: Path) -> None:
    """Lambda names Kinesis' own records, five digits shorter than the log's numbers. A batch in the middle was given
    up on; the log still has all."""
    events = stream(60, seed=21, hours=1, duplicates=0, bad_stamps=0)
    with HOMES["aws"](tmp_path) as installed, tempfile.TemporaryDirectory() as folder:
        home = installed.home
        settings = AggregatorSettings(**installed.settings.model_dump() | {"data_dir": folder})
        put(home, events)
        for shard in home.log.shards(SCORED_STREAM):
            oldest = home.log.iterator(SCORED_STREAM, shard.shard_id, Position("TRIM_HORIZON"))
            records = [
                record._replace(sequence_number=record.sequence_number[: len(record.sequence_number) - digits_less])
                for record in stream_records(shard.shard_id, home.log.get_records(oldest).records)
            ]
            third = len(records) // 3
            for part in (records[:third], records[2 * third :]):
                Archiver(home.lake).archive(part)
        plan = planned(home, settings)
        assert plan.census.events == counted(events)
        assert plan.census.duplicates == 0
    forget_homes()


@pytest.mark.parametrize("after", range(4))
def test_what_a_restored_log_had_lost_is_read_from_the_lake(
    settings: AggregatorSettings, clock: ManualClock, tmp_path: Path, after: int
) -> None:
    """Its objects lie among those of the log, by their numbers."""
    data, copy = Path(settings.data_dir), tmp_path / "copy"
    events = [scored(number, "AAPL", clock.now_ms(), 0.1) for number in range(5 * (4 + after))]

    def archived(batch: int) -> None:
        home = open_home(settings, clock)
        put(home, events[5 * batch : 5 * batch + 5])
        Live(home, settings).all()
        close_home(settings)
        clock.advance(MINUTE_MS)

    for batch in range(3):
        archived(batch)
    shutil.copytree(data, copy, ignore=shutil.ignore_patterns("lake"))
    archived(3)
    shutil.copytree(copy, data, dirs_exist_ok=True)
    for batch in range(4, 4 + after):
        archived(batch)
    home = open_home(settings, clock)
    read = [line for piece in stitched(home, SCORED_STREAM, heads(home.log, SCORED_STREAM)) for line in piece.lines]
    assert sorted(json.loads(line)["event_id"] for line in read) == sorted(event["event_id"] for event in events)
    forget_homes()
