"""Facets: each dimension under the filters on the others; counters, a recount and a plain count in Python agree. And
the way from an article to the candles it fed."""

import random
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from api import facets as module
from api import facts as facts_module
from api.app import create_app
from api.facets import NAMED, Wanted, count, facets_document, span_of
from api.facts import Facts
from api.item_reads import ItemReads
from contracts.clock import ManualClock
from contracts.instants import iso_ms
from contracts.resolution import DAY_MS, HOUR_MS, MINUTE_MS, WIDTH_MS, window_start_ms
from contracts.tally import delay_bin, score_bin
from stores.sqlite_items import SqliteItemStore
from tests.unit.api.kit import NOW_MS, Line, TestHome, Told, article, calling, live, options
from tests.unit.api.test_items import read_model
from tests.unit.api.test_read_model_down import HalfDown


def made_articles(count: int, seed: int) -> list[dict[str, Any]]:
    """Articles of the last eight days, every dimension drawn on its own."""
    chance = random.Random(seed)
    found = []
    for number in range(count):
        ingested_ms = NOW_MS - chance.randrange(8 * DAY_MS) if number % 3 else NOW_MS - chance.randrange(2 * HOUR_MS)
        at = iso_ms(ingested_ms)
        found.append(
            {
                "source_id": article(number),
                "ingested_at": at,
                "source_type": chance.choice(["rss", "finnhub"]),
                "sentiment": chance.choice(["positive", "neutral", "negative"]),
                "model_version": chance.choice(["m-1", "m-2"]),
                "polarity": chance.choice([-1.0, -0.9999, -0.1, 0.0, 0.0999, 0.5, 1.0]),
                "scored_at": iso_ms(ingested_ms + chance.choice([0, 9, 10, 11, 400, 3 * DAY_MS])),
                "matched_tags": chance.sample(["ai", "chips", "law"], chance.randrange(3)),
                "matched_tickers": chance.sample(["AAPL", "MSFT"], chance.randrange(3)),
                "metadata": {"published_at": iso_ms(ingested_ms - chance.choice([-1_000, 5, 2_000, 90_000]))},
                "day_partition": at[:10],
                "item_key": f"{at}#{article(number)}",
            }
        )
    return found


def values(item: dict[str, Any]) -> dict[str, list[str]]:
    """An article's names by dimension, told again from the words of docs/formats.md."""
    ms = {name: int(item_ms(item, name)) for name in ("published", "ingested", "scored")}
    tenth = min(9, int((item["polarity"] + 1) * 10 + 1e-9) - 10)
    return {
        "label": [item["sentiment"]],
        "source": [item["source_type"]],
        "model": [item["model_version"]],
        "tag": item["matched_tags"],
        "ticker": item["matched_tickers"],
        "score": [str(tenth)],
        "arrival": [edge_of(ms["ingested"] - ms["published"])],
        "scoring": [edge_of(ms["scored"] - ms["ingested"])],
    }


def item_ms(item: dict[str, Any], name: str) -> int:
    from contracts.instants import parse_ms

    return parse_ms(item["metadata"]["published_at"] if name == "published" else item[f"{name}_at"])


def edge_of(delay_ms: int) -> str:
    return next((str(edge) for edge in module.DELAY_EDGES_MS if delay_ms <= edge), "longer")


def plain(items: list[dict[str, Any]], hours: int, wanted: Wanted) -> dict[str, Any]:
    """The counts by the definition: one dimension after the other, each with the filters of the others."""
    span = span_of(hours, NOW_MS)
    inside = [item for item in items if span.start_ms <= item_ms(item, "ingested") < span.end_ms]

    def passes(item: dict[str, Any], leave_out: tuple[str, ...]) -> bool:
        named = all(name in values(item)[each] for each, name in wanted.names.items() if each not in leave_out)
        at_ms = item_ms(item, "ingested")
        timely = wanted.time_ms is None or "time" in leave_out or wanted.time_ms[0] <= at_ms < wanted.time_ms[1]
        return named and timely

    result: dict[str, Any] = {"total": sum(passes(item, ()) for item in inside)}
    for dimension in NAMED:
        counts: dict[str, int] = {}
        for item in inside:
            if passes(item, (dimension,)):
                for name in values(item)[dimension]:
                    counts[name] = counts.get(name, 0) + 1
        result[dimension] = counts
    result["windows"] = sum(passes(item, ("time",)) for item in inside)
    result["coverage"] = sum(
        len(item["matched_tags"]) + len(item["matched_tickers"])
        for item in inside
        if passes(item, ("time", "tag", "ticker"))
    )
    return result


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> tuple[SqliteItemStore, list[dict[str, Any]]]:
    path: Path = tmp_path_factory.mktemp("facets")
    items = made_articles(700, 1)
    store = SqliteItemStore(path / "items.db", ManualClock(NOW_MS), "normal")
    store.put_dashboard(items)
    return store, items


@pytest.mark.parametrize("hours", [1, 24, 168])
@pytest.mark.parametrize("counters", [True, False])
@pytest.mark.parametrize(
    "wanted",
    [
        Wanted({}, None),
        Wanted({"label": "negative"}, None),
        Wanted({"tag": "ai", "ticker": "AAPL", "score": "-10"}, None),
        Wanted({"source": "rss"}, (NOW_MS - HOUR_MS, NOW_MS - MINUTE_MS)),
        Wanted({"scoring": "longer", "arrival": "2000", "model": "m-2"}, None),
    ],
)
def test_counts_are_those_of_the_definition(
    stocked: tuple[SqliteItemStore, list[dict[str, Any]]], hours: int, counters: bool, wanted: Wanted
) -> None:
    store, items = stocked
    reads = ItemReads(HalfDown(store, counters), ManualClock(NOW_MS))  # type: ignore[arg-type]
    span = span_of(hours, NOW_MS)
    found = count(Facts(reads), reads, span, wanted, NOW_MS, 0.0)
    expected = plain(items, hours, wanted)
    assert expected["total"] > 0 or len(wanted.names) > 1
    assert found.total == expected["total"]
    for dimension in NAMED:
        assert {name: n for name, n in found.facets[dimension].items() if n} == expected[dimension], dimension
    document = facets_document(found, span, hours)
    assert sum(row["positive"] + row["neutral"] + row["negative"] for row in document["windows"]) == expected["windows"]
    assert sum(sum(row["counts"]) for row in document["coverage"]) == expected["coverage"]
    assert sum(document["scores"]) == sum(expected["score"].values())
    assert len(document["windows"]) <= module.MAX_WINDOWS
    assert document["whole_from"] is None


def test_a_bound_on_articles_is_told(
    stocked: tuple[SqliteItemStore, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, items = stocked
    monkeypatch.setattr(module, "MAX_LOOKED_AT", 100)
    reads = ItemReads(store, ManualClock(NOW_MS))
    found = count(Facts(reads), reads, span_of(168, NOW_MS), Wanted({"source": "rss"}, None), NOW_MS, 0.0)
    assert found.whole_from_ms == window_start_ms(NOW_MS, DAY_MS)
    newer = [each for each in items if item_ms(each, "ingested") >= found.whole_from_ms]
    assert found.total == sum(each["source_type"] == "rss" for each in newer)


def test_what_is_kept_is_bounded_and_fresh(
    stocked: tuple[SqliteItemStore, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, items = stocked
    half = HalfDown(store)
    facts = Facts(ItemReads(half, ManualClock(NOW_MS)))  # type: ignore[arg-type]

    def asked(at_ms: float) -> int:
        before = half.asked
        assert facts.tally(0, NOW_MS, at_ms).total == len(items)
        return half.asked - before

    first = asked(0.0)
    assert asked(5_000.0) == 0, "fresh enough"
    assert 0 < asked(20_000.0) < first, "today again, and tomorrow's fast clocks"
    monkeypatch.setattr(facts_module, "MAX_KEPT", 50)
    asked(1_000_000.0)
    assert sum(len(kept) for _, kept in facts._days.values()) <= 50
    assert asked(1_000_001.0) > 0, "what is not kept is read again"


def test_spans_are_whole_windows() -> None:
    for hours in range(1, 169):
        span = span_of(hours, NOW_MS + 12_345)
        assert span.width_ms == WIDTH_MS[span.resolution]
        assert span.start_ms % span.width_ms == span.end_ms % span.width_ms == 0
        assert span.start_ms <= NOW_MS + 12_345 - hours * HOUR_MS
        assert span.end_ms > NOW_MS + 12_345
    assert [span_of(hours, NOW_MS).resolution for hours in (1, 6, 24, 168)] == ["1m", "10m", "1h", "3h"]


def test_bins() -> None:
    assert [score_bin(p) for p in (-1, -0.9001, -0.9, -0.0001, 0, 0.0999, 0.1, 0.9, 1)] == [
        "-10", "-10", "-9", "-1", "0", "0", "1", "9", "9",
    ]  # fmt: skip
    assert [delay_bin(d) for d in (-5, 0, 10, 11, 86_400_000, 86_400_001)] == [
        "10", "10", "10", "20", "86400000", "longer",
    ]  # fmt: skip


@live
async def test_facets_over_http(home: TestHome) -> None:
    read_model(home, 1, NOW_MS - 1_000, sentiment="positive", matched_tags=["chips"])
    read_model(home, 2, NOW_MS - 2_000, sentiment="negative", matched_tickers=["MSFT"])
    async with calling(create_app(home, options())) as client:
        every = (await client.get("/api/v2/analytics/facets?hours=1")).json()
        assert every["labels"] == {"positive": 1, "neutral": 0, "negative": 1}
        assert every["coverage"][0]["counts"][-2:] == [1, 0]
        chosen = (await client.get("/api/v2/analytics/facets?hours=1&ticker=msft")).json()
        assert (chosen["total"], chosen["labels"]["positive"]) == (1, 0)
        assert {row["name"] for row in chosen["tickers"]} == {"AAPL", "MSFT"}
        for bad in ("arrival=3", "score=10", "hours=169", "label=odd", "ticker=tag:x", "start=2025"):
            assert (await client.get(f"/api/v2/analytics/facets?{bad}")).status_code == 400, bad


@live
async def test_an_article_leads_to_its_candles(home: TestHome, line: Line) -> None:
    at_ms = NOW_MS - 10 * MINUTE_MS
    events = [Told("AAPL", at_ms + n, value, article(n)) for n, value in enumerate((200, 900, -400))]
    line.tell(Told("NVDA", at_ms, 0, article(8)))
    home.clock.instant_ms += 30
    line.tell(*events)
    home.clock.instant_ms += 30_000
    line.tell(Told("AAPL", at_ms + 100, 100, article(7)))
    for event in events:
        line.item(event, matched_tickers=["AAPL", "MSFT"], scored_at=iso_ms(NOW_MS - 20))
    line.item(Told("AAPL", at_ms, 0, article(9)))
    async with calling(create_app(home, options())) as client:

        async def fed(number: int) -> list[dict[str, Any]]:
            answer = await client.get(f"/api/v2/items/{quote(article(number), safe='')}/candles")
            assert answer.status_code == 200, answer.text
            subjects: list[dict[str, Any]] = answer.json()["subjects"]
            return subjects

        apple, other = await fed(1)
        assert (apple["subject"], apple["counted"], other["subject"], other["counted"]) == ("AAPL", True, "MSFT", False)
        assert [each["resolution"] for each in apple["candles"]] == list(WIDTH_MS)
        assert all(each["roles"] == ["high"] and each["bucket"]["count"] == 4 for each in apple["candles"])
        assert all(each["bucket"] is None and each["roles"] == [] for each in other["candles"])
        assert (apple["stored_at"], other["stored_at"]) == (iso_ms(NOW_MS + 30), None)
        assert (await fed(0))[0]["candles"][0]["roles"] == ["open"]
        assert (await fed(2))[0]["candles"][7]["roles"] == ["low"]
        (stranger,) = await fed(9)
        assert (stranger["counted"], stranger["stored_at"], stranger["candles"][0]["roles"]) == (False, None, [])
        assert (await client.get("/api/v2/items/none/candles")).status_code == 404
