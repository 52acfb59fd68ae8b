"""`candlewick status`: is it live, where is it stuck, what came of it. Reads the stores, so it works with `up` or
without."""

import sys
import threading
from contextlib import nullcontext
from typing import Any, Final

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from contracts.generation import live_generation
from contracts.instants import iso_ms
from contracts.ports import Position
from contracts.resolution import COARSEST
from contracts.settings import AggregatorSettings
from local.driver_checkpoint import Checkpoints
from local.line import ITEMS_TABLE, LINE, Row
from ops.asides import standing
from ops.console import put_json
from ops.failed_cmd import count_batches
from ops.replay.pace import is_driven
from ops.source_lines import age_text, source_lines, source_table, wide_console
from stores.home import Home

REFRESH_MS: Final = 2_000


def snapshot(home: Home, settings: AggregatorSettings) -> dict[str, Any]:
    """Everything the command shows, as values; times in milliseconds, ages in seconds."""
    now_ms = home.clock.now_ms()
    # Where Lambda reads the streams, it keeps its place to itself.
    told = settings.home != "aws" or is_driven(home)
    generation = live_generation(home.control)
    newest = [
        bucket
        for subject in home.buckets.subjects(generation)
        for bucket in home.buckets.range(generation, subject, COARSEST.name, limit=1_000)
    ]
    newest_event_ms = max((bucket.summary.close_ms for bucket in newest), default=None)
    return {
        "now": iso_ms(now_ms),
        "generation": generation,
        "subjects": len({bucket.subject for bucket in newest}),
        "counted": sum(bucket.summary.count for bucket in newest),
        "newest_event_at": iso_ms(newest_event_ms) if newest_event_ms else None,
        "newest_event_age_s": round((now_ms - newest_event_ms) / 1000, 1) if newest_event_ms else None,
        "articles": home.items.count_primary(),
        "too_late": sum(1 for _ in standing(home.lake, "late")),
        "quarantined": sum(1 for _ in standing(home.lake, "quarantined")),
        "given_up": count_batches(home, settings),
        "stages": [
            {"stage": row.name, "stream": row.stream, "behind_ms": _behind_ms(home, row) if told else None}
            for row in LINE
        ],
        "watermarks": {
            shard: {"at": iso_ms(value["watermark_ms"]) if value["watermark_ms"] > 0 else None}
            for shard, value in home.control.list("watermark").items()
        },
        "sources": source_lines(home.control.list("source"), now_ms),
    }


def _behind_ms(home: Home, row: Row) -> int:
    """How old the oldest record is that a mapping is not done with; 0: it is at the tip."""
    checkpoints = Checkpoints(home.control, row.name)
    behind_ms = 0
    if row.stream == ITEMS_TABLE:
        for shard_id in home.items.stream_shards():
            left = home.items.stream_read(shard_id, checkpoints.load(shard_id).sequence_number or "", 1)
            behind_ms = max([behind_ms] + [home.clock.now_ms() - change.at_ms for change in left])
    else:
        for shard in home.log.shards(row.stream):
            done_with = checkpoints.load(shard.shard_id).sequence_number
            start = Position("AFTER_SEQUENCE_NUMBER", done_with) if done_with else Position("TRIM_HORIZON")
            page = home.log.get_records(home.log.iterator(row.stream, shard.shard_id, start), 1)
            behind_ms = max([behind_ms] + [home.clock.now_ms() - record.arrival_ms for record in page.records])
    return behind_ms


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
    aside = f"{found['too_late']:,} too late · {found['quarantined']:,} quarantined · {found['given_up']:,} given up"
    stages = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("stage", "stream", "behind"):
        stages.add_column(title, no_wrap=True)
    for stage in found["stages"]:
        stages.add_row(stage["stage"], stage["stream"], _behind(stage["behind_ms"]))
    parts: list[Any] = [head, Text(aside, style="dim"), Text(), stages]
    if found["sources"]:
        parts += [Text(), source_table(found["sources"])]
    return Group(*parts)
