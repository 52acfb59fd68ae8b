"""What is told of an article when a part of its minute is gone."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from msgspec.structs import replace

from api.fed import ON_ITS_WAY_MS, candles_fed
from contracts.bucket import Bucket, BucketKey, Summary, flat, pack_members
from contracts.hashing import member_hash
from contracts.identity import event_id
from contracts.instants import iso_ms
from contracts.ports import Change, StoredChange
from contracts.resolution import DAY_MS, FINEST, HOUR_MS, MINUTE_MS
from tests.unit.api.kit import NOW_MS, article

START_MS = NOW_MS - NOW_MS % MINUTE_MS
GONE_MS = START_MS + MINUTE_MS + FINEST.ttl_ms


def event(number: int) -> str:
    return event_id(article(number), "AAPL")


def of(subject: str, first: int, last: int, children: tuple[tuple[int, Summary], ...] = ()) -> Bucket:
    """A minute of two articles, or of four in two lanes."""
    count = 4 if children else 2
    ends = (START_MS, event(first), 0, START_MS, event(last))
    summary = Summary(count, 0, 0, 0, 0, *ends, 0, count, 0, ("wire",), ("model-1",))
    packed = b"" if children else pack_members(sorted(member_hash(event(each)) for each in (first, last)))
    return Bucket(BucketKey(subject, FINEST.name, START_MS), summary, packed, flat(children), 1, START_MS, False)


class DayAlone:
    """A store that has the day of the article and not its minute; the newest article written was accepted then."""

    def __init__(self, newest_ms: int | None) -> None:
        self._head = {} if newest_ms is None else {"lane": 7}
        self._newest_ms = newest_ms

    def get_many(self, generation: str, keys: list[BucketKey]) -> dict[BucketKey, Bucket]:
        day = next((key for key in keys if key.resolution == "24h"), None)
        return {} if day is None else {day: replace(of("AAPL", 7, 8), key=day)}

    def changes_head(self) -> dict[str, int]:
        return self._head

    def changes_tail(self) -> dict[str, int]:
        return dict.fromkeys(self._head, 1)

    def changes_after(self, place: dict[str, int], limit: int) -> list[StoredChange]:
        if self._newest_ms is None:
            return []
        return [StoredChange("lane", 7, Change("g1", "MSFT", (), (), self._newest_ms, self._newest_ms + 100))]


def counted_in_a_day_alone(now_ms: int, ingested_ms: int, newest_ms: int | None) -> bool | None:
    item = {
        "source_id": article(1),
        "matched_tickers": ["AAPL"],
        "metadata": {"published_at": iso_ms(START_MS)},
        "ingested_at": iso_ms(ingested_ms),
        "scored_at": iso_ms(ingested_ms + 500),
    }
    (apple,) = candles_fed(cast("Any", DayAlone(newest_ms)), "g1", item, now_ms)["subjects"]
    assert [row["resolution"] for row in apple["candles"] if row["bucket"]] == ["24h"]
    return cast("bool | None", apple["counted"])


def test_without_a_minute_nothing_of_it_was_counted_until_it_may_be_gone() -> None:
    late_ms = START_MS + MINUTE_MS + DAY_MS
    for newest_ms in (None, late_ms - HOUR_MS):
        assert counted_in_a_day_alone(late_ms + 600, late_ms, newest_ms) is False, "its own stamps say that it is late"
    assert counted_in_a_day_alone(GONE_MS - 1, START_MS, START_MS + HOUR_MS) is False
    assert counted_in_a_day_alone(GONE_MS, START_MS, START_MS + HOUR_MS) is None


def test_an_article_on_its_way_is_not_called_not_counted() -> None:
    scored_ms = START_MS + 1_500
    past_ms = scored_ms + ON_ITS_WAY_MS
    assert counted_in_a_day_alone(past_ms - 1, START_MS + 1_000, START_MS + 5_000) is None
    assert counted_in_a_day_alone(past_ms, START_MS + 1_000, START_MS + 1_000) is False
    for newest_ms in (None, START_MS + 999):
        assert counted_in_a_day_alone(past_ms + HOUR_MS, START_MS + 1_000, newest_ms) is None, "a backlog"


@pytest.mark.parametrize(
    ("now_ms", "number", "counted"),
    [(GONE_MS, 1, True), (GONE_MS, 2, None), (GONE_MS - 1, 2, False)],
)
def test_nobody_can_tell_once_a_lane_of_the_minute_is_gone(now_ms: int, number: int, counted: bool | None) -> None:
    kept, gone = of("AAPL~0", 1, 4), of("AAPL~1", 1, 1)
    minute = of("AAPL", 1, 4, ((0, kept.summary), (1, gone.summary)))
    stored = {each.key: each for each in (minute, kept)}

    def get_many(generation: str, keys: list[BucketKey]) -> dict[BucketKey, Bucket]:
        return {key: stored[key] for key in keys if key in stored}

    item = {
        "source_id": article(number),
        "matched_tickers": ["AAPL"],
        "metadata": {"published_at": iso_ms(START_MS)},
    }
    buckets = cast("Any", SimpleNamespace(get_many=get_many))
    (apple,) = candles_fed(buckets, "g1", item, now_ms)["subjects"]
    assert apple["counted"] is counted
