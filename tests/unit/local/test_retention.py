"""What is forgotten, and above all what is not: nothing that its reader is not done with."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from aggregation.rollup import past_ttl
from contracts.bucket import BucketKey
from contracts.clock import ManualClock
from contracts.ports import Change
from contracts.resolution import DAY_MS, MINUTE_MS, NAMES
from contracts.settings import AggregatorSettings
from local.driver_checkpoint import Checkpoint, Checkpoints
from local.retention import forget_old
from local.runner import Line
from ops.verify import verify
from stores.home import Home, close_home, open_home
from tests.events import scored
from tests.unit.replay.kit import Live, settings_of
from tests.unit.replay.kit import put as put_scored

SHARD = "shardId-00000000000000000000-00000000"


@pytest.fixture
def home(tmp_path: Path):
    settings = AggregatorSettings(data_dir=str(tmp_path), synchronous="normal")  # type: ignore[call-arg]
    yield open_home(settings, ManualClock())
    close_home(settings)


def put(home: Home, number: int) -> None:
    home.items.put_primary({"source_id": f"rss#{number}", "title": "t", "published_at": "2025-12-21T10:00:00.000Z"})


def sequences(home: Home, after: str = "") -> list[int]:
    return [int(change.sequence_number) for change in home.items.stream_read(SHARD, after)]


def test_the_items_stream_is_kept_for_a_day_and_as_long_as_it_is_unread(home: Home) -> None:
    (shard,) = home.items.stream_shards()
    assert shard == SHARD
    for number in range(4):
        put(home, number)
    first = sequences(home)
    home.clock.advance(2 * DAY_MS)  # type: ignore[attr-defined]
    forget_old(home)
    assert sequences(home) == first, "nobody has read them"
    read = home.items.stream_read(SHARD, "")[1].sequence_number
    Checkpoints(home.control, "read-model").save(SHARD, Checkpoint(read))
    forget_old(home)
    assert sequences(home) == first[2:], "the read ones are gone, the others are not"
    put(home, 9)
    Checkpoints(home.control, "read-model").save(
        SHARD, Checkpoint(home.items.stream_read(SHARD, "")[-1].sequence_number)
    )
    forget_old(home)
    assert len(sequences(home)) == 1, "young ones are kept"


def test_what_has_expired_a_day_ago_is_gone_from_the_file(home: Home, tmp_path: Path) -> None:
    home.control.put("stream-process", "old", {}, expires_ms=home.clock.now_ms() + 20_000)
    home.control.put("stream-process", "lasting", {})
    home.clock.advance(2 * DAY_MS)  # type: ignore[attr-defined]
    home.control.put("stream-process", "just-expired", {}, expires_ms=home.clock.now_ms() - 1)
    forget_old(home)
    with closing(sqlite3.connect(tmp_path / "control.db")) as file:
        kept = [name for (name,) in file.execute("SELECT name FROM documents WHERE kind = 'stream-process'")]
    assert sorted(kept) == ["just-expired", "lasting"]


def test_changes_that_the_line_writes_meanwhile_stay(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are stamped later than the trim began, as those of a clock that was ahead are."""
    now_ms = home.clock.now_ms()
    for written_ms in (now_ms - 2 * DAY_MS, now_ms + DAY_MS):
        home.buckets.commit("g1", [], [Change("g1", "AAPL", (), (), 0, written_ms)], "a")
    trim = home.buckets.trim_changes

    def beside_a_writer(*limits: int) -> int:
        home.buckets.commit("g1", [], [Change("g1", "AAPL", (), (), 0, now_ms + 5)], "a")
        return trim(*limits)

    monkeypatch.setattr(home.buckets, "trim_changes", beside_a_writer)
    forget_old(home)
    assert [stored.sequence for stored in home.buckets.changes_after({})] == [3]


def test_numbers_are_never_given_out_again(home: Home) -> None:
    """Else what is written after the stream was emptied would stand before the reader's checkpoint."""
    put(home, 1)
    last = home.items.stream_read(SHARD, "")[-1].sequence_number
    Checkpoints(home.control, "read-model").save(SHARD, Checkpoint(last))
    home.clock.advance(2 * DAY_MS)  # type: ignore[attr-defined]
    forget_old(home)
    assert sequences(home) == []
    put(home, 2)
    assert len(sequences(home, last)) == 1


@pytest.mark.parametrize("expire", [False, True])
def test_buckets_are_kept_unless_told_to_apply_their_time_to_live(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expire: bool
) -> None:
    monkeypatch.setenv("CANDLEWICK_EXPIRE", str(expire))
    settings = settings_of(tmp_path, expire=expire)
    clock = ManualClock()
    home = open_home(settings, clock)
    events = [scored(number, "AAPL", clock.now_ms() - number * MINUTE_MS, 0.2) for number in range(20)]
    put_scored(home, events)
    Live(home, settings).all()
    before = keys(home)
    (trim,) = [timer for timer in Line(home, False, False)._timers if timer.schedule.name == "trim"]
    for days, left in ((1, NAMES), (4, NAMES[3:]), (85, NAMES[-1:]), (400, ())):
        clock.advance(days * DAY_MS)
        assert trim.step().kind == "worked"
        assert keys(home) == [key for key in before if not expire or key.resolution in left]
        assert all(past_ttl(key, clock.now_ms()) for key in set(before) - set(keys(home)))
        assert verify(home, settings).total_differences == 0
    close_home(settings)


def keys(home: Home) -> list[BucketKey]:
    return [bucket.key for bucket in home.buckets.scan("g1")]
