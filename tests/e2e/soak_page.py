"""docs/soak.md from the results of `make soak`."""

from typing import Any


def page(report: dict[str, Any]) -> str:
    asked, steady, burst, checked = (report[name] for name in ("asked", "steady", "burst", "account"))
    machine = ", ".join(f"{name} {value}" for name, value in report["machine"].items())
    return f"""# Endurance

Written by `make soak` from what it measured (`soak.json` beside this page); a test holds the two against each other.
`make soak MINUTES=30` is the full length; this page is of a run of **{asked["minutes"]:g} minutes** at
**{asked["rate_per_s"]:g} articles a second** with **{report["clients"]:,} event-stream clients** (one subject
each), then **{asked["burst_times"]:g} times** as much for **{asked["burst_s"]:g} s**. Publisher, clients and program
share the machine: {machine}.

| | steady | burst |
|---|---|---|
| articles | {steady["articles"]:,} | {burst["articles"]:,} |
| published, a second | {steady["articles_per_s"]:g} | {burst["articles_per_s"]:g} |
| age of an item at its watcher, p50 / p95 / p99 | {_ages(steady)} | {_ages(burst)} |
| furthest behind | {steady["behind_max_s"]:g} s | {burst["behind_max_s"]:g} s |
| memory at its beginning and end | {_memory(steady)} | {_memory(burst)} |
| slope of memory (second half) | {steady["rss_slope_mb_per_hour"]:+g} MB an hour | |
| cores used by the program | {steady["cores"]:g} | {burst["cores"]:g} |
| then nothing pending after | {steady["drained_s"]:g} s | **{burst["recovery_s"]:g} s** |

Every one of the {report["published"]:,} articles became an event, {checked["counted"]:,} events were counted, and
{checked["buckets"]:,} buckets equal the independent oracle and `verify`. The clients were told of
{checked["items_received"]:,} items; each was held against the log: none missed one, none was told of one twice
({checked["reconnects"]} planned reconnects, {checked["restarts_from_snapshot"]} of them began again from a snapshot).
"""


def _ages(phase: dict[str, Any]) -> str:
    return " / ".join(f"{value:,}" for value in phase["item_age_ms"].values()) + " ms"


def _memory(phase: dict[str, Any]) -> str:
    return f"{phase['rss_first_mb']:g} → {phase['rss_last_mb']:g} MB"
