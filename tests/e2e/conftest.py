"""What the dashboard's browser tests have in common: one browser a file, and a server with known news."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.chromium import browser as chromium
from tests.e2e.web_browser import need_web
from tests.e2e.web_server import WebServer, web_server


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    need_web()
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def server(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    """Candles without the articles behind them. It asks for the browser first: without one it need not start."""
    with web_server(tmp_path_factory.mktemp("server") / "data", with_items=False) as running:
        yield running
