"""One story, twenty classifiers at once, on the stores that are used: counted once a subject, every source listed."""

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from consumers.classifier.service import ClassifierService
from consumers.classifier.stories import story_key
from consumers.classifier.subjects import shipped_symbols
from contracts.events import SCORED_STREAM
from contracts.ports import Position
from stores.home import forget_homes
from tests.ports.conftest import HOMES, Installation
from tests.unit.consumers.classifying import NOW_MS, WordModel, article, records

CLASSIFIERS = 20
STORY = "Apple shares have a good day"
WORKER = """
import sys
from consumers.classifier.stories import Claimant, claim_all
from contracts.clock import SystemClock
from contracts.settings import Settings
from stores.home import open_home
home = open_home(Settings(data_dir=sys.argv[1]))
sys.stdin.readline()
now_ms = home.clock.now_ms()
for number in range(int(sys.argv[2]), int(sys.argv[2]) + 5):
    article = Claimant(f"s{number}#1", "Apple rises", f"s{number}", 1, 1, ("AAPL", f"T{number % 3}"))
    for _ in range(2):
        (claimed,) = claim_all(home.control, [article], now_ms)
    print(*claimed.owned)
"""


@pytest.fixture(params=["embedded", "aws"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    with HOMES[request.param](tmp_path) as opened:
        opened.clock.instant_ms = NOW_MS
        yield opened
        forget_homes()


def classifier(installation: Installation) -> ClassifierService:
    home = installation.home
    return ClassifierService(
        log=home.log,
        items=home.items,
        control=home.control,
        lake=home.lake,
        clock=installation.clock,
        model=WordModel(),
        symbols=shipped_symbols(),
    )


def scored(installation: Installation) -> list[dict[str, Any]]:
    log, events = installation.home.log, []
    for shard in log.shards(SCORED_STREAM):
        page = log.get_records(log.iterator(SCORED_STREAM, shard.shard_id, Position("TRIM_HORIZON")))
        events += [json.loads(record.data) for record in page.records]
    return events


def test_twenty_classifiers_and_their_retries_count_a_story_once(home: Installation) -> None:
    start = threading.Barrier(CLASSIFIERS)
    copies = [
        article(STORY, source=f"s{number}", published_ms=NOW_MS - 1_000 * number, tickers=(f"T{number % 5}",))
        for number in range(CLASSIFIERS)
    ]
    others = [article(f"Microsoft number {number} is good", source=f"s{number}") for number in range(CLASSIFIERS)]

    def classify(number: int) -> None:
        service = classifier(home)
        batch = records(others[number], copies[number], first_sequence=100 * number + 1)
        start.wait()
        for _ in range(2):  # the second time is a retry whose answer was lost
            todo = batch
            while todo:
                handed_back = service.process(todo).retry_from
                todo = todo[todo.index(handed_back) :] if handed_back else []

    with ThreadPoolExecutor(CLASSIFIERS) as pool:
        list(pool.map(classify, range(CLASSIFIERS)))
    told = {event["event_id"]: event for event in scored(home)}
    counts = Counter(event["subject"] for event in told.values())
    assert counts == {"AAPL": 1, **{f"T{number}": 1 for number in range(5)}, "MSFT": CLASSIFIERS}
    ids = [json.loads(data)["article_id"] for data in copies]
    stored = home.home.items.get_primaries(ids)
    document = home.home.control.get("story", story_key(STORY)).value
    assert document is not None
    (entry,) = document["entries"]
    assert {each["article_id"] for each in stored[entry["article_id"]]["sources"]} == set(ids)
    assert set(entry["articles"]) == set(ids)
    owners = {event["article_id"] for event in told.values() if event["subject"] != "MSFT"}
    assert owners <= set(stored), "who counts for a subject has an item"


def test_the_same_headline_on_another_day_is_another_story(home: Installation) -> None:
    service = classifier(home)
    for number, ago_ms in enumerate((0, 86_400_000)):
        service.process(records(article(STORY, f"s{number}", NOW_MS - ago_ms), first_sequence=number + 1))
    assert [event["subject"] for event in scored(home)] == ["AAPL", "AAPL"]


def test_processes_on_one_data_directory_own_each_subject_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WORKER, str(tmp_path / "data")]
    workers = [
        subprocess.Popen([*command, str(5 * number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for number in range(4)
    ]
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    owned = [subject for worker in workers for subject in worker.communicate(timeout=120)[0].split()]
    assert [worker.returncode for worker in workers] == [0] * 4
    assert sorted(owned) == ["AAPL", "T0", "T1", "T2"]
