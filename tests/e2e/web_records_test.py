"""Records, one record and Analytics in a real Chromium, against the real server and articles whose counts are known."""

import csv
import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pytest

from contracts.clock import SystemClock
from contracts.instants import iso_ms
from contracts.resolution import HOUR_MS, MINUTE_MS
from tests.e2e.harness import Up, answer
from tests.e2e.web_browser import PHONE, Watched, axe, open_page, shot, until

pytestmark = pytest.mark.browser
#: Begins like a formula; what it has of markup the classifier takes out, so a test puts it back in.
FORMULA = "=cmd() chips \u202e שלום"
HOSTILE = FORMULA + "<img src=x onerror=\"document.title='owned'\">"
ARTICLES = 120
#: The page asks again by itself too, and the button may be gone by then.
TRY_AGAIN = """() => [...document.querySelectorAll('.page-problem button')]
  .find((each) => each.textContent === 'Try again')?.click()"""
WAIT_S = 60


def raw_article(number: int, now_ms: int) -> dict[str, Any]:
    """Every third is bad news, every tenth about chips; two sources; spread over the last twenty hours."""
    published_at = iso_ms(now_ms - 10 * MINUTE_MS - number * 9 * MINUTE_MS)
    mood = ("a terrible disaster, awful losses", "a great success, wonderful gains", "a meeting on a weekday")[
        number % 3
    ]
    title = FORMULA if number == 0 else f"Report {number}: {mood}" + (" for chips" if number % 10 == 0 else "")
    return {
        "schema": "raw-article/1", "article_id": f"wire{number % 2}#{number:016x}", "source": f"wire{number % 2}",
        "publisher": "The Wire", "url": f"https://example.com/{number}", "title": title,
        "snippet": f"Told on day {number}.", "author": None, "language": "en",
        "published_at": published_at, "ingested_at": published_at,
        "tickers": ["MSFT"] if number % 4 == 0 else ["AAPL", "MSFT"], "tags": ["chips"], "raw_key": None,
    }  # fmt: skip


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Iterator[Up]:
    path: Path = tmp_path_factory.mktemp("records")
    now_ms = SystemClock().now_ms()
    file = path / "news.jsonl"
    file.write_text("".join(json.dumps(raw_article(number, now_ms)) + "\n" for number in range(ARTICLES)))
    data = path / "data"
    published = answer("publish", str(file), "--backfill", "--data-dir", str(data))
    assert published["published"] == ARTICLES, published
    with Up(data, settings={"CANDLEWICK_MODEL": "vader"}) as running:
        end = time.monotonic() + WAIT_S
        while running.get("/api/v2/metrics?hours=168")["total"] < ARTICLES:
            assert time.monotonic() < end, running.get("/api/v2/status")
            time.sleep(0.1)
        yield running


def every(up: Up, query: str) -> list[dict[str, Any]]:
    """All articles under a filter, by the API's own pages."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = up.get(f"/api/v2/items?limit=100&{query}{cursor}")
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


def one(up: Up) -> str:
    """Address of a record of two tickers, bad news."""
    item = next(each for each in every(up, "ticker=AAPL&sentiment=negative") if each["source_id"].endswith("3"))
    return f"/records/{quote(item['source_id'], safe='')}"


def addresses(up: Up) -> dict[str, str]:
    return {"records": "/records", "record": one(up), "analytics": "/analytics?label=negative"}


#: What is on the page when its data is.
DRAWN = {"records": ".record", "record": ".fed", "analytics": ".plot-bars rect"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible_in_both_themes_and_ask_nobody_else(browser: Any, up: Up, scheme: str) -> None:
    with open_page(browser, up.url, "/records", color_scheme=scheme) as watched:
        for name, address in addresses(up).items():
            watched.page.goto(up.url + address)
            watched.page.wait_for_selector(DRAWN[name])
            shot(watched.page, f"{name}-{scheme}")
            assert axe(watched.page) == [], name
        assert watched.foreign == []
        assert watched.errors == []


def test_pages_fit_a_phone_and_a_tablet(browser: Any, up: Up) -> None:
    with open_page(browser, up.url, "/records", **PHONE) as watched:
        for name, address in addresses(up).items():
            watched.page.goto(up.url + address)
            watched.page.wait_for_selector(DRAWN[name])
            shot(watched.page, f"{name}-phone")
            for width in (320, 820, 390):
                watched.page.set_viewport_size({"width": width, "height": 844})
                assert watched.page.evaluate("document.documentElement.scrollWidth") <= width, (name, width)
        assert axe(watched.page) == []
        watched.page.goto(up.url + "/records")
        watched.page.click(".filters-fold")
        assert watched.page.is_visible("#record-filters")


def shown(watched: Watched, count: int) -> None:
    until(watched.page, "count => document.querySelectorAll('.record').length === count", count)


def test_filters_are_the_address_and_the_back_button_takes_them_back(browser: Any, up: Up) -> None:
    with open_page(browser, up.url, "/records") as watched:
        page = watched.page
        shown(watched, 50)
        page.click('.filters button[aria-label="Negative"]')
        negative = len(every(up, "sentiment=negative"))
        shown(watched, negative)
        page.get_by_label("Ticker", exact=True).fill("aapl")
        page.keyboard.press("Enter")
        both = every(up, "sentiment=negative&ticker=AAPL")
        assert 0 < len(both) < negative < 50
        shown(watched, len(both))
        assert page.url.endswith("/records?ticker=AAPL&label=negative")
        page.get_by_label("Source", exact=True).select_option("wire1")
        page.get_by_label("Tag", exact=True).fill("chips")
        page.keyboard.press("Enter")
        page.wait_for_selector(".nothing h2")
        page.go_back()
        shown(watched, len([each for each in both if each["source_type"] == "wire1"]))
        page.go_back()
        shown(watched, len(both))
        page.reload()
        shown(watched, len(both))
        assert page.get_by_label("Ticker", exact=True).input_value() == "AAPL"
        page.get_by_label("Ticker", exact=True).fill("a b")
        page.keyboard.press("Enter")
        assert page.inner_text(".field-wrong") == "Not a ticker"
        page.click(".filters-clear")
        shown(watched, 50)
        assert page.url.endswith("/records")


def test_times_and_models_narrow_too(browser: Any, up: Up) -> None:
    with open_page(browser, up.url, "/records", timezone_id="America/New_York") as watched:
        page = watched.page
        shown(watched, 50)
        model = every(up, "")[0]["model_version"]
        page.get_by_label("Model", exact=True).select_option(model)
        page.get_by_label("Taken in", exact=True).select_option("1")
        page.wait_for_url("**hours=1*")
        until(page, "() => { const n = document.querySelectorAll('.record').length; return n > 0 && n < 10; }")
        page.get_by_label("Taken in", exact=True).select_option("range")
        page.get_by_label("From", exact=True).fill("2021-07-01T08:30")
        page.keyboard.press("Enter")
        page.wait_for_url("**from=2021-07-01T12:30:00Z*")
        page.keyboard.press("Escape")
        page.click('.topbar button[title^="Local time or UTC"]')
        assert page.get_by_label("From (UTC)", exact=True).input_value() == "2021-07-01T12:30"


def test_paging_shows_every_record_once(browser: Any, up: Up) -> None:
    with open_page(browser, up.url, "/records") as watched:
        page = watched.page
        shown(watched, 50)
        page.click("text=Older records")
        shown(watched, 100)
        page.click("text=Older records")
        page.wait_for_selector("text=That is all")
        ids = page.eval_on_selector_all(".record-title", "all => all.map(each => each.getAttribute('href'))")
        wanted = [f"/records/{quote(each['source_id'], safe='')}" for each in every(up, "")]
        assert ids == wanted


def test_rows_are_reached_by_keyboard_and_the_way_back_is_kept(browser: Any, up: Up) -> None:
    with open_page(browser, up.url, "/records?label=negative") as watched:
        page = watched.page
        page.wait_for_selector(".record")
        page.keyboard.press("j")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("j")
        third = page.evaluate("document.activeElement.textContent")
        assert third == page.locator(".record-title").nth(2).inner_text()
        page.keyboard.press("End")
        page.keyboard.press("Home")
        page.keyboard.press("Enter")
        page.wait_for_selector(".timeline")
        assert "1 of" in page.inner_text(".record-steps")
        page.keyboard.press("j")
        page.wait_for_selector(".record-steps:has-text('2 of')")
        page.click(".back-link")
        page.wait_for_selector(".record")
        assert page.evaluate("document.activeElement.textContent") == page.locator(".record-title").nth(1).inner_text()
        assert page.url.endswith("/records?label=negative")
        assert watched.errors == []


def test_records_can_be_taken_along(browser: Any, up: Up) -> None:
    options = {"permissions": ["clipboard-read", "clipboard-write"]}
    with open_page(browser, up.url, "/records?ticker=MSFT", **options) as watched:
        page = watched.page
        page.wait_for_selector(".record")
        wanted = every(up, "ticker=MSFT")
        assert len(wanted) > 100
        with page.expect_download() as found:
            page.click(".take-along >> text=CSV")
        assert found.value.suggested_filename == "records-MSFT.csv"
        rows = list(csv.DictReader(io.StringIO(found.value.path().read_text(encoding="utf-8"), newline="")))
        assert [row["id"] for row in rows] == [each["source_id"] for each in wanted]
        assert rows[0]["title"] == "'" + wanted[0]["metadata"]["title"], "no formula"
        assert float(rows[5]["polarity"]) == wanted[5]["polarity"]
        with page.expect_download() as found:
            page.click(".take-along >> text=JSON lines")
        assert [json.loads(line) for line in found.value.path().read_text(encoding="utf-8").splitlines()] == wanted
        page.click(".take-along >> text=Copy as curl")
        page.wait_for_selector(".take-along-said:has-text('Copied.')")
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied == f"curl '{up.url}/api/v2/items?ticker=MSFT&limit=100'"


def test_a_record_tells_its_way_and_leads_to_its_candles(browser: Any, up: Up) -> None:
    with open_page(browser, up.url, one(up)) as watched:
        page = watched.page
        page.wait_for_selector(".fed")
        steps = page.locator(".timeline-name").all_inner_texts()
        assert steps == ["Published", "Taken in", "Scored", "Stored", "Shown"]
        assert page.locator(".timeline-unknown").count() == 0
        assert page.locator(".record-candles tbody tr").count() == 2
        assert page.locator(".fed").count() == 16
        item = json.loads(page.inner_text(".record-json pre"))
        assert item["sentiment"] == "negative"
        page.click(".fed >> nth=3")
        page.wait_for_selector(".legend-value")
        assert "s=AAPL" in page.url
        assert "r=1h" in page.url
        page.wait_for_selector(f".article-title:has-text({json.dumps(item['metadata']['title'])})")
        page.go_back()
        page.wait_for_selector(".timeline")
        page.goto(up.url + "/records/no%23such")
        page.wait_for_selector("h1:has-text('There is no such record')")
        assert watched.errors == []


def test_a_hostile_headline_stays_text(browser: Any, up: Up) -> None:
    def spoil(route: Any) -> None:
        answered = route.fetch()
        route.fulfill(
            response=answered, body=answered.text().replace('"title":"=cmd()', f'"title":{json.dumps(HOSTILE)},"x":"')
        )

    with open_page(browser, up.url, "/analytics", service_workers="block") as watched:
        page = watched.page
        page.route("**/api/v2/items**", spoil)
        page.goto(up.url + "/records?tag=chips")
        page.wait_for_selector(".record-title:has-text('onerror')")
        page.click(".record-title:has-text('onerror')")
        page.wait_for_selector(".timeline")
        page.wait_for_selector("pre:has-text('onerror')")
        assert page.locator("main img").count() == 0
        assert "owned" not in page.title()


def total(watched: Watched) -> int:
    return int(watched.page.inner_text(".page-count").split()[0])


def test_a_click_narrows_everything_else(browser: Any, up: Up) -> None:
    with open_page(browser, up.url, "/analytics") as watched:
        page = watched.page
        page.wait_for_selector(".plot-bars rect")
        assert total(watched) == ARTICLES
        tickers = page.locator('[aria-label="By ticker"] .bar-count')
        page.click('[aria-label="Label mix"] .bar:has-text("negative")')
        negative = len(every(up, "sentiment=negative"))
        page.wait_for_selector(f".page-count:has-text('{negative} articles')")
        assert page.locator('[aria-label="Label mix"] .bar').count() == 3, "the alternatives stay"
        assert tickers.first.inner_text() == str(negative)
        page.click('[aria-label="By source"] .bar:has-text("wire1")')
        both = len(every(up, "sentiment=negative&source=wire1"))
        page.wait_for_selector(f".page-count:has-text('{both} articles')")
        assert page.url.endswith("/analytics?label=negative&source=wire1")
        page.locator('[aria-label="By source"] .bar:has-text("wire1")').click()
        page.wait_for_selector(f".page-count:has-text('{negative} articles')")
        page.go_back()
        page.wait_for_selector(f".page-count:has-text('{both} articles')")
        page.click("text=See these records")
        shown(watched, both)
        assert watched.errors == []


def test_columns_and_coverage_are_reached_by_keyboard(browser: Any, up: Up) -> None:
    with open_page(browser, up.url, "/analytics") as watched:
        page = watched.page
        page.wait_for_selector(".coverage-row")
        last = page.locator('[aria-label="Scores"] .plot-hit[tabindex="0"]')
        last.focus()
        page.keyboard.press("Home")
        heard = page.evaluate("document.activeElement.getAttribute('aria-label')")
        assert heard.startswith("−1.00 to −0.90: ")
        assert page.inner_text('[aria-label="Scores"] .facet-note') == heard
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        page.wait_for_url("**score=-9*")
        bin_count = len(every(up, "score=-9"))
        page.wait_for_selector(f".page-count:has-text('{bin_count} article')")
        page.click(".chosen >> text=Clear")
        page.locator('.coverage-cell[tabindex="0"]').focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowLeft")
        cell = page.evaluate("document.activeElement.getAttribute('aria-label')")
        page.keyboard.press("Enter")
        page.wait_for_url("**from=*to=*")
        inside = int(cell.rsplit(": ", 1)[1].split()[0])
        page.wait_for_selector(f".page-count:has-text('{inside} article')")


def test_another_span_counts_another_time(browser: Any, up: Up) -> None:
    with open_page(browser, up.url, "/analytics?ticker=AAPL") as watched:
        page = watched.page
        page.click('.segments button:has-text("1 h")')
        page.wait_for_url("**hours=1*")
        wanted = up.get("/api/v2/analytics/facets?hours=1&ticker=AAPL")
        page.wait_for_selector(f".page-count:has-text('{wanted['total']} article')")
        columns = page.locator('[aria-label="Ingestion rate"] .plot-hit')
        assert columns.count() == len(wanted["windows"])
        page.click('.segments button:has-text("24 h")')
        until(page, "() => document.querySelectorAll('[aria-label=\"Ingestion rate\"] .plot-hit').length < 30")
        columns.nth(-6).click()
        page.wait_for_url("**from=*")
        columns.nth(-3).click(modifiers=["Shift"])
        until(page, "() => document.querySelectorAll('.plot-hit[aria-pressed=true]').length === 4")
        chosen = dict(parse_qsl(urlsplit(page.url).query))
        inside = len(every(up, f"ticker=AAPL&since={chosen['from']}&until={chosen['to']}"))
        assert inside > 0
        page.wait_for_selector(f".page-count:has-text('{inside} article')")


def test_nothing_leads_to_what_there_is(browser: Any, up: Up) -> None:
    now_ms = SystemClock().now_ms()
    with open_page(
        browser, up.url, f"/records?ticker=AAPL&from={iso_ms(now_ms - HOUR_MS * 60)}&to={iso_ms(now_ms - HOUR_MS * 59)}"
    ) as watched:
        page = watched.page
        page.wait_for_selector(".nothing h2:has-text('No record answers all of this')")
        page.wait_for_selector(".nothing .button-primary")
        shot(page, "records-empty")
        assert axe(page) == []
        page.click(".nothing .button-primary")
        shown(watched, 50)
        page.goto(up.url + "/analytics?ticker=ZZZ&hours=1")
        page.wait_for_selector(".nothing-offers .button")
        shot(page, "analytics-empty")
        page.click(".nothing-offers >> text=Without any filter")
        page.wait_for_selector(".plot-bars")


@pytest.mark.parametrize(("address", "drawn", "kept"), [
    ("/records", ".record", ".records.stale"), ("/analytics", ".plot-bars rect", ".analytics.stale"),
])  # fmt: skip
def test_the_last_data_stays_when_the_server_is_away(browser: Any, up: Up, address: str, drawn: str, kept: str) -> None:
    with open_page(browser, up.url, address, service_workers="block") as watched:
        page = watched.page
        page.wait_for_selector(drawn)
        page.route("**/api/v2/**", lambda route: route.abort("connectionrefused"))
        other = '.filters button[aria-label="Negative"]' if address == "/records" else '.bar:has-text("negative")'
        page.click(other)
        page.wait_for_selector(".page-problem:has-text('cannot be reached')")
        assert page.locator(kept).count() == 1
        shot(page, f"{address[1:]}-error")
        assert axe(page) == []
        page.unroute("**/api/v2/**")
        page.evaluate(TRY_AGAIN)
        page.wait_for_selector(".page-problem", state="detached")
        page.wait_for_selector(kept, state="detached")
