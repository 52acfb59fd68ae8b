"""docs/benchmarks.md from measured JSON, never by hand."""

import json
from importlib.metadata import version
from typing import Any

from contracts.clock import SystemClock
from contracts.instants import date_of
from tests.bench.report import FOLDER, machine
from tests.e2e.harness import ROOT

PAGE = ROOT / "docs" / "benchmarks.md"
PACKAGES = ("msgspec", "xxhash", "onnxruntime", "fastapi", "uvicorn")


def write_page(engine: dict[str, Any]) -> None:
    """Write the page from what was measured just now and the other benchmarks' files where they are."""
    place = machine()
    lines = [
        "# Benchmarks",
        "",
        f"Written by `make bench-engine` on {date_of(SystemClock().now_ms())} from measured JSON (`build/bench/`). "
        f"Python {place['python']}, {place['system']}, {place['cores']} cores, load {place['load_1m']} at the end; "
        + ", ".join(f"{name} {version(name)}" for name in PACKAGES)
        + ". CPU seconds, medians; the machine is small and shared, so ratios within one run say more than figures.",
        "",
        "## Window engine",
        "",
        "JSON in, buckets at eight resolutions out, one core, with membership, verdicts and watermarks; every result "
        f"equal to the exact answer: **{engine['equal_to_oracle']}**.",
        "",
        "| what | figure |",
        "|---|---|",
        f"| 13 subjects, 1,000,000 events | {engine['operator_events_per_s']['13']:,} events/s |",
        f"| 5,000 subjects, 1,000,000 events | {engine['operator_events_per_s']['5000']:,} events/s |",
        f"| the plain optimised loop (no verdicts, no buckets) | {engine['plain_loop_events_per_s']:,} events/s |",
        f"| ours to the plain loop | {engine['operator_to_plain_loop']} |",
    ]
    lines += [f"| handler, {n} events | {ms} ms p50 |" for n, ms in engine["handler_ms_p50"].items()]
    lines += [
        f"| write units an article, {n} per batch and subject | {units} |"
        for n, units in engine["write_units_per_article"].items()
    ]
    stored, memory = engine["embedded_store"], engine["memory"]
    lines += [
        f"| with the embedded store | {stored['events_per_cpu_s']:,} events per CPU second |",
        f"| a SIGKILL in the middle costs | {stored['extra_percent']} % more CPU, result equal: {stored['equal']} |",
        f"| state of 5,000 subjects × 24 h | {memory['state_mib_5000_subjects']:,} MiB, "
        f"{memory['bytes_per_bucket']} bytes a bucket |",
        "",
        "| events | subjects | µs an event |",
        "|---|---|---|",
    ]
    lines += [f"| {row['events']:,} | {row['subjects']:,} | {row['us_per_event']} |" for row in engine["curve"]]
    if "cpu_ratio" in engine:
        lines += ["", "| peer | CPU s per million events | × ours |", "|---|---|---|"]
        lines += [f"| {name} | {engine['cpu_s'][name]} | {ratio} |" for name, ratio in engine["cpu_ratio"].items()]
    for name in ("line", "sse", "model", "replay", "web"):
        file = FOLDER / f"{name}.json"
        if file.exists():
            body = json.dumps(json.loads(file.read_text()), indent=1)
            lines += ["", f"## {name} (`build/bench/{name}.json`)", "", "```json", body, "```"]
    PAGE.write_text("\n".join(lines) + "\n")
