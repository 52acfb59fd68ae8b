"""The dashboard's bars, measured in a real Chromium: `python -m tests.e2e.web_bench`; writes build/bench/web.json."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from tests.e2e.chromium import browser as chromium
from tests.e2e.web_browser import ROOT, WEB, Mock, mock_server, open_page

RESOLUTIONS = ("1m", "5m", "10m", "1h", "3h", "6h", "12h", "24h")
SWITCHES = 100
CUTS = 30
BURST_S = 10
CYCLES = 40

#: Resolves with the milliseconds from the key to the second frame after the series is on the chart.
SWITCH = """async ([key, name]) => {
  const host = document.querySelector('.chart-host');
  const started = performance.now();
  document.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
  while (host.dataset.shown !== name) await new Promise((next) => setTimeout(next, 0));
  await new Promise((next) => requestAnimationFrame(() => requestAnimationFrame(next)));
  return performance.now() - started;
}"""
FIRST = """async () => {
  for (;;) {
    const host = document.querySelector('.chart-host');
    if (host?.dataset.shown) break;
    await new Promise((next) => requestAnimationFrame(next));
  }
  await new Promise((next) => requestAnimationFrame(next));
  return performance.now();
}"""
#: Looked at in every frame; a selector would be looked for at growing intervals.
SEEN = "(title) => [...document.querySelectorAll('.headline-text')].some((row) => row.textContent.includes(title))"
COUNT_FRAMES = """() => {
  window.framesSeen = 0;
  const count = () => { window.framesSeen += 1; requestAnimationFrame(count); };
  requestAnimationFrame(count);
}"""


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)


def spread(values: list[float]) -> dict[str, float]:
    return {"p50": percentile(values, 0.5), "p95": percentile(values, 0.95), "n": len(values)}


def first_candles(browser: Any, server: Mock) -> dict[str, Any]:
    """Cold: a new profile each time. Warm: the same profile again, the server slow to answer nothing."""
    cold, warm = [], []
    for _ in range(5):
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        page = context.new_page()
        page.goto(f"{server.url}/?s=AAPL")
        cold.append(page.evaluate(FIRST))
        page.wait_for_timeout(6_000)
        page.reload()
        warm.append(page.evaluate(FIRST))
        context.close()
    return {"cold_ms": spread(cold), "warm_ms": spread(warm)}


def switches(browser: Any, server: Mock) -> dict[str, Any]:
    """From memory after every resolution was seen once; from the cache after a reload with the API failing."""
    with open_page(browser, server.url, "/?s=AAPL") as watched:
        page = watched.page
        watched.ready()
        page.wait_for_timeout(500)
        order = [(step * 3 + 1) % 8 for step in range(SWITCHES)]
        for index in range(8):
            page.evaluate(SWITCH, [str(index + 1), f"AAPL@{RESOLUTIONS[index]}"])
        page.wait_for_timeout(6_000)
        memory = [page.evaluate(SWITCH, [str(i + 1), f"AAPL@{RESOLUTIONS[i]}"]) for i in order]
        page.wait_for_timeout(6_000)
        cached: list[float] = []
        server.control("fault", mode="error")
        for _ in range(3):
            page.reload()
            page.evaluate(FIRST)
            page.wait_for_timeout(300)
            here = page.url.partition("r=")[2].partition("&")[0] or "1m"
            others = [i for i in range(8) if RESOLUTIONS[i] != here]
            cached += [page.evaluate(SWITCH, [str(i + 1), f"AAPL@{RESOLUTIONS[i]}"]) for i in others]
        server.control("fault", mode="none")
        return {"memory_ms": spread(memory), "indexeddb_ms": spread(cached), "errors": len(watched.errors)}


def reconnects(browser: Any, server: Mock) -> dict[str, Any]:
    """From the cut to the sight of an article that was published while the line was down."""
    taken = []
    with open_page(browser, server.url, "/?s=AAPL") as watched:
        watched.pill("live")
        for cut in range(CUTS):
            server.control("fault", mode="cut")
            started = time.monotonic()
            server.control("article", subject="AAPL", at=int(time.time() * 1000), title=f"Published during cut {cut}")
            watched.page.wait_for_function(SEEN, arg=f"Published during cut {cut}", timeout=20_000)
            taken.append((time.monotonic() - started) * 1000)
            # A line that is cut more often than once a second counts as unusable, and the page polls instead.
            watched.page.wait_for_timeout(1_500)
        return {"ms": spread(taken), "errors": len(watched.errors)}


def load(browser: Any, server: Mock) -> dict[str, Any]:
    with open_page(browser, server.url, "/?s=AAPL&w=AAPL,MSFT,TSLA,NVDA,AMZN") as watched:
        watched.pill("live")
        watched.page.evaluate(COUNT_FRAMES)
        before, started = server.control("stats")["log"], time.monotonic()
        while time.monotonic() - started < BURST_S:
            # Each article changes eight resolutions and is itself an event; the page hears one resolution of them.
            server.control("burst", count=40)
            time.sleep(0.06)
        elapsed = time.monotonic() - started
        frames = watched.page.evaluate("window.framesSeen")
        changes = server.control("stats")["log"] - before
        heard = changes * 2 / 9
        return {
            "updates_per_s": round(heard / elapsed),
            "frames_per_s": round(frames / elapsed, 1),
            "errors": len(watched.errors),
        }


def heap_after(browser: Any, server: Mock, each: Callable[[Any], None]) -> list[float]:
    """The heap in MB at three moments of a long session, after a collection each."""
    with open_page(browser, server.url, "/?s=AAPL") as watched:
        watched.pill("live")
        session = watched.page.context.new_cdp_session(watched.page)
        sizes = []
        for _ in range(3):
            for cycle in range(CYCLES):
                server.control("burst", count=10)
                watched.page.keyboard.press(str(cycle % 8 + 1))
                watched.page.keyboard.press("g")
                watched.page.keyboard.press("g" if cycle % 2 == 0 else "l")
                watched.page.wait_for_timeout(60)
                each(watched.page)
            watched.page.keyboard.press("1")
            watched.page.wait_for_timeout(700)
            session.send("HeapProfiler.collectGarbage")
            used = session.send("Runtime.getHeapUsage")["usedSize"]
            sizes.append(round(used / 1e6, 2))
        return sizes


def heaps(browser: Any) -> dict[str, Any]:
    """Growth after the first third, when every cache is full; the control leaks on purpose and must show."""
    leak = "() => { (window.leaked ??= []).push(new Array(50_000).fill(0).map((_, i) => ({ i }))); }"
    with mock_server("--rate", "1") as server:
        honest = heap_after(browser, server, lambda page: None)
    with mock_server("--rate", "1") as server:
        leaking = heap_after(browser, server, lambda page: page.evaluate(leak))
    return {"heap_mb": honest, "heap_mb_leaking_control": leaking}


def first_load() -> int:
    """Bytes of the first load, gzipped, from `npm run size`."""
    shown = subprocess.run(["node", "dev/size.mjs"], cwd=WEB, capture_output=True, text=True, check=False).stdout
    return next(int(line.split()[0]) for line in shown.splitlines() if "first candles" in line)


def tabs(browser: Any) -> dict[str, int]:
    with mock_server() as server:
        context = browser.new_context()
        pages = [context.new_page() for _ in range(8)]
        for page in pages:
            page.goto(f"{server.url}/?s=AAPL&w=AAPL,MSFT")
        for page in pages:
            page.wait_for_selector('.pill[data-state="live"]', timeout=20_000)
        found = server.control("stats")["open"]
        context.close()
        return {"tabs": 8, "connections": found}


def main() -> int:
    result: dict[str, Any] = {"first_load_gz_bytes": first_load()}
    with chromium() as browser:
        with mock_server() as server:
            result |= first_candles(browser, server)
            result["switch"] = switches(browser, server)
            result["reconnect"] = reconnects(browser, server)
        with mock_server() as server:
            result["load"] = load(browser, server)
        result |= tabs(browser)
        result |= heaps(browser)
    target = ROOT / "build" / "bench" / "web.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
