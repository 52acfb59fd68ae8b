"""How often the classifier asks DynamoDB for a batch of new stories: an invocation waits for each call in turn."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from consumers.classifier.service import ClassifierService
from consumers.classifier.subjects import shipped_symbols
from contracts.events import SCORED_STREAM
from contracts.ports import Versioned
from contracts.resolution import DAY_MS
from stores.dynamo import Table
from tests.aws.conftest import World
from tests.unit.consumers.classifying import NOW_MS, WordModel, article, records

ARTICLES = 200


@pytest.mark.parametrize("age_ms", [60_000, 10 * DAY_MS], ids=["news", "backfilled"])
def test_a_batch_of_new_stories_is_claimed_by_calls_that_go_together(world: World, age_ms: int):
    world.aws.log.create_stream(SCORED_STREAM, 1)
    aws = world.aws
    service = ClassifierService(
        log=aws.log,
        items=aws.items,
        control=aws.control,
        lake=aws.lake,
        clock=world.clock,
        model=WordModel(),
        symbols=shipped_symbols(),
    )
    in_turn: Counter[str] = Counter()

    def note(service: str, operation: str, given: dict[str, Any]) -> None:
        if threading.current_thread() is threading.main_thread():
            in_turn[operation] += 1

    world.faults.before.append(note)
    stories = [
        article(f"Apple shares have good day {n} of many", published_ms=NOW_MS - age_ms) for n in range(ARTICLES)
    ]
    outcome = service.process(records(*stories))
    assert outcome.counts["scored"] == ARTICLES
    assert world.faults.calls["UpdateItem"] == ARTICLES, "a write a story"
    assert in_turn["UpdateItem"] == 0
    assert in_turn["BatchGetItem"] <= 4 * ARTICLES / 100
    assert in_turn["GetItem"] == 0


def test_many_documents_are_read_as_each_would_be(world: World):
    control, later_ms = world.aws.control, world.clock.now_ms() + 1_000
    for n in range(120):
        control.put("story", f"s{n}", {"n": n}, expires_ms=later_ms if n % 2 else later_ms - 1_000)
    names = [f"s{n}" for n in range(130)] + ["s1"]
    assert control.get_many("story", names) == {name: control.get("story", name) for name in names}
    assert control.get_many("story", names)["s1"] == Versioned({"n": 1}, 1)
    assert control.get_many("story", []) == {}


def test_threads_that_write_at_once_share_one_pool(monkeypatch: pytest.MonkeyPatch):
    made: list[str] = []

    def slowly(size: int, thread_name_prefix: str) -> ThreadPoolExecutor:
        made.append(thread_name_prefix)
        time.sleep(0.05)
        return ThreadPoolExecutor(size, thread_name_prefix)

    monkeypatch.setattr("stores.dynamo.ThreadPoolExecutor", slowly)
    table = Table(None, "t")  # type: ignore[arg-type]  # nothing is asked
    with ThreadPoolExecutor(4) as callers:
        assert list(callers.map(lambda n: table.each(abs, [n, -n]), range(4))) == [[n, n] for n in range(4)]
    table.close()
    assert made == ["write-t"]
