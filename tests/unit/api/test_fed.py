"""What is told of an article when a part of its minute is gone."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from api.fed import candles_fed
from contracts.bucket import Bucket, BucketKey, Summary, pack_members
from contracts.hashing import member_hash
from contracts.identity import event_id
from contracts.instants import iso_ms
from contracts.resolution import FINEST, MINUTE_MS
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
    return Bucket(subject, FINEST.name, START_MS, summary, packed, children, 1, START_MS, False)


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
