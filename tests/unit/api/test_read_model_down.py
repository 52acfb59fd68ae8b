"""The read model down: answers come from the primary table, the table is left alone and asked again now and then; and
counters equal a recount, also above what one DynamoDB page holds."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from api.app import create_app
from api.circuit import FAILURES_TO_OPEN, PROBE_AFTER_MS, Circuit
from api.facts import Facts
from api.item_reads import ItemReads
from api.tallies import Tallies, read_analytics, read_metrics
from consumers.read_model.service import dashboard_items
from contracts.clock import ManualClock
from contracts.errors import Transient
from contracts.instants import iso_ms
from contracts.resolution import MINUTE_MS
from stores.sqlite_items import SqliteItemStore
from tests.unit.api.kit import NOW_MS, TestHome, article, calling, live, options

PAGE_BYTES = 1 << 20
COUNTERS = ("tally", "tally_windows", "ingestion_range")


class HalfDown:
    """An item store whose read model can be told to be down, with or without counters."""

    def __init__(self, inner: Any, counters: bool = True) -> None:
        self._inner = inner
        self._counters = counters
        self.down = False
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        if name in COUNTERS and not self._counters:
            raise AttributeError(name)
        found = getattr(self._inner, name)
        if not name.startswith("dashboard_") and name not in COUNTERS:
            return found

        def call(*arguments: Any) -> Any:
            self.asked += 1
            if self.down:
                raise Transient("items-dashboard", "told to be down")
            return found(*arguments)

        return call


def fill(store: Any, count: int, text: str = "words", step_ms: int = 7 * MINUTE_MS) -> None:
    items = []
    for number in range(count):
        item = {
            "source_id": article(number),
            "ingested_at": iso_ms(NOW_MS - number * step_ms),
            "source_type": ("rss", "finnhub", "tiingo")[number % 3],
            "source_url": "",
            "text_snippet": text,
            "sentiment": ("positive", "neutral", "negative", "negative")[number % 4],
            "score": 0.9,
            "polarity": 0.1,
            "model_version": "m",
            "matched_tags": ["chips"] if number % 5 == 0 else [],
            "matched_tickers": ["AAPL"] if number % 2 else [],
            "status": "analyzed",
            "metadata": {"title": f"T{number}", "published_at": iso_ms(NOW_MS - number * step_ms), "author": None},
            "sources": [],
            "story_key": "k",
            "raw_key": "r",
        }
        items.append(item)
    store.put_primaries(items)
    store.put_dashboard([each for item in items for each in dashboard_items(item | {"score": Decimal("0.9")})])


@live
async def test_the_primary_answers_while_the_read_model_is_down(home: TestHome) -> None:
    store = home.items = HalfDown(home.items)  # type: ignore[assignment]
    fill(store, 30)
    async with calling(create_app(home, options())) as client:

        async def rows(url: str, key: str = "items") -> list[str]:
            answer = await client.get(f"/api/v2/{url}")
            assert answer.status_code == 200, answer.text
            return [row.get("source_id") or row["id"] for row in answer.json()[key]]

        urls = ("items?limit=100", "items?tag=chips", "items?sentiment=negative", "items?ticker=AAPL&source=finnhub")
        before = {url: await rows(url) for url in urls} | {"r": await rows("records?limit=100", "records")}
        metrics = (await client.get("/api/v2/metrics?hours=3")).json()
        analytics = (await client.get("/api/v2/analytics")).json()
        first = (await client.get("/api/v2/items?limit=10")).json()
        store.down = True
        assert {url: await rows(url) for url in urls} | {"r": await rows("records?limit=100", "records")} == before
        assert len(before["items?limit=100"]) == 30
        second = (await client.get(f"/api/v2/items?limit=10&cursor={first['next_cursor']}")).json()
        assert [row["source_id"] for row in second["items"]] == [article(number) for number in range(10, 20)]
        assert (await client.get("/api/v2/metrics?hours=3")).json() == metrics
        assert (await client.get("/api/v2/analytics")).json() == analytics
        assert (await client.get("/api/v2/status")).json()["read_model"] == "primary"
        asked = store.asked
        await rows("items?limit=100")
        assert store.asked == asked, "the circuit is open: the table is left alone"


def test_the_circuit_opens_probes_and_closes() -> None:
    clock = ManualClock()
    circuit = Circuit(clock)
    for _ in range(FAILURES_TO_OPEN - 1):
        circuit.failed()
    assert circuit.allows()
    circuit.failed()
    assert not circuit.allows()
    clock.advance(int(PROBE_AFTER_MS))
    assert (circuit.allows(), circuit.allows()) == (True, False)
    circuit.failed()
    clock.advance(int(PROBE_AFTER_MS))
    assert circuit.allows()
    circuit.succeeded()
    assert (circuit.is_open, circuit.allows()) == (False, True)
    for _ in range(10):
        circuit.failed()
        clock.advance(200_000)
    assert not circuit.is_open, "failures far apart are no outage"


def test_without_a_scan_the_outage_is_told() -> None:
    class Bare:
        def dashboard_day(self, *arguments: Any) -> Any:
            raise Transient("items-dashboard", "down")

    reads = ItemReads(Bare(), ManualClock())  # type: ignore[arg-type]
    for _ in range(7):
        with pytest.raises(Transient):
            reads.dashboard_day("2025-12-21", None, 10)


def test_a_scan_serves_for_ten_seconds_or_as_long_as_it_took_and_tells_when_it_was_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = ManualClock(NOW_MS)
    store = HalfDown(SqliteItemStore(tmp_path / "items.db", clock, "normal"))
    fill(store, 3)
    store.down = True
    takes_ms, scans = 12_000, []
    scan = store.scan_primary

    def slowly() -> Any:
        scans.append(clock.now_ms())
        clock.advance(takes_ms)
        return scan()

    store.scan_primary = slowly  # type: ignore[method-assign]
    reads = ItemReads(store, clock)  # type: ignore[arg-type]

    def rows() -> int:
        return len(reads.dashboard_day("2025-12-21", None, 10))

    assert (rows(), rows(), len(scans)) == (3, 3, 1)
    clock.advance(takes_ms - 1)
    assert (rows(), len(scans)) == (3, 1)
    clock.advance(1)
    takes_ms = 0
    assert (rows(), len(scans)) == (3, 2)
    clock.advance(9_999)
    assert (rows(), len(scans)) == (3, 2)
    clock.advance(1)
    assert not any("looked at" in record.getMessage() for record in caplog.records)
    monkeypatch.setattr("api.item_reads.MAX_SCANNED", 2)
    assert (rows(), len(scans)) == (2, 3)
    assert any("looked at" in record.getMessage() for record in caplog.records)


def test_counters_equal_a_recount_above_one_megabyte(tmp_path: Path) -> None:
    store = SqliteItemStore(tmp_path / "items.db", ManualClock(NOW_MS), "normal")
    fill(store, 3_000, "x" * 400, step_ms=3 * MINUTE_MS + 11)
    assert sum(len(item["text_snippet"]) for item in store.scan_primary()) > PAGE_BYTES
    clock = ManualClock(NOW_MS)
    for hours in (1, 2, 24, 25, 100, 168):
        numbers = []
        for counters in (True, False):
            reads = ItemReads(HalfDown(store, counters), clock)  # type: ignore[arg-type]
            numbers.append(read_metrics(Tallies(reads, Facts(reads)), reads, hours, NOW_MS, 0.0))
        assert numbers[0] == numbers[1]
        newest = NOW_MS - hours * 3_600_000
        assert numbers[0]["total"] == sum(
            NOW_MS - n * (3 * MINUTE_MS + 11) >= newest - newest % MINUTE_MS for n in range(3_000)
        )
    answers = []
    for counters in (True, False):
        reads = ItemReads(HalfDown(store, counters), clock)  # type: ignore[arg-type]
        answers.append(read_analytics(Tallies(reads, Facts(reads)), reads, NOW_MS, 0.0))
    assert answers[0] == answers[1]
    assert answers[0]["summary"]["total_records"] == 3_000
    assert sum(answers[0]["by_source"].values()) == 3_000
    assert len(answers[0]["timeline"]) == 7
