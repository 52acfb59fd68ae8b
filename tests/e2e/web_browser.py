"""What the dashboard's browser tests share: the mock server of `web/dev`, axe, and a place for screenshots."""

import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "web"
SHOTS = ROOT / "build" / "screenshots"
START_TIMEOUT_S = 20
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
#: `make test-web` asks for the long tests at their full length.
FULL = os.environ.get("CANDLEWICK_WEB_FULL") == "1"


def need_web() -> None:
    """Skip, with the reason, where the page is not built or cannot be served."""
    if not (WEB / "dist" / "index.html").exists():
        pytest.skip("web/dist is missing: run `npm ci && npm run build` in web/")
    if shutil.which("node") is None:
        pytest.skip("no node: the mock server of web/dev needs one")
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")


class Mock:
    """A running mock server. `fault`, `burst` and `article` make it misbehave and publish on request."""

    def __init__(self, arguments: tuple[str, ...]) -> None:
        self._arguments = arguments
        self._process: subprocess.Popen[str] | None = None
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = ["node", str(WEB / "dev" / "mock_server.mjs"), "--port", str(self.port), *self._arguments]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("mock server on "), f"the mock server did not start: {line!r}"
        self.port = int(line.rsplit(":", 1)[1])

    def kill(self) -> None:
        """As a crash would end it."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(START_TIMEOUT_S)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def control(self, name: str, **body: Any) -> dict[str, Any]:
        data = json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}/mock/{name}", data=data), timeout=10) as answer:
            return json.load(answer)

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/api/v2{path}", timeout=10) as answer:
            return json.load(answer)


@contextmanager
def mock_server(*arguments: str) -> Iterator[Mock]:
    """A mock server on a free port of the loopback interface."""
    server = Mock(arguments)
    try:
        yield server
    finally:
        server.kill()


def playwright_error() -> type[Exception]:
    """What Playwright raises when something did not come; imported late, because it may not be installed."""
    from playwright.sync_api import TimeoutError as NotInTime

    return NotInTime


#: A refused connection is reported by the browser itself, of a resource and of the service worker's script; the tests
#: that cut the line expect it. That the page catches what comes of it is seen by its own errors.
REFUSED = ("Failed to load resource", "An unknown error occurred when fetching the script.")


class Watched:
    """A page whose errors and requests are written down, so that a test can say that there were none."""

    def __init__(self, page: Any, base: str) -> None:
        self.page = page
        self.errors: list[str] = []
        self.foreign: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self._console(message))
        page.on("request", lambda request: self._request(request.url, base))

    def _console(self, message: Any) -> None:
        if message.type == "error" and not any(words in message.text for words in REFUSED):
            self.errors.append(message.text)

    def _request(self, url: str, base: str) -> None:
        if not url.startswith((base, "data:", "blob:")):
            self.foreign.append(url)

    def ready(self) -> None:
        """Wait for the first candle's numbers."""
        self.page.wait_for_selector(".legend-value", timeout=30_000)

    def pill(self, state: str, timeout_ms: int = 40_000) -> None:
        """Wait until the connection is said to be in that state; the failure tells what the page said instead."""
        try:
            self.page.wait_for_selector(f'.pill[data-state="{state}"]', timeout=timeout_ms)
        except playwright_error() as error:
            raise AssertionError(f"not {state}, but: {self.page.inner_text('.pill')}") from error


@contextmanager
def open_page(browser: Any, base: str, path: str = "/", **options: Any) -> Iterator[Watched]:
    """A page in a context of its own: no cache, no worker and no choice is left over from another test."""
    context = browser.new_context(**({"viewport": {"width": 1440, "height": 900}} | options))
    watched = Watched(context.new_page(), base)
    try:
        watched.page.goto(base + path)
        yield watched
    finally:
        # An answer that a test's own route is still making goes with the page; its failing is nothing of the next test.
        watched.page.unroute_all(behavior="ignoreErrors")
        context.close()


def until(page: Any, expression: str, arg: Any = None, timeout_s: float = 30.0) -> None:
    """Wait until an expression, or a function of `arg`, is true in the page. Asked from outside: what Playwright's own
    `wait_for_function` puts into the page to ask again and again is at odds with the page's content security policy."""
    end = time.monotonic() + timeout_s
    while not page.evaluate(expression, arg):
        assert time.monotonic() < end, f"never true: {expression}, {arg}"
        page.wait_for_timeout(10)


def heard_along(page: Any, place: str, count: int) -> list[str]:
    """What is said at a place of each of so many candles, from the first on, by the keys of the chart in focus."""
    heard: list[str] = []
    said = page.inner_text(place)
    for key in ["Home"] + ["ArrowRight"] * (count - 1):
        page.keyboard.press(key)
        end = time.monotonic() + 30
        while page.inner_text(place) == said and time.monotonic() < end:
            page.wait_for_timeout(5)
        said = page.inner_text(place)
        heard.append(said)
    return heard


def axe(page: Any) -> list[str]:
    """The violations axe finds, as one line each."""
    page.evaluate((WEB / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [f"{row['id']}: {row['nodes'][0]['html'][:120]}" for row in found["violations"]]


def shot(page: Any, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(SHOTS / f"{name}.png"))


#: The series a reader would download, caught on its way to the file; null while none is shown.
_SERIES = """async () => {
  const button = [...document.querySelectorAll('.export-bar button')].find((each) => each.textContent === 'JSON lines');
  if (button === undefined) return null;
  const made = URL.createObjectURL;
  const caught = new Promise((done) => {
    URL.createObjectURL = (blob) => {
      done(blob.text());
      return 'data:text/plain,';
    };
  });
  button.click();
  URL.createObjectURL = made;
  return caught;
}"""


def series_of(page: Any) -> list[dict[str, Any]]:
    """The page's own state of the series it shows, as its JSON lines have it. While a generation is replaced by another
    it shows none; then this waits."""
    end = time.monotonic() + 30
    while (lines := page.evaluate(_SERIES)) is None:
        assert time.monotonic() < end, "no series is shown"
        page.wait_for_timeout(10)
    return [json.loads(line) for line in lines.splitlines()]
