"""`/timeseries`: which buckets a question means, paging, caching, and what is refused."""

import asyncio

from api.app import create_app
from contracts.generation import POINTER
from contracts.instants import iso_s
from contracts.resolution import BY_NAME, HOUR_MS, WIDTH_MS
from tests.unit.api.kit import NOW_MS, Line, TestHome, Told, article, calling, live, options

MINUTE = 60_000


def told(subject: str, minutes_ago: float, polarity_e4: int = 1_000, number: int | None = None) -> Told:
    at_ms = NOW_MS - round(minutes_ago * MINUTE)
    return Told(subject, at_ms, polarity_e4, article(number if number is not None else round(minutes_ago * 1_000) + 7))


@live
async def test_start_is_inclusive_end_is_exclusive_and_empty_windows_are_absent(home: TestHome, line: Line) -> None:
    line.tell(*(told("AAPL", ago) for ago in (1, 2, 4, 5)))
    async with calling(create_app(home, options())) as client:
        answer = await client.get(
            "/api/v2/timeseries/aapl",
            params={"resolution": "1m", "start": iso_s(NOW_MS - 4 * MINUTE), "end": iso_s(NOW_MS - MINUTE)},
        )
        starts = [bucket["start"] for bucket in answer.json()["buckets"]]
        assert starts == [iso_s(NOW_MS - 4 * MINUTE), iso_s(NOW_MS - 2 * MINUTE)]
        assert answer.json()["ticker"] == "AAPL"


@live
async def test_the_window_that_contains_now_is_partial_and_never_among_the_buckets(home: TestHome, line: Line) -> None:
    line.tell(told("AAPL", 1), told("AAPL", -0.5), told("AAPL", -2.5))
    async with calling(create_app(home, options())) as client:
        answer = (await client.get("/api/v2/timeseries/AAPL?resolution=1m")).json()
        assert [bucket["start"] for bucket in answer["buckets"]] == [iso_s(NOW_MS - MINUTE)]
        assert answer["partial_bucket"]["start"] == iso_s(NOW_MS)
        assert answer["partial_bucket"]["is_partial"] is True
        assert answer["partial_bucket"]["progress_pct"] == 0
        assert answer["partial_bucket"]["next_update_at"] == iso_s(NOW_MS + MINUTE)
        home.clock.instant_ms += 90_000
        later = (await client.get("/api/v2/timeseries/AAPL?resolution=1m")).json()
        assert [bucket["start"] for bucket in later["buckets"]] == [iso_s(NOW_MS - MINUTE), iso_s(NOW_MS)]
        assert later["partial_bucket"] is None


@live
async def test_without_a_range_the_newest_buckets_come_ascending(home: TestHome, line: Line) -> None:
    limit = BY_NAME["24h"].newest_limit
    days = [told("AAPL", 24 * 60 * (day + 1), number=day) for day in range(limit + 10)]
    line.tell(*days, resolutions=["24h"])
    async with calling(create_app(home, options())) as client:
        answer = (await client.get("/api/v2/timeseries/AAPL?resolution=24h")).json()
        starts = [bucket["start"] for bucket in answer["buckets"]]
        assert len(starts) == limit
        assert starts == sorted(starts)
        assert starts[-1] == iso_s(NOW_MS - NOW_MS % WIDTH_MS["24h"] - WIDTH_MS["24h"])
        older = (await client.get(f"/api/v2/timeseries/AAPL?resolution=24h&cursor={answer['next_cursor']}")).json()
        assert len(older["buckets"]) == 10
        assert older["next_cursor"] is None
        assert older["buckets"][-1]["start"] < starts[0]


@live
async def test_pages_neither_repeat_nor_skip_while_data_arrives(home: TestHome, line: Line) -> None:
    line.tell(*(told("AAPL", ago) for ago in range(1, 40)), resolutions=["1m"])
    async with calling(create_app(home, options())) as client:
        for start in (None, iso_s(NOW_MS - 60 * MINUTE)):
            seen: list[str] = []
            cursor = None
            number = 0
            while True:
                params = {"resolution": "1m", "limit": "7"}
                params |= {"start": start} if start else {}
                params |= {"cursor": cursor} if cursor else {}
                page = (await client.get("/api/v2/timeseries/AAPL", params=params)).json()
                seen += [bucket["start"] for bucket in page["buckets"]]
                cursor = page["next_cursor"]
                number += 1
                line.tell(told("AAPL", 20, number=900 + number + (100 if start else 0)), resolutions=["1m"])
                if cursor is None:
                    break
            assert len(seen) == len(set(seen)) == 39
            assert number == 6


@live
async def test_a_cursor_of_another_question_is_refused(home: TestHome, line: Line) -> None:
    line.tell(*(told("AAPL", ago) for ago in range(1, 9)), resolutions=["1m"])
    async with calling(create_app(home, options())) as client:
        cursor = (await client.get("/api/v2/timeseries/AAPL?resolution=1m&limit=2")).json()["next_cursor"]
        answer = await client.get(f"/api/v2/timeseries/MSFT?resolution=1m&limit=2&cursor={cursor}")
        assert answer.status_code == 400
        assert "another question" in answer.json()["detail"]


@live
async def test_the_cache_is_shared_and_a_change_ends_its_entry(home: TestHome, line: Line) -> None:
    line.tell(told("AAPL", 2), told("MSFT", 2))
    app = create_app(home, options())
    async with calling(app) as client:
        url = "/api/v2/timeseries/AAPL?resolution=1m"
        first, second = (await client.get(url)).json(), (await client.get(url)).json()
        assert (first["cache_hit"], second["cache_hit"]) == (False, True)
        assert first["buckets"] == second["buckets"]
        line.tell(told("AAPL", 2, -5_000, number=5))
        while app.state.services.hub.vector != home.buckets.changes_head():
            await asyncio.sleep(0.005)
        third = (await client.get(url)).json()
        assert third["cache_hit"] is False
        assert third["buckets"][0]["count"] == 2
        assert third["stream_cursor"] > first["stream_cursor"]


@live
async def test_the_answer_and_the_stream_leave_no_gap(home: TestHome, line: Line) -> None:
    """What is written after the answer was read comes after its cursor."""
    line.tell(told("AAPL", 2))
    async with calling(create_app(home, options())) as client:
        cursor = (await client.get("/api/v2/timeseries/AAPL?resolution=1m")).json()["stream_cursor"]
        line.tell(told("AAPL", 3, number=55))
        events: list[str] = []
        while not events:
            answer = (await client.get(f"/api/v2/changes?tickers=AAPL&cursor={cursor}")).json()
            events = [e["data"]["bucket"]["start"] for e in answer["events"] if e["event"] == "bucket_update"]
        assert answer["resumed"] is True
        assert events == [iso_s(NOW_MS - 3 * MINUTE)]


@live
async def test_who_has_it_already_gets_304(home: TestHome, line: Line) -> None:
    line.tell(told("AAPL", 2))
    async with calling(create_app(home, options())) as client:
        urls = ["/api/v2/timeseries/AAPL?resolution=1m", "/api/v2/timeseries?tickers=AAPL,MSFT&resolution=1m"]
        urls += ["/api/v2/subjects", "/api/v2/analytics"]
        for url in urls:
            first = await client.get(url)
            again = await client.get(url, headers={"If-None-Match": first.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
        line.tell(told("AAPL", 2, number=5))
        changed = await client.get(urls[0], headers={"If-None-Match": first.headers["etag"]})
        assert changed.status_code == 200


@live
async def test_an_answer_that_is_kept_does_not_keep_a_dead_position(home: TestHome, line: Line) -> None:
    line.tell(told("AAPL", 2))
    app = create_app(home, options())
    async with calling(app) as client:
        url = "/api/v2/timeseries/AAPL?resolution=24h"
        first = await client.get(url)
        for at, name in ((1, "g2"), (2, "g1")):
            pointer = {"generation": name, "swapped_at": f"2025-12-21T09:4{at}:00.000Z"}
            home.control.put(*POINTER, pointer, home.control.get(*POINTER)[1])
        again = first
        for _ in range(200):  # the process looks once a second
            again = await client.get(url, headers={"If-None-Match": first.headers["etag"]})
            if again.status_code == 200:
                break
            await asyncio.sleep(0.05)
        assert again.status_code == 200
        assert again.json()["stream_cursor"].startswith(app.state.services.epoch.identity())
        home.clock.instant_ms += HOUR_MS
        later = await client.get(url, headers={"If-None-Match": again.headers["etag"]})
        assert later.status_code == 200, "its position may be one that the log has forgotten"


@live
async def test_several_series_come_in_the_order_asked_for(home: TestHome, line: Line) -> None:
    line.tell(told("AAPL", 2), told("tag:ai-regulation", 2, number=3))
    async with calling(create_app(home, options())) as client:
        url = "/api/v2/timeseries?tickers=msft,tag:ai-regulation,AAPL,AAPL&resolution=5m"
        series = (await client.get(url)).json()["series"]
        assert [each["ticker"] for each in series] == ["MSFT", "tag:ai-regulation", "AAPL"]
        assert [len(each["buckets"]) for each in series] == [0, 1, 1]


BAD = [
    ("/api/v2/timeseries/AAPL", "resolution"),
    ("/api/v2/timeseries/AAPL?resolution=3m", "12h"),
    ("/api/v2/timeseries/AAPL?resolution=", "12h"),
    ("/api/v2/timeseries/AA%23PL?resolution=1m", "AA#PL"),
    ("/api/v2/timeseries/AAPL%00?resolution=1m", "ticker"),
    ("/api/v2/timeseries/..?resolution=1m", None),
    ("/api/v2/timeseries/%2e%2e%2f%2e%2e%2fetc%2fpasswd?resolution=1m", None),
    ("/api/v2/timeseries/ÄÖ?resolution=1m", "ticker"),
    ("/api/v2/timeseries/AAPL?resolution=1m&start=2025-12-21T10:00:00", "zone"),
    ("/api/v2/timeseries/AAPL?resolution=1m&start=yesterday", "ISO-8601"),
    ("/api/v2/timeseries/AAPL?resolution=1m&start=2025-02-30T10:00:00Z", "start"),
    ("/api/v2/timeseries/AAPL?resolution=1m&start=9999-12-31T23:59:59Z", "outside"),
    ("/api/v2/timeseries/AAPL?resolution=1m&start=2025-12-21T10:00:00Z&end=2025-12-21T09:00:00Z", "after end"),
    ("/api/v2/timeseries/AAPL?resolution=1m&limit=0", "limit"),
    ("/api/v2/timeseries/AAPL?resolution=1m&limit=1001", "limit"),
    ("/api/v2/timeseries/AAPL?resolution=1m&limit=1e3", "limit"),
    ("/api/v2/timeseries/AAPL?resolution=1m&cursor=nonsense", "cursor"),
    ("/api/v2/timeseries?tickers=" + ",".join(f"T{n}" for n in range(21)) + "&resolution=1m", "at most 20"),
    ("/api/v2/timeseries?tickers=,,&resolution=1m", "at least one"),
    ("/api/v2/timeseries/AAPL/5m/2025-12-21T09:36:00Z/articles", "multiples"),
    ("/api/v2/timeseries/AAPL/5m/now/articles", "start"),
    ("/api/v2/stream?tickers=AAPL&resolutions=1m,3m", "12h"),
    ("/api/v2/stream?tickers=AAPL,AA%23PL", "AA#PL"),
    ("/api/v2/stream?tickers=" + ",".join(f"T{n}" for n in range(21)), "at most 20"),
    ("/api/v2/stream?tickers=A,B,C,D,E,F&resolutions=1m,5m,1h,24h", "24 series"),
    ("/api/v2/stream?tickers=", "at least one"),
    ("/api/v2/stream?cursor=nonsense", "cursor"),
    ("/api/v2/stream?since=2025-12-21T10:00:00", "zone"),
    ("/api/v2/stream?since=2025-12-21T10:00:00Z&until=2025-12-21T09:00:00Z", "after since"),
    ("/api/v2/changes?cursor=0:1&limit=501", "limit"),
    ("/api/v2/items?sentiment=happy", "neutral"),
    ("/api/v2/items?tag=Not%20a%20tag", "tag"),
    ("/api/v2/items?limit=101", "limit"),
    ("/api/v2/metrics?hours=169", "hours"),
    ("/api/v2/metrics?hours=0", "hours"),
]


@live
async def test_bad_questions_are_told_what_is_wrong(home: TestHome) -> None:
    async with calling(create_app(home, options())) as client:
        for url, cause in BAD:
            answer = await client.get(url)
            assert answer.status_code == (400 if cause else 404), (url, answer.text)
            assert answer.headers["content-type"] == "application/problem+json", url
            problem = answer.json()
            assert problem["status"] == answer.status_code
            assert cause is None or cause in answer.text, (url, problem)


@live
async def test_an_unescaped_plus_and_mixed_zones_are_understood(home: TestHome, line: Line) -> None:
    line.tell(told("AAPL", 2))
    async with calling(create_app(home, options())) as client:
        url = "/api/v2/timeseries/AAPL?resolution=1m&start=2025-12-21T10:00:00+02:00&end=2025-12-21T10:00:00Z"
        assert len((await client.get(url)).json()["buckets"]) == 1


@live
async def test_long_answers_are_compressed_and_every_answer_is_guarded(home: TestHome, line: Line) -> None:
    line.tell(*(told("AAPL", ago) for ago in range(1, 40)), resolutions=["1m"])
    async with calling(create_app(home, options())) as client:
        answer = await client.get("/api/v2/timeseries/AAPL?resolution=1m", headers={"Accept-Encoding": "gzip"})
        assert answer.headers["content-encoding"] == "gzip"
        for url in ("/api/v2/timeseries/AAPL?resolution=1m", "/api/v2/nothing", "/", "/health"):
            headers = (await client.get(url)).headers
            assert "default-src 'self'" in headers["content-security-policy"]
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert "strict-transport-security" not in headers
    async with calling(create_app(home, options(behind_tls=True))) as client:
        assert "strict-transport-security" in (await client.get("/health")).headers
