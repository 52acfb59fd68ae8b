"""What pages tell an operator to type does, as written, what they promise."""

import json
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from typer.testing import CliRunner

from contracts.errors import Transient
from contracts.generation import live_generation
from contracts.ports import Tallying
from contracts.resolution import DAY_MS
from local.driver import dynamo_driver, kinesis_driver, run_until_idle
from local.line import ITEMS_TABLE, LINE, Row, apply_settings, drivers_of
from local.mappings import Mapping
from ops.cli import app
from stores.home import Home, forget_homes
from tests import oracle
from tests.docs.pages import text_of
from tests.events import BASE_MS, scored
from tests.unit.replay.kit import Live, fields, home_of, put, put_raw, raw, settings_of

TITLES = ("Profit rises to a record", "Shares crash after fraud", "Board meets on Monday")


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "data"
    forget_homes()


def filled(data: Path) -> Home:
    """A home with 30 articles, and an event of each."""
    home = home_of(data)
    put_raw(home, [raw(number, TITLES[number % 3]) for number in range(30)])
    put(home, [scored(number, "AAPL", BASE_MS + number * 40_000, 0.3) for number in range(30)])
    Live(home, settings_of(data)).all()
    return home


def typed(data: Path, line: str) -> str:
    """What a command prints; it must succeed."""
    words = shlex.split(line, comments=True)
    start = words.index("candlewick")
    settings = dict(word.split("=") for word in words[:start])
    done = CliRunner().invoke(app, [*words[start + 1 :], "--data-dir", str(data)], env=settings)
    assert done.exit_code == 0, f"{line}: {done.output}"
    return done.stdout


def follow(data: Path, lines: list[str]) -> None:
    """Type them, with the run that one of them names in those after it."""
    run = ""
    for line in lines:
        named = re.match(r"run (r\d+) built", typed(data, line.replace("RUN", run)))
        run = named[1] if named else run


def commands_in(page: str) -> list[str]:
    """The lines of its indented blocks."""
    return re.findall("^ {4,7}(candlewick .*|[A-Z_]+=.*|mv .*)$", text_of(Path(page)), re.MULTILINE)


@pytest.mark.parametrize("model", [None, "vader"])
def test_lost_buckets_come_back_as_they_were(data: Path, model: str | None) -> None:
    home = filled(data)
    if model:
        typed(data, f"candlewick replay run --model {model}")
        typed(data, "candlewick replay promote r1 --force --reason 'another model'")
    live, before = live_generation(home.control), fields(home)
    forget_homes()
    move, *commands = commands_in("docs/howto/repair.md")
    assert move == "mv .candlewick/buckets.db* ELSEWHERE"
    for file in data.glob("buckets.db*"):
        file.rename(data.parent / file.name)
    follow(data, [line.replace("--model MODEL", f"--model {model}" if model else "") for line in commands])
    home = home_of(data)
    assert live_generation(home.control) != live
    assert fields(home) == before


def test_a_subject_gets_more_lanes(data: Path) -> None:
    home = filled(data)
    before = fields(home)
    follow(data, commands_in("docs/scale.md"))
    after = fields(home)
    assert {key: bucket for key, bucket in after.items() if "~" not in key[0]} == before
    assert {subject for subject, _resolution, _start_ms in after} == {"AAPL", "AAPL~0", "AAPL~1", "AAPL~2", "AAPL~3"}


def test_events_that_a_wrong_clock_made_late_are_counted(data: Path) -> None:
    home, file = home_of(data), data.parent / "slice.jsonl"
    events = [scored(number, "AAPL", BASE_MS + number * 40_000, 0.3) for number in range(30)]
    wrong = [scored(number, "AAPL", BASE_MS + number * 40_000, 0.3, BASE_MS + 2 * DAY_MS) for number in range(10, 30)]
    put(home, events[:10] + wrong)
    live = Live(home, settings_of(data))
    live.all()
    assert fields(home) == oracle.buckets(events[:10])
    given = {"START": "2025-12-21T12:02:00Z", "END": "2025-12-22T00:00:00Z", "FILE": str(file)}
    lines = commands_in("docs/runbooks/late-surge.md")
    follow(data, [re.sub("|".join(given), lambda found: given[found[0]], line) for line in lines])
    live.all()
    assert fields(home) == oracle.buckets(events)


@pytest.fixture
def environment() -> Iterator[None]:
    """What the line tells its handlers goes into the environment, and out of it again."""
    with mock.patch.dict(os.environ, {"CANDLEWICK_MODEL": "vader"}):
        yield


def run_line(data: Path, broken: str = "") -> Home:
    """30 articles through the whole line, of which one mapping gives up on every batch."""
    home = home_of(data)
    apply_settings(settings_of(data))
    put_raw(home, [raw(number, f"{TITLES[number % 3]}, number {number}") for number in range(30)])
    drivers = [
        giving_up(home, row) if row.name == broken else driver
        for row, driver in zip(LINE, drivers_of(home), strict=True)
    ]
    run_until_idle(drivers, home.clock, final=True)
    return home


def giving_up(home: Home, row: Row) -> Any:
    def away(event: dict[str, Any], context: Any) -> None:
        raise Transient("store", "away")

    mapping = Mapping(row.name, row.stream, away, batch_size=row.batch_size, max_retries=0)
    if row.stream == ITEMS_TABLE:
        return dynamo_driver(mapping, home.items, home.control, home.lake, home.clock)
    return kinesis_driver(mapping, home.log, home.control, home.lake, home.clock)


def seen_of(home: Home) -> tuple[Any, ...]:
    """What came of the articles everywhere: candles, pages of a day, counters, lake."""
    items = home.items
    assert isinstance(items, Tallying)
    tally = items.tally(0)
    assert tally is not None
    keys = [*home.lake.keys("raw/"), *home.lake.keys("scored/")]
    lines = [json.loads(line) for key in keys for line in home.lake.read(key)]
    lake = {line.get("event_id") or line["article_id"] for line in lines}
    day = [item["source_id"] for item in items.dashboard_day("2025-12-21", None, 100)]
    return fields(home), day, tally.counts.get("label"), lake


@pytest.mark.parametrize("row", LINE, ids=lambda row: row.name)
def test_what_was_in_a_batch_that_was_given_up_on_comes_back(environment: None, data: Path, row: Row) -> None:
    whole = seen_of(run_line(data.parent / "whole"))
    home = run_line(data, broken=row.name)
    assert seen_of(home) != whole
    out = data.parent / "out"
    for line in commands_in("docs/runbooks/failure-destination.md"):
        file = re.search(r"FOLDER/(\S+)", line)
        if file is None or (out / file[1]).exists():
            typed(data, line.replace("FOLDER", str(out)))
    typed(data, "candlewick drain")
    assert seen_of(home_of(data)) == whole
