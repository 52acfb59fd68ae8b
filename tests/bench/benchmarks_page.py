"""`make bench-page`: what the benchmarks measured last (build/bench/) is kept in docs/benchmarks.json, and
docs/benchmarks.md is made from that, never by hand."""

import json
from typing import Any, Final

from tests.bench import engine_report
from tests.bench.report import FOLDER, measured_on
from tests.e2e.harness import ROOT
from tests.e2e.web_bars import bars

RESULTS: Final = ROOT / "docs" / "benchmarks.json"
PAGE: Final = ROOT / "docs" / "benchmarks.md"
COMMANDS: Final = {
    "engine": "make bench-engine", "line": "make bench", "sse": "make bench-sse", "model": "make bench-model",
    "replay": "make bench-replay", "web": "make bench-web",
}  # fmt: skip
HEAD: Final = """# Benchmarks

Made from what the benchmarks measured (`benchmarks.json` beside this page); a test holds the two against each other.
CPU seconds and medians unless it says otherwise. The machine is small and shared: ratios within one run say more than
figures, and a load above the number of cores makes every figure worse, the cache-friendly ones least.
"""


def keep() -> None:
    """Take over what was measured. Whole or not at all: an interrupted run leaves the page that was there."""
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in COMMANDS:
        if (FOLDER / f"{name}.json").exists():
            found[name] = json.loads((FOLDER / f"{name}.json").read_text())
    for file, text in ((RESULTS, json.dumps(found, indent=1) + "\n"), (PAGE, page(found))):
        part = file.with_suffix(".part")
        part.write_text(text)
        part.replace(file)


def page(found: dict[str, Any]) -> str:
    """docs/benchmarks.md."""
    of = {"engine": engine_report.sections, "line": line, "sse": sse, "model": model, "replay": replay, "web": web}
    lines = [line for name, section in of.items() if name in found for line in ["", *section(found[name])]]
    return HEAD + "\n".join(lines).rstrip("\n").replace("\n\n\n", "\n\n") + "\n"


def figures(found: dict[str, Any]) -> list[str]:
    """Rows of the README's table."""
    engine, again = found["engine"], found["replay"]["replay"][-1]
    ours = engine["cpu_s"]["candlewick"]
    peers = ", ".join(
        f"{title} {engine['cpu_s'][name] / ours:.1f}"
        for name, title in (("bytewax", "Bytewax"), ("flink_sql", "Flink SQL"), ("pathway", "Pathway"))
        if name in engine["cpu_s"]
    )
    told = found["line"]["publish_to_sse_ms"]
    titles = found["model"]["throughput"]["titles_threads_1_batch_32"]["texts_per_s"]
    first_s, peer = found["model"]["cold"]["cold_start_s_median"], found["model"]["peers"]["transformers_torch"]
    fan_out = {run["variant"]: run for run in found["sse"]["runs"] if run["clients"] == 1_000}
    beside = f" (sse-starlette {fan_out['sse-starlette']['p99_ms']:g} ms)" if "sse-starlette" in fan_out else ""
    return [
        f"| window engine, one core, JSON in, buckets out, exact | {engine['operator_events_per_s']['13']:,} events a "
        f"second{f'; times its CPU seconds on the same job: {peers}' if peers else ''} | {_with('engine')} |",
        f"| article accepted → in the stream, whole line on one machine | {told['p50']:g} ms (p50), {told['p95']:g} ms "
        f"(p95) | {_with('line')} |",
        f"| 1,000 watchers, 10 changes a second each | {fan_out['candlewick']['p99_ms']:g} ms (p99){beside} | "
        f"{_with('sse')} |",
        f"| the sentiment model, one core | {titles:,.0f} titles a second "
        f"({_torch(peer)}), first score {first_s:g} s after the start | "
        f"{_with('model')} |",
        f"| replay with the same scores, two cores | {again['events']:,} events of {again['days']} days in "
        f"{again['plan_s'] + again['run_s']:,.0f} s | {_with('replay')} |",
    ]


def _with(name: str) -> str:
    return f"[`{COMMANDS[name]}`](docs/benchmarks.md)"


def _torch(peer: Any) -> str:
    return "no PyTorch beside it" if isinstance(peer, str) else f"PyTorch {peer['titles_per_cpu_s_batch_32']:,.0f}"


def line(found: dict[str, Any]) -> list[str]:
    told = found["publish_to_sse_ms"]
    return [
        "## The whole line",
        "",
        f"`make bench`, everything in one process on the SQLite home. {measured_on(found)}",
        "",
        "| what | figure | bar |",
        "|---|---|---|",
        f"| article accepted → event in the stream, 50 articles a second, p50 / p95 of {told['n']:,} | "
        f"{told['p50']:g} / {told['p95']:g} ms, {told['missing']} missing | p95 500 ms |",
        f"| articles through the whole line (`publish`, `drain`), model included | "
        f"{found['line_articles_per_s']:g} a second | — |",
        f"| `candlewick up` to its first answer | {found['start_s']:g} s | — |",
    ]


def sse(found: dict[str, Any]) -> list[str]:
    rows = [
        f"| {run['clients']:,} × {run['rate_per_s']:g} | {run['variant']} | {run['p50_ms']:g} ms | "
        f"{run['p99_ms']:g} ms | {run['cores']:g} | {run['bytes_per_connection']:,} | "
        f"{run['missing']} / {run['duplicate']} |"
        for run in found["runs"]
    ]
    return [
        "## The stream",
        "",
        f"`make bench-sse`, beside sse-starlette in the same run. Bars: 1,000 × 10 within 100 ms (p99), 0.25 core, 20 "
        f"KB a connection; 5,000 × 1 within 1 s. {measured_on(found)}",
        "",
        "| connections × events a second | by | p50 | p99 | cores | bytes a connection | missing / doubled |",
        "|---|---|---|---|---|---|---|",
        *rows,
    ]


def model(found: dict[str, Any]) -> list[str]:
    speed, peers, latency = found["throughput"], found["peers"], found["latency_ms"]
    rows = [
        f"| {found['model']}, {threads} thread{'s' * (threads > 1)}, batches of {batch} | "
        f"{speed[f'titles_threads_{threads}_batch_{batch}']['texts_per_s']:,.0f} | "
        f"{speed[f'snippets_threads_{threads}_batch_{batch}']['texts_per_s']:,.0f} |"
        for threads in (1, 2)
        for batch in (1, 32, 128)
    ]
    for name in ("vader", "finvader"):
        peer = peers[name]
        if not isinstance(peer, str):
            rows.append(f"| {name} | {peer['titles']['texts_per_s']:,.0f} | {peer['snippets']['texts_per_s']:,.0f} |")
    torch = peers["transformers_torch"]
    if not isinstance(torch, str):
        rows.append(
            f"| transformers and PyTorch, the same encoder, batches of 32 | "
            f"{torch['titles_per_cpu_s_batch_32']:,.0f} | {torch['snippets_per_cpu_s_batch_32']:,.0f} |"
        )
    by_words = [
        (name.partition("words_")[2].split("_to_"), each["texts_per_s"])
        for name, each in speed.items()
        if "words" in name
    ]
    invariance = found.get("batch_invariance", {"scored": 0, "differences": 0})
    return [
        "## The sentiment model",
        "",
        "`make bench-model`; how right it is: [the model](model.md). Bars, one thread: 1,000 titles and 320 snippets "
        "of 200 characters a second, one title in 1.5 ms (p50) and 10 ms (p99), 0.4 s from start to first score, 150 "
        f"MB. {measured_on(found)}",
        "",
        "| texts a second | titles | snippets |",
        "|---|---|---|",
        *rows,
        "",
        "| what | figure |",
        "|---|---|",
        f"| one title, p50 / p99 | {latency['title']['p50']:g} / {latency['title']['p99']:g} ms |",
        f"| title and snippet, p50 / p99 | {latency['article']['p50']:g} / {latency['article']['p99']:g} ms |",
        f"| import, session and first score | {found['cold']['cold_start_s_median']:g} s |",
        f"| resident memory | {found['cold']['resident_mb']:g} MB |",
        *[f"| titles of {low} to {high} words | {rate:,.0f} a second |" for (low, high), rate in by_words[:-1]],
        f"| longer titles | {by_words[-1][1]:,.0f} a second |",
        f"| scores that depend on the batch | {invariance['differences']} of {invariance['scored']:,} |",
    ]


def replay(found: dict[str, Any]) -> list[str]:
    live = found["live_path"]
    return [
        "## Replay",
        "",
        f"`make bench-replay`: windows built again from the lake, without new scores. Bar: {found['bar']}. Live, with "
        f"the store, the same machine takes {live['events_per_s']:,} events a second. {measured_on(found)}",
        "",
        "| events | days | buckets | plan | run | events a second | a CPU second |",
        "|---|---|---|---|---|---|---|",
        *[
            f"| {run['events']:,} | {run['days']} | {run['buckets']:,} | {run['plan_s']:g} s | {run['run_s']:g} s | "
            f"{run['events_per_s']:,} | {run['events_per_cpu_s']:,} |"
            for run in found["replay"]
        ],
    ]


def web(found: dict[str, Any]) -> list[str]:
    return [
        "## The dashboard",
        "",
        f"`make bench-web`, a real Chromium against the real server; milliseconds where no unit is named. "
        f"{measured_on(found)}",
        "",
        "| what | bar | measured |",
        "|---|---|---|",
        *[f"| {what} | {bar} | {figure} |" for what, bar, figure in bars(found)],
    ]


if __name__ == "__main__":
    keep()
