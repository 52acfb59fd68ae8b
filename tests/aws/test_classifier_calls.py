"""How often the classifier asks DynamoDB for a batch of new stories: an invocation waits for each call in turn."""

import threading
from collections import Counter
from typing import Any

from consumers.classifier.service import ClassifierService
from consumers.classifier.subjects import shipped_symbols
from contracts.events import SCORED_STREAM
from contracts.ports import Versioned
from tests.aws.conftest import World
from tests.unit.consumers.classifying import WordModel, article, records

ARTICLES = 200


def test_a_batch_of_new_stories_is_claimed_by_calls_that_go_together(world: World):
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
    outcome = service.process(records(*(article(f"Apple shares have good day {n} of many") for n in range(ARTICLES))))
    assert outcome.counts["scored"] == ARTICLES
    assert world.faults.calls["UpdateItem"] == ARTICLES, "a write a story"
    assert in_turn["UpdateItem"] == 0
    assert in_turn["BatchGetItem"] <= 3 * ARTICLES / 100
    assert in_turn["GetItem"] == 0


def test_many_documents_are_read_as_each_would_be(world: World):
    control, later_ms = world.aws.control, world.clock.now_ms() + 1_000
    for n in range(120):
        control.put("story", f"s{n}", {"n": n}, expires_ms=later_ms if n % 2 else later_ms - 1_000)
    names = [f"s{n}" for n in range(130)] + ["s1"]
    assert control.get_many("story", names) == {name: control.get("story", name) for name in names}
    assert control.get_many("story", names)["s1"] == Versioned({"n": 1}, 1)
    assert control.get_many("story", []) == {}
