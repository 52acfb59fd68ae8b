"""`verify` beside a running line: what came while it read is no difference; damage is one, however often looked at."""

import itertools
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from aggregation.rollup import past_ttl
from consumers.classifier.models import registry
from contracts.aside import list_asides
from contracts.bucket import BucketWrite, pack_members
from contracts.clock import ManualClock
from contracts.errors import Unusable
from contracts.events import RAW_STREAM, SCORED_STREAM
from contracts.ports import Record
from contracts.resolution import DAY_MS, HOUR_MS, NAMES
from contracts.settings import AggregatorSettings
from ops.cli import app, print_report
from ops.console import DIFFERENT, OK, PARTIAL
from ops.replay.promote import promote
from ops.replay.run import Drive, start_run
from ops.verify import SECOND_LOOKS, Report, verify
from stores.home import Home, forget_homes, open_home
from tests import oracle
from tests.events import BASE_MS, scored, stream
from tests.fakes.kinesis import batch_of
from tests.unit.replay.kit import (
    Live,
    archive_raw,
    expired_minutes,
    fields,
    ignore,
    pass_by,
    planned,
    put,
    put_raw,
    raw,
)
from tests.unit.replay.test_promote import compared
from tests.unit.replay.test_rescore import Lengths, again, news, title


@pytest.mark.parametrize("late", [0, 2])
def test_what_came_while_verify_read_is_no_difference(
    home: Home, settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch, late: int
) -> None:
    """The line goes on after the log was read; or it is behind its own log and catches up `late` looks later."""
    live, events = Live(home, settings), stream(120, 3, duplicates=0)
    put(home, events[:100])
    live.all()
    if late:
        put(home, events[100:])
    scan, looks = home.buckets.scan, iter(range(SECOND_LOOKS))

    def while_scanning(generation: str) -> Any:
        if not late:
            put(home, events[100:])
            live.all()
        return scan(generation)

    def wait(event: Any, wait_ms: float) -> bool:
        if next(looks) == late:
            live.all()
        return False

    monkeypatch.setattr(home.buckets, "scan", while_scanning)
    monkeypatch.setattr(home.clock, "wait", wait)
    report = verify(home, settings)
    assert report.differences == []
    assert report.events == verify(home, settings).events


def _never_idle(home: Home, live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever one waits, the line counts what had come, and the next event is there."""
    numbers = itertools.count(500)

    def arrive() -> None:
        number = next(numbers)
        put(home, [scored(number, "AAPL", BASE_MS + number, 0.5)])

    def wait(event: Any, wait_ms: float) -> bool:
        live.aggregate()
        arrive()
        return False

    arrive()
    live.all()
    arrive()
    monkeypatch.setattr(home.clock, "wait", wait)


def test_a_line_that_is_never_idle_is_not_damaged(
    home: Home, settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = Live(home, settings)
    _never_idle(home, live, monkeypatch)
    report = verify(home, settings)
    assert report.differences == []
    assert report.being_written == 8


def test_a_loss_in_a_minute_that_is_being_written_is_told(
    home: Home, settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(home, [scored(number, "AAPL", BASE_MS + number, 0.5) for number in range(30)])
    pass_by(home, 3)
    live = Live(home, settings)
    live.all()
    _never_idle(home, live, monkeypatch)
    report = verify(home, settings)
    assert [(each.resolution, each.fault) for each in report.differences] == [
        ("1m", "lacks 3 events of the log and has 0 that are not in it")
    ]
    assert report.being_written == 7


def test_what_no_event_of_the_log_says_is_told_though_its_minute_is_being_written(
    home: Home, settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = Live(home, settings)
    _never_idle(home, live, monkeypatch)
    bucket = next(each for each in home.buckets.scan("g1") if each.resolution == "1m")
    more = msgspec.structs.replace(bucket, packed=bucket.packed + pack_members([7]), rev=bucket.rev + 1)
    home.buckets.commit("g1", [BucketWrite(more, bucket.rev)])
    assert "has 1 that are not in it" in verify(home, settings).differences[0].fault


def test_beside_a_line_that_is_never_idle_nothing_is_said_to_be_well_that_was_not_seen(
    home: Home, settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    live = Live(home, settings)
    put(home, [scored(1, "MSFT", BASE_MS, 0.5)])
    live.all()
    _never_idle(home, live, monkeypatch)
    print_report(verify(home, settings))
    said = capsys.readouterr().out
    assert said.startswith("8 buckets were being written all the time")
    assert "the other 8 buckets equal" in said
    assert "ok" not in said


def test_nobody_writes_where_the_log_grows_and_the_line_stands_still(
    home: Home, settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A publisher goes on beside a killed `up`, and buckets.db was lost."""
    live = Live(home, settings)
    _never_idle(home, live, monkeypatch)
    monkeypatch.setattr(live, "aggregate", lambda: 0)
    monkeypatch.setattr(home.buckets, "scan", lambda generation: iter(()))
    monkeypatch.setattr(home.buckets, "get_many", lambda generation, keys: {})
    report = verify(home, settings)
    assert {each.fault for each in report.differences} == {"is missing"}
    assert (report.total_differences, report.being_written) == (8, 0)


@pytest.mark.parametrize(("total", "being_written", "code"), [(0, 0, OK), (0, 1, PARTIAL), (1, 1, DIFFERENT)])
def test_the_exit_code_tells_what_was_not_seen_from_what_differs(
    home: Home, settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch, total: int, being_written: int, code: int
) -> None:
    report = Report(8, 8, [], total, "", being_written)
    monkeypatch.setattr("ops.verify.verify", lambda *given: report)
    assert CliRunner().invoke(app, ["verify", "--data-dir", settings.data_dir]).exit_code == code


def test_damage_beside_a_line_that_is_never_idle_is_told(
    home: Home, settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = Live(home, settings)
    put(home, [scored(1, "MSFT", BASE_MS, 0.5)])
    live.all()
    _never_idle(home, live, monkeypatch)
    bucket = next(each for each in home.buckets.scan("g1") if each.subject == "MSFT" and each.resolution == "24h")
    wrong = msgspec.structs.replace(bucket.summary, high_e4=bucket.summary.high_e4 + 1)
    home.buckets.commit("g1", [BucketWrite(msgspec.structs.replace(bucket, summary=wrong, rev=2), 1)])
    report = verify(home, settings)
    assert [(each.subject, each.resolution) for each in report.differences] == [("MSFT", "24h")]


def test_damage_stays_a_difference_however_often_it_is_looked_at(home: Home, settings: AggregatorSettings) -> None:
    live = Live(home, settings)
    put(home, stream(100, 3))
    live.all()
    bucket = next(home.buckets.scan("g1"))
    wrong = msgspec.structs.replace(bucket.summary, high_e4=bucket.summary.high_e4 + 1)
    damaged = msgspec.structs.replace(bucket, summary=wrong, rev=bucket.rev + 1)
    assert home.buckets.commit("g1", [BucketWrite(damaged, bucket.rev)]) == []
    report = verify(home, settings)
    assert [(each.subject, each.resolution) for each in report.differences][:1] == [(bucket.subject, bucket.resolution)]


def test_a_lateness_that_was_changed_is_named_with_what_it_makes_differ(
    home: Home, settings: AggregatorSettings
) -> None:
    put(home, [scored(1, "AAPL", BASE_MS, 0.5, BASE_MS + 30 * HOUR_MS)])
    put(home, [scored(2, "AAPL", BASE_MS, 0.5, BASE_MS)])
    Live(home, settings).all()
    assert verify(home, settings).differences == []
    changed = settings.model_copy(update={"allowed_lateness_ms": 2 * DAY_MS})
    faults = [each.fault for each in verify(home, changed).differences]
    assert len(faults) == 8
    assert all("allowed lateness was 86,400,000 ms when g1 was begun and is 172,800,000 now" in each for each in faults)


def test_what_its_time_to_live_took_is_no_difference_and_damage_beside_it_is(
    settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Minutes live two days. Three days on some are gone, as DynamoDB deletes them, and some not yet."""
    settings = settings.model_copy(update={"expire": True})
    clock = ManualClock()
    home = open_home(settings, clock)
    live = Live(home, settings)
    put(home, stream(100, 3))
    live.all()
    clock.advance(3 * DAY_MS)
    scan = home.buckets.scan

    def without_half_of_the_dead(generation: str) -> Any:
        gone = (bucket for bucket in scan(generation) if past_ttl(bucket.key, clock.now_ms()))
        names = {bucket.key for number, bucket in enumerate(gone) if number % 2}
        return (bucket for bucket in scan(generation) if bucket.key not in names)

    monkeypatch.setattr(home.buckets, "scan", without_half_of_the_dead)
    report = verify(home, settings)
    assert report.differences == []
    assert report.buckets < len(list(scan("g1")))
    day = next(bucket for bucket in scan("g1") if bucket.resolution == "24h")
    summary = msgspec.structs.replace(day.summary, count=day.summary.count + 1)
    home.buckets.commit("g1", [BucketWrite(msgspec.structs.replace(day, summary=summary, rev=day.rev + 1), day.rev)])
    assert verify(home, settings).total_differences == 1
    forget_homes()


@pytest.mark.parametrize("deleted", [False, True])
def test_an_event_that_came_when_its_minute_was_gone_counts_in_no_rebuild(
    settings: AggregatorSettings, deleted: bool
) -> None:
    """Late again: one that counted in its time. Late only: one that never did. A minute that is still there knows the
    first as a duplicate."""
    settings = settings.model_copy(update={"expire": True})
    clock = ManualClock()
    home = open_home(settings, clock)
    events = expired_minutes(home, settings, clock, deleted)
    late = [line["event_key"].partition(" ")[2] for line in list_asides(home.lake, "late")]
    assert late == [event["event_id"] for event in ([events[0], events[3]] if deleted else [events[3]])]
    report = verify(home, settings)
    assert report.differences == []
    assert report.events == 3
    forget_homes()


class Rescored:
    """A generation with the scores of another model, live, and the line behind it."""

    def __init__(self, home: Home, settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(registry, "load", lambda name, threads=1: Lengths())
        self.home = home
        self.live = Live(home, settings)
        self.events = news(200)
        put_raw(home, [raw(number, title(number)) for number in range(200)])
        archive_raw(home)
        self.arrive(0, 100)
        run = start_run(home, settings, planned(home, settings, model="lengths"), Drive(concurrency=1), ignore)
        compared(home, run, max_flips=1, max_close_change=2, max_psi=99)
        promote(home, settings, run["id"])

    def arrive(self, first: int, last: int, archived: bool = True) -> None:
        """At an instant of its own."""
        before_ms = self.home.clock.now_ms()
        while self.home.clock.now_ms() <= before_ms + 1:
            pass
        put(self.home, self.events[first:last])
        while self.live.aggregate():
            pass
        while archived and self.live.archive(15):
            pass

    def forget(self, stream: str) -> None:
        """The log keeps nothing of a stream."""
        self.home.log.trim(stream, self.home.clock.now_ms() + 1)


def test_a_rescored_generation_verifies_when_the_log_has_forgotten_where_it_was_made_live(
    home: Home, settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rescored = Rescored(home, settings, monkeypatch)
    rescored.arrive(100, 150)
    assert verify(home, settings).total_differences == 0
    rescored.forget(SCORED_STREAM)
    rescored.forget(RAW_STREAM)
    assert verify(home, settings).total_differences == 0
    assert fields(home) == oracle.buckets([again(event) for event in rescored.events[:100]] + rescored.events[100:150])


def test_what_nobody_can_tell_any_more_is_said_and_no_difference(
    home: Home, settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The archiver was behind: an object of the lake begins before the place and ends behind it."""
    archive = Live.archive
    monkeypatch.setattr(Live, "archive", lambda self, limit=0: 0)
    rescored = Rescored(home, settings, monkeypatch)
    monkeypatch.setattr(Live, "archive", archive)
    rescored.arrive(100, 150, archived=False)
    assert rescored.live.archive() == 150
    assert verify(home, settings).total_differences == 0, "the log still knows"
    rescored.forget(SCORED_STREAM)
    with pytest.raises(Unusable, match=r"forgotten which are which; `candlewick replay verify r1`"):
        verify(home, settings)


def test_a_shard_that_is_younger_than_a_rescored_generation_has_the_scores_of_the_log(
    home: Home, settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rescored = Rescored(home, settings, monkeypatch)
    for shard in home.log.shards(SCORED_STREAM):
        home.log.split_shard(SCORED_STREAM, shard.shard_id, (shard.first_hash + shard.last_hash) // 2)
    rescored.arrive(100, 150)
    assert verify(home, settings).total_differences == 0


def test_buckets_that_no_event_of_the_log_made_are_told(home: Home, settings: AggregatorSettings) -> None:
    put(home, stream(50, 3, duplicates=0))
    live = Live(home, settings)
    live.all()
    ghost = Record("9", "GHOST", msgspec.json.encode(scored(1, "GHOST", BASE_MS, 0.1)), BASE_MS)
    live.aggregator.process("shardId-x", batch_of(SCORED_STREAM, [ghost], "shardId-x"), {})
    report = verify(home, settings)
    assert report.total_differences == len(NAMES)
    assert {each.fault for each in report.differences} == {"is stored, but the log has no event for it"}
