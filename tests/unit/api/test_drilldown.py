"""The articles behind a bucket: membership, roles, ties, revision and replay."""

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.app import create_app
from api.drilldown import articles_behind
from api.fed import candles_fed
from contracts.bucket import BucketKey
from contracts.instants import iso_s
from contracts.resolution import DAY_MS, HOUR_MS
from stores.sqlite_buckets import SqliteBucketStore
from tests.unit.api.kit import NOW_MS, Line, TestHome, Told, article, calling, live, options

MINUTE = 60_000
START = NOW_MS - 10 * MINUTE
SALTS = itertools.count()


def behind(home: TestHome, generation: str = "g1", resolution: str = "5m", limit: int = 200) -> dict:
    key = BucketKey("AAPL", resolution, START - START % {"1m": MINUTE, "5m": 5 * MINUTE, "1h": 60 * MINUTE}[resolution])
    found = articles_behind(home.buckets, home.items, generation, key, limit, NOW_MS)
    assert found is not None
    return found


def roles(found: dict) -> dict[str, str]:
    return {role: row["event_id"] for row in found["articles"] for role in row["roles"]}


def test_open_high_low_close_are_named(home: TestHome, line: Line) -> None:
    values = (100, 900, -900, 200)
    events = [Told("AAPL", START + n * MINUTE, value, article(n)) for n, value in enumerate(values)]
    line.tell(*events)
    for event in events:
        line.item(event)
    found = behind(home)
    named = {role: event.identity for role, event in zip(("open", "high", "low", "close"), events, strict=True)}
    assert roles(found) == named
    assert (found["count"], found["missing"]) == (4, 0)
    assert [row["polarity"] for row in found["articles"]] == [0.01, 0.09, -0.09, 0.02]


def test_what_is_past_its_time_to_live_is_not_there_although_the_store_has_it(
    home: TestHome, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DynamoDB deletes it days later; the chart does not show it either."""
    event = Told("AAPL", START, 500, article(1))
    line.tell(event)
    line.item(event)
    key = BucketKey("AAPL", "1m", START)
    item = home.items.get_primary(article(1))
    assert item is not None
    monkeypatch.setattr(SqliteBucketStore, "is_over", lambda store, key: key.resolution == "1m", raising=False)
    assert articles_behind(home.buckets, home.items, "g1", key, 10, NOW_MS) is None
    (told,) = candles_fed(home.buckets, "g1", item, NOW_MS)["subjects"]
    assert {each["resolution"] for each in told["candles"] if each["bucket"] is None} == {"1m"}


def test_ties_go_to_the_earliest_by_time_then_id(home: TestHome, line: Line) -> None:
    events = [Told("AAPL", START, 500, article(n)) for n in (3, 1, 2)]
    line.tell(*events)
    for event in events:
        line.item(event)
    found = roles(behind(home, resolution="1m"))
    assert found["open"] == found["high"] == found["low"] == f"{article(1)}@AAPL"
    assert found["close"] == f"{article(3)}@AAPL"


def test_an_article_that_was_not_counted_is_not_behind_the_bucket(home: TestHome, line: Line) -> None:
    """Too late, quarantined or another source's copy: it has an item in the window, but no member."""
    counted, not_counted = Told("AAPL", START, 500, article(1)), Told("AAPL", START + 1, 900, article(2))
    line.tell(counted)
    line.item(counted)
    line.item(not_counted)
    for resolution in ("1m", "5m", "1h"):
        assert [row["event_id"] for row in behind(home, resolution=resolution)["articles"]] == [counted.identity]


def test_a_late_article_takes_its_role_at_once(home: TestHome, line: Line) -> None:
    first, late = Told("AAPL", START + 2, 500, article(1)), Told("AAPL", START + 1, -500, article(2))
    line.tell(first)
    line.item(first)
    assert roles(behind(home))["open"] == first.identity
    line.tell(late)
    line.item(late)
    assert roles(behind(home)) == {
        "open": late.identity,
        "low": late.identity,
        "high": first.identity,
        "close": first.identity,
    }


def test_a_replay_with_another_model_shows_what_that_generation_counted(home: TestHome, line: Line) -> None:
    old = [Told("AAPL", START + n * MINUTE, value, article(n)) for n, value in enumerate((100, 900, -900))]
    line.tell(*old)
    for event in old:
        line.item(event)
    again = Line(home, "g2", lane="replay")
    again.tell(*(Told("AAPL", e.at_ms, -e.polarity_e4, e.article) for e in old))
    found = behind(home, "g2")
    assert roles(found)["high"] == old[2].identity
    assert roles(found)["low"] == old[1].identity
    assert [row["polarity"] for row in found["articles"]] == [-0.01, -0.09, 0.09]


def replayed(home: TestHome, values: list[tuple[int, int]], gap_ms: int) -> dict[str, Any]:
    """Events with what model-1 and what model-2 say of them, told to g1 and g2; the drill-down of g2."""
    line, again = Line(home), Line(home, "g2", lane="replay", model="model-2")
    for number, (old_e4, new_e4) in enumerate(values):
        event = Told("AAPL", START + number * gap_ms, old_e4, article(number))
        line.tell(event)
        line.item(event, sentiment="negative")
        again.tell(Told("AAPL", event.at_ms, new_e4, event.article))
    return behind(home, "g2")


def test_the_score_of_another_model_is_never_shown_as_what_was_counted(home: TestHome) -> None:
    found = replayed(home, [(900, 100), (-900, 300), (500, 0)], gap_ms=1_000)
    assert [row["polarity"] for row in found["articles"]] == [0.01, 0.03, 0.0], "two are named, one is what is left"
    assert {row["model_version"] for row in found["articles"]} == {"model-2"}
    assert {row["confidence"] for row in found["articles"]} == {None}
    assert [row["label"] for row in found["articles"]] == [None, None, None]
    assert roles(found)["high"] == f"{article(1)}@AAPL"
    assert [row["label"] for row in behind(home)["articles"]] == ["negative"] * 3


def test_what_the_minute_does_not_tell_is_null_and_makes_nothing(home: TestHome) -> None:
    found = replayed(home, [(900, 100), (800, 700), (-900, -600), (500, 0)], gap_ms=1_000)
    assert [row["polarity"] for row in found["articles"]] == [0.01, None, None, 0.0]
    assert set(roles(found)) == {"open", "close"}


def test_alone_in_its_minute_every_article_is_known(home: TestHome) -> None:
    found = replayed(home, [(900, 100), (800, 700), (-900, -600)], gap_ms=MINUTE)
    assert [row["polarity"] for row in found["articles"]] == [0.01, 0.07, -0.06]
    assert [row["label"] for row in found["articles"]] == ["positive", "positive", "negative"]
    assert set(roles(found)) == {"open", "high", "low", "close"}


def test_minutes_ahead_of_their_bucket_are_waited_for(home: TestHome, line: Line) -> None:
    """The aggregator wrote the minute and not yet the five minutes: the answer is of one state, not of two."""
    first, second = Told("AAPL", START, 500, article(1)), Told("AAPL", START + 1, 900, article(2))
    line.tell(first)
    line.item(first)
    line.item(second)
    key = BucketKey("AAPL", "5m", START - START % (5 * MINUTE))
    old = home.buckets.get_many("g1", [key])
    line.tell(second)
    left = [old]

    class Behindhand:
        def get_many(self, generation: str, keys: list[BucketKey]) -> Any:
            return left.pop() if left and keys == [key] else home.buckets.get_many(generation, keys)

        def __getattr__(self, name: str) -> Any:
            return getattr(home.buckets, name)

    found = articles_behind(Behindhand(), home.items, "g1", key, 200, NOW_MS)  # type: ignore[arg-type]
    assert found is not None
    assert (found["count"], found["missing"], roles(found)["high"]) == (2, 0, second.identity)


def test_a_missing_item_is_counted_not_invented(home: TestHome, line: Line) -> None:
    events = [Told("AAPL", START + n, 100 * n, article(n)) for n in range(3)]
    line.tell(*events)
    line.item(events[1])
    found = behind(home)
    assert (len(found["articles"]), found["count"], found["missing"]) == (1, 3, 2)


def day_of_articles(home: TestHome) -> list[str]:
    """The events of a day that were counted. Three more articles came too late, the second in a minute of its own."""
    line, day_ms = Line(home), NOW_MS - NOW_MS % DAY_MS
    counted = [(2, 9_000), (3, -9_000), (8, 500), (9, 700)]
    events = [Told("AAPL", day_ms + hour * HOUR_MS, value, article(hour)) for hour, value in counted]
    too_late = [Told("AAPL", day_ms + hour * HOUR_MS + 1, 9_999, article(20 + hour)) for hour in (2, 4, 8)]
    line.tell(*events)
    for event in events + too_late:
        line.item(event)
    return [event.identity for event in events]


def of_the_day(home: TestHome, now_ms: int) -> dict[str, Any]:
    key = BucketKey("AAPL", "24h", NOW_MS - NOW_MS % DAY_MS)
    found = articles_behind(home.buckets, home.items, "g1", key, 200, now_ms)
    assert found is not None
    return found


def minute_and_two_days_after(hour: int) -> int:
    return NOW_MS - NOW_MS % DAY_MS + hour * HOUR_MS + MINUTE + 2 * DAY_MS


def test_an_article_stays_behind_its_day_when_its_minute_has_gone(home: TestHome) -> None:
    """Of minutes that are there membership decides; of those past their time to live the item's own stamps."""
    counted = day_of_articles(home)
    now_ms = minute_and_two_days_after(3)
    home.buckets.drop_before({"1m": now_ms - 2 * DAY_MS - MINUTE + 1})
    found = of_the_day(home, now_ms)
    assert roles(found) == {"open": counted[0], "high": counted[0], "low": counted[1], "close": counted[3]}
    assert (found["missing"], found["articles"][0]["polarity"]) == (0, 0.9)
    # Of the morning's that was too late nobody can tell any more; the minutes of the other two cannot be gone.
    assert [row["event_id"] for row in found["articles"]] == [counted[0], f"{article(22)}@AAPL", *counted[1:]]


@pytest.mark.parametrize("hours", [0, 5, 24 * 30])
def test_where_every_minute_is_kept_only_members_are_behind_a_day(home: TestHome, hours: int) -> None:
    counted = day_of_articles(home)
    found = of_the_day(home, minute_and_two_days_after(hours))
    assert [row["event_id"] for row in found["articles"]] == counted


def test_when_all_minutes_have_gone_the_stamps_decide(home: TestHome) -> None:
    counted = day_of_articles(home)
    home.buckets.drop_before({"1m": NOW_MS + DAY_MS})
    found = of_the_day(home, minute_and_two_days_after(24))
    assert {*counted} < {row["event_id"] for row in found["articles"]}
    assert (len(found["articles"]), found["missing"]) == (7, 0)


def test_a_cut_list_keeps_who_has_a_role(home: TestHome, line: Line) -> None:
    values = [10, 900, -900] + [20] * 30 + [30]
    events = [Told("AAPL", START + n, value, article(n)) for n, value in enumerate(values)]
    line.tell(*events)
    for event in events:
        line.item(event)
    found = behind(home, limit=6)
    assert len(found["articles"]) == 6
    assert set(roles(found)) == {"open", "high", "low", "close"}
    assert found["articles"] == sorted(found["articles"], key=lambda row: (row["published_at"], row["event_id"]))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.integers(0, 5 * MINUTE - 1), st.integers(-20, 20)), min_size=1, max_size=12, unique_by=lambda e: e
    ),
)
def test_roles_agree_with_the_bucket_whatever_the_order(home: TestHome, made: list) -> None:
    salt = next(SALTS)  # all examples share one home: a generation of its own for each
    line = Line(home, f"g{salt}", lane=f"lane-{salt}")
    start = START - START % (5 * MINUTE)
    events = [Told("AAPL", start + at, 100 * value, article(salt * 100 + n)) for n, (at, value) in enumerate(made)]
    for event in events:
        line.tell(event)
        line.item(event)
    found = behind(home, f"g{salt}")
    ordered = sorted(events, key=lambda event: (event.at_ms, event.identity))
    expected = {
        "open": ordered[0],
        "close": ordered[-1],
        "high": max(ordered, key=lambda e: e.polarity_e4),
        "low": min(ordered, key=lambda e: e.polarity_e4),
    }
    assert roles(found) == {role: event.identity for role, event in expected.items()}
    assert found["missing"] == 0


@live
async def test_no_bucket_is_404(home: TestHome) -> None:
    async with calling(create_app(home, options())) as client:
        answer = await client.get(f"/api/v2/timeseries/AAPL/1m/{iso_s(NOW_MS)}/articles")
        assert answer.status_code == 404
        assert "no bucket" in answer.json()["detail"]
