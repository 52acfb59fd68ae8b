"""The dashboard in a real Chromium, against the mock server of `web/dev`: what a real server does only now and then.

A wait for what does not come raises, so a test may end with one.
"""

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e.web_browser import Mock, axe, heard_along, mock_server, open_page, series_of, shot, until

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def mock(browser: Any) -> Iterator[Mock]:
    with mock_server() as server:
        yield server


@pytest.fixture(autouse=True)
def healthy(mock: Mock) -> Iterator[None]:
    yield
    mock.control("fault", mode="none")


#: True once the service worker is in charge and holds the page with all that it loaded.
SHELL_KEPT = """async () => {
  if (navigator.serviceWorker.controller === null) return false;
  const kept = await (await caches.open('candlewick-shell-1')).keys();
  return kept.length >= 12 && (await caches.match('/index.html')) !== undefined;
}"""


def wait_until(holds: Callable[[], bool], what: str, timeout_s: float = 20.0) -> None:
    end = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end, f"not within {timeout_s} s: {what}"
        time.sleep(0.1)


def number(text: str) -> float:
    return float(text.replace("\u2212", "-"))


def legend(page: Any) -> list[str]:
    return [text.split(" ", 1)[1] for text in page.locator(".legend-value").all_inner_texts()]


def test_axe_finds_a_planted_fault(browser: Any, mock: Mock) -> None:
    with open_page(browser, mock.url) as watched:
        watched.ready()
        watched.page.evaluate("document.body.append(document.createElement('img'))")
        assert any(line.startswith("image-alt") for line in axe(watched.page))


def test_says_that_the_news_is_recorded(browser: Any, mock: Mock) -> None:
    with open_page(browser, mock.url) as watched:
        watched.ready()
        assert "Recorded news" in watched.page.inner_text(".demo-note")


def test_shows_what_the_server_says(browser: Any, mock: Mock) -> None:
    with open_page(browser, mock.url, "/?s=MSFT&r=24h") as watched:
        watched.ready()
        watched.page.keyboard.press("ArrowLeft")
        watched.page.wait_for_url("**at=*")
        bucket = mock.get("/timeseries/MSFT?resolution=24h")["buckets"][-1]
        wanted = [bucket[name] for name in ("open", "high", "low", "close")]
        assert [number(text) for text in legend(watched.page)[:4]] == pytest.approx(wanted, abs=0.0051)


def test_address_and_back_button(browser: Any, mock: Mock) -> None:
    with open_page(browser, mock.url, "/?s=TSLA&r=10m&w=TSLA,AAPL") as watched:
        watched.ready()
        page = watched.page
        assert page.inner_text(".subject-name").startswith("TSLA")
        assert page.locator(".watch-row").count() == 2
        page.keyboard.press("4")
        page.wait_for_url("**r=1h*")
        page.click('.nav a:text-is("Grid")')
        page.wait_for_selector(".cells .cell")
        page.go_back()
        page.wait_for_selector(".stage")
        assert "r=1h" in page.url
        page.go_back()
        page.wait_for_selector('.segments button[aria-pressed="true"]:text-is("10m")')


def test_every_candle_can_be_reached_and_heard_by_keyboard(browser: Any, mock: Mock) -> None:
    with open_page(browser, mock.url, "/?r=24h") as watched:
        watched.ready()
        page = watched.page
        page.focus(".chart-frame")
        count = len(mock.get("/timeseries/AAPL?resolution=24h")["buckets"])
        wait_until(lambda: len(series_of(page)) >= count, "the page has the series")
        heard = heard_along(page, "[data-testid=spoken]", count)
        assert len(set(heard)) == len(heard) > 5
        assert all("close" in text and "articles" in text for text in heard)


READER_LOADED = "performance.getEntriesByType('resource').some(({name}) => name.includes('/reader-'))"


def test_crosshair_stays_when_the_resolution_changes(browser: Any, mock: Mock) -> None:
    with open_page(browser, mock.url, "/?s=TSLA&r=10m") as watched:
        watched.ready()
        page = watched.page
        wait_until(lambda: page.evaluate(READER_LOADED), "what keeps the crosshair")
        box = page.locator(".chart-host").bounding_box()
        x, y = box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.4

        def told(before: str, what: str) -> str:
            wait_until(lambda: page.inner_text(".legend-time") != before, what)
            page.wait_for_timeout(300)
            return page.inner_text(".legend-time")

        newest = page.inner_text(".legend-time")
        page.mouse.move(x, y)
        pointed = told(newest, "the candle under the pointer")
        for key in "245":
            page.keyboard.press(key)
            pointed = told(pointed, f"another window after {key}")
            page.mouse.move(x + 60, y)
            beside = told(pointed, "a candle beside it")
            page.mouse.move(x, y)
            assert told(beside, "the candle that was told") == pointed


def test_why_panel_names_who_made_the_candle(browser: Any, mock: Mock) -> None:
    with open_page(browser, mock.url, "/?r=1h") as watched:
        watched.ready()
        watched.page.keyboard.press("ArrowLeft")
        watched.page.wait_for_selector(".article .role-close")
        roles = set(watched.page.locator(".role").all_inner_texts())
        assert roles <= {"Open", "High", "Low", "Close"}
        assert "Close" in roles


def test_an_article_without_a_label_is_not_scored_and_not_neutral(browser: Any, mock: Mock) -> None:
    """A replay scored it again: its own label is another model's, and the candle cannot tell whose is whose."""

    def without_labels(route: Any) -> None:
        answer = route.fetch()
        body = answer.json()
        for row in body["articles"]:
            row |= {"label": None, "polarity": None, "confidence": None}
        route.fulfill(response=answer, json=body)

    with open_page(browser, mock.url, "/?s=MSFT&r=1h") as watched:
        watched.page.route("**/articles*", without_labels)
        watched.page.reload()
        watched.page.wait_for_selector(".article-score")
        assert set(watched.page.locator(".article-score").all_inner_texts()) == {"○not scored"}
        assert watched.page.locator(".article-score .tone-neutral").count() == 0


def test_hostile_title_stays_text(browser: Any, mock: Mock) -> None:
    title = "<img src=x onerror=\"document.title='owned'\"><script>alert(1)</script> \u202e שלום 🕯"
    with open_page(browser, mock.url, "/?s=AAPL&r=1h") as watched:
        watched.pill("live")
        mock.control("article", subject="AAPL", at=int(time.time() * 1000), title=title)
        watched.page.wait_for_selector(".article-title:has-text('onerror')")
        assert watched.page.locator(".article-title img, .headlines img").count() == 0
        assert "owned" not in watched.page.title()
        assert watched.errors == []


def test_late_news_marks_the_candle(browser: Any, mock: Mock) -> None:
    with open_page(browser, mock.url, "/?s=AAPL&r=1h") as watched:
        watched.pill("live")
        bucket = mock.get("/timeseries/AAPL?resolution=1h")["buckets"][-3]
        start_ms = int(time.mktime(time.strptime(bucket["start"], "%Y-%m-%dT%H:%M:%SZ")) - time.timezone) * 1000
        watched.page.goto(f"{mock.url}/?s=AAPL&r=1h&at={bucket['start']}")
        watched.pill("live")
        watched.page.wait_for_selector(".legend-value")
        mock.control("article", subject="AAPL", at=start_ms + 60_000)
        watched.page.wait_for_selector(".legend .chip-accent")
        assert f"rev {bucket['rev'] + 1}, +1 article" in watched.page.inner_text(".legend .chip-accent")


def test_watching_and_unwatching(browser: Any, mock: Mock) -> None:
    with open_page(browser, mock.url) as watched:
        watched.ready()
        page = watched.page
        page.wait_for_selector(".watch-row")
        page.hover(".watch-item:nth-child(2)")
        page.click(".watch-item:nth-child(2) .watch-remove")
        until(page, "document.querySelectorAll('.watch-row').length === 4")
        page.fill("#add-subject", "a#b")
        page.keyboard.press("Enter")
        assert "ticker" in page.inner_text("#add-problem")
        page.fill("#add-subject", "tag:AI-Regulation")
        page.keyboard.press("Enter")
        until(page, "document.querySelectorAll('.watch-row').length === 5")
        assert page.inner_text(".subject-name").startswith("#ai-regulation")
        page.reload()
        watched.ready()
        assert page.locator(".watch-row").count() == 5
        assert page.locator("#add-subject").is_disabled()


@pytest.mark.parametrize("address", ["/?s=AAPL&r=1h&w=AAPL", "/?r=1h"], ids=["linked", "suggested"])
def test_opens_without_its_server(browser: Any, address: str) -> None:
    # Nearly no news: the newest candle must not be another one between the look at it and the end of the server.
    with mock_server("--rate", "0.001") as server, open_page(browser, server.url, address) as watched:
        watched.ready()
        wait_until(lambda: watched.page.evaluate(SHELL_KEPT), "the shell is kept")
        before = legend(watched.page)
        server.kill()
        watched.page.reload()
        watched.ready()
        assert legend(watched.page) == before
        watched.page.wait_for_selector('.pill:not([data-state="live"])')
        shot(watched.page, "live-without-server")
        server.start()
        watched.pill("live", 40_000)


@pytest.mark.parametrize(
    "shared",
    [
        "class { constructor() { throw new DOMException('denied', 'SecurityError'); } }",
        "class extends EventTarget { port = new MessageChannel().port1;"
        " constructor() { super(); setTimeout(() => this.dispatchEvent(new Event('error')), 100); } }",
    ],
    ids=["refused", "not-loaded"],
)
def test_is_live_without_a_shared_worker(browser: Any, mock: Mock, shared: str) -> None:
    """As browsers have it that may keep no data of a site."""
    with open_page(browser, mock.url) as watched:
        watched.page.add_init_script(f"window.SharedWorker = {shared}")
        watched.page.reload()
        watched.ready()
        watched.pill("live")
        assert watched.errors == []


def test_series_can_be_taken_along(browser: Any, mock: Mock) -> None:
    with open_page(browser, mock.url, "/?s=AAPL&r=24h") as watched:
        watched.pill("live")
        count = len(mock.get("/timeseries/AAPL?resolution=24h")["buckets"])
        wait_until(lambda: len(series_of(watched.page)) >= count, "the page has the series")
        # Looking at the series took it along too, as JSON lines, which may only come now.
        with watched.page.expect_download(lambda taken: taken.suggested_filename == "AAPL-24h.csv") as found:
            watched.page.click(".export-bar button:text-is('CSV')")
        lines = found.value.path().read_text(encoding="utf-8").splitlines()
        assert lines[0].startswith("start,end,open,high,low,close")
        assert len(lines) - 1 >= count


def test_error_and_way_out(browser: Any, mock: Mock) -> None:
    mock.control("fault", mode="error")
    with open_page(browser, mock.url, "/?s=AAPL") as watched:
        watched.page.wait_for_selector(".cover h2:has-text('could not be loaded')")
        assert "bucket store" in watched.page.inner_text(".cover")
        shot(watched.page, "live-error")
        mock.control("fault", mode="none")
        watched.page.click(".cover .button")
        watched.ready()
        watched.page.wait_for_selector(".cover", state="detached")


@pytest.mark.parametrize("address", ["/?s=AAPL&r=1h&w=AAPL", "/"], ids=["linked", "suggested"])
def test_paints_from_its_cache_when_the_server_cannot_answer(browser: Any, mock: Mock, address: str) -> None:
    with open_page(browser, mock.url, address) as watched:
        watched.ready()
        watched.page.wait_for_timeout(6_000)
        mock.control("fault", mode="error")
        watched.page.reload()
        watched.ready()
        watched.page.wait_for_selector(".notice")
        assert "last known" in watched.page.inner_text(".notice")
        shot(watched.page, "live-cached")


def test_nothing_to_show_leads_to_what_there_is(browser: Any, mock: Mock) -> None:
    with open_page(browser, mock.url, "/?s=QUIET") as watched:
        watched.page.wait_for_selector(".cover-offers .button")
        shot(watched.page, "live-empty-subject")
        watched.page.click(".cover-offers .button >> nth=0")
        watched.ready()


def test_no_news_at_all(browser: Any) -> None:
    with mock_server("--empty") as server, open_page(browser, server.url) as watched:
        watched.page.wait_for_selector(".cover h2:has-text('No scored news yet')")
        shot(watched.page, "live-empty")
        assert axe(watched.page) == []


def as_another_model(buckets: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Another history of the same time: every second candle is missing, and the others are the other way round, with
    revisions that begin again."""
    return [
        bucket
        | {"open": -bucket["open"], "close": -bucket["close"], "sum": -bucket["sum"]}
        | {"high": -bucket["low"], "low": -bucket["high"], "rev": 1}
        for bucket in buckets[::2]
    ]


def values(rows: list[dict[str, Any]], until_start: str) -> list[tuple[Any, ...]]:
    names = ("start", "open", "high", "low", "close", "rev")
    return [tuple(row[name] for name in names) for row in rows if row["start"] <= until_start]


def test_another_generation_replaces_everything(browser: Any) -> None:
    """The mock has one history; on its way to the page it becomes another model's once that is live."""

    def in_its_generation(route: Any) -> None:
        answer = route.fetch()
        body = answer.json()
        if body["generation"] == "g2":
            body["buckets"] = as_another_model(body["buckets"])
        route.fulfill(response=answer, json=body)

    with mock_server() as server, open_page(browser, server.url, "/?s=AAPL&r=24h") as watched:
        watched.pill("live")
        ended = server.get("/timeseries/AAPL?resolution=24h")["buckets"]
        # The mock's late news changes the newest one that has ended; those before it stand.
        standing = ended[-2]["start"]

        def shows(buckets: list[dict[str, Any]]) -> bool:
            return values(series_of(watched.page), standing) == values(buckets, standing)

        wait_until(lambda: shows(ended), "the page shows the first generation")
        watched.page.route(re.compile(r"/timeseries/AAPL\?"), in_its_generation)
        server.control("epoch", epoch="g2")
        wait_until(lambda: shows(as_another_model(ended)), "every candle is the other generation's")
        watched.pill("live")
        assert watched.errors == []
