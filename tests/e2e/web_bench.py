"""The dashboard's bars, measured in a real Chromium against the real server: `make bench-web`, or some of them with
`python -m tests.e2e.web_bench switch heap`. Prints them beside their bars and writes build/bench/web.json."""

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from contracts.settings import AggregatorSettings
from tests.bench.report import stamped
from tests.e2e.chromium import browser as chromium
from tests.e2e.web_bars import bars
from tests.e2e.web_browser import ROOT, WEB, open_page, series_of, until
from tests.e2e.web_load import LEAK, RESOLUTIONS, flood, heap_over
from tests.e2e.web_proxy import proxy
from tests.e2e.web_server import SUBJECTS, WATCHED, WebServer, web_server
from tests.unit.replay.kit import replayed

SWITCHES, CUTS, RECONNECTS, FIRSTS, SWAPS = 100, 1_000, 30, 8, 6
FLOOD_S, RATE = 10.0, 530
MINUTES, LEAKING_MINUTES = 30, 9
#: Pages that are cut together, each with a connection of its own.
CUT_PAGES = 10
TARGET = ROOT / "build" / "bench" / "web.json"

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
CLOSES_AT = "(text) => [...document.querySelectorAll('.legend-value')].some((each) => each.textContent === text)"
#: The mark of the day's candle names every swap of the day; an emptied series has no legend at all.
FLAGGED = (
    "(n) => [...document.querySelectorAll('.legend .chip')].some((chip) => chip.textContent.split('live').length > n)"
)


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)


def spread(values: list[float]) -> dict[str, float]:
    return {"p50": percentile(values, 0.5), "p95": percentile(values, 0.95), "n": len(values)}


def first_candles(browser: Any, server: WebServer) -> dict[str, Any]:
    """Cold: a new profile each time. Warm: the same profile again, with what it kept."""
    cold, warm = [], []
    for _ in range(FIRSTS):
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        page = context.new_page()
        page.goto(f"{server.url}/?s=AAPL&w={WATCHED}")
        cold.append(page.evaluate(FIRST))
        page.wait_for_timeout(5_000)
        page.reload()
        warm.append(page.evaluate(FIRST))
        context.close()
    return {"first_candles_cold_ms": spread(cold), "first_candles_warm_ms": spread(warm)}


def switches(browser: Any, server: WebServer) -> dict[str, Any]:
    """From memory after every resolution was seen once; from IndexedDB after a reload with the series kept away."""
    with open_page(browser, server.url, f"/?s=AAPL&w={WATCHED}") as watched:
        page = watched.page
        watched.ready()
        page.wait_for_timeout(500)
        for index in range(8):
            page.evaluate(SWITCH, [str(index + 1), f"AAPL@{RESOLUTIONS[index]}"])
        page.wait_for_timeout(6_000)
        order = [(step * 3 + 1) % 8 for step in range(SWITCHES)]
        memory = [page.evaluate(SWITCH, [str(i + 1), f"AAPL@{RESOLUTIONS[i]}"]) for i in order]
        page.wait_for_timeout(6_000)
        kept: list[float] = []
        page.route("**/api/v2/timeseries**", lambda route: route.abort())
        for _ in range(6):
            page.reload()
            page.evaluate(FIRST)
            page.wait_for_timeout(400)
            here = page.url.partition("r=")[2].partition("&")[0] or "1m"
            others = [i for i in range(8) if RESOLUTIONS[i] != here]
            kept += [page.evaluate(SWITCH, [str(i + 1), f"AAPL@{RESOLUTIONS[i]}"]) for i in others]
        return {
            "switch_memory_ms": spread(memory),
            "switch_indexeddb_ms": spread(kept),
            "switch_errors": watched.errors,
        }


def reconnects(browser: Any, server: WebServer) -> dict[str, Any]:
    """From the cut to the sight of a candle that changed while the line was down."""
    taken = []
    with proxy(server.port) as line, open_page(browser, line.url, f"/?s=AAPL&w={WATCHED}") as watched:
        watched.pill("live")
        for cut in range(RECONNECTS):
            line.cut()
            started = time.monotonic()
            server.publish("AAPL", polarity=-(cut + 10) / 100)
            until(watched.page, CLOSES_AT, f"C \u22120.{cut + 10}", 20.0)
            taken.append((time.monotonic() - started) * 1_000)
            # A line that is cut more often than once a second counts as unusable, and the page polls instead.
            watched.page.wait_for_timeout(1_300)
        return {"reconnect_ms": spread(taken), "reconnect_errors": watched.errors}


def cuts(browser: Any, server: WebServer) -> dict[str, Any]:
    """A thousand cuts at random moments while news comes in; then every page against a fresh fetch."""
    chance = random.Random(5)
    contexts = [browser.new_context() for _ in range(CUT_PAGES)]
    pages = [context.new_page() for context in contexts]
    fields = ("start", "open", "high", "low", "close", "count", "rev")
    with proxy(server.port) as line:
        for page in pages:
            page.goto(f"{line.url}/?s=AAPL&w=AAPL")
        for page in pages:
            page.wait_for_selector('.pill[data-state="live"]', timeout=60_000)
        before, published, line.hit = server.count(), 0, 0
        while line.hit < CUTS:
            late_ms = chance.choice((0, 0, chance.randrange(60_000, 40_000_000)))
            server.publish("AAPL", int(time.time() * 1_000) - late_ms, round(chance.uniform(-1, 1), 4))
            published += 1
            for page in pages:
                page.evaluate("document.querySelector('.pill').click()")
            pages[0].wait_for_timeout(chance.uniform(5, 350))
            line.cut()
        server.settle("AAPL", before + published)
        for page in pages:
            page.evaluate("document.querySelector('.pill').click()")
        pages[0].wait_for_timeout(4_000)
        wanted = {row["start"]: tuple(row[name] for name in fields) for row in server.series()}
        missed = doubled = wrong = 0
        for page in pages:
            rows = series_of(page)
            mine = {row["start"]: tuple(row[name] for name in fields) for row in rows}
            doubled += len(rows) - len(mine)
            missed += len(wanted.keys() - mine.keys())
            wrong += sum(mine[start] != row for start, row in wanted.items() if start in mine)
        hit = line.hit
    for context in contexts:
        context.close()
    return {"cuts": {"cuts": hit, "missed": missed, "duplicated": doubled, "not_the_newest_state": wrong}}


def load(browser: Any, server: WebServer) -> dict[str, Any]:
    with open_page(browser, server.url, f"/?s=AAPL&w={WATCHED}") as watched:
        watched.pill("live")
        before = {subject: server.count(subject) for subject in SUBJECTS}
        busy = flood(server, watched, RATE, FLOOD_S)
        for subject in SUBJECTS:
            server.settle(subject, before[subject] + busy.sent[subject])
        figures = {"updates_per_s": round(busy.updates_per_s), "frames_per_s": round(busy.frames_per_s, 1)}
        return {"load": figures | {"seconds": round(busy.seconds, 1), "errors": watched.errors}}


def heap(browser: Any, server: WebServer) -> dict[str, Any]:
    """Growth after the first third, when every series is held; the control leaks on purpose and must show."""
    address = f"/?s=AAPL&w={WATCHED}"
    with open_page(browser, server.url, address) as watched:
        watched.pill("live")
        honest = heap_over(server, watched, MINUTES)
    with open_page(browser, server.url, address) as watched:
        watched.pill("live")
        leaking = heap_over(server, watched, LEAKING_MINUTES, lambda page: page.evaluate(LEAK))
    return {"heap_mb": {"minutes": MINUTES, "after_each_third": honest, "leaking_control": leaking}}


def tabs(browser: Any, server: WebServer) -> dict[str, Any]:
    context = browser.new_context()
    pages = [context.new_page() for _ in range(8)]
    for page in pages:
        page.goto(f"{server.url}/?s=AAPL&w=AAPL,MSFT")
    for page in pages:
        page.wait_for_selector('.pill[data-state="live"]', timeout=30_000)
    pages[0].wait_for_timeout(1_000)
    found = server.ask("/stream/status")["connections"]
    context.close()
    return {"tabs": {"tabs": 8, "connections": found}}


def swaps(browser: Any, server: WebServer) -> dict[str, Any]:
    """From the answer to a promote or a rollback until every open dashboard shows that generation's mark."""
    replayed(server.home, AggregatorSettings(data_dir=str(server.folder), synchronous="normal"))
    contexts = [browser.new_context() for _ in range(3)]
    pages = [context.new_page() for context in contexts]
    for page in pages:
        page.goto(f"{server.url}/?s=AAPL&w=AAPL&r=24h")
    for page in pages:
        page.wait_for_selector('.pill[data-state="live"]', timeout=30_000)
    taken = []
    for swap in range(SWAPS):
        wish = ("g2/promote", {"force": True, "reason": "bench"}) if swap % 2 == 0 else ("g2/rollback", {})
        server.ask(f"/generations/{wish[0]}", body=wish[1])
        started = time.monotonic()
        for page in pages:
            until(page, FLAGGED, swap + 1, 20.0)
        taken.append((time.monotonic() - started) * 1_000)
        pages[0].wait_for_timeout(1_500)
    for context in contexts:
        context.close()
    return {"swap_followed_ms": spread(taken)}


def first_load() -> int:
    """Bytes of the first load, gzipped, from `npm run size`."""
    shown = subprocess.run(["node", "dev/size.mjs"], cwd=WEB, capture_output=True, text=True, check=False).stdout
    return next(int(line.split()[0]) for line in shown.splitlines() if "first candles" in line)


PARTS: dict[str, Callable[[Any, WebServer], dict[str, Any]]] = {
    "first": first_candles, "switch": switches, "reconnect": reconnects, "tabs": tabs, "load": load, "swap": swaps,
    "cuts": cuts, "heap": heap,
}  # fmt: skip


def main(wanted: list[str]) -> int:
    found: dict[str, Any] = json.loads(TARGET.read_text()) if wanted and TARGET.exists() else {}
    found["first_load_gz_bytes"] = first_load()
    with chromium() as browser:
        for name in wanted or PARTS:
            # Each on a server of its own: a flood must not slow what is measured after it.
            with tempfile.TemporaryDirectory() as folder, web_server(Path(folder) / "data", with_items=False) as server:
                found |= PARTS[name](browser, server)
            TARGET.parent.mkdir(parents=True, exist_ok=True)
            TARGET.write_text(json.dumps(stamped(found), indent=2) + "\n", encoding="utf-8")
    for row in bars(found):
        sys.stdout.write("{:<36}{:<24}{}\n".format(*row))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
