"""`/items`, `/records`, `/analytics`, `/metrics`, `/generations`, `/subjects` and `/status`."""

import json
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from api.app import create_app
from contracts.events import make_raw
from contracts.instants import iso_ms
from contracts.resolution import DAY_MS, HOUR_MS
from tests.unit.api.kit import NOW_MS, Line, TestHome, Told, article, calling, live, options, serving
from tests.unit.api.test_auth import signed_in

RAW = {"title": "Words", "published_at": iso_ms(NOW_MS - 1_000), "ingested_at": iso_ms(NOW_MS)}


def read_model(home: TestHome, number: int, ingested_ms: int, **changes: Any) -> dict[str, Any]:
    """An article in the dashboard's table, with its tag copies."""
    ingested_at = iso_ms(ingested_ms)
    item = {
        "source_id": article(number),
        "ingested_at": ingested_at,
        "source_type": "rss",
        "source_url": "https://example.com",
        "text_snippet": "words",
        "sentiment": "neutral",
        "score": 0.9,
        "polarity": 0.1,
        "model_version": "model-1",
        "matched_tags": [],
        "matched_tickers": ["AAPL"],
        "metadata": {"title": f"Title {number}", "published_at": ingested_at, "author": None, "source_name": "T"},
        "sources": [],
        "day_partition": ingested_at[:10],
        "item_key": f"{ingested_at}#{article(number)}",
        "sentiment_score_combined": "neutral#0.90",
        "expires_at": 0,
    } | changes
    copies = [item | {"tag": tag, "item_key": f"~{tag}#{item['item_key']}"} for tag in item["matched_tags"]]
    home.items.put_dashboard([item, *copies])
    return item


async def pages(client: httpx.AsyncClient, url: str, key: str, cursor_key: str, parameter: str) -> list[list[str]]:
    found: list[list[str]] = []
    cursor = None
    while True:
        answer = await client.get(url + (f"&{parameter}={cursor}" if cursor else ""))
        assert answer.status_code == 200, answer.text
        rows = answer.json()[key]
        found.append([row.get("source_id") or row["id"] for row in rows])
        assert answer.json()["count"] == len(rows)
        cursor = answer.json()[cursor_key]
        if cursor is None:
            return found


@live
async def test_items_come_newest_first_and_pages_hold_while_articles_arrive(home: TestHome) -> None:
    for number in range(25):
        read_model(home, number, NOW_MS - number * 5 * HOUR_MS, source_type="rss" if number % 3 else "finnhub")
    async with calling(create_app(home, options())) as client:
        for url, key, cursor_key, parameter in (
            ("/api/v2/items?limit=4", "items", "next_cursor", "cursor"),
            ("/api/v2/records?limit=4", "records", "lastKey", "lastKey"),
        ):
            found = [each for page in await pages(client, url, key, cursor_key, parameter) for each in page]
            assert found[: len(found)] == [article(number) for number in range(25)]
            filtered = await pages(client, f"{url}&source=finnhub", key, cursor_key, parameter)
            assert [e for page in filtered for e in page] == [article(n) for n in range(25) if n % 3 == 0]
        first = (await client.get("/api/v2/items?limit=4")).json()
        read_model(home, 99, NOW_MS + 1)
        second = (await client.get(f"/api/v2/items?limit=4&cursor={first['next_cursor']}")).json()
        assert [row["source_id"] for row in second["items"]] == [article(number) for number in range(4, 8)]
        wrong = await client.get(f"/api/v2/items?limit=4&source=rss&cursor={first['next_cursor']}")
        assert wrong.status_code == 400


@live
async def test_what_older_clients_leave_empty_is_left_out(home: TestHome) -> None:
    for number in range(3):
        read_model(home, number, NOW_MS - number * 1_000)
    async with calling(create_app(home, options())) as client:
        asked = ("", "&source=&lastKey=", "&lastKey=")
        first, *others = [(await client.get(f"/api/v2/records?limit=2{rest}")).json() for rest in asked]
        assert (first["count"], others) == (2, [first, first])
        rest = await client.get("/api/v2/records", params={"limit": 2, "source": "", "lastKey": first["lastKey"]})
        assert (rest.json()["count"], rest.json()["lastKey"]) == (1, None)


@live
async def test_pages_lead_to_every_article_that_is_counted_however_old(home: TestHome) -> None:
    """Across days without any, and further back than the days that are looked at unasked."""
    days = [0, 1, 7, 8, 9, 20, 30, 150]
    for number, ago in enumerate(days):
        read_model(home, number, NOW_MS - ago * DAY_MS, matched_tags=["chips"])
    async with calling(create_app(home, options())) as client:
        assert (await client.get("/api/v2/analytics")).json()["summary"]["total_records"] == len(days)
        for url, key, cursor_key, parameter in (
            ("/api/v2/items?limit=3", "items", "next_cursor", "cursor"),
            ("/api/v2/items?limit=3&tag=chips", "items", "next_cursor", "cursor"),
            (f"/api/v2/items?limit=3&since={iso_ms(NOW_MS - 151 * DAY_MS)}", "items", "next_cursor", "cursor"),
            ("/api/v2/records?limit=3", "records", "lastKey", "lastKey"),
        ):
            found = [each for page in await pages(client, url, key, cursor_key, parameter) for each in page]
            assert found == [article(number) for number in range(len(days))], url
        for query, numbers in (
            (f"until={iso_ms(NOW_MS - 25 * DAY_MS)}", [6, 7]),
            (f"since={iso_ms(NOW_MS - 25 * DAY_MS)}", [0, 1, 2, 3, 4, 5]),
        ):
            rows = (await client.get(f"/api/v2/items?{query}")).json()["items"]
            assert [row["source_id"] for row in rows] == [article(number) for number in numbers], query


@live
async def test_what_is_refused_is_called_by_its_name(home: TestHome) -> None:
    async with calling(create_app(home, options())) as client:
        for url, told in (
            ("/api/v2/records?lastKey=zz", "lastKey: not a cursor this API made"),
            ("/api/v2/items?cursor=zz", "cursor: not a cursor this API made"),
            ("/api/v2/items?since=2026-01-01T05:00:00Z&until=2026-01-01T04:00:00Z", "is after until"),
        ):
            answer = await client.get(url)
            assert (answer.status_code, told in answer.json()["detail"]) == (400, True), answer.text
        headers = await signed_in(client) | {"Content-Type": "application/json"}
        answer = await client.post("/api/v2/configurations", content="nojson", headers=headers)
        assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (400, "body")
        assert answer.json()["detail"].startswith("body: not JSON: "), answer.text


@live
async def test_every_filter_applies(home: TestHome) -> None:
    read_model(home, 1, NOW_MS - 1_000, sentiment="positive", matched_tags=["chips"])
    read_model(home, 2, NOW_MS - 2_000, sentiment="negative", matched_tickers=["MSFT"], matched_tags=["chips", "law"])
    read_model(home, 3, NOW_MS - 3_000, sentiment="positive", source_type="finnhub", model_version="model-2")
    async with calling(create_app(home, options())) as client:
        for query, numbers in (
            ("sentiment=positive", [1, 3]),
            ("ticker=msft", [2]),
            ("tag=chips", [1, 2]),
            ("tag=tag:chips&sentiment=negative", [2]),
            ("tag=chips&ticker=AAPL", [1]),
            ("source=finnhub", [3]),
            ("model=model-2", [3]),
            ("model=none", []),
            ("score=1", [1, 2, 3]),
            ("score=0", []),
            ("tag=chips&score=1&arrival=10", [1, 2]),
            ("arrival=20", []),
            (f"since={iso_ms(NOW_MS - 2_000)}", [1, 2]),
            (f"until={iso_ms(NOW_MS - 1_000)}", [2, 3]),
            (f"since={iso_ms(NOW_MS - 2_000)}&until={iso_ms(NOW_MS - 1_000)}", [2]),
            (f"tag=chips&until={iso_ms(NOW_MS - 1_000)}", [2]),
            (f"until={iso_ms(NOW_MS - 9 * DAY_MS)}", []),
            (f"tag=chips&since={iso_ms(NOW_MS - 1_500)}", [1]),
            ("ticker=ZZZ", []),
        ):
            rows = (await client.get(f"/api/v2/items?{query}")).json()["items"]
            assert [row["source_id"] for row in rows] == [article(number) for number in numbers], query


@live
async def test_one_item_and_one_record(home: TestHome, line: Line) -> None:
    item = line.item(Told("AAPL", NOW_MS - 1_000, 500, article(1)))
    async with calling(create_app(home, options())) as client:
        identity = quote(article(1), safe="")
        found = (await client.get(f"/api/v2/items/{identity}")).json()
        assert (found["source_id"], found["polarity"], found["matched_tickers"]) == (article(1), 0.05, ["AAPL"])
        record = (await client.get(f"/api/v2/records/{identity}")).json()
        assert record == {
            "id": article(1),
            "source": "test",
            "captured_at": item["ingested_at"],
            "fingerprint": f"{1:016x}",
            "raw_s3_key": item["raw_key"],
            "title": "About AAPL",
            "body": "words",
            "processed_at": item["ingested_at"],
        }
        for url in ("/api/v2/items/none", "/api/v2/records/none"):
            assert (await client.get(url)).status_code == 404


@pytest.mark.parametrize(
    "identity",
    ["desk/2025/12", "/desk//x", "desk#report.html", "desk?a=1&b", "100%", "desk%2F1", "a\nb", "desk/", "...", "für/é"],
)
@live
async def test_an_article_of_any_id_is_found(home: TestHome, line: Line, identity: str) -> None:
    told = Told("AAPL", NOW_MS - 1_000, 500, make_raw("desk", {**RAW, "article_id": identity}).article_id)
    line.item(told)
    line.tell(told)
    async with serving(home) as (base, _), httpx.AsyncClient(base_url=base, timeout=60) as client:
        url = quote(told.article, safe="")
        assert (await client.get(f"/api/v2/items/{url}")).json()["source_id"] == told.article
        assert (await client.get(f"/api/v2/records/{url}")).json()["id"] == told.article
        fed = (await client.get(f"/api/v2/items/{url}/candles")).json()
        assert (fed["article_id"], fed["subjects"][0]["counted"]) == (told.article, True)


@live
async def test_counts(home: TestHome, line: Line) -> None:
    for number, (ago_ms, label, tags) in enumerate(
        (
            (1_000, "positive", ["chips"]),
            (30 * 60_000, "negative", ["chips", "law"]),
            (5 * HOUR_MS, "neutral", []),
            (30 * HOUR_MS, "neutral", []),
            (6 * DAY_MS, "positive", []),
        )
    ):
        read_model(home, number, NOW_MS - ago_ms, sentiment=label, matched_tags=tags)
    async with calling(create_app(home, options())) as client:
        day = (await client.get("/api/v2/metrics")).json()
        assert (day["total"], day["rate_last_hour"], day["rate_last_24h"]) == (3, 2, round(3 / 24, 2))
        assert day["distribution"] == {"positive": 1, "neutral": 1, "negative": 1}
        assert day["by_tag"] == {"chips": 2, "law": 1}
        assert (await client.get("/api/v2/metrics?hours=1")).json()["total"] == 2
        assert (await client.get("/api/v2/metrics?hours=168")).json()["total"] == 5
        analytics = (await client.get("/api/v2/analytics")).json()
        assert analytics["by_source"] == {"rss": 5}
        assert analytics["summary"] == {
            "total_records": 5,
            "total_sources": 1,
            "oldest_record": iso_ms(NOW_MS - 6 * DAY_MS),
            "newest_record": iso_ms(NOW_MS - 1_000),
        }
        assert [day["count"] for day in analytics["timeline"]] == [1, 0, 0, 0, 0, 1, 3]


@live
async def test_generations_and_their_comparison(home: TestHome, line: Line) -> None:
    events = [Told("AAPL", NOW_MS - 180_000 + n, 100 * n, article(n)) for n in range(5)]
    line.tell(*events)
    other = Line(home, "g2", lane="replay")
    other.tell(*events[:4], Told("AAPL", events[4].at_ms, -9_000, events[4].article))
    other.tell(Told("MSFT", NOW_MS - 180_000, 5, article(9)))
    Line(home, "g3", lane="again").tell(*events)
    async with calling(create_app(home, options())) as client:
        assert (await client.get("/api/v2/generations")).json() == {
            "generations": [{"name": "g1", "live": True, "detail": {}}],
            "swaps": [],
        }
        same = (await client.get("/api/v2/generations/g1/compare/g3")).json()
        assert same["counts"] == {"equal": 8, "changed": 0, "only_here": 0, "only_there": 0}
        differ = (await client.get("/api/v2/generations/g1/compare/g2")).json()
        assert differ["counts"] == {"equal": 0, "changed": 8, "only_here": 0, "only_there": 8}
        assert differ["worst"][0]["difference"] == 0.94
        assert differ["complete"] is True
        assert (await client.get("/api/v2/generations/g1/compare/g9")).status_code == 404
        itself = await client.get("/api/v2/generations/g1/compare/g1")
        assert (itself.status_code, itself.json()["detail"].partition(";")[0]) == (
            400,
            "b: g1 does not differ from itself",
        )


@live
async def test_subjects_and_status(home: TestHome, line: Line) -> None:
    line.tell(*(Told("AAPL", NOW_MS - n * HOUR_MS, 100, article(n)) for n in range(30)))
    line.tell(Told("MSFT", NOW_MS - 1_000, 100, article(99)))
    home.control.put("watermark", "shardId-000000000000", {"watermark_ms": NOW_MS, "newest_event_ms": NOW_MS})
    home.control.put("source", "rss-one", {"state": "healthy", "last_success_ms": NOW_MS, "seen": ["x"] * 2_000})

    def status() -> dict[str, Any]:
        return {"counts": {"received": 31}, "stages": [{"name": "classifier"}]}

    app = create_app(home, options(demo_note="Recorded news"), status, {"AAPL": "Apple Inc."})
    async with calling(app) as client:
        subjects = (await client.get("/api/v2/subjects")).json()
        assert [(row["subject"], row["name"], row["count_24h"]) for row in subjects["subjects"]] == [
            ("AAPL", "Apple Inc.", 24),
            ("MSFT", None, 1),
        ]
        assert (subjects["demo"], subjects["demo_note"]) == (True, "Recorded news")
        found = (await client.get("/api/v2/status")).json()
        assert found["counts"] == {"articles": 0, "received": 31}
        assert found["stages"] == [{"name": "classifier"}]
        assert found["sources"][0]["last_success_at"] == iso_ms(NOW_MS)
        assert "seen" not in found["sources"][0]
        assert found["watermarks"][0]["at"] == iso_ms(NOW_MS)


@live
async def test_our_own_fault_is_a_500_without_a_traceback(
    home: TestHome, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise AssertionError("the details")

    app = create_app(home, options(behind_tls=True))
    async with calling(app) as client:
        monkeypatch.setattr(app.state.services.home.items._inner, "count_primary", broken)
        answer = await client.get("/api/v2/status", headers={"X-Request-ID": "abc-123"})
        assert answer.status_code == 500
        (line,) = [record for record in caplog.records if record.name == "candlewick.api"]
        assert json.loads(line.getMessage()) == {
            "message": "unexpected error",
            "request_id": "abc-123",
            "path": "/api/v2/status",
        }
        assert line.exc_info is not None
        assert answer.headers["content-type"] == "application/problem+json"
        assert "the details" not in answer.text
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-request-id"] == "abc-123"
        assert "strict-transport-security" in answer.headers


@live
async def test_every_answer_has_an_id_and_only_a_plain_one_is_taken_over(home: TestHome) -> None:
    async with calling(create_app(home, options())) as client:
        assert (await client.get("/health", headers={"X-Request-ID": "abc-123"})).headers["x-request-id"] == "abc-123"
        for bad in ("x" * 65, "a b", "a\tb", ""):
            made = (await client.get("/health", headers={"X-Request-ID": bad})).headers["x-request-id"]
            assert made != bad
            assert len(made) == 16
