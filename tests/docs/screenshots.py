"""`make screenshots`: docs/images/, the pages of the dashboard on the recorded day, in a real browser."""

import tempfile
import time
from pathlib import Path

from tests.e2e.chromium import browser
from tests.e2e.harness import ROOT, Up

FOLDER = ROOT / "docs" / "images"
#: Name of the picture → the address, and whether it is dark.
PAGES = {
    "live": ("/?s=AAPL&r=5m", False),
    "grid": ("/grid", False),
    "records": ("/records", True),
    "analytics": ("/analytics", False),
    "ops": ("/ops", True),
}
SETTLE_MS = 2_500


def behind_ms(up: Up) -> int:
    """How far the slowest stage is behind: the day is to be read before it is shown."""
    return max(stage["behind_ms"] for stage in up.get("/api/v2/status")["stages"])


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, Up(Path(folder) / "data", "--demo") as up, browser() as chromium:
        while behind_ms(up) > 5_000 or not up.get("/api/v2/timeseries/AAPL?resolution=24h")["buckets"]:
            time.sleep(0.5)
        for name, (address, dark) in PAGES.items():
            page = chromium.new_page(viewport={"width": 1280, "height": 760}, color_scheme="dark" if dark else "light")
            page.goto(up.url + address)
            page.wait_for_timeout(SETTLE_MS)
            page.screenshot(path=str(FOLDER / f"{name}.png"))
            page.close()
        up.stop()


if __name__ == "__main__":
    main()
