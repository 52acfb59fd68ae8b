"""`verify` beside a running line: what came while it read is no difference; damage is one, however often looked at."""

from typing import Any

import msgspec
import pytest

from contracts.bucket import BucketWrite
from contracts.settings import AggregatorSettings
from ops.verify import SECOND_LOOKS, verify
from stores.home import Home
from tests.events import stream
from tests.unit.replay.kit import Live, put


@pytest.mark.parametrize("late", [0, 2])
def test_what_came_while_verify_read_is_no_difference(
    home: Home, settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch, late: int
) -> None:
    """The line goes on after the log was read; or it is behind its own log and catches up `late` looks later."""
    live, events = Live(home, settings), stream(120, 3, duplicates=0)
    put(home, events[:100])
    live.all()
    if late:
        put(home, events[100:])
    scan, looks = home.buckets.scan, iter(range(SECOND_LOOKS))

    def while_scanning(generation: str) -> Any:
        if not late:
            put(home, events[100:])
            live.all()
        return scan(generation)

    def wait(event: Any, wait_ms: float) -> bool:
        if next(looks) == late:
            live.all()
        return False

    monkeypatch.setattr(home.buckets, "scan", while_scanning)
    monkeypatch.setattr(home.clock, "wait", wait)
    report = verify(home, settings)
    assert report.differences == []
    assert report.events == verify(home, settings).events


def test_damage_stays_a_difference_however_often_it_is_looked_at(home: Home, settings: AggregatorSettings) -> None:
    live = Live(home, settings)
    put(home, stream(100, 3))
    live.all()
    bucket = next(home.buckets.scan("g1"))
    wrong = msgspec.structs.replace(bucket.summary, high_e4=bucket.summary.high_e4 + 1)
    damaged = msgspec.structs.replace(bucket, summary=wrong, rev=bucket.rev + 1)
    assert home.buckets.commit("g1", [BucketWrite(damaged, bucket.rev)]) == []
    report = verify(home, settings)
    assert [(each.subject, each.resolution) for each in report.differences][:1] == [(bucket.subject, bucket.resolution)]
