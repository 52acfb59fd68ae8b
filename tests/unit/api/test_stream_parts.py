"""Parts of the stream on their own: coalescing, the ring, the cache of series, finding an instant in the log."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.series import Page
from api.series_cache import FRESH_MS, WATCHED_MS, Key, SeriesCache
from api.sse.coalescer import PAUSE_MS, Coalescer
from api.sse.filters import make_filter
from api.sse.latest import KEPT, Latest
from api.sse.opening import find_since, missed_changes, start_of
from api.sse.ring import Overrun, Ring
from api.sse.slots import bucket_event, control_event, whole_slot
from contracts.bucket import Bucket, BucketKey
from contracts.clock import ManualClock
from contracts.errors import BadRequest, Transient
from contracts.events import FUTURE_TOLERANCE_MS
from contracts.instants import iso_s
from contracts.ports import Change, StoredChange
from contracts.resolution import DAY_MS, MINUTE_MS, NAMES, WIDTH_MS, window_start_ms
from stores.sqlite_buckets import SqliteBucketStore
from tests.unit.api.kit import NOW_MS, TestHome, Told, article, live, serving, summary_of


def bucket(rev: int = 1, start_ms: int = NOW_MS, subject: str = "AAPL", resolution: str = "1m") -> Bucket:
    summary = summary_of([Told(subject, start_ms, 100, article(1))])
    return Bucket(BucketKey(subject, resolution, start_ms), summary, b"", (), rev, 0, True)


NUMBERS = itertools.count()


# ---- coalescing -----------------------------------------------------------------------------------------------------
@given(st.lists(st.floats(0, 40), min_size=1, max_size=120))
def test_no_key_goes_out_more_than_ten_times_a_second_and_the_last_state_always_does(gaps_ms: list[float]) -> None:
    coalescer = Coalescer()
    sent: list[tuple[float, int]] = []
    at_ms = 0.0

    def flush_until(limit_ms: float) -> None:
        while (due_ms := coalescer.next_ms()) is not None and due_ms <= limit_ms:
            sent.extend((due_ms, held.bucket.rev) for held in coalescer.due(due_ms))

    for rev, gap_ms in enumerate(gaps_ms, 1):
        at_ms += gap_ms
        flush_until(at_ms)
        if coalescer.offer(bucket(rev), 0, "lane", rev, at_ms):
            sent.append((at_ms, rev))
        safe = coalescer.hold_back({"lane": rev})["lane"]
        # Everything up to the safe position went out, or a later state of it did.
        assert safe <= sent[-1][1] if coalescer.holds else safe == rev
    flush_until(at_ms + PAUSE_MS)
    assert not coalescer.holds
    assert sent[-1][1] == len(gaps_ms)
    times = [at for at, _ in sent]
    assert all(later - earlier >= PAUSE_MS - 1e-6 for earlier, later in itertools.pairwise(times))


def test_a_newer_state_by_another_way_takes_the_place_of_the_held_one() -> None:
    coalescer = Coalescer()
    assert coalescer.offer(bucket(1), 0, "lane", 1, 0.0)
    assert not coalescer.offer(bucket(2), 0, "lane", 2, 1.0)
    coalescer.supersede(bucket(2))
    assert not coalescer.holds
    assert coalescer.hold_back({"lane": 3}) == {"lane": 3}


def test_an_older_state_by_another_way_leaves_the_held_one() -> None:
    """Two lanes are read one after the other, and the window ended in between."""
    coalescer = Coalescer()
    assert coalescer.offer(bucket(1), 0, "lane", 1, 0.0)
    assert not coalescer.offer(bucket(3), 0, "lane", 2, 1.0)
    coalescer.supersede(bucket(2))
    assert [held.bucket.rev for held in coalescer.due(PAUSE_MS)] == [3]


def test_what_was_quiet_is_forgotten_but_nothing_held() -> None:
    coalescer = Coalescer()
    coalescer.offer(bucket(1), 0, "lane", 1, 0.0)
    coalescer.offer(bucket(2), 0, "lane", 2, 1.0)
    coalescer.forget(1_000.0)
    assert coalescer.next_ms() == PAUSE_MS
    assert [held.bucket.rev for held in coalescer.due(PAUSE_MS)] == [2]


# ---- ring -----------------------------------------------------------------------------------------------------------
def test_equal_filters_share_their_bytes_and_a_reader_left_behind_is_told() -> None:
    ring = Ring(capacity=4)
    ours, same, other = make_filter(["AAPL"], ["1m"]), make_filter(["AAPL"], ["1m"]), make_filter(["MSFT"], ["1m"])
    for rev in range(1, 4):
        ring.append(whole_slot(f"g1.0:{rev - 1}", f"g1.0:{rev}", (bucket_event(bucket(rev), 1, NOW_MS),)))
    first, index = ring.read(0, ours)
    assert ring.read(0, same)[0] is first
    assert index == 3
    assert first.count(b"event: ") == 3
    assert ring.read(0, other) == (b"", 3)
    assert ring.read(3, ours) == (b"", 3)
    for rev in range(4, 7):
        ring.append(whole_slot(f"g1.0:{rev - 1}", f"g1.0:{rev}", (bucket_event(bucket(rev), 1, NOW_MS),)))
    with pytest.raises(Overrun):
        ring.read(1, ours)
    assert ring.read(2, ours)[1] == 6


def test_events_nobody_wants_are_never_worked_out() -> None:
    asked: list[int] = []

    def make() -> dict[str, Any]:
        asked.append(1)
        return {}

    event = control_event("metrics", {})
    event._make = make
    slot = whole_slot("g1.-", "g1.0:1", (bucket_event(bucket(), 1, NOW_MS),))
    assert slot.render(make_filter(["MSFT"], ["1m"])) == b""
    assert asked == []


def test_the_newest_buckets_are_kept_by_revision() -> None:
    latest = Latest()
    for number in range(KEPT["1m"] + 5):
        latest.put(bucket(1, NOW_MS - number * MINUTE_MS))
    latest.put(bucket(3, NOW_MS))
    latest.put(bucket(2, NOW_MS))
    wanted = make_filter(["AAPL"], ["1m"])
    (row,) = latest.rows(wanted, ["AAPL"], NOW_MS)
    assert (row["partial"]["rev"], row["final"]["rev"]) == (3, 1)
    assert latest.missing([("AAPL", "1m")]) == [("AAPL", "1m")]
    latest.load(("AAPL", "1m"), [])
    assert latest.missing([("AAPL", "1m")]) == []


@pytest.mark.parametrize("resolution", NAMES)
def test_what_is_kept_holds_what_a_snapshot_says_and_little_more(resolution: str) -> None:
    """Also at the last instant of a window, with events as far in the future as may count."""
    width_ms, latest = WIDTH_MS[resolution], Latest()
    first_ms = window_start_ms(NOW_MS, width_ms)
    now_ms = first_ms + width_ms - 1
    last_ms = window_start_ms(now_ms + FUTURE_TOLERANCE_MS, width_ms)
    for start_ms in range(first_ms - 50 * width_ms, last_ms + 1, width_ms):
        latest.put(bucket(1, start_ms, resolution=resolution))
    (row,) = latest.rows(make_filter(["AAPL"], [resolution]), ["AAPL"], now_ms)
    assert row["partial"]["start"] == iso_s(first_ms)
    assert row["final"]["start"] == iso_s(first_ms - width_ms)
    kept = latest._buckets["AAPL", resolution]
    assert len(kept) <= (last_ms - first_ms) // width_ms + 3, "a thousand subjects keep eight series each"


# ---- cache of series ------------------------------------------------------------------------------------------------
def cache_with(healthy: bool) -> tuple[SeriesCache, Any]:
    hub = SimpleNamespace(healthy=healthy, generation="g1", versions={}, swaps=0, clock=ManualClock())
    return SeriesCache(hub), hub  # type: ignore[arg-type]


KEY = Key("g1", "AAPL", "1m", "question")


def pages_of(count: int) -> tuple[list[Page], Callable[[], Awaitable[Page]]]:
    """Pages, and what loads one after the other."""
    pages = [Page([], False, str(n)) for n in range(count)]
    left = iter(pages)

    async def load() -> Page:
        return next(left)

    return pages, load


@live
async def test_without_a_view_of_the_log_an_entry_lives_a_second() -> None:
    cache, hub = cache_with(healthy=False)
    pages, load = pages_of(3)
    assert await cache.get(KEY, load) == (pages[0], False)
    hub.clock.advance(int(FRESH_MS) - 1)
    assert await cache.get(KEY, load) == (pages[0], True)
    hub.clock.advance(1)
    assert await cache.get(KEY, load) == (pages[1], False)


@live
async def test_with_a_view_of_the_log_an_entry_lives_until_a_change() -> None:
    cache, hub = cache_with(healthy=True)
    pages, load = pages_of(4)
    assert await cache.get(KEY, load) == (pages[0], False)
    hub.clock.advance(int(WATCHED_MS) - 1)
    hub.versions["MSFT", "1m"] = 1
    assert await cache.get(KEY, load) == (pages[0], True)
    hub.versions["AAPL", "1m"] = 1
    assert await cache.get(KEY, load) == (pages[1], False)
    hub.healthy = False
    hub.clock.advance(int(FRESH_MS))
    assert await cache.get(KEY, load) == (pages[2], False)


@live
async def test_what_was_read_of_a_generation_before_it_went_live_is_read_again() -> None:
    """A promotion catches up on what the old one was told without logging a change."""
    cache, hub = cache_with(healthy=True)
    pages, load = pages_of(2)
    key = KEY._replace(generation="g2")
    assert await cache.get(key, load) == (pages[0], False)
    hub.generation, hub.swaps = "g2", 1
    assert await cache.get(key, load) == (pages[1], False)
    assert await cache.get(key, load) == (pages[1], True)


@live
async def test_equal_questions_at_once_are_read_once_and_failures_are_not_kept() -> None:
    cache, _ = cache_with(healthy=True)
    began = asyncio.Event()
    reads: list[int] = []

    async def slow() -> Page:
        reads.append(1)
        await began.wait()
        if len(reads) == 1:
            raise Transient("buckets", "down")
        return Page([], False, "x")

    asked = [asyncio.create_task(cache.get(KEY, slow)) for _ in range(5)]
    await asyncio.sleep(0)
    began.set()
    failed = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(each) for each in failed] == [Transient] * 5
    assert len(reads) == 1
    answers = await asyncio.gather(*(cache.get(KEY, slow) for _ in range(5)))
    assert len(reads) == 2
    assert [hit for _, hit in answers] == [False, True, True, True, True]


@live
async def test_the_cache_holds_a_bounded_number_of_buckets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.series_cache.MAX_BUCKETS", 25)
    cache, _ = cache_with(healthy=True)
    keys = [KEY._replace(question=number) for number in range(5)]

    async def load() -> Page:
        return Page([bucket(1, NOW_MS - n * MINUTE_MS) for n in range(9)], False, "x")

    for key in keys:
        await cache.get(key, load)
    assert [cache.peek(key) is not None for key in keys] == [False, False, False, True, True]
    await cache.get(keys[3], load)
    await cache.get(keys[0], load)
    assert [cache.peek(key) is not None for key in keys] == [True, False, False, True, False]


# ---- the log --------------------------------------------------------------------------------------------------------
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(0, 3)), max_size=40),
    st.integers(-2, 100),
    st.integers(0, 60),
)
def test_an_instant_is_found_exactly_or_not_at_all(
    tmp_path: Path, written: list[tuple[str, int]], since: int, trimmed: int
) -> None:
    store = SqliteBucketStore(tmp_path / f"{next(NUMBERS)}.db", "normal")
    everything: list[StoredChange] = []
    at_ms = 0
    for lane, gap in written:
        at_ms += gap
        change = Change("g1", "AAPL", (), (), at_ms, at_ms)
        store.commit("g1", [], [change], lane)
        everything.append(StoredChange(lane, store.changes_head()[lane], change))
    if trimmed < 30:
        store.trim_changes(trimmed)
    vector = find_since(store, since, trimmed + DAY_MS)
    wanted = {(s.lane, s.sequence) for s in everything if s.change.written_ms >= since}
    if vector is None:
        assert since < trimmed < 30
    else:
        missed = missed_changes(store, vector, store.changes_head())
        assert missed is not None
        assert {(s.lane, s.sequence) for s in missed} == wanted
    store.close()


def test_lanes_that_were_trimmed_hide_no_instant_of_the_last_day(tmp_path: Path) -> None:
    """A promotion's lane of which nothing is left, and a busy one whose next change came after the instant."""
    store = SqliteBucketStore(tmp_path / "buckets.db", "normal")
    for lane, at_ms in (("replay", 5), ("busy", 7), ("busy", DAY_MS + 50), ("live", DAY_MS + 40)):
        store.commit("g1", [], [Change("g1", "AAPL", (), (), at_ms, at_ms)], lane)
    store.trim_changes(10)
    now_ms = DAY_MS + 60
    assert find_since(store, DAY_MS + 45, now_ms) == {"replay": 1, "busy": 1, "live": 1}
    assert find_since(store, 60, now_ms) == {"replay": 1, "busy": 1, "live": 0}
    assert find_since(store, 59, now_ms) is None
    store.close()


def test_a_lane_that_is_born_while_an_instant_is_looked_for_is_missed_from_its_first_change(tmp_path: Path) -> None:
    store = SqliteBucketStore(tmp_path / "buckets.db", "normal")

    def write(lane: str) -> None:
        store.commit("g1", [], [Change("g1", "AAPL", (), (), NOW_MS, NOW_MS)], lane)

    class Splitting:
        born = False

        def __getattr__(self, name: str) -> Any:
            def read(*arguments: Any) -> Any:
                found = getattr(store, name)(*arguments)
                if not self.born:
                    self.born = True
                    write("new")
                return found

            return read

    write("old")
    vector = find_since(Splitting(), NOW_MS, NOW_MS)  # type: ignore[arg-type]
    assert vector is not None
    assert [stored.lane for stored in missed_changes(store, vector, store.changes_head()) or ()] == ["new", "old"]
    store.close()


def test_a_broken_last_event_id_gets_a_snapshot_and_a_broken_cursor_a_word() -> None:
    assert start_of("nonsense", None, None).point == ("", {})
    assert start_of("g1.0:5", "0:3", None).point == ("g1", {"shardId-000000000000": 5})
    with pytest.raises(BadRequest):
        start_of(None, "nonsense", None)


@live
async def test_a_body_that_drips_is_not_waited_for(home: TestHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.middleware.BODY_S", 0.2)
    async with serving(home) as (base, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(base.rpartition(":")[2]))
        writer.write(b"POST /api/v2/configurations HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        answer = (await reader.read()).decode()
        assert answer.startswith("HTTP/1.1 408 ")
        assert "content-type: application/problem+json" in answer
        writer.close()
