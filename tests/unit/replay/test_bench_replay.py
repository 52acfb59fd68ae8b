"""The benchmark of replay, small: whoever runs it waits minutes before it could tell that it does not work."""

from tests.bench.bench_replay import measure


def test_it_measures_an_exact_replay() -> None:
    size = measure(events=3_000, days=2, concurrency=1)
    assert size["buckets"] > 0
    assert size["events_per_s"] > 0
    assert size["digest"]
