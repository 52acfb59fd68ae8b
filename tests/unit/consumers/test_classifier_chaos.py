"""The classifier while its stores fail before and after every effect: the same events and items as without faults.

One seed is one exact run. The canary marks articles as seen before their events are out, and must be caught.
"""

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from consumers.classifier.service import ClassifierService
from consumers.classifier.subjects import shipped_symbols
from contracts.errors import Transient
from tests.unit.consumers.classifying import NOW_MS, Line, article, records

FAULTY = {
    "control": ("get", "put", "list"),
    "items": ("put_primaries", "add_source", "get_primaries"),
    "log": ("put_records",),
    "lake": ("put",),
}


class Weather:
    """Fails calls by chance: before they did anything, or with the reply lost after they did."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.rate = self.chance.choice([0.02, 0.1, 0.3])
        self.blowing = True
        self.faults = 0

    def over(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            before, after = (self.blowing and self.chance.random() < self.rate / 2 for _ in range(2))
            if before:
                self.faults += 1
                raise Transient("weather", "nothing was done")
            result = real(*args, **kwargs)
            if after:
                self.faults += 1
                raise Transient("weather", "the reply was lost")
            return result

        return call


def news(seed: int) -> list[bytes]:
    """Some 60 records: several stories from several sources, re-fetches, bad ones."""
    chance = random.Random(seed)
    datas = []
    for _ in range(60):
        story = chance.randrange(12)
        name = ["Apple shares", "Microsoft", "Tesla cars", "Nothing"][story % 4]
        title = f"{name} number {story}: {'good' if story % 3 else 'bad'}"
        extra = chance.choice([(), (), ("MSFT",), ("NVDA", "AAPL")])
        at_ms = NOW_MS - chance.randrange(3) * 7 * 3_600_000 - chance.randrange(60_000)
        source = chance.choice(["finnhub", "tiingo", "rss-a"])
        datas.append(chance.choice([b"{bad", b""]) if story == 11 else article(title, source, at_ms, tickers=extra))
    return datas


def drain(line: Line, service: ClassifierService, datas: list[bytes], seed: int, weather: Weather | None) -> None:
    """Batches of any size, each retried from where it was handed back, cut another way each time; half-way through
    two phases the weather calms and everything must drain."""
    chance = random.Random(seed)
    all_records = records(*datas)
    at = tries = 0
    while at < len(all_records):
        tries += 1
        if weather is not None and tries > 200:
            weather.blowing = False
        assert tries < 400, "it does not drain"
        batch = all_records[at : at + chance.randrange(1, 20)]
        outcome = service.process(batch)
        line.clock.advance(1_000)
        handed_back = outcome.retry_from
        at = all_records.index(handed_back) if handed_back else at + len(batch)


def result(line: Line) -> tuple[Any, ...]:
    """What must not depend on faults: the first of every event id, the items, what was set aside."""
    events: dict[str, Any] = {}
    for event in line.scored:
        events.setdefault(event["event_id"], {**event, "scored_at": ""})
    items = {
        key: {**item, "scored_at": "", "sources": sorted(source["article_id"] for source in item["sources"])}
        for key, item in line.items.primary.items()
    }
    asides = sorted({(aside["sequence_number"], aside["reason"]) for aside in line.set_aside()})
    return events, items, asides


def stormy(seed: int, service_class: type[ClassifierService]) -> tuple[Line, Weather, Any]:
    line, weather = Line(), Weather(seed)
    for port, names in FAULTY.items():
        for name in names:
            setattr(getattr(line, port), name, weather.over(getattr(getattr(line, port), name)))
    service = service_class(
        log=line.log,
        items=line.items,
        control=line.control,
        lake=line.lake,
        clock=line.clock,
        model=line.model,
        symbols=shipped_symbols(),
    )
    drain(line, service, news(seed), seed + 1, weather)
    return line, weather, result(line)


@pytest.mark.parametrize("seed", range(40))
def test_faults_never_show(seed: int) -> None:
    calm = Line()
    drain(calm, calm.service, news(seed), seed + 2, None)
    line, _, after_storm = stormy(seed, ClassifierService)
    assert after_storm == result(calm)
    ids = {}
    for event in line.scored:
        content = json.dumps({**event, "scored_at": ""}, sort_keys=True)
        assert ids.setdefault(event["event_id"], content) == content, "one id, two contents"


def test_the_canary_is_caught() -> None:
    class SeenFirst(ClassifierService):
        _emit = ClassifierService._store
        _store = ClassifierService._emit

    caught = faults = seed = 0
    while seed < 20 and (caught == 0 or faults <= 100):
        calm = Line()
        drain(calm, calm.service, news(seed), seed + 2, None)
        _, weather, after_storm = stormy(seed, SeenFirst)
        caught += after_storm != result(calm)
        faults += weather.faults
        seed += 1
    assert faults > 100
    assert caught > 0
