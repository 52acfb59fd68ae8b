"""The dashboard in a real Chromium, against the mock server of `web/dev`."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e.chromium import browser as chromium
from tests.e2e.web_load import COUNT_FRAMES
from tests.e2e.web_browser import Mock, axe, mock_server, need_web, open_page, shot

pytestmark = pytest.mark.browser
PAGES = {"live": "/", "grid": "/grid?r=1h", "ops": "/ops", "unknown": "/no-such-page"}
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
RESOLUTIONS = ("1m", "5m", "10m", "1h", "3h", "6h", "12h", "24h")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    need_web()
    with chromium() as found:
        yield found


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


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_page_is_accessible_and_asks_nobody_else(browser: Any, mock: Mock, name: str, scheme: str) -> None:
    with open_page(browser, mock.url, PAGES[name], color_scheme=scheme) as watched:
        watched.pill("live")
        watched.page.wait_for_timeout(800)
        shot(watched.page, f"{name}-{scheme}")
        assert axe(watched.page) == []
        assert watched.foreign == []
        assert watched.errors == []


@pytest.mark.parametrize("name", PAGES)
def test_phone_has_no_sideways_scroll(browser: Any, mock: Mock, name: str) -> None:
    with open_page(browser, mock.url, PAGES[name], **PHONE) as watched:
        watched.pill("live")
        watched.page.wait_for_timeout(800)
        shot(watched.page, f"{name}-phone")
        assert watched.page.evaluate("document.documentElement.scrollWidth") <= 390
        assert axe(watched.page) == []


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


def test_hundred_switches_keep_up(browser: Any, mock: Mock) -> None:
    with open_page(browser, mock.url) as watched:
        watched.pill("live")
        for step in range(100):
            watched.page.keyboard.press(str(step * 3 % 8 + 1))
        watched.page.keyboard.press("5")
        watched.page.wait_for_selector('.segments button[aria-pressed="true"]:text-is("3h")')
        watched.page.wait_for_timeout(1_500)
        assert watched.errors == []
        assert "r=3h" in watched.page.url
        assert watched.page.locator(".legend-value").count() == 5


def test_address_and_back_button(browser: Any, mock: Mock) -> None:
    with open_page(browser, mock.url, "/?s=TSLA&r=10m&w=TSLA,AAPL") as watched:
        watched.ready()
        page = watched.page
        assert page.inner_text(".subject-name").startswith("TSLA")
        assert page.locator(".watch-row").count() == 2
        page.keyboard.press("4")
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
        page.keyboard.press("Home")
        heard = []
        for _ in range(len(mock.get("/timeseries/AAPL?resolution=24h")["buckets"])):
            heard.append(page.inner_text("[data-testid=spoken]"))
            page.keyboard.press("ArrowRight")
            page.wait_for_timeout(30)
        assert len(set(heard)) == len(heard) > 5
        assert all("close" in text and "articles" in text for text in heard)


def test_why_panel_names_who_made_the_candle(browser: Any, mock: Mock) -> None:
    with open_page(browser, mock.url, "/?r=1h") as watched:
        watched.ready()
        watched.page.keyboard.press("ArrowLeft")
        watched.page.wait_for_selector(".article .role-close")
        roles = set(watched.page.locator(".role").all_inner_texts())
        assert roles <= {"Open", "High", "Low", "Close"}
        assert "Close" in roles


def test_hostile_title_stays_text(browser: Any, mock: Mock) -> None:
    title = "<img src=x onerror=\"document.title='owned'\"><script>alert(1)</script> \u202e שלום 🕯"
    with open_page(browser, mock.url, "/?s=AAPL") as watched:
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
        page.wait_for_function("document.querySelectorAll('.watch-row').length === 4")
        page.fill("#add-subject", "a#b")
        page.keyboard.press("Enter")
        assert "ticker" in page.inner_text("#add-problem")
        page.fill("#add-subject", "tag:AI-Regulation")
        page.keyboard.press("Enter")
        page.wait_for_function("document.querySelectorAll('.watch-row').length === 5")
        assert page.inner_text(".subject-name").startswith("#ai-regulation")
        page.reload()
        watched.ready()
        assert page.locator(".watch-row").count() == 5
        assert page.locator("#add-subject").is_disabled()


def test_server_killed_and_started_again(browser: Any) -> None:
    with mock_server() as server, open_page(browser, server.url, "/?s=AAPL&r=24h") as watched:
        watched.pill("live")
        server.kill()
        watched.pill("reconnecting")
        shot(watched.page, "live-server-gone")
        assert watched.page.locator(".legend-value").count() == 5, "the last data stays"
        server.start()
        watched.pill("live", 20_000)
        watched.page.wait_for_timeout(1_000)
        watched.page.keyboard.press("ArrowLeft")
        bucket = server.get("/timeseries/AAPL?resolution=24h")["buckets"][-1]
        assert number(legend(watched.page)[3]) == pytest.approx(bucket["close"], abs=0.0051)
        assert watched.errors == []


def test_opens_without_its_server(browser: Any) -> None:
    with mock_server() as server, open_page(browser, server.url, "/?s=AAPL&r=1h&w=AAPL") as watched:
        watched.ready()
        wait_until(lambda: watched.page.evaluate(SHELL_KEPT), "the shell is kept")
        before = legend(watched.page)
        server.kill()
        watched.page.reload()
        watched.ready()
        assert legend(watched.page)[:2] == before[:2]
        watched.page.wait_for_selector('.pill:not([data-state="live"])')
        shot(watched.page, "live-without-server")
        server.start()
        watched.pill("live", 40_000)


def test_series_can_be_taken_along(browser: Any, mock: Mock) -> None:
    with open_page(browser, mock.url, "/?s=AAPL&r=24h") as watched:
        watched.pill("live")
        with watched.page.expect_download() as found:
            watched.page.click(".export-bar button:text-is('CSV')")
        assert found.value.suggested_filename == "AAPL-24h.csv"
        lines = found.value.path().read_text(encoding="utf-8").splitlines()
        assert lines[0].startswith("start,end,open,high,low,close")
        assert len(lines) - 1 >= len(mock.get("/timeseries/AAPL?resolution=24h")["buckets"])


def test_stream_refused_is_polled(browser: Any, mock: Mock) -> None:
    mock.control("fault", mode="stream503")
    with open_page(browser, mock.url, "/?s=AAPL") as watched:
        watched.pill("polling", 20_000)
        mock.control("article", subject="AAPL", at=int(time.time() * 1000), title="Seen while polling")
        watched.page.wait_for_selector(".headline:has-text('Seen while polling')", timeout=5_000)


def test_silent_stream_is_not_called_live(browser: Any, mock: Mock) -> None:
    with open_page(browser, mock.url) as watched:
        watched.pill("live")
        mock.control("fault", mode="stall")
        watched.page.wait_for_selector('.pill:not([data-state="live"])', timeout=20_000)


def test_offline_is_said_and_ended(browser: Any, mock: Mock) -> None:
    with open_page(browser, mock.url) as watched:
        watched.pill("live")
        watched.page.context.set_offline(True)
        watched.pill("offline")
        shot(watched.page, "live-offline")
        watched.page.context.set_offline(False)
        watched.pill("live")


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


def test_paints_from_its_cache_when_the_server_cannot_answer(browser: Any, mock: Mock) -> None:
    with open_page(browser, mock.url, "/?s=AAPL&r=1h&w=AAPL") as watched:
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


def test_another_generation_replaces_everything(browser: Any) -> None:
    with mock_server() as server, open_page(browser, server.url, "/?s=AAPL&r=24h") as watched:
        watched.pill("live")
        server.control("epoch", epoch="g2")
        watched.pill("live")
        watched.page.wait_for_timeout(1_500)
        assert watched.page.locator(".legend-value").count() == 5
        assert watched.errors == []


def test_eight_tabs_share_one_connection(browser: Any) -> None:
    with mock_server() as server:
        context = browser.new_context()
        pages = [context.new_page() for _ in range(8)]
        for page in pages:
            page.goto(f"{server.url}/?s=AAPL&r=1m&w=AAPL,MSFT")
        for page in pages:
            page.wait_for_selector('.pill[data-state="live"]', timeout=20_000)
        assert server.control("stats")["open"] == 1
        for page in pages[1:]:
            page.close()
        pages[0].wait_for_timeout(500)
        assert server.control("stats")["open"] == 1
        context.close()


def test_five_hundred_updates_a_second(browser: Any) -> None:
    """The page stays alive and keeps painting; the figure is written next to the screenshots."""
    with mock_server() as server, open_page(browser, server.url, "/?s=AAPL&w=AAPL,MSFT,TSLA,NVDA,AMZN") as watched:
        watched.pill("live")
        watched.page.evaluate(COUNT_FRAMES)
        before = server.control("stats")["log"]
        started = time.monotonic()
        while time.monotonic() - started < 5:
            server.control("burst", count=10)
            time.sleep(0.08)
        elapsed = time.monotonic() - started
        frames = watched.page.evaluate("window.framesSeen")
        sent = server.control("stats")["log"] - before
        watched.page.wait_for_timeout(500)
        print(f"{sent / elapsed:.0f} changes/s in the log, {frames / elapsed:.0f} frames/s")
        assert watched.errors == []
        assert frames / elapsed > 10
