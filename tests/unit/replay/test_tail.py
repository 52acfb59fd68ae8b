"""What is added at promote has the score of the text that was scored: the first of its article, however long ago."""

from typing import Any

import pytest

from consumers.classifier.models import registry
from contracts.clock import ManualClock
from contracts.events import RAW_STREAM
from contracts.instants import iso_ms
from contracts.resolution import HOUR_MS, MINUTE_MS
from contracts.settings import AggregatorSettings
from ops.replay import tail
from ops.replay.promote import promote
from ops.replay.run import Drive, start_run
from ops.verify import verify
from stores.home import Home, forget_homes, open_home
from tests import oracle
from tests.events import scored
from tests.unit.replay.kit import Live, archive_raw, compared, fields, ignore, planned, put, put_raw, raw
from tests.unit.replay.test_rescore import Lengths, again, title

AT_MS = 1_766_318_400_000


def promoted(settings: AggregatorSettings, waited_ms: int, forget: bool) -> tuple[Home, list[dict[str, Any]]]:
    """Of ten articles six are scored; then the classifier stands still, the others are fetched again with another
    headline, and a run is planned. Their events come before it is promoted."""
    clock = ManualClock(AT_MS - 2 * HOUR_MS)
    home = open_home(settings, clock)
    put_raw(home, [raw(99, "an older one")])
    clock.instant_ms = AT_MS
    live = Live(home, settings)
    put_raw(home, [raw(n, title(n), iso_ms(AT_MS)) for n in range(10)])
    events = [scored(n, "AAPL", AT_MS + n, 0.1, AT_MS) for n in range(10)]
    put(home, events[:6])
    live.all()
    archive_raw(home)
    clock.advance(waited_ms)
    if forget:
        home.log.trim(RAW_STREAM, clock.now_ms())
    put_raw(home, [raw(n, "a corrected headline of another length", iso_ms(clock.now_ms())) for n in range(6, 10)])
    clock.advance(MINUTE_MS)
    run = start_run(home, settings, planned(home, settings, model="lengths"), Drive(concurrency=1), ignore)
    clock.advance(MINUTE_MS)
    put(home, events[6:])
    live.all()
    compared(home, run, max_flips=1, max_close_change=2, max_psi=99)
    promote(home, settings, run["id"])
    return home, events


@pytest.mark.parametrize("forget", [False, True], ids=["in the log", "in the lake"])
@pytest.mark.parametrize("hours", [0, 1, 3, 48])
def test_the_first_text_counts_however_long_its_event_waited(
    settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch, hours: int, forget: bool
) -> None:
    monkeypatch.setattr(registry, "load", lambda name, threads=1: Lengths())
    home, events = promoted(settings, hours * HOUR_MS, forget)
    assert fields(home) == oracle.buckets([again(event) for event in events])
    assert verify(home, settings).total_differences == 0
    forget_homes()


@pytest.mark.parametrize("hours", [0, 3])
def test_the_lake_is_not_read_for_what_the_log_still_has(
    settings: AggregatorSettings, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    monkeypatch.setattr(registry, "load", lambda name, threads=1: Lengths())
    monkeypatch.setattr(tail, "stitched", None)
    home, events = promoted(settings, hours * HOUR_MS, False)
    assert fields(home) == oracle.buckets([again(event) for event in events])
    forget_homes()
