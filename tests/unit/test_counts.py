"""What happens is counted where it happens: every metric that an alarm of ours watches is provoked, and handed on."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from aggregation import handler as aggregator
from aggregation.finalizer import IN_FLIGHT_MS, Finalizer
from aggregation.service import Aggregator
from api.context import Services
from consumers.classifier.handler import lambda_handler as classify
from consumers.read_model.handler import lambda_handler as copy
from contracts import telemetry
from contracts.clock import ManualClock
from contracts.events import RAW_STREAM, SCORED_STREAM
from contracts.generation import FIRST_GENERATION
from contracts.ports import Record
from contracts.resolution import DAY_MS, HOUR_MS
from contracts.settings import AggregatorSettings
from infra.alarms import ALARMS
from stores.home import forget_homes
from tests.events import BASE_MS, scored
from tests.fakes.kinesis import kinesis_event
from tests.fakes.stores import FakeControl, FakeLake
from tests.fakes.web import fake_site, page
from tests.sim.store import MemoryBuckets
from tests.unit.api.kit import made_home, options
from tests.unit.consumers.classifying import article
from tests.unit.consumers.test_read_model import changed
from tests.unit.producers.test_service import FEED, Polling, source

#: Handed on, and no count: whatever it is.
OBSERVED: Final = "ClassifierLatency"


class Aggregating:
    """The aggregator's handler on a store in memory."""

    def __init__(self) -> None:
        self.clock, self.store = ManualClock(BASE_MS), MemoryBuckets()
        self._process = Aggregator(self.store, FakeControl(), FakeLake(), self.clock, AggregatorSettings())

    def invoke(self, *datas: bytes) -> None:
        records = [Record(str(number), "AAPL", data, BASE_MS) for number, data in enumerate(datas, 1)]
        aggregator.handle(self._process, kinesis_event(SCORED_STREAM, records, "s0"))


def a_batch_of_every_kind(folder: Path) -> None:
    """Two that count, one of them twice; one too late; one of the future; bytes that are no event."""
    given = [
        scored(1, "AAPL", BASE_MS, 0.5),
        scored(1, "AAPL", BASE_MS, 0.5),
        scored(2, "AAPL", BASE_MS + 1, 0.5),
        scored(3, "AAPL", BASE_MS, 0.5, BASE_MS + 2 * DAY_MS),
        scored(4, "AAPL", BASE_MS + HOUR_MS, 0.5, BASE_MS),
    ]
    Aggregating().invoke(*(json.dumps(each).encode() for each in given), b"no event")


def articles_to_score(folder: Path) -> None:
    """One of them twice, and bytes that are none."""
    datas = article("Apple shares soar"), article("Apple shares soar"), b"no article"
    records = [Record(str(number), "AAPL", data, BASE_MS) for number, data in enumerate(datas, 1)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CANDLEWICK_DATA_DIR", str(folder))
        patch.setenv("CANDLEWICK_MODEL", "vader")
        assert classify(kinesis_event(RAW_STREAM, records), None) == {"batchItemFailures": []}
    forget_homes()


def an_article_the_dashboard_cannot_show(folder: Path) -> None:
    """One that it can beside it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CANDLEWICK_DATA_DIR", str(folder))
        assert copy({"Records": [changed(score=None), changed()]}, None) == {"batchItemFailures": []}
    forget_homes()


def sources_that_answer_and_fail(folder: Path) -> None:
    with fake_site() as site:
        feeds = source("good", site.put("/good", page(FEED))), source("bad", site.put("/bad", (403, {}, b"")))
        Polling(*feeds).service.poll()


def a_bucket_to_mend(folder: Path) -> None:
    """The day of a minute is gone."""
    line = Aggregating()
    line.invoke(json.dumps(scored(1, "AAPL", BASE_MS, 0.5)).encode())
    (day,) = [key for key in line.store.generations[FIRST_GENERATION] if key.resolution == "24h"]
    line.store.delete(FIRST_GENERATION, day)
    line.clock.advance(IN_FLIGHT_MS)
    assert Finalizer(line.store, FakeControl(), line.clock).run().repaired == 1


def streams_beyond_the_cap(folder: Path) -> None:
    """Two; a third one of an address that holds its share is no operator's business."""
    with made_home(folder) as home:
        services = Services(home, options(max_connections=2, streams_per_address=1), None, {}, live=True)
        took = [services.connections.reserve(address) for address in ("a", "a", "b", "c", "d")]
        assert took == [True, False, True, False, False]
        services.offload.close()


PROVOKED: Final[dict[Callable[[Path], None], dict[str, float]]] = {
    a_batch_of_every_kind: {
        "EventsCounted": 2, "EventsDuplicate": 1, "EventsTooLate": 1, "EventsQuarantined": 2, "BucketsWritten": 8,
        "BucketConflicts": 0, "BucketsRevised": 0,
    },
    articles_to_score: {
        "ArticlesScored": 1, "ArticlesDuplicate": 1, "EventsEmitted": 1, "EventsQuarantined": 1, OBSERVED: 0,
    },
    an_article_the_dashboard_cannot_show: {
        "StreamProcessorSuccess": 1, "StreamProcessorErrors": 1, "StreamProcessorBatchSize": 2,
    },
    sources_that_answer_and_fail: {
        "ArticlesFetched": 2, "ArticlesPublished": 2, "SourceErrors": 1, "EventsQuarantined": 1,
    },
    a_bucket_to_mend: {
        "FinalizerRepairs": 1, "EventsCounted": 1, "EventsDuplicate": 0, "EventsTooLate": 0, "EventsQuarantined": 0,
        "BucketsWritten": 8, "BucketConflicts": 0, "BucketsRevised": 0,
    },
    streams_beyond_the_cap: {"StreamRefusals": 2},
}  # fmt: skip


@pytest.fixture
def handed() -> Iterator[Counter[str]]:
    """What is handed on while the test runs, added up by metric."""
    sums: Counter[str] = Counter()
    telemetry.emit_to(sums.update)
    yield sums
    telemetry.emit_to(None)


@pytest.mark.parametrize("provoke", PROVOKED)
def test_what_happens_is_counted(provoke: Callable[[Path], None], tmp_path: Path, handed: Counter[str]) -> None:
    before = telemetry.totals()
    provoke(tmp_path)
    right = PROVOKED[provoke]
    assert handed | {OBSERVED: 0} == right | {OBSERVED: 0}
    assert (OBSERVED in handed) == (OBSERVED in right)
    added = {name: telemetry.totals().get(name, 0) - before.get(name, 0) for name in right}
    assert added == right, "the process's own totals too"


def test_every_metric_that_an_alarm_of_ours_watches_is_provoked() -> None:
    watched = {row.metric for row in ALARMS if row.source == "ours"}
    assert watched <= {name for counts in PROVOKED.values() for name in counts}
