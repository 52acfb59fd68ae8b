"""What a reader adds on the page is looked for: the real program, the real page, a real browser; news from a file."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts.clock import SystemClock
from contracts.instants import iso_ms
from tests.e2e.harness import Up, answer
from tests.e2e.web_browser import Watched, open_page, until

pytestmark = pytest.mark.browser
KEPT_S = 90
#: The lists of whom this browser's cookie stands for; asked by the page, as only the browser has the cookie.
LISTS = "fetch('/api/v2/configurations').then((answer) => answer.json()).then((found) => found.configurations ?? [])"


@pytest.fixture
def up(browser: Any, tmp_path: Path) -> Iterator[Up]:
    with Up(tmp_path / "data", settings={"CANDLEWICK_MODEL": "vader"}) as running:
        yield running


def publish(folder: Path, title: str) -> None:
    """An article of this moment that names no subject: what it is about is found in its words."""
    article = {
        "schema": "raw-article/1", "source": "desk", "title": title,
        "published_at": iso_ms(SystemClock().now_ms()),
    }  # fmt: skip
    file = folder / "news.jsonl"
    file.write_text(json.dumps(article) + "\n", encoding="utf-8")
    answer("publish", str(file), "--json", "--data-dir", str(folder / "data"))


def add(watched: Watched, subject: str) -> None:
    watched.page.fill("#add-subject", subject)
    watched.page.keyboard.press("Enter")


def kept(watched: Watched, subjects: list[str]) -> None:
    """Wait until the server has them on the page's one list."""
    end = time.monotonic() + KEPT_S
    while True:
        found = [(row["name"], row["subjects"]) for row in watched.page.evaluate(LISTS)]
        if found == [("Dashboard", subjects)]:
            return
        assert time.monotonic() < end, f"the server's lists: {found}"
        watched.page.wait_for_timeout(100)


def test_a_tag_added_on_the_page_makes_a_candle_of_a_headline_with_its_words(
    browser: Any, up: Up, tmp_path: Path
) -> None:
    with open_page(browser, up.url) as watched:
        add(watched, "tag:solid-state")
        kept(watched, ["tag:solid-state"])
        publish(tmp_path, "Solid gains as a new state of the battery trade begins")
        watched.ready()
        assert watched.page.inner_text(".subject-name").startswith("#solid-state")
        watched.page.wait_for_selector(".article-title:has-text('Solid gains')")
        counted = up.get("/api/v2/timeseries/tag:solid-state?resolution=24h")["partial_bucket"]["count"]
        assert counted == 1
        add(watched, "NVDA")
        kept(watched, ["tag:solid-state", "NVDA"])
        watched.page.reload()
        until(watched.page, "document.querySelectorAll('.watch-row').length === 2")
        assert watched.errors == []


def test_no_script_of_the_page_can_read_the_token(browser: Any, up: Up) -> None:
    with open_page(browser, up.url) as watched:
        add(watched, "tag:solid-state")
        kept(watched, ["tag:solid-state"])
        (cookie,) = watched.page.context.cookies(f"{up.url}/api/v2")
        assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/api/v2")
        assert watched.page.evaluate("document.cookie") == ""
        assert cookie["value"] not in watched.page.evaluate("JSON.stringify(localStorage)")


def test_who_adds_nothing_has_no_token(browser: Any, up: Up) -> None:
    with open_page(browser, up.url, "/?w=AAPL,MSFT") as watched:
        watched.page.wait_for_selector("#add-subject")
        watched.page.wait_for_timeout(7_000)
        assert watched.page.context.cookies() == []
