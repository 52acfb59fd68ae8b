"""`candlewick status`: is it live, where is it stuck, what came of it. Reads the stores, so it works with `up` or
without."""

import os
import sys
import threading
from contextlib import nullcontext
from typing import Any, Final

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from contracts.errors import Unusable
from contracts.generation import live_generation
from contracts.instants import iso_ms
from contracts.resolution import COARSEST
from contracts.settings import AggregatorSettings, ProducerSettings, load
from local.foreign_control import check_control
from local.line import LINE
from ops.asides import end_partial, standing
from ops.console import put_json
from ops.failed_cmd import count_batches
from ops.replay.pace import FLEET_KIND, behind_ms, is_driven
from ops.source_lines import age_text, asked_of, source_lines, source_table, wide_console
from producers.sources.registry import load_sources
from stores.home import Home

REFRESH_MS: Final = 2_000
#: Day buckets of a subject, as many as `drain` sums.
MAX_DAYS: Final = 1_000_000


def snapshot(home: Home, settings: AggregatorSettings) -> dict[str, Any]:
    """Everything the command shows, as values; times in milliseconds, ages in seconds. `processes`: those that serve
    (None where Lambda does); one that was killed counts for 20 s more. `damaged`: objects of the lake
    among what was set aside that could not be read to their end. Raises `Unusable` for files that do not belong
    together."""
    check_control(home)
    now_ms = home.clock.now_ms()
    # Where Lambda reads the streams, it keeps its place to itself.
    told = settings.home != "aws" or is_driven(home)
    generation = live_generation(home.control)
    subjects, counted, newest_event_ms = _counts(home, generation)
    damaged: list[str] = []
    return {
        "now": iso_ms(now_ms),
        "processes": len(home.control.list(FLEET_KIND)) if told else None,
        "generation": generation,
        "subjects": subjects,
        "counted": counted,
        "newest_event_at": iso_ms(newest_event_ms) if newest_event_ms else None,
        "newest_event_age_s": round((now_ms - newest_event_ms) / 1000, 1) if newest_event_ms else None,
        "articles": home.items.count_primary(),
        "too_late": sum(1 for _ in standing(home.lake, "late", damaged.append)),
        "quarantined": sum(1 for _ in standing(home.lake, "quarantined", damaged.append)),
        "damaged": damaged,
        "given_up": count_batches(home, settings),
        "stages": [
            {"stage": row.name, "stream": row.stream, "behind_ms": behind_ms(home, row) if told else None}
            for row in LINE
        ],
        "watermarks": {
            shard: {"at": iso_ms(value["watermark_ms"]) if value["watermark_ms"] > 0 else None}
            for shard, value in home.control.list("watermark").items()
        },
        "sources": source_lines(_sources(home, now_ms), now_ms),
    }


def _counts(home: Home, generation: str) -> tuple[int, int, int]:
    """Subjects that have events, events, and the time of the newest (0: there is none)."""
    subjects = counted = newest_ms = 0
    for subject in home.buckets.subjects(generation):
        days = home.buckets.range(generation, subject, COARSEST.name, limit=MAX_DAYS)
        subjects += bool(days)
        counted += sum(day.summary.count for day in days)
        newest_ms = max([newest_ms] + [day.summary.close_ms for day in days[-1:]])
    return subjects, counted, newest_ms


def _sources(home: Home, now_ms: int) -> dict[str, dict[str, Any]]:
    try:
        names = {source.name for source in load_sources(load(ProducerSettings, os.environ).sources_file)}
    except Unusable:
        return home.control.list("source")  # `doctor` says what is wrong with the settings
    return asked_of(home, names, now_ms)


def show_status(home: Home, settings: AggregatorSettings, watch: bool, as_json: bool) -> None:
    """One screen, or one JSON document a line: once, or with `watch` every two seconds until Ctrl-C."""
    console = wide_console()
    nobody = threading.Event()
    refreshed = watch and console.is_terminal and not as_json
    with Live(console=console, auto_refresh=False) if refreshed else nullcontext() as live:
        while True:
            found = snapshot(home, settings)
            if as_json:
                put_json(found)
            elif live is not None:
                live.update(_screen(found), refresh=True)
            else:
                console.print(_screen(found))
            if not watch:
                end_partial(found["damaged"])
                return
            sys.stdout.flush()
            home.clock.wait(nobody, REFRESH_MS)


def _behind(behind_ms: int | None) -> str:
    if behind_ms is None:
        return "unknown: Lambda reads it"
    return age_text(behind_ms) if behind_ms else "up to date"


def _screen(found: dict[str, Any]) -> Group:
    age = found["newest_event_age_s"]
    head = Text(f"{found['counted']:,} events of {found['subjects']} subjects, {found['articles']:,} articles")
    head.append(f"   newest event {age_text(age * 1000)} ago" if age is not None else "   no events yet")
    if found["processes"] == 0:
        head.append("   no process runs: candlewick up", style="bold")
    aside = f"{found['too_late']:,} too late · {found['quarantined']:,} quarantined · {found['given_up']:,} given up"
    if found["damaged"]:
        aside += f" · {len(found['damaged'])} damaged objects of the lake"
    stages = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("stage", "stream", "behind"):
        stages.add_column(title, no_wrap=True)
    for stage in found["stages"]:
        stages.add_row(stage["stage"], stage["stream"], _behind(stage["behind_ms"]))
    parts: list[Any] = [head, Text(aside, style="dim"), Text(), stages]
    if found["sources"]:
        parts += [Text(), source_table(found["sources"])]
    return Group(*parts)
