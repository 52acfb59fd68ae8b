"""What of the records that were set aside goes back, under which key, and what does not."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import aggregation.service as aggregator_module
from contracts.aside import MAX_KEPT_BYTES, Aside, put_asides
from contracts.bucket import LANE_SEPARATOR
from contracts.clock import ManualClock
from contracts.errors import BadEvent, Transient
from contracts.events import RAW_STREAM, SCORED_STREAM
from contracts.hashing import member_hash
from contracts.instants import parse_ms
from contracts.ports import Position
from contracts.resolution import DAY_MS, HOUR_MS
from contracts.settings import AggregatorSettings
from ops.accounting import account
from ops.redrive import Redriven, redrive
from ops.replay.compare import compare
from ops.replay.promote import promote
from ops.verify import verify
from stores.home import Home, forget_homes, open_home
from tests.events import BASE_MS, scored
from tests.unit.replay.kit import Live, home_of, put, raw, replayed, settings_of

NOTHING = Redriven(0, 0, 0, 0, 0, 0, [])


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    yield home_of(tmp_path)
    forget_homes()


@pytest.fixture
def settings(tmp_path: Path) -> AggregatorSettings:
    return settings_of(tmp_path)


def set_aside(home: Home, *records: Any, stream: str = SCORED_STREAM, reason: str = "bad_value") -> None:
    """Bytes or documents, numbered from 0."""
    datas = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in records]
    put_asides(home.lake, [
        Aside("quarantined", reason, "", stream, "shardId-0", f"{reason}-{number}", 0, BASE_MS, str(number), data)
        for number, data in enumerate(datas)
    ])  # fmt: skip


def on_stream(home: Home, stream: str) -> list[tuple[str, Any]]:
    """Every record's key and document."""
    found = []
    for shard in home.log.shards(stream):
        page = home.log.get_records(home.log.iterator(stream, shard.shard_id, Position("TRIM_HORIZON")))
        found += [(each.partition_key, json.loads(each.data)) for each in page.records]
    return found


@pytest.mark.parametrize("lanes", [1, 4])
def test_a_record_goes_back_under_the_key_it_would_have_had(
    home: Home, settings: AggregatorSettings, lanes: int
) -> None:
    """Else an event could be in two lanes, and count twice."""
    events = [scored(number, "AAPL", BASE_MS + number, 0.1) for number in range(6)]
    set_aside(home, *events)
    assert redrive(home, settings.model_copy(update={"lanes": lanes})) == NOTHING._replace(read=6, redriven=6)
    keys = {document["event_id"]: key for key, document in on_stream(home, SCORED_STREAM)}
    lane_of = {each["event_id"]: f"{LANE_SEPARATOR}{member_hash(each['event_id']) % lanes}" for each in events}
    assert keys == {name: f"AAPL{lane if lanes > 1 else ''}" for name, lane in lane_of.items()}


def test_what_would_only_be_set_aside_again_stays(home: Home, settings: AggregatorSettings) -> None:
    """Under the line's own lateness."""
    late = scored(1, "AAPL", BASE_MS, 0.1, BASE_MS + 2 * HOUR_MS)
    very_late = scored(2, "AAPL", BASE_MS, 0.1, BASE_MS + 2 * DAY_MS)
    future = scored(3, "AAPL", BASE_MS + HOUR_MS, 0.1, BASE_MS)
    set_aside(home, late, very_late, future)
    said: list[str] = []
    strict = settings.model_copy(update={"allowed_lateness_ms": HOUR_MS})
    assert redrive(home, strict, problem=said.append) == NOTHING._replace(read=3, still_bad=3)
    assert ["too_late" in line for line in said] == [True, True, False]
    assert "bad_value-2 is still bad: future" in said[2]
    assert on_stream(home, SCORED_STREAM) == []
    assert redrive(home, settings).redriven == 1
    assert [document for _, document in on_stream(home, SCORED_STREAM)] == [late]


def test_an_article_of_an_impossible_time_stays(home: Home, settings: AggregatorSettings) -> None:
    good = raw(1, "Apple shares rise")
    old = raw(2, "Apple shares rise", "1999-12-31T23:59:59.999Z")
    future = raw(3, "Apple shares rise") | {"published_at": "2025-12-21T12:05:00.001Z"}
    set_aside(home, good, old, future, stream=RAW_STREAM)
    said: list[str] = []
    assert redrive(home, settings, problem=said.append) == NOTHING._replace(read=3, redriven=1, still_bad=2)
    assert [name in line for name, line in zip(("before_2000", "future"), said, strict=True)] == [True, True]
    assert on_stream(home, RAW_STREAM) == [(good["article_id"], good)]


def test_what_was_kept_in_part_cannot_go_back(home: Home, settings: AggregatorSettings) -> None:
    """Though what is left of it may be read."""
    whole, part = (raw(number, "Apple shares rise") for number in (1, 2))
    datas = [json.dumps(whole).encode().ljust(MAX_KEPT_BYTES), json.dumps(part).encode().ljust(MAX_KEPT_BYTES + 1)]
    set_aside(home, *datas, stream=RAW_STREAM)
    assert redrive(home, settings) == NOTHING._replace(read=2, redriven=1, kept_in_part=1)
    assert on_stream(home, RAW_STREAM) == [(whole["article_id"], whole)]


def test_one_reason_or_one_record_alone(home: Home, settings: AggregatorSettings) -> None:
    events = [scored(number, "AAPL", BASE_MS + number, 0.1) for number in range(4)]
    set_aside(home, *events[:2], reason="bad_value")
    set_aside(home, *events[2:], reason="future")
    assert redrive(home, settings, reason="future", dry_run=True) == NOTHING._replace(read=2, redriven=2)
    assert on_stream(home, SCORED_STREAM) == [], "a dry run puts nothing back"
    assert redrive(home, settings, reason="future") == NOTHING._replace(read=2, redriven=2)
    assert [document for _, document in on_stream(home, SCORED_STREAM)] == events[2:]
    assert redrive(home, settings, reason="future") == NOTHING
    assert redrive(home, settings, "bad_value-1") == NOTHING._replace(read=1, redriven=1)
    assert redrive(home, settings) == NOTHING._replace(read=1, redriven=1), "the last one"


def test_an_event_past_its_time_to_live_stays_until_a_replay_counts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Put back it would be set aside as expired, and the books would miss it."""
    clock = ManualClock()
    settings = settings_of(tmp_path / "expiring", expire=True)
    home = open_home(settings, clock)
    events = [scored(n, "AAPL", clock.now_ms() - n * 60_000, 0.5, clock.now_ms()) for n in range(10)]
    with monkeypatch.context() as patched:
        misunderstand(patched, events[0]["event_id"])
        put(home, events)
        live = Live(home, settings)
        live.all()
    clock.advance(3 * DAY_MS)
    said: list[str] = []
    assert redrive(home, settings, dry_run=True) == NOTHING._replace(read=1, still_bad=1)
    assert redrive(home, settings, problem=said.append) == NOTHING._replace(read=1, still_bad=1)
    assert "is still bad: expired: its minute is past its time to live" in said[0]
    live.all()
    assert len(on_stream(home, SCORED_STREAM)) == 10
    assert account(home, settings.allowed_lateness_ms, expire=True).balanced
    run = replayed(home, settings)
    compare(home, "g1", run["generation"], expire=True)
    promote(home, settings, run["id"])
    assert redrive(home, settings.model_copy(update={"expire": False})).redriven == 1, "as the runbook says"
    live.all()
    found = account(home, settings.allowed_lateness_ms, expire=True)
    assert (found.counted, found.quarantined, found.balanced) == (10, 0, True)
    assert verify(home, settings).total_differences == 0


def misunderstand(monkeypatch: pytest.MonkeyPatch, event_id: str) -> None:
    """The aggregator's decoder has a fault: it takes an event for bad."""
    decode = aggregator_module.decode

    def faulty(data: bytes) -> Any:
        if event_id.encode() in data:
            raise BadEvent("bad_value", "a fault of ours")
        return decode(data)

    monkeypatch.setattr(aggregator_module, "decode", faulty)
    monkeypatch.setattr(aggregator_module, "decode_all", lambda payloads: None)


def test_an_article_past_its_time_to_live_stays(tmp_path: Path) -> None:
    """One of the next minute goes back."""
    clock = ManualClock()
    settings = settings_of(tmp_path / "expiring", expire=True)
    home = open_home(settings, clock)
    gone, there = (raw(n, "Apple shares rise", f"2025-12-21T12:0{n}:59.999Z") for n in (1, 2))
    set_aside(home, gone, there, stream=RAW_STREAM)
    clock.instant_ms = parse_ms("2025-12-23T12:02:00Z")
    said: list[str] = []
    assert redrive(home, settings, problem=said.append) == NOTHING._replace(read=2, redriven=1, still_bad=1)
    assert "expired" in said[0]
    assert on_stream(home, RAW_STREAM) == [(there["article_id"], there)]
    assert redrive(home, settings.model_copy(update={"expire": False})).redriven == 1


def test_what_the_stream_does_not_take_stays_set_aside(
    home: Home, settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_aside(home, scored(1, "AAPL", BASE_MS, 0.1))

    def down(*given: Any) -> Any:
        raise Transient("log", "down")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(home.log, "put_records", down)
        with pytest.raises(Transient):
            redrive(home, settings)
    assert redrive(home, settings) == NOTHING._replace(read=1, redriven=1)
    assert len(on_stream(home, SCORED_STREAM)) == 1
