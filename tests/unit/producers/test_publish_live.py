"""`publish` of what is still being written, or played at a pace: nothing that was read waits for what is to come."""

import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts.clock import ManualClock
from contracts.resolution import DAY_MS
from producers.publish import RAW_STREAM, SCORED_STREAM, Publication, Report
from producers.sources import files
from producers.sources.files import Row
from tests.unit.producers.test_publish import RAW, SCORED, Publishing

CSV = b"title,published_at,tickers\n"


@pytest.fixture
def run(tmp_path: Path) -> Publishing:
    return Publishing(tmp_path)


def until(met: Callable[[], bool]) -> None:
    for _ in range(3_000):
        if met():
            return
        threading.Event().wait(0.01)
    raise AssertionError("did not happen within half a minute")


@pytest.mark.parametrize(
    "lines",
    [
        [json.dumps(RAW | {"url": f"https://x.example/{number}"}).encode() + b"\n" for number in range(3)],
        [CSV + b"One,2025-12-21T09:00:00Z,AAPL\n", b"Two,2025-12-21T09:00:00Z,AAPL\n", b"Three,2025-12-21T09:00Z,A\n"],
    ],
    ids=["json", "csv"],
)
def test_what_is_piped_goes_out_when_nothing_more_is_at_hand(run: Publishing, lines: list[bytes]) -> None:
    reading, writing = os.pipe()
    reports: list[Report] = []
    stdin = os.fdopen(reading, "rb")
    publishing = threading.Thread(target=lambda: reports.append(run.publish("-", stdin=stdin)))
    publishing.start()
    for number, line in enumerate(lines, start=1):
        os.write(writing, line)
        until(lambda number=number: len(run.log.data(RAW_STREAM)) == number)  # type: ignore[misc]
    os.close(writing)
    publishing.join(30)
    assert reports == [Report(3, 3, 0)]


def test_ctrl_c_loses_nothing_that_was_read_and_tells_the_counts(
    run: Publishing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> Iterator[Row]:
        yield Row(1, json.dumps(SCORED).encode())
        yield Row(2, b"no event")
        raise KeyboardInterrupt

    monkeypatch.setattr("producers.publish.read_rows", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run.publish("-")
    assert len(run.log.data(SCORED_STREAM)) == 1
    assert len(run.lake.keys("quarantined/")) == 1
    assert run.problems[-1] == "-: stopped; 1 published, 1 rejected so far"


def test_at_a_pace_an_article_is_stamped_when_it_goes_out(run: Publishing) -> None:
    rows = [RAW | {"url": f"https://x.example/{n}", "published_at": f"2025-12-21T09:0{n}:00Z"} for n in range(3)]
    began_ms = run.clock.now_ms()
    run.publish(run.file("x.jsonl", *rows), speed=60.0)
    told = [json.loads(data)["ingested_at"] for data in run.log.data(RAW_STREAM)]
    assert told == [f"2025-12-21T09:40:0{second}.000Z" for second in range(3)]
    assert run.clock.now_ms() - began_ms == 2_000


def test_the_slowest_pace_waits_in_pieces(run: Publishing) -> None:
    waits: list[float] = []

    class Patient(ManualClock):
        def wait(self, event: threading.Event, timeout_ms: float) -> bool:
            waits.append(timeout_ms)
            if len(waits) == 3:
                raise KeyboardInterrupt
            return super().wait(event, timeout_ms)

    later = SCORED | {"event_id": "a#2@AAPL", "event_time": "2025-12-21T09:01:00.000Z"}
    path = run.file("x.jsonl", SCORED, later)
    with pytest.raises(KeyboardInterrupt):
        Publication(run.log, run.lake, Patient(run.clock.now_ms()), speed=1e-300).run(path)
    assert max(waits) <= DAY_MS
    assert len(run.log.data(SCORED_STREAM)) == 1


def test_a_file_of_the_systems_is_always_at_hand(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x")
    with open(tmp_path / "x", "rb") as stream:
        assert files.is_at_hand(stream)
