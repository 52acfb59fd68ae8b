"""Two generations held against each other: what is the same however it was written, and where the looking ends."""

from collections.abc import Iterator
from typing import Any, cast

import msgspec
import pytest

from api import compare as compared
from contracts.bucket import Bucket, BucketKey, pack_members
from contracts.ports import BucketStore
from contracts.resolution import MINUTE_MS
from tests.unit.api.kit import NOW_MS, Told, article, summary_of

START_MS = NOW_MS - 100 * MINUTE_MS


class Scans:
    """A store of which only scans are asked."""

    def __init__(self, **generations: list[Bucket]) -> None:
        self._generations = generations

    def scan(self, generation: str) -> Iterator[Bucket]:
        return iter(sorted(self._generations[generation], key=lambda bucket: bucket.key))


def minute(number: int, polarity_e4: int = 100) -> Bucket:
    start_ms = START_MS + number * MINUTE_MS
    summary = summary_of([Told("AAPL", start_ms, polarity_e4, article(number))])
    return Bucket(BucketKey("AAPL", "1m", start_ms), summary, pack_members([number]), (), 1, 0, False)


def spread(bucket: Bucket) -> list[Bucket]:
    """The same minute in the second of two lanes."""
    lane = Bucket(BucketKey("AAPL~1", "1m", bucket.start_ms), bucket.summary, bucket.packed, (), 1, 0, False)
    whole = Bucket(bucket.key, bucket.summary, b"", (1, bucket.summary), 1, 0, False)
    return [lane, whole]


def told_of(**generations: list[Bucket]) -> dict[str, Any]:
    return compared.compare(cast(BucketStore, Scans(**generations)), "a", "b", NOW_MS)


def test_a_minute_that_is_spread_over_lanes_is_the_minute_it_is_without() -> None:
    minutes = [minute(number) for number in range(5)]
    answer = told_of(a=[bucket for each in minutes for bucket in spread(each)], b=[*minutes[:4], minute(4, -9_000)])
    assert answer["counts"] == {"equal": 4, "changed": 1, "only_here": 0, "only_there": 0}
    assert answer["worst"][0]["difference"] == 0.91
    assert answer["complete"]


@pytest.mark.parametrize(("longer", "shorter", "lacks"), [("a", "b", "only_there"), ("b", "a", "only_here")])
def test_what_was_not_looked_at_is_not_missing(
    longer: str, shorter: str, lacks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compared, "MAX_BUCKETS", 6)
    minutes = [minute(number) for number in range(9)]
    before_them = [msgspec.structs.replace(each, key=each.key._replace(subject="AAA")) for each in minutes]
    answer = told_of(**{longer: before_them + minutes, shorter: minutes})
    assert not answer["complete"]
    assert answer["counts"][lacks] == 0
    assert told_of(**{longer: minutes[:6], shorter: minutes[:6]})["complete"]
