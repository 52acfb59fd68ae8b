"""The dashboards' numbers and the curated records over more than a megabyte of articles, on the stores that are used:
what REST says equals a recount, and pages under a filter miss nothing."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from api.app import create_app
from consumers.read_model.service import dashboard_items
from contracts.instants import date_of, iso_ms
from stores.home import forget_homes
from tests.ports.conftest import HOMES, Installation
from tests.unit.api.kit import calling, options
from tests.unit.consumers.classifying import NOW_MS

ARTICLES = 70
TODAY = 60
MINUTE_MS = 60_000
MEGABYTE = 1 << 20
LABELS = ("positive", "neutral", "negative")


@pytest.fixture(params=["embedded", "aws"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    with HOMES[request.param](tmp_path) as opened:
        opened.clock.instant_ms = NOW_MS
        yield opened
        forget_homes()


def article(number: int) -> dict[str, Any]:
    """The primary item as its change stream has it; nineteen kilobytes of it."""
    minutes = 2 * number if number < TODAY else 120 + 720 * (number - TODAY + 1)
    ingested_ms = NOW_MS - minutes * MINUTE_MS
    source = "finnhub" if number % 7 == 0 else "rss-a"
    return {
        "source_id": f"{source}#{number:016x}",
        "ingested_at": iso_ms(ingested_ms),
        "source_type": source,
        "text_snippet": "x" * 19_000,
        "sentiment": LABELS[number % 3],
        "score": Decimal("0.9"),
        "polarity": Decimal("0.1"),
        "model_version": "m-1",
        "matched_tags": ["chips"] if number % 2 else [],
        "matched_tickers": ["AAPL"],
        "status": "analyzed",
        "metadata": {"title": f"Title {number}", "published_at": iso_ms(ingested_ms - 1_000), "source_name": source},
        "sources": [],
    }


def test_numbers_equal_a_recount_and_pages_under_a_filter_miss_nothing(home: Installation) -> None:
    articles = [article(number) for number in range(ARTICLES)]
    today = [each for each in articles if each["ingested_at"].startswith(date_of(NOW_MS))]
    assert sum(len(each["text_snippet"]) for each in today) > MEGABYTE, "one day is more than a page of a query"
    for at in range(0, ARTICLES, 50):
        rows = [row for each in articles[at : at + 50] for row in dashboard_items(each)]
        for _ in range(1 if at else 2):  # a retry of the first batch
            home.home.items.put_dashboard(rows)

    async def ask() -> None:
        async with calling(create_app(home.home, options(), live=False)) as client:

            async def told(path: str) -> Any:
                answer = await client.get(f"/api/v2/{path}")
                assert answer.status_code == 200, answer.text
                return answer.json()

            for hours in (1, 24, 168):
                found = await told(f"metrics?hours={hours}")
                inside = [each for each in articles if each["ingested_at"] >= iso_ms(NOW_MS - hours * 3_600_000)]
                assert found["total"] == len(inside)
                assert found["distribution"] == dict.fromkeys(LABELS, 0) | Counter(each["sentiment"] for each in inside)
                assert found["by_source"] == Counter(each["source_type"] for each in inside)
                assert found["by_tag"].get("chips", 0) == sum(bool(each["matched_tags"]) for each in inside)
            analytics = await told("analytics")
            assert analytics["summary"] == {
                "total_records": ARTICLES,
                "total_sources": 2,
                "oldest_record": articles[-1]["ingested_at"],
                "newest_record": articles[0]["ingested_at"],
            }
            assert analytics["by_date"] == Counter(each["ingested_at"][:10] for each in articles)
            assert sum(each["count"] for each in analytics["timeline"]) == ARTICLES
            assert analytics["timeline"][-1]["date"] == date_of(NOW_MS)
            for query in ("", "source=finnhub", "source=rss-a"):
                wanted = [each["source_id"] for each in articles if query in ("", f"source={each['source_type']}")]
                assert await records(told, query) == wanted

    async def records(told: Any, query: str) -> list[str]:
        found: list[str] = []
        last_key = ""
        while True:
            page = await told(f"records?limit=25&{query}{last_key}")
            found += [each["id"] for each in page["records"]]
            assert page["count"] == len(page["records"])
            if page["lastKey"] is None:
                return found
            last_key = f"&lastKey={page['lastKey']}"

    asyncio.run(ask())
