"""Laws 1 to 5 on the pure operator, against the independent oracle."""

import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregation.event import Event
from aggregation.gather import gather
from aggregation.operator import EMPTY, Batch, Limits, State, Step, step
from aggregation.rollup import replace, violation
from contracts.bucket import Bucket, BucketKey, FlatChildren, content_bytes, flat
from contracts.resolution import HOUR_MS, MINUTE_MS, NAMES
from tests import oracle
from tests.events import BASE_MS, scored, stream
from tests.ports.bucket_values import summary


def as_event(document: dict) -> Event:
    return msgspec.convert(document, Event)


class Run:
    """The operator with a dictionary for a store."""

    def __init__(self, lanes: int = 1, limits: Limits = Limits()) -> None:  # noqa: B008
        self.state: State = EMPTY
        self.stored: dict[BucketKey, Bucket] = {}
        self.lanes, self.limits = lanes, limits
        self.steps: list[Step] = []

    def feed(self, documents: list[dict], now_ms: int = BASE_MS, shard: str = "s0", commit: bool = True) -> Step:
        gathered = gather([as_event(d) for d in documents], lanes=self.lanes)
        done = step(self.state, Batch(shard, gathered, self.stored), now_ms, self.limits)
        if commit:
            for write in done.writes:
                before = self.stored.get(write.bucket.key)
                assert write.expected_rev == (before.rev if before else 0)
                assert before is None or content_bytes(before) != content_bytes(write.bucket), "rev grew, content not"
                self.stored[write.bucket.key] = write.bucket
            assert done.state.watermark_ms >= self.state.watermark_ms
            self.state = done.state
        self.steps.append(done)
        return done

    def fields(self) -> dict:
        return {tuple(k): oracle.fields_of(b) for k, b in self.stored.items() if "~" not in k.subject}

    def content(self) -> dict:
        return {k: content_bytes(b) for k, b in self.stored.items()}


def batches(events: list[dict], seed: int) -> list[list[dict]]:
    rnd, at, found = random.Random(seed), 0, []
    while at < len(events):
        size = rnd.choice((1, 2, 7, 50, 400))
        found.append(events[at : at + size])
        at += size
    return found


@pytest.mark.parametrize("seed", range(5))
def test_any_order_any_batching_equals_the_oracle(seed: int) -> None:
    events = stream(3_000, seed=1)
    random.Random(seed).shuffle(events)
    run = Run()
    for batch in batches(events, seed):
        run.feed(batch)
    assert run.fields() == oracle.buckets(stream(3_000, seed=1))
    verdicts = [oracle.verdict(e) for e in events]
    assert sum(len(s.too_late) for s in run.steps) == verdicts.count("too_late") > 0
    assert sum(len(s.quarantined) for s in run.steps) == verdicts.count("future") > 0
    assert sum(s.counted + s.duplicates + len(s.too_late) + len(s.quarantined) for s in run.steps) == len(events)


def test_five_orders_and_batchings_give_the_same_bytes() -> None:
    contents = []
    for seed in range(5):
        events = stream(2_000, seed=7)
        random.Random(seed).shuffle(events)
        run = Run()
        for batch in batches(events, seed):
            run.feed(batch)
        contents.append(run.content())
    assert all(content == contents[0] for content in contents)


@pytest.mark.parametrize("lanes", [4, 16])
def test_lanes_give_the_same_candles(lanes: int) -> None:
    events = stream(2_000, seed=3)
    run = Run(lanes=lanes)
    for batch in batches(events, 1):
        run.feed(batch)
    assert run.fields() == oracle.buckets(events)


def test_redelivery_changes_nothing_and_still_cascades() -> None:
    events = stream(500, seed=5)
    run = Run()
    run.feed(events)
    before = run.content()
    again = run.feed(events)
    assert again.writes == []
    assert again.counted == 0
    assert {bucket.key for bucket in again.buckets} == set(before)
    # A crash after the 1m writes: the coarse buckets are gone, the members are not. The retry mends them.
    for key in [k for k in run.stored if k.resolution != "1m"]:
        del run.stored[key]
    assert run.feed(events).counted == 0
    assert run.content() == before


def test_every_coarse_bucket_is_the_merge_of_its_children() -> None:
    run = Run()
    for batch in batches(stream(1_500, seed=11), 2):
        run.feed(batch)
    assert len(run.stored) > 100
    assert [violation(b, run.stored) for b in run.stored.values() if violation(b, run.stored)] == []


def test_a_stale_reader_cannot_pull_a_child_summary_back() -> None:
    run = Run()
    run.feed([scored(1, "AAPL", BASE_MS, 0.5)])
    stale = run.stored[BucketKey("AAPL", "1m", BASE_MS)]
    run.feed([scored(2, "AAPL", BASE_MS + 1, -0.5)])
    newer = run.stored[BucketKey("AAPL", "1m", BASE_MS)]
    run.stored[stale.key] = stale  # this reader's cache missed the second event's minute
    run.feed([scored(1, "AAPL", BASE_MS, 0.5), scored(3, "AAPL", BASE_MS + MINUTE_MS, 0.1)])
    run.stored[newer.key] = newer
    assert [violation(b, run.stored) for b in run.stored.values() if violation(b, run.stored)] == []


def test_two_events_with_one_id_the_first_in_the_log_stands() -> None:
    first, second = scored(1, "AAPL", BASE_MS + 5, 0.5), scored(1, "AAPL", BASE_MS + 5, -0.5)
    odd_form = second | {"event_time": second["event_time"].replace("Z", "+00:00")}  # takes the slow path
    for pair in ([first, second], [first, odd_form]):
        for split in (False, True):
            run = Run()
            for batch in [pair] if not split else [[pair[0]], [pair[1]]]:
                run.feed(batch)
            assert run.stored[BucketKey("AAPL", "1m", BASE_MS)].summary.open_e4 == 5_000
    run = Run()
    run.feed([odd_form, first])
    assert run.stored[BucketKey("AAPL", "1m", BASE_MS)].summary.open_e4 == -5_000


def test_expired_is_not_empty() -> None:
    run = Run()
    run.feed([scored(1, "AAPL", BASE_MS, 0.5), scored(2, "AAPL", BASE_MS + MINUTE_MS, 0.2)])
    del run.stored[BucketKey("AAPL", "1m", BASE_MS)]
    before = run.content()
    done = run.feed([scored(3, "AAPL", BASE_MS + 1, -0.9)])
    assert [(a.reason, a.event.event_id) for a in done.too_late] == [("expired", "test#0000000000000003@AAPL")]
    assert run.content() == before
    # The 5m bucket is gone too: the 10m one still remembers it.
    for name in ("1m", "5m"):
        for key in [k for k in run.stored if k.resolution == name]:
            del run.stored[key]
    assert [a.reason for a in run.feed([scored(4, "AAPL", BASE_MS + 2, -0.9)]).too_late] == ["expired"]
    # A minute that never was is new, wherever its neighbours went.
    assert run.feed([scored(5, "AAPL", BASE_MS + 30 * MINUTE_MS, 0.1)]).counted == 1


def test_a_bucket_past_its_ttl_counts_as_gone_only_when_ttls_apply() -> None:
    later_ms = BASE_MS + 49 * 3_600_000
    for expire, reasons in ((True, ["expired"]), (False, [])):
        run = Run(limits=Limits(expire=expire))
        run.feed([scored(1, "AAPL", BASE_MS, 0.5)])
        done = run.feed([scored(2, "AAPL", BASE_MS + 1, 0.1)], now_ms=later_ms)
        assert [aside.reason for aside in done.too_late] == reasons


def test_a_commit_that_went_no_further_is_finished_past_the_ttl() -> None:
    """The simulator found it (seed 8256): only the minute had been written, and the retry came after its TTL."""
    first, second, other = [scored(n, "AAPL", BASE_MS + n, 0.1 * n) for n in (1, 2, 3)]
    whole = Run(limits=Limits(expire=True))
    whole.feed([first, second])
    for written in ("1m", "5m", "10m", "1h"):
        torn = Run(limits=Limits(expire=True))
        torn.feed([first, second])
        torn.stored = {
            key: each for key, each in torn.stored.items() if NAMES.index(key.resolution) <= NAMES.index(written)
        }
        done = torn.feed([first, other, second], now_ms=BASE_MS + 49 * HOUR_MS)
        assert [(each.reason, each.event.event_id) for each in done.too_late] == [("expired", other["event_id"])]
        assert (done.counted, done.duplicates) == (0, 2)
        assert torn.content() == whole.content()


@pytest.mark.parametrize("gone", [{"5m"}, {"10m"}, {"5m", "10m"}, {"1m", "10m"}])
def test_what_is_gone_above_an_old_minute_is_not_made_anew(gone: set[str]) -> None:
    run = Run(limits=Limits(expire=True))
    run.feed([scored(1, "AAPL", BASE_MS, 0.5), scored(2, "AAPL", BASE_MS + 7 * MINUTE_MS, 0.2)])
    run.stored = {key: each for key, each in run.stored.items() if key.resolution not in gone}
    before = run.content()
    done = run.feed([scored(1, "AAPL", BASE_MS, 0.5)], now_ms=BASE_MS + 80 * HOUR_MS)
    assert [each.reason for each in done.too_late] == ["expired"]
    assert run.content() == before


def test_windows_open_become_final_and_are_revised() -> None:
    run = Run()
    run.feed([scored(1, "AAPL", BASE_MS, 0.4)])
    done = run.feed([scored(2, "AAPL", BASE_MS + 3 * MINUTE_MS, 0.1)])
    assert done.finals == [BucketKey("AAPL", "1m", BASE_MS)]
    late = run.feed([scored(3, "AAPL", BASE_MS + 7, 1.0, BASE_MS + 3 * MINUTE_MS)])
    assert late.revised == [BucketKey("AAPL", "1m", BASE_MS)]
    assert late.finals == []
    assert run.stored[BucketKey("AAPL", "1m", BASE_MS)].rev == 2


def test_an_idle_shard_holds_nobody_back_and_cannot_pull_back() -> None:
    run = Run()
    run.feed([scored(1, "AAPL", BASE_MS, 0.4)], now_ms=BASE_MS, shard="slow")
    run.feed([scored(2, "MSFT", BASE_MS + 10 * MINUTE_MS, 0.4)], now_ms=BASE_MS + 1, shard="fast")
    assert run.state.watermark_ms == BASE_MS - 2 * MINUTE_MS
    run.feed([scored(3, "MSFT", BASE_MS + 10 * MINUTE_MS, 0.4)], now_ms=BASE_MS + 61_000, shard="fast")
    assert run.state.watermark_ms == BASE_MS + 8 * MINUTE_MS
    run.feed([scored(4, "AAPL", BASE_MS + 1, 0.4)], now_ms=BASE_MS + 61_001, shard="slow")
    assert run.state.watermark_ms == BASE_MS + 8 * MINUTE_MS


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"subject": "AA#PL"}, "bad_subject"),
        ({"subject": "AAPL~1"}, "bad_subject"),
        ({"event_time": "2025-12-21T12:00:00"}, "bad_time"),
        ({"event_time": "2025-12-21T12:00:61.000Z"}, "bad_time"),
        ({"event_time": "1999-12-31T23:59:59.999Z"}, "before_2000"),
        ({"event_time": "2025-12-21T13:00:00.000Z"}, "future"),
    ],
)
def test_bad_events_are_set_aside_and_the_rest_goes_on(change: dict, reason: str) -> None:
    run = Run()
    done = run.feed([scored(1, "AAPL", BASE_MS, 0.1), scored(2, "AAPL", BASE_MS, 0.1) | change])
    assert [aside.reason for aside in done.quarantined] == [reason]
    assert done.counted == 1
    assert run.state.watermark_ms == BASE_MS - 2 * MINUTE_MS


Events = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 3 * MINUTE_MS), st.integers(-10_000, 10_000)), min_size=1, max_size=40
)


@settings(max_examples=150, deadline=None)
@given(Events, st.randoms(use_true_random=False))
def test_merge_of_parts_is_the_whole(rows: list[tuple[int, int, int]], rnd: random.Random) -> None:
    events = [scored(n, "AAPL", BASE_MS + 1_000 * n, e4 / 10_000) for n, _, e4 in rows]
    one = Run()
    one.feed(events)
    unique = list({e["event_id"]: e for e in reversed(events)}.values())
    rnd.shuffle(unique)
    parts = Run()
    for batch in batches(unique, rnd.randrange(100)):
        parts.feed(batch)
    assert parts.content() == one.content()
    assert one.fields() == oracle.buckets(events)


Numbered = st.lists(st.tuples(st.integers(0, 6), st.integers(1, 3)), max_size=6, unique_by=lambda child: child[0])


@settings(max_examples=300, deadline=None)
@given(Numbered, Numbered)
def test_children_are_replaced_by_those_that_count_more(
    known: list[tuple[int, int]], new: list[tuple[int, int]]
) -> None:
    def children(counts: list[tuple[int, int]]) -> FlatChildren:
        some = summary(1)
        return flat((name, msgspec.structs.replace(some, count=count)) for name, count in sorted(counts))

    before = children(known)
    after = replace(before, children(new))
    most = {name: max(dict(each).get(name, 0) for each in (known, new)) for name, _ in known + new}
    assert list(after[::2]) == sorted(most)
    assert {name: child.count for name, child in zip(after[::2], after[1::2], strict=True)} == most
    assert (after is before) == (most == dict(known))
