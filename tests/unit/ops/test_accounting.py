"""Law 3 in numbers, whatever goes on beside the count and whatever retention took before it."""

import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from aggregation.event import Event, decode
from contracts.clock import ManualClock
from contracts.errors import BadEvent
from contracts.events import SCORED_STREAM
from contracts.ports import Entry
from contracts.resolution import DAY_MS
from contracts.settings import AggregatorSettings
from ops import accounting
from ops.accounting import Account, account
from ops.replay.promote import promote
from ops.verify import verify
from stores.home import Home, forget_homes, open_home
from tests.events import BASE_MS, scored, stream
from tests.unit.replay.kit import Live, compared, expired_minutes, pass_by, put, replayed, settings_of

LATENESS_MS = AggregatorSettings().allowed_lateness_ms


@pytest.fixture
def settings(tmp_path: Path) -> AggregatorSettings:
    return settings_of(tmp_path / "data")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(BASE_MS + DAY_MS)


@pytest.fixture
def home(settings: AggregatorSettings, clock: ManualClock) -> Iterator[Home]:
    yield open_home(settings, clock)
    forget_homes()


def aapl(numbers: range) -> list[dict]:
    return [scored(number, "AAPL", BASE_MS + number, 0.1) for number in numbers]


@pytest.mark.parametrize("kind", ["late", "quarantined"])
def test_what_arrives_and_is_counted_meanwhile_is_received_too(
    home: Home, settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    live, arriving, standing = Live(home, settings), aapl(range(3, 5)), accounting.standing
    put(home, aapl(range(3)))
    live.all()

    def while_the_lake_is_listed(lake, listed, damaged):
        if listed == kind and arriving:
            put(home, [arriving.pop()])
            live.all()
        return standing(lake, listed, damaged)

    monkeypatch.setattr(accounting, "standing", while_the_lake_is_listed)
    assert account(home, LATENESS_MS) == Account(5, 5, 0, 0, 0)


def test_what_is_lost_stays_lost_however_often_one_looks(home: Home, settings: AggregatorSettings) -> None:
    put(home, aapl(range(3)))
    Live(home, settings).all()
    put(home, aapl(range(3, 4)))
    found = account(home, LATENESS_MS)
    assert not found.balanced
    assert (found.received, found.counted) == (4, 3)


def test_what_the_log_has_lost_is_taken_from_the_lake(
    home: Home, settings: AggregatorSettings, clock: ManualClock
) -> None:
    events, bad = stream(400, seed=4), Entry("AAPL", b"no event")
    put(home, events[:300])
    home.log.put_records(SCORED_STREAM, [bad, bad])
    live = Live(home, settings)
    live.all()
    before = account(home, LATENESS_MS)
    assert before.balanced
    assert min(before) > 0
    clock.advance(DAY_MS)
    home.log.trim(SCORED_STREAM, clock.now_ms())
    assert account(home, LATENESS_MS) == before
    put(home, events[300:])
    live.all()
    after = account(home, LATENESS_MS)
    assert after.balanced
    assert after.received + after.duplicates == 402


def test_a_damaged_object_is_told_of_once(home: Home, settings: AggregatorSettings, capsys) -> None:
    late = scored(1, "AAPL", BASE_MS, 0.1, BASE_MS + 2 * DAY_MS)
    put(home, [late])
    Live(home, settings).all()
    (key,) = home.lake.keys("late/")
    (Path(settings.data_dir) / "lake" / key).write_bytes(b"damaged")
    assert not account(home, LATENESS_MS, expire=True).balanced
    assert capsys.readouterr().err.count(key) == 1


def test_an_event_counted_once_and_late_again_is_not_two(home: Home, settings: AggregatorSettings) -> None:
    late = [scored(number, "AAPL", BASE_MS, 0.1, BASE_MS + 2 * DAY_MS) for number in (1, 2)]
    put(home, [late[0], scored(1, "AAPL", BASE_MS, 0.1), late[1]])
    Live(home, settings).all()
    assert account(home, LATENESS_MS) == Account(2, 1, 1, 1, 0)


@pytest.mark.parametrize("deleted", [False, True])
def test_an_event_that_came_when_its_minute_was_gone_is_too_late_if_it_never_counted(
    home: Home, settings: AggregatorSettings, clock: ManualClock, deleted: bool
) -> None:
    """A minute that is still there knows the event it counted; one that is gone sets aside both."""
    settings = settings.model_copy(update={"expire": True})
    expired_minutes(home, settings, clock, deleted)
    assert account(home, LATENESS_MS, expire=True) == Account(4, 3, 1, 1, 0)


@pytest.mark.parametrize("batch", [1, 700])
def test_an_event_that_came_twice_when_its_minute_was_gone_is_one_that_is_too_late(
    home: Home, settings: AggregatorSettings, clock: ManualClock, batch: int
) -> None:
    """In one batch or in two: a publisher whose answer was lost sends all of it again."""
    settings = settings.model_copy(update={"expire": True})
    clock.advance(3 * DAY_MS)
    put(home, [scored(1, "AAPL", BASE_MS, 0.1)] * 2 + [scored(2, "AAPL", BASE_MS + 1, 0.1)])
    Live(home, settings).all(batch)
    assert account(home, LATENESS_MS, expire=True) == Account(2, 0, 1, 2, 0)
    assert verify(home, settings).total_differences == 0


@pytest.mark.parametrize("expire", [False, True])
def test_what_a_replay_that_went_live_has_counted_is_too_late_no_more(
    home: Home, settings: AggregatorSettings, clock: ManualClock, expire: bool
) -> None:
    """It was set aside as expired, and a replay expires nothing; or as late, and there is more time now."""
    settings = settings.model_copy(update={"expire": expire})
    clock.advance(3 * DAY_MS)
    late = scored(1, "AAPL", BASE_MS, 0.1, BASE_MS + (0 if expire else 2 * DAY_MS))
    never = scored(2, "AAPL", BASE_MS, 0.1, BASE_MS + 9 * DAY_MS)
    put(home, [late, scored(3, "AAPL", clock.now_ms(), 0.2), never])
    Live(home, settings).all()
    assert account(home, LATENESS_MS, expire) == Account(3, 1, 0, 2, 0)
    lateness_ms = LATENESS_MS if expire else 2 * DAY_MS
    settings = settings.model_copy(update={"allowed_lateness_ms": lateness_ms})
    run = replayed(home, settings)
    compared(home, run)
    promote(home, settings, run["id"])
    assert account(home, lateness_ms, expire) == Account(3, 2, 0, 1, 0)
    assert verify(home, settings).total_differences == 0
    put(home, [late | {"event_id": "test#4@AAPL", "article_id": "test#4", "ingested_at": never["ingested_at"]}])
    Live(home, settings).all()
    assert account(home, lateness_ms, expire) == Account(4, 2, 0, 2, 0), "what comes since is judged as ever"


@pytest.mark.parametrize("deleted", [False, True])
def test_days_past_their_time_to_live_are_on_neither_side(
    home: Home, settings: AggregatorSettings, clock: ManualClock, deleted: bool
) -> None:
    settings = settings.model_copy(update={"expire": True})
    put(home, stream(200, seed=6))
    Live(home, settings).all()
    clock.advance(100 * DAY_MS)
    today = [scored(n, "MSFT", clock.now_ms() - n, 0.2, clock.now_ms()) for n in range(1_000, 1_005)]
    put(home, [*today, scored(2_000, "MSFT", BASE_MS, 0.2)])
    Live(home, settings).all()
    if deleted:
        with closing(sqlite3.connect(Path(settings.data_dir) / "buckets.db")) as file, file:
            file.execute("DELETE FROM buckets WHERE subject != 'MSFT'")
    found = account(home, LATENESS_MS, expire=True)
    assert found.balanced
    assert found.counted == 5


def test_what_comes_while_one_counts_is_left_out_and_what_came_before_is_not(
    home: Home, settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line that is never idle is always one event behind its log."""
    live, coming = Live(home, settings), iter(aapl(range(100)))

    def wait(event: object, wait_ms: float) -> bool:
        live.aggregate()
        put(home, [next(coming)])
        return False

    wait(None, 0)
    monkeypatch.setattr(home.clock, "wait", wait)
    found = account(home, LATENESS_MS)
    assert found.balanced
    assert found.counted > 1
    monkeypatch.setattr(home.clock, "wait", lambda event, wait_ms: False)
    live.all()
    assert account(home, LATENESS_MS).balanced
    put(home, [next(coming)])
    assert not account(home, LATENESS_MS).balanced


@pytest.mark.parametrize("lost", [False, True])
def test_a_record_set_aside_and_lost_beside_a_line_that_is_never_idle_is_seen(
    home: Home, settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch, lost: bool
) -> None:
    live, numbers = Live(home, settings), itertools.count(500)
    put(home, aapl(range(30)))
    home.log.put_records(SCORED_STREAM, [Entry("AAPL", b"no event")])
    live.all()
    if lost:
        for place in (Path(settings.data_dir) / "lake/quarantined").rglob("*.gz"):
            place.unlink()

    def arrive() -> None:
        put(home, aapl(range(number := next(numbers), number + 1)))

    def wait(event: Any, wait_ms: float) -> bool:
        live.aggregate()
        arrive()
        return False

    monkeypatch.setattr(home.clock, "wait", wait)
    arrive()
    assert account(home, LATENESS_MS).balanced is not lost


@pytest.mark.parametrize("lanes", [1, 3])
@pytest.mark.parametrize("lost", [False, True])
def test_a_loss_beside_a_line_that_is_never_idle_is_seen(
    home: Home, settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch, lost: bool, lanes: int
) -> None:
    """More arrives than was lost, so that the sums alone say nothing."""
    live, numbers = Live(home, settings.model_copy(update={"lanes": lanes})), itertools.count(500)
    put(home, aapl(range(30)))
    if lost:
        pass_by(home, 3)
    live.all()

    def wait(event: Any, wait_ms: float) -> bool:
        live.aggregate()
        arrive()
        return False

    def arrive() -> None:
        number = next(numbers)
        put(home, aapl(range(number, number + 1)))

    monkeypatch.setattr(home.clock, "wait", wait)
    arrive()
    assert account(home, LATENESS_MS).balanced is not lost


def test_a_record_that_a_mended_decoder_reads_counts_after_its_replay(
    home: Home, settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(data: bytes) -> Event:
        if b"test#0000000000000002@" in data:
            raise BadEvent("bad_value", "a fault of the decoder before")
        return decode(data)

    live = Live(home, settings)
    put(home, aapl(range(1, 4)))
    with monkeypatch.context() as before:
        before.setattr("aggregation.service.decode_all", lambda payloads: None)
        before.setattr("aggregation.service.decode", refusing)
        live.all()
    found = account(home, LATENESS_MS, False)
    assert (found.counted, found.quarantined) == (2, 1)
    run = replayed(home, settings)
    compared(home, run)
    promote(home, settings, run["id"])
    assert account(home, LATENESS_MS, False) == Account(3, 3, 0, 0, 0)


@pytest.mark.parametrize("how", ["cut", "gone"])
def test_a_plan_that_is_lost_or_damaged_takes_no_account_away(
    home: Home, settings: AggregatorSettings, how: str
) -> None:
    live = Live(home, settings)
    put(home, [*aapl(range(2)), scored(9, "AAPL", BASE_MS - 3 * DAY_MS, 0.1, BASE_MS)])
    live.all()
    run = replayed(home, settings)
    compared(home, run)
    promote(home, settings, run["id"])
    expected = account(home, LATENESS_MS, False)
    assert (expected.counted, expected.too_late) == (2, 1)
    (plan,) = (Path(settings.data_dir) / "lake/replay/plans").glob("*.gz")
    if how == "cut":
        plan.write_bytes(plan.read_bytes()[:40])
    else:
        plan.unlink()
    assert account(home, LATENESS_MS, False) == expected
    assert verify(home, settings).total_differences == 0
