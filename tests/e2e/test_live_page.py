"""`make run` shows live candles of real news: the real program, the real page, a real browser."""

import json
import time
from pathlib import Path

import pytest

from tests.e2e.chromium import browser
from tests.e2e.harness import ROOT, Up

SHOTS = ROOT / "build" / "screenshots"


@pytest.mark.browser
def test_the_live_page_shows_recorded_news_as_live_candles(tmp_path: Path) -> None:
    assert (ROOT / "web" / "dist" / "index.html").exists(), "build the dashboard first: make web"
    with Up(tmp_path / "data", "--demo") as up, browser() as chromium:
        end = time.monotonic() + 60
        while not up.get("/api/v2/timeseries/AAPL?resolution=1m")["buckets"] and time.monotonic() < end:
            time.sleep(0.2)
        page = chromium.new_page(viewport={"width": 1440, "height": 900})
        hosts: set[str] = set()
        errors: list[str] = []
        page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(up.url + "/?s=AAPL")
        page.get_by_text("AAPL").first.wait_for()
        page.locator("canvas").first.wait_for()
        page.get_by_text("Not live news").wait_for()
        page.get_by_text("Live", exact=True).first.wait_for()
        page.wait_for_timeout(1_500)
        SHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(SHOTS / "live.png"))
        for key in "12345678":
            page.keyboard.press(key)
            page.wait_for_timeout(150)
        assert "24h" in page.url
        assert hosts == {up.url.split("/")[2]}, f"asked other hosts: {hosts}"
        assert errors == []
        document = up.get("/api/v2/timeseries/AAPL?resolution=24h")
        days = [*document["buckets"], document["partial_bucket"]]  # midnight may have passed meanwhile
        assert any(day["count"] for day in days if day), json.dumps(document)[:500]
        assert up.stop() == 0
