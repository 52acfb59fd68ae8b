"""A classifier on fakes, and short ways to make what it reads."""

import json
from typing import Any

from consumers.classifier.models.registry import Score
from consumers.classifier.service import ClassifierService, Outcome
from consumers.classifier.stories import Claim, Claimant, claim_all
from consumers.classifier.subjects import shipped_symbols
from contracts.clock import ManualClock
from contracts.errors import Transient
from contracts.events import RAW_STREAM, SCORED_STREAM, make_raw
from contracts.instants import iso_ms
from contracts.kinesis import StreamRecord
from contracts.ports import ControlStore
from tests.fakes.log import SHARD, FakeLog
from tests.fakes.stores import FakeControl, FakeItems, FakeLake

NOW_MS = 1_766_310_000_000  # 2025-12-21T09:40:00Z


class WordModel:
    """Positive for a text with "good", negative with "bad", else neutral."""

    version = "words-1"

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    def score(self, texts: list[str]) -> list[Score]:
        self.batches.append(list(texts))
        return [self._score(text.lower()) for text in texts]

    @staticmethod
    def _score(text: str) -> Score:
        if "good" in text:
            return Score("positive", 9_312, 8_917)
        return Score("negative", 9_312, -8_917) if "bad" in text else Score("neutral", 6_001, 12)


class Line:
    """The classifier with everything it touches."""

    def __init__(self, lanes: int = 1) -> None:
        self.clock = ManualClock(NOW_MS)
        self.log = FakeLog()
        self.items = FakeItems()
        self.control = FakeControl(self.clock)
        self.lake = FakeLake()
        self.model = WordModel()
        self.service = self.new_service(lanes)

    def new_service(self, lanes: int = 1) -> ClassifierService:
        return ClassifierService(
            log=self.log,
            items=self.items,
            control=self.control,
            lake=self.lake,
            clock=self.clock,
            model=self.model,
            symbols=shipped_symbols(),
            lanes=lanes,
        )

    def process(self, *datas: bytes, first_sequence: int = 1) -> Outcome:
        return self.service.process(records(*datas, first_sequence=first_sequence))

    @property
    def scored(self) -> list[dict[str, Any]]:
        return [json.loads(data) for data in self.log.data(SCORED_STREAM)]

    @property
    def event_ids(self) -> list[str]:
        return [event["event_id"] for event in self.scored]

    def set_aside(self) -> list[dict[str, Any]]:
        keys = self.lake.keys("quarantined/")
        return [json.loads(line) for key in keys for line in self.lake.read(key)]


def claim(control: ControlStore, claimant: Claimant, now_ms: int) -> Claim:
    """One claim alone. Raises `Transient` when it could not be made."""
    (claimed,) = claim_all(control, [claimant], now_ms)
    if claimed is None:
        raise Transient("control", "not claimed")
    return claimed


def records(*datas: bytes, first_sequence: int = 1) -> list[StreamRecord]:
    """Stream records with these bytes and ascending sequence numbers."""
    return [
        StreamRecord(RAW_STREAM, SHARD, str(sequence), 0, "key", data, NOW_MS)
        for sequence, data in enumerate(datas, start=first_sequence)
    ]


def article(
    title: str = "Apple shares have a good day",
    source: str = "rss-test",
    published_ms: int = NOW_MS - 60_000,
    **fields: Any,
) -> bytes:
    """A raw article's bytes."""
    given = {
        "title": title,
        "published_at": iso_ms(published_ms),
        "ingested_at": iso_ms(NOW_MS),
        "url": f"https://{source}.example/{title}",
    }
    return make_raw(source, given | fields).encode()
