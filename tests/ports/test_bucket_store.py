"""The BucketStore port: guarded writes, reads, generations, and the change log written together with them."""

import multiprocessing
import threading
import time

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aggregation.changes import changes_of
from contracts.bucket import BucketKey, BucketWrite, content_bytes, pack_members
from contracts.ports import BucketStore
from tests.ports.bucket_values import START_MS, bucket, change, seen, write
from tests.ports.port_workers import commit_until_killed


@pytest.fixture
def store(installation) -> BucketStore:
    return installation.home.buckets


def commit(store: BucketStore, *buckets, generation: str = "live") -> list[BucketKey]:
    return store.commit(generation, [write(each) for each in buckets])


# ---- buckets ---------------------------------------------------------------------------------------------------
def test_a_bucket_comes_back_as_it_was_written(installation, store):
    written = [bucket(resolution=name, seed=seed) for seed, name in enumerate(("1m", "5m", "24h"))]
    assert commit(store, *written) == []
    keys = [each.key for each in written]
    assert store.get_many("live", keys) == dict(zip(keys, written, strict=True))
    again = installation.reopen().buckets.get_many("live", keys)
    assert [content_bytes(again[each.key]) for each in written] == [content_bytes(each) for each in written]


def test_extreme_values_survive(store):
    packed = pack_members([0, 1, (1 << 64) - 1, 1 << 63])
    tagged = bucket(subject="tag:ai-regulation")
    value = msgspec.structs.replace(tagged, packed=packed, last_updated_ms=0, is_partial=True)
    commit(store, value)
    assert store.get_many("live", [value.key]) == {value.key: value}


def test_absent_buckets_are_left_out(store):
    commit(store, bucket())
    missing = BucketKey("MSFT", "1m", START_MS)
    assert list(store.get_many("live", [bucket().key, missing])) == [bucket().key]
    assert store.get_many("other", [bucket().key]) == {}
    assert store.get_many("live", []) == {}


@pytest.mark.parametrize(("stored", "expected"), [(0, 1), (1, 0), (2, 1), (1, 2)])
def test_a_write_whose_guard_fails_changes_nothing(store, stored, expected):
    for rev in range(1, stored + 1):
        commit(store, bucket(rev=rev, seed=rev))
    before = list(store.scan("live"))
    attempt = BucketWrite(bucket(rev=expected + 1, seed=99), expected)
    assert store.commit("live", [attempt], [change(attempt.bucket)], "a") == [attempt.bucket.key]
    assert list(store.scan("live")) == before
    assert store.changes_after({}) == []


def test_writes_of_one_commit_guard_each_other_in_order(store):
    assert commit(store, bucket(rev=1, seed=1), bucket(rev=2, seed=2)) == []
    assert store.get_many("live", [bucket().key])[bucket().key] == bucket(rev=2, seed=2)
    assert commit(store, bucket(rev=4, seed=4), bucket(rev=3, seed=3)) != []


def test_of_two_writers_exactly_one_wins(installation, store):
    """Each reads a rev and writes rev + 1, many times, from two threads: every rev is won once."""
    rounds = 60 // min(4, installation.slowness)
    won: list[int] = []
    together = threading.Barrier(2)

    def race(seed: int) -> None:
        for rev in range(1, rounds + 1):
            together.wait(20)
            if not commit(store, bucket(rev=rev, seed=seed)):
                won.append(rev)
            together.wait(20)

    threads = [threading.Thread(target=race, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(won) == list(range(1, rounds + 1))
    assert store.get_many("live", [bucket().key])[bucket().key].rev == rounds


def test_range_is_half_open_ascending_and_without_members(store):
    written = [bucket(resolution=name, at=at, seed=at) for name in ("1m", "5m") for at in range(-2, 6)]
    commit(store, *written, bucket(subject="AAPL2"), bucket(subject="AAP"))
    minutes = [seen(each) for each in written if each.resolution == "1m"]
    assert store.range("live", "AAPL", "1m") == minutes
    assert store.range("live", "AAPL", "1m", minutes[1].start_ms, minutes[4].start_ms) == minutes[1:4]
    assert store.range("live", "AAPL", "1m", start_ms=minutes[6].start_ms) == minutes[6:]
    year_999_ms = -30_641_760_000_000
    assert store.range("live", "AAPL", "1m", start_ms=year_999_ms) == minutes
    assert store.range("live", "AAPL", "1m", end_ms=year_999_ms) == []
    assert store.range("live", "AAPL", "1m", limit=3) == minutes[:3]
    assert store.range("live", "AAPL", "1m", limit=3, newest=True) == minutes[-3:]
    assert store.range("live", "AAPL", "1m", end_ms=minutes[5].start_ms, limit=2, newest=True) == minutes[3:5]
    assert store.range("live", "AAPL", "1h") == []
    assert store.range("elsewhere", "AAPL", "1m") == []


def test_subjects_are_those_with_a_day(store):
    commit(store, *[bucket(subject=name, resolution="24h") for name in ("MSFT", "AAPL", "tag:ai")])
    commit(store, bucket(subject="AAPL~3"), bucket(subject="AAPL"), bucket(subject="TSLA", resolution="12h"))
    commit(store, bucket(subject="GOOG", resolution="24h"), generation="other")
    assert store.subjects("live") == ["AAPL", "MSFT", "tag:ai"]
    assert store.subjects("nothing") == []


def test_scan_yields_everything_in_key_order(installation, store):
    count = 400 // installation.slowness
    keys = [(subject, name, at) for subject in ("B", "A", "tag:a") for name in ("5m", "1m") for at in range(count)]
    written = [bucket(subject, name, at, seed=at) for subject, name, at in keys]
    for start in range(0, len(written), 500):
        commit(store, *written[start : start + 500])
    commit(store, bucket(), generation="other")
    assert list(store.scan("live")) == sorted(written, key=lambda each: each.key)


def test_touched_since_names_recent_and_partial_buckets(store):
    old, partial, new = bucket("A"), bucket("B", partial=True), bucket("C", rev=1)
    commit(store, old, partial, new)
    commit(store, bucket("C", rev=2))
    since = START_MS + 2_000
    assert store.touched_since("live", since) == [partial.key, new.key]
    assert len(store.touched_since("live", 0)) == 3
    assert store.touched_since("other", 0) == []


def test_touched_since_names_each_bucket_once_however_many_there_are(store, monkeypatch):
    monkeypatch.setattr("stores.dynamo_buckets.READ_TOGETHER", 2)
    written = [bucket("A", at=at, partial=at == 3) for at in range(5)]
    commit(store, *written)
    assert store.touched_since("live", 0) == [each.key for each in written]


def test_dropping_a_generation_leaves_the_others(installation, store):
    written = [bucket(at=at) for at in range(460 // installation.slowness)]
    commit(store, *written, generation="trial")
    commit(store, bucket())
    assert store.drop_generation("trial") == len(written)
    assert list(store.scan("trial")) == []
    assert list(store.scan("live")) == [bucket()]
    assert store.drop_generation("trial") == 0


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.lists(
            st.tuples(st.sampled_from("AB"), st.integers(0, 2), st.integers(0, 3), st.integers(0, 99)), max_size=4
        ),
        max_size=12,
    ),
)
def test_any_writes_do_what_a_dictionary_would(home_name, store, commits):
    """A model: each commit is all or nothing, and decides by the revs stored before it. On AWS only a single write is
    all or nothing: a lost guard may leave the writes before it, which the caller's next try finds."""
    if home_name != "embedded":
        commits = [[write] for commit in commits[:3] for write in commit]
    generation = "model"
    store.drop_generation(generation)
    model: dict[BucketKey, object] = {}
    for writes in commits:
        attempt = [BucketWrite(bucket(s, at=at, rev=e + 1, seed=seed), e) for s, at, e, seed in writes]
        trial, failed = dict(model), []
        for each in attempt:
            if getattr(trial.get(each.bucket.key), "rev", 0) != each.expected_rev:
                failed.append(each.bucket.key)
            trial[each.bucket.key] = each.bucket
        assert bool(store.commit(generation, attempt)) == bool(failed)
        if not failed:
            model = trial
        assert {each.key: each for each in store.scan(generation)} == model


# ---- change log ------------------------------------------------------------------------------------------------
def test_changes_are_numbered_from_one_within_each_lane(store):
    store.commit("live", [write(bucket())], [change(bucket()), change(bucket("B"), subject="B")], "a")
    store.commit("live", [write(bucket("C"))], [change(bucket("C"), subject="C")], "b")
    store.commit("live", [], [change(subject="D")], "a")
    assert store.changes_head() == {"a": 3, "b": 1}
    assert store.changes_tail() == {"a": 1, "b": 1}
    places = [(each.lane, each.sequence, each.change.subject) for each in store.changes_after({})]
    assert sorted(places) == [("a", 1, "AAPL"), ("a", 2, "B"), ("a", 3, "D"), ("b", 1, "C")]


def test_a_change_comes_back_as_it_was_written(installation, store):
    written = change(bucket(), bucket(resolution="5m", partial=True))
    store.commit("live", [write(bucket())], [written], "a")
    assert [each.change for each in installation.reopen().buckets.changes_after({})] == [written]


def test_two_days_of_a_subject_in_one_batch_are_told(store):
    """3,000 minutes: more than an item of DynamoDB holds."""
    buckets = [bucket(subject="tag:" + "a" * 50, at=at, seed=at) for at in range(3_000)]
    store.commit("live", [], changes_of("live", buckets, {}, START_MS), "a")
    told = [each for stored in store.changes_after({}) for each in stored.change.buckets]
    assert [(each.key, each.summary) for each in told] == [(each.key, each.summary) for each in buckets]


def test_a_cursor_resumes_each_lane_where_it_stood(store):
    for number in range(6):
        store.commit("live", [], [change(subject="S", written_ms=START_MS + number)], "ab"[number % 2])
    everything = store.changes_after({})
    cursor: dict[str, int] = {}
    pieces = []
    while page := store.changes_after(cursor, limit=2):
        assert len(page) <= 2
        pieces += page
        cursor |= {each.lane: each.sequence for each in page}
    assert pieces == everything
    assert store.changes_after(store.changes_head()) == []
    assert [each.sequence for each in everything if each.lane == "a"] == [1, 2, 3]


def test_a_busy_lane_does_not_starve_another(store):
    store.commit("live", [], [change(subject="S", written_ms=START_MS + n) for n in range(20)], "a")
    store.commit("live", [], [change(subject="S", written_ms=START_MS + 3)], "b")
    assert "b" in {each.lane for each in store.changes_after({}, limit=6)}


def test_trimming_keeps_the_numbers(store):
    for number in range(4):
        store.commit("live", [], [change(subject="S", written_ms=START_MS + number)], "a")
    assert store.trim_changes(START_MS + 2) == 2
    assert (store.changes_tail(), store.changes_head()) == ({"a": 3}, {"a": 4})
    assert [each.sequence for each in store.changes_after({})] == [3, 4]
    assert store.trim_changes(START_MS + 100) == 2
    assert (store.changes_tail(), store.changes_head()) == ({"a": 5}, {"a": 4})
    store.commit("live", [], [change(subject="S")], "a")
    assert [each.sequence for each in store.changes_after({})] == [5]


def test_trimming_takes_what_was_stamped_while_the_clock_was_ahead(store):
    for written_ms in (0, 1_000, 1_000, 1, 2):
        store.commit("live", [], [change(subject="S", written_ms=START_MS + written_ms)], "a")
    assert store.trim_changes(START_MS + 2) == 1
    assert store.trim_changes(START_MS + 2, START_MS + 3) == 3
    assert [each.sequence for each in store.changes_after({})] == [5]


def test_readers_see_buckets_and_their_change_together(installation, store):
    """While one thread commits, another never finds a change whose bucket is older than the change says."""
    rounds = 160 // installation.slowness
    faults: list[str] = []

    def watch() -> None:
        cursor: dict[str, int] = {}
        while cursor.get("a", 0) < rounds:
            for each in store.changes_after(cursor):
                cursor[each.lane] = each.sequence
                told = each.change.buckets[0]
                stored = store.get_many("live", [told.key])[told.key]
                if stored.rev < told.rev:
                    faults.append(f"change of rev {told.rev}, bucket of rev {stored.rev}")

    watcher = threading.Thread(target=watch)
    watcher.start()
    for rev in range(1, rounds + 1):
        store.commit("live", [write(bucket(rev=rev))], [change(bucket(rev=rev))], "a")
    watcher.join(30)
    assert not watcher.is_alive()
    assert faults == []


@pytest.mark.homes("embedded")
def test_a_process_killed_between_commits_leaves_bucket_and_change_in_step(installation, tmp_path):
    committed = tmp_path / "committed"
    committed.touch()
    worker = multiprocessing.get_context("spawn").Process(
        target=commit_until_killed, args=(installation.settings, committed)
    )
    worker.start()
    while committed.stat().st_size < 400:
        assert worker.is_alive()
        time.sleep(0.005)
    worker.kill()
    worker.join(30)
    store = installation.reopen().buckets
    stored = store.get_many("live", [bucket().key])[bucket().key]
    assert stored.rev >= int(committed.read_text().split()[-1])
    assert stored == bucket(rev=stored.rev, seed=stored.rev)
    changes = store.changes_after({}, limit=100_000)
    assert [each.change.buckets[0].rev for each in changes] == list(range(1, stored.rev + 1))
