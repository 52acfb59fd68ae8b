"""docs/soak.md from the results of `make soak`."""

from typing import Any, Final

FULL_MINUTES: Final = 30
HEAD: Final = """# Endurance

Written by `make soak` from what it measured (`soak.json` beside this page); a test holds the two against each other.
`make soak MINUTES=30` is the full length; below is exactly what was run. Publisher, clients and program share one
machine, and its load says who else did: where the program gets fewer cores than a rate needs it falls behind, and
catches up.
"""
NOT_YET: Final = """
No run of the full length has been made yet: how flat memory is once all caches are full, these do not show.
"""


def page(runs: list[dict[str, Any]]) -> str:
    longest = max(run["asked"]["minutes"] for run in runs)
    return HEAD + (NOT_YET if longest < FULL_MINUTES else "") + "".join(map(_run, runs))


def _run(report: dict[str, Any]) -> str:
    asked, steady, burst, checked = (report[name] for name in ("asked", "steady", "burst", "account"))
    machine = ", ".join(f"{name} {value}" for name, value in report["machine"].items())
    return f"""
## {asked["rate_per_s"]:g} articles a second for {asked["minutes"]:g} minutes, then {asked["burst_times"]:g} times as many for {asked["burst_s"]:g} s

{report["clients"]:,} event-stream clients, one subject each; {machine}.

| | steady | burst |
|---|---|---|
| articles | {steady["articles"]:,} | {burst["articles"]:,} |
| published, a second | {steady["articles_per_s"]:g} | {burst["articles_per_s"]:g} |
| age of an item at its watcher, p50 / p95 / p99 | {_ages(steady)} | {_ages(burst)} |
| furthest behind | {steady["behind_max_s"]:g} s | {burst["behind_max_s"]:g} s |
| memory at its beginning and end | {_memory(steady)} | {_memory(burst)} |
| memory on its way, by tenths | {_way(steady)} | {_way(burst)} |
| slope of memory (the first {report["warm_up"]:.0%} left out) | {_slope(steady)} | {_slope(burst)} |
{_in_use(steady, burst)}| cores the program got | {steady["cores"]:g} | {burst["cores"]:g} |
| then nothing pending after | {steady["drained_s"]:g} s | **{burst["recovery_s"]:g} s** |

Every one of the {report["published"]:,} articles became an event, {checked["counted"]:,} events were counted, and
{checked["buckets"]:,} buckets equal the independent oracle and `verify`. The clients were told of
{checked["items_received"]:,} items; each was held against the log: none missed one, none was told of one twice
({checked["reconnects"]} planned reconnects, {checked["restarts_from_snapshot"]} of them began again from a snapshot).
"""  # noqa: E501 (rows of a table)


def _ages(phase: dict[str, Any]) -> str:
    return " / ".join(f"{value:,}" for value in phase["item_age_ms"].values()) + " ms"


def _way(phase: dict[str, Any]) -> str:
    return " ".join(map(str, phase["rss_mb_by_tenths"])) + " MB"


def _slope(phase: dict[str, Any]) -> str:
    """With its standard error where there is one: runs before the fourth were kept without."""
    if "rss_slope_mb" in phase:
        return _told(phase["rss_slope_mb"], "MB")
    error = phase.get("rss_slope_error_mb_per_hour")
    return _told({"per_hour": phase["rss_slope_mb_per_hour"], "error": error}, "MB")


def _told(slope: dict[str, Any], unit: str) -> str:
    error = "" if slope["error"] is None else f" ± {slope['error']:g}"
    return f"{slope['per_hour']:+g}{error} {unit} an hour"


def _in_use(*phases: dict[str, Any]) -> str:
    """Rows of what was in use of it; runs before the fifth were kept without."""
    if "in_use" not in phases[0]:
        return ""
    kinds = {"python_blocks_m": ("in use: Python's blocks", "million"), "malloc_mb": ("in use: of malloc's", "MB")}
    rows = ""
    for name, (title, unit) in kinds.items():
        cells = [
            f"{found['least']:g} to {found['most']:g} {unit}, {_told(found, unit)}"
            for found in (phase["in_use"][name] for phase in phases)
        ]
        rows += f"| {title} | {' | '.join(cells)} |\n"
        # Older runs were kept without.
        if all("least_by_tenths" in phase["in_use"][name] for phase in phases):
            least = [" ".join(f"{value:g}" for value in phase["in_use"][name]["least_by_tenths"]) for phase in phases]
            rows += f"| the least of it, by tenths | {' | '.join(f'{found} {unit}' for found in least)} |\n"
    return rows


def _memory(phase: dict[str, Any]) -> str:
    return f"{phase['rss_first_mb']:g} → {phase['rss_last_mb']:g} MB"
