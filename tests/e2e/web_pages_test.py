"""Every page against the real server: both themes, phone, forced colours, other languages; nothing from other hosts.

A wait for what does not come raises, so a test may end with one.
"""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from contracts.settings import AggregatorSettings
from tests.e2e.web_browser import PHONE, Watched, axe, heard_along, open_page, shot, until
from tests.e2e.web_server import SUBJECTS, WATCHED, WebServer, web_server
from tests.unit.replay.kit import replayed

pytestmark = pytest.mark.browser
LIVE = f"/?s=AAPL&r=1h&w={WATCHED}"
#: Address, and what is there once the page has its data.
PAGES = {
    "live": (LIVE, ".article-title"),
    "grid": (f"/grid?r=1h&w={WATCHED}", ".cell-canvas canvas"),
    "records": ("/records", "main h1"),
    "record": ("/records/test%23000000000000014c", "main h1"),
    "analytics": ("/analytics", "main h1"),
    "runs": ("/runs", ".run-state"),
    "run": ("/runs/r1?s=AAPL&r=1h", ".overlay-verdicts"),
    "ops": ("/ops", ".stats"),
    "unknown": ("/no-such-page", ".cover"),
}


@pytest.fixture(scope="module")
def server(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    with web_server(tmp_path_factory.mktemp("pages") / "data") as running:
        replayed(running.home, AggregatorSettings(data_dir=str(running.folder), synchronous="normal"))
        yield running


def look(watched: Watched, name: str, wanted: str) -> None:
    watched.pill("live")
    watched.page.wait_for_selector(wanted)
    watched.page.wait_for_timeout(150)
    shot(watched.page, name)
    assert axe(watched.page) == [], name
    width = watched.page.viewport_size["width"]
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} scrolls sideways"


@pytest.mark.parametrize("name", PAGES)
def test_page_in_both_themes_and_on_a_phone(browser: Any, server: WebServer, name: str) -> None:
    path, wanted = PAGES[name]
    with open_page(browser, server.url, path, color_scheme="light") as watched:
        look(watched, f"{name}-light", wanted)
        watched.page.emulate_media(color_scheme="dark")
        look(watched, f"{name}-dark", wanted)
        assert (watched.foreign, watched.errors) == ([], [])
    with open_page(browser, server.url, path, **PHONE) as watched:
        look(watched, f"{name}-phone", wanted)
        assert (watched.foreign, watched.errors) == ([], [])


@pytest.mark.parametrize("width", [320, 360])
def test_long_names_fit_a_small_phone(browser: Any, server: WebServer, width: int) -> None:
    """The longest tag and the longest name of a model, without a place to break; and that no candle is open."""
    tag = "tag:" + "w" * 50
    record = server.publish(tag, title="News of a long tag")["article_id"]
    with open_page(browser, server.url, f"/?s=AAPL&w=AAPL,{tag}", **PHONE) as watched:
        page = watched.page
        page.set_viewport_size({"width": width, "height": 700})

        def fits(wanted: str) -> None:
            page.wait_for_selector(wanted, timeout=75_000)
            page.wait_for_timeout(150)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, wanted

        fits("text=No candle is open")
        for address, wanted in (
            (f"/?s={tag}&w=AAPL,{tag}", ".legend-value"),
            (f"/?s={tag[:-1]}&w=AAPL", ".cover-offers"),
            (f"/records/{quote(record, safe='')}", ".chip-link"),
            (f"/analytics?model={'m' * 200}", ".chip-button"),
            (f"/records?model={'m' * 200}", ".nothing"),
        ):
            page.goto(server.url + address)
            fits(wanted)


def test_forced_colours_keep_what_is_chosen_visible(browser: Any, server: WebServer) -> None:
    with open_page(browser, server.url, LIVE, forced_colors="active") as watched:
        look(watched, "live-forced-colours", ".article-title")
        for chosen in (
            '.segments [aria-pressed="true"]',
            '.nav [aria-current="page"]',
            '.watch-row[aria-current="true"]',
        ):
            style = watched.page.evaluate(
                "(rule) => getComputedStyle(document.querySelector(rule)).outlineStyle", chosen
            )
            assert style == "solid", chosen


def test_nothing_moves_for_those_who_want_it_still(browser: Any, server: WebServer) -> None:
    moving = "document.getAnimations().length"
    with open_page(browser, server.url, LIVE, reduced_motion="reduce") as watched:
        watched.page.evaluate("document.body.insertAdjacentHTML('beforeend', '<i class=skeleton>wait</i>')")
        assert watched.page.evaluate(moving) == 0
        watched.page.emulate_media(reduced_motion="no-preference")
        assert watched.page.evaluate(moving) > 0, "the look at animations sees none at all"


@pytest.mark.parametrize(
    ("language", "zone", "score", "window"),
    [
        (
            "en-US",
            "America/New_York",
            r"[+−]?\d\.\d\d",
            r"[A-Z][a-z]{2} \d+, \d+:00(?: [AP]M)? – (?:.+, )?\d+:00 [AP]M",
        ),
        ("de-DE", "Europe/Berlin", r"[+−]?\d,\d\d", r"\d+\. [A-Z].*\d\d:00 ?– ?(?:.+, )?\d\d:00"),
        ("en-GB", "Asia/Kolkata", r"[+−]?\d\.\d\d", r"\d+ [A-Z].*\d\d:30"),
    ],
)
def test_numbers_and_times_as_the_reader_writes_them(
    browser: Any, server: WebServer, language: str, zone: str, score: str, window: str
) -> None:
    with open_page(browser, server.url, LIVE, locale=language, timezone_id=zone) as watched:
        watched.ready()
        page = watched.page
        page.keyboard.press("ArrowLeft")
        page.wait_for_url("**at=*")
        assert re.fullmatch(score, page.locator(".legend-value").nth(3).inner_text().split(" ", 1)[1])
        local = page.inner_text(".legend-time").replace("\u2009", " ").replace("\u202f", " ")
        assert re.search(window, local), local
        page.keyboard.press("u")
        page.wait_for_selector('.topbar .tool:text-is("UTC")')
        assert page.inner_text(".legend-time") != local
        page.keyboard.press("u")


def test_the_palette_reaches_everything_by_name(browser: Any, server: WebServer) -> None:
    with open_page(browser, server.url, LIVE) as watched:
        watched.ready()
        page = watched.page
        until(page, "document.querySelector('#add-subject') !== null")

        def choose(words: str) -> None:
            page.keyboard.press("Control+k")
            page.wait_for_selector(".palette input")
            page.keyboard.type(words)
            page.keyboard.press("Enter")
            page.wait_for_selector(".palette", state="detached")

        choose("msft")
        page.wait_for_selector('.subject-name:has-text("MSFT")')
        choose("24h")
        page.wait_for_url("**r=24h*")
        choose("grid")
        page.wait_for_selector(".cells .cell")
        choose("theme dark")
        until(page, "document.documentElement.dataset.theme === 'dark'")
        choose("ops")
        page.wait_for_selector(".ops")
        page.keyboard.press("Control+k")
        page.wait_for_selector(".palette input")
        shot(page, "palette-dark")
        assert axe(page) == []
        page.keyboard.type("zzzz no such thing")
        page.wait_for_selector(".palette-none")
        page.keyboard.press("Escape")
        page.wait_for_selector(".palette", state="detached")
        page.go_back()
        page.wait_for_selector(".cells .cell")
        assert watched.errors == []


def test_the_palette_opens_again_at_once(browser: Any, server: WebServer) -> None:
    """A dialog says a moment later that it was closed; by then another one may be open."""
    with open_page(browser, server.url, LIVE) as watched:
        watched.ready()
        page = watched.page
        page.keyboard.press("Control+k")
        page.wait_for_selector(".palette input")
        page.evaluate(
            """() => new Promise((done) => {
                const pressed = {key: "k", ctrlKey: true, bubbles: true};
                const press = () => document.dispatchEvent(new KeyboardEvent("keydown", pressed));
                new MutationObserver((_, seen) => {
                    if (document.querySelector(".palette") !== null) return;
                    seen.disconnect();
                    press();
                    setTimeout(done, 300);
                }).observe(document.body, {childList: true, subtree: true});
                press();
            })"""
        )
        assert page.is_visible(".palette input")


def test_help_names_every_key(browser: Any, server: WebServer) -> None:
    with open_page(browser, server.url, LIVE) as watched:
        watched.ready()
        watched.page.wait_for_selector("#add-subject")
        watched.page.keyboard.press("?")
        watched.page.wait_for_selector(".help")
        shot(watched.page, "help-light")
        assert axe(watched.page) == []
        keys = watched.page.inner_text(".help-keys")
        assert all(key in keys for key in ("Ctrl K", "1 – 8", "j", "Home", "g then", "/", "?"))


def test_grid_moves_in_step_and_every_candle_is_heard(browser: Any, server: WebServer) -> None:
    with open_page(browser, server.url, f"/grid?r=24h&w={WATCHED}") as watched:
        watched.pill("live")
        page = watched.page
        until(page, "count => document.querySelectorAll('.cell').length === count", len(SUBJECTS))
        until(page, "document.querySelectorAll('.cell-empty').length === 0")
        page.focus(".cell-chart >> nth=0")
        count = len(server.series("AAPL", "24h"))
        heard = heard_along(page, ".cell-chart >> nth=0 >> [role=status]", count)
        assert len(set(heard)) == count
        page.keyboard.press("Enter")
        page.wait_for_selector(".stage")
        assert "at=" in page.url


def test_subjects_are_dragged_and_moved_by_keyboard(browser: Any, server: WebServer) -> None:
    names = "[...document.querySelectorAll('.watch-name')].map((each) => each.textContent)"
    with open_page(browser, server.url, "/?w=AAPL,MSFT,TSLA") as watched:
        watched.ready()
        watched.page.drag_and_drop(".watch-item:nth-child(3)", ".watch-item:nth-child(1)")
        until(watched.page, f"{names}.join() === 'TSLA,AAPL,MSFT'")
        watched.page.focus(".watch-item:nth-child(1) .watch-row")
        watched.page.keyboard.press("Alt+ArrowDown")
        until(watched.page, f"{names}.join() === 'AAPL,TSLA,MSFT'")
        watched.page.wait_for_url("**w=AAPL,TSLA,MSFT*")
