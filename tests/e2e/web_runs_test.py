"""Runs in a real Chromium: progress, the overlay of two generations, compare, promote while others watch, roll back."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contracts.bucket import Bucket, BucketWrite
from contracts.settings import AggregatorSettings
from tests.e2e.web_browser import axe, heard_along, open_page, series_of, shot
from tests.e2e.web_server import ADMIN, WATCHED, WebServer, web_server
from tests.unit.replay.kit import replayed

pytestmark = pytest.mark.browser
CHANGED = 4
#: How soon an open dashboard must follow here; `bench-web` measures against the bar of two seconds.
FOLLOWED_WITHIN_S = 40.0


@pytest.fixture
def server(browser: Any, tmp_path: Path) -> Iterator[WebServer]:
    """With a run whose generation differs from the live one in four hours of AAPL."""
    with web_server(tmp_path / "data", with_items=False) as running:
        replayed(running.home, AggregatorSettings(data_dir=str(running.folder), synchronous="normal"))
        buckets = running.home.buckets.range("g2", "AAPL", "1h", None, None, limit=CHANGED + 2, newest=True)[:CHANGED]
        running.home.buckets.commit("g2", [BucketWrite(turned(bucket), bucket.rev) for bucket in buckets], [], "test")
        yield running


def turned(bucket: Bucket) -> Bucket:
    """The other way round, as another model might have it."""
    one = bucket.summary
    summary = msgspec.structs.replace(
        one, open_e4=-one.open_e4, close_e4=-one.close_e4, high_e4=-one.low_e4, low_e4=-one.high_e4, sum_e4=-one.sum_e4,
        positive=one.negative, negative=one.positive,
    )  # fmt: skip
    return msgspec.structs.replace(bucket, summary=summary, rev=bucket.rev + 1)


def fill_dialog(page: Any, key: str | None, reason: str | None = None) -> None:
    page.wait_for_selector("dialog.admin")
    if key is not None:
        page.fill("dialog.admin [name=key]", key)
    if reason is not None:
        page.fill("dialog.admin [name=reason]", reason)
    page.click("dialog.admin [type=submit]")


def follows(page: Any, server: WebServer) -> dict[str, tuple[Any, ...]]:
    """Waits until the page shows every candle as the server has it; by their starts."""
    end = time.monotonic() + FOLLOWED_WITHIN_S
    while True:
        mine, theirs = (
            {
                row["start"]: tuple(row[name] for name in ("open", "high", "low", "close", "count", "rev"))
                for row in rows
            }
            for rows in (series_of(page), server.series("AAPL", "1h"))
        )
        if mine == theirs:
            return mine
        assert time.monotonic() < end, f"still different: {sorted(set(mine.items()) ^ set(theirs.items()))[:6]}"
        page.wait_for_timeout(100)


#: All that the browser keeps of this origin, as text.
KEPT = """async () => {
  const found = [JSON.stringify(localStorage), JSON.stringify(sessionStorage), document.cookie, location.href];
  const answer = (request) => new Promise((done) => { request.onsuccess = () => done(request.result); });
  for (const { name } of await indexedDB.databases()) {
    const db = await answer(indexedDB.open(name));
    for (const store of db.objectStoreNames) {
      found.push(JSON.stringify(await answer(db.transaction(store).objectStore(store).getAllKeys())));
    }
  }
  return found.join('\\n');
}"""


def roll_back_by_force(page: Any) -> None:
    """Refused at first, for an event that has expired: then it may be left out, with a reason."""
    page.click(".run-actions button:has-text('Roll back to g1')")
    refused = json.dumps({"status": 400, "detail": "1 events have expired; --force leaves them out"})
    page.route("**/rollback", lambda route: route.fulfill(status=400, body=refused), times=1)
    fill_dialog(page, None, "only a drill")
    page.wait_for_selector("dialog.admin [role=alert]:has-text('have expired')")
    page.check("dialog.admin [type=checkbox]")
    assert page.is_visible("dialog.admin [name=reason]:required")
    shot(page, "rollback-refused")
    with page.expect_request("**/rollback") as asked:
        fill_dialog(page, None, "only a drill")
    assert asked.value.post_data_json == {"force": True, "reason": "only a drill"}


def test_overlay_compare_promote_and_back(browser: Any, server: WebServer) -> None:
    with (
        open_page(browser, server.url, f"/?s=AAPL&r=1h&w={WATCHED}") as other,
        open_page(browser, server.url, f"/runs?s=AAPL&r=1h&w={WATCHED}") as watched,
    ):
        page = watched.page
        other.pill("live")
        page.click(".run-state >> xpath=ancestor::tr >> css=a")
        page.wait_for_selector(f'.overlay-verdicts:has-text("{CHANGED} changed")')
        assert page.url.split("?")[0].endswith("/runs/r1")

        page.focus(".overlay .chart-frame")
        heard = heard_along(page, "[data-testid=spoken]", len(server.series("AAPL", "1h")))
        assert len(set(heard)) == len(heard)
        assert sum("close moved by" in text for text in heard) == CHANGED
        assert all("g1 close" in text and "g2 close" in text for text in heard)
        shot(page, "run-overlay")

        page.click(".run-actions button:text-is('Compare')")
        assert axe(page) == []
        fill_dialog(page, "a wrong key")
        page.wait_for_selector('dialog.admin [role=alert]:has-text("key is wrong")')
        fill_dialog(page, ADMIN)
        page.wait_for_selector("dialog.admin", state="detached")
        page.wait_for_selector(".report-head")
        assert f"Changed\n{CHANGED}" in page.inner_text(".report-head")
        assert page.locator(".report button:has-text('AAPL 1h')").count() == CHANGED
        page.click(".report button:has-text('AAPL 1h') >> nth=0")
        page.wait_for_url("**at=*")

        # The swap is told of the candle it lies in: there is one, though the hour may have turned since.
        count = server.count()
        server.publish("AAPL")
        server.settle("AAPL", count + 1)
        before = follows(other.page, server)
        page.click(".run-actions button:text-is('Promote')")
        began = time.monotonic()
        fill_dialog(page, None, "the other model reads better")
        other.page.wait_for_selector('.legend .chip:has-text("g2 live")', timeout=FOLLOWED_WITHIN_S * 1_000)
        print(f"an open dashboard followed after {time.monotonic() - began:.2f} s, the promote itself included")
        page.wait_for_selector('.run-state:has-text("live")')
        assert server.ask("/timeseries/AAPL?resolution=1h")["generation"] == "g2"
        assert "the other model reads better" in page.inner_text(".run-audit")
        after = follows(other.page, server)
        assert sum(before[start][3] != after[start][3] for start in before) == CHANGED, "other closes are shown"
        shot(other.page, "live-after-promote")

        roll_back_by_force(page)
        other.page.wait_for_selector('.legend .chip:has-text("g1 live again")', timeout=FOLLOWED_WITHIN_S * 1_000)
        page.wait_for_selector('.run-state:has-text("retired")')
        assert follows(other.page, server) == before
        assert "candlewick" in page.evaluate(KEPT)
        assert ADMIN not in page.evaluate(KEPT)
        page.reload()
        page.wait_for_selector(".run-actions button:text-is('Promote')")
        page.click(".run-actions button:text-is('Promote')")
        page.wait_for_selector("dialog.admin [name=key]")
        assert (watched.errors, other.errors) == ([], [])


def test_progress_moves_while_a_run_goes_on(browser: Any, server: WebServer) -> None:
    run = server.home.control.get("replay-run", "r1").value
    assert run is not None
    server.home.control.put("replay-run", "r1", run | {"state": "running", "units_done": 0})
    with open_page(browser, server.url, "/runs") as watched:
        watched.page.wait_for_selector('.run-progress:has-text("0 %")')
        half = run["units_total"] // 2
        server.home.control.put("replay-run", "r1", run | {"state": "running", "units_done": half})
        watched.page.wait_for_selector(f'.run-progress:has-text("{100 * half // run["units_total"]} %")')
        failed = {"state": "failed", "error": "/srv/data is full", "error_kind": "OSError"}
        server.home.control.put("replay-run", "r1", run | failed)
        watched.page.wait_for_selector('td:has-text("OSError")')
        shot(watched.page, "runs-failed")


def test_nothing_replayed_yet_and_a_server_that_is_away(browser: Any, tmp_path: Path) -> None:
    with (
        web_server(tmp_path / "bare", with_items=False) as server,
        open_page(browser, server.url, "/runs") as watched,
    ):
        watched.page.wait_for_selector(".empty h2")
        shot(watched.page, "runs-empty")
        watched.page.goto(f"{server.url}/runs/r9")
        watched.page.wait_for_selector('.empty:has-text("no run r9")')
        shot(watched.page, "run-unknown")
        watched.page.clock.install()
        watched.page.goto(f"{server.url}/runs")
        watched.page.wait_for_selector(".empty h2")
        server.kill()
        watched.page.clock.fast_forward(11_000)  # the page asks again every ten seconds
        watched.page.wait_for_selector('.tone-warn:has-text("cannot be reached")', timeout=20_000)
        shot(watched.page, "runs-server-gone")
        assert watched.page.locator(".empty h2").count() == 1, "the last data stays"
