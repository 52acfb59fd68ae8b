"""`candlewick status`: is it live, where is it stuck, what came of it. Reads the stores, so it works with `up` or
without."""

import threading
from typing import Any, Final

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from contracts.aside import list_asides
from contracts.generation import live_generation
from contracts.instants import iso_ms
from contracts.ports import Position
from contracts.resolution import COARSEST
from local.driver_checkpoint import Checkpoints
from local.line import ITEMS_TABLE, LINE
from ops.console import put_json
from ops.source_lines import age_text, source_lines, source_table, wide_console
from stores.home import Home

REFRESH_MS: Final = 2_000


def snapshot(home: Home) -> dict[str, Any]:
    """Everything the command shows, as values; times in milliseconds, ages in seconds."""
    now_ms = home.clock.now_ms()
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
        "too_late": sum(1 for _ in list_asides(home.lake, "late")),
        "quarantined": sum(1 for _ in list_asides(home.lake, "quarantined")),
        "given_up": len(home.lake.keys("failed/")),
        "stages": [_stage(home, row.name, row.stream) for row in LINE],
        "watermarks": {
            shard: {"at": iso_ms(value["watermark_ms"]) if value["watermark_ms"] > 0 else None}
            for shard, value in home.control.list("watermark").items()
        },
        "sources": source_lines(home.control.list("source"), now_ms),
    }


def _stage(home: Home, name: str, stream: str) -> dict[str, Any]:
    """One mapping: how old the oldest record is that it is not done with (0: it is at the tip)."""
    checkpoints = Checkpoints(home.control, name)
    behind_ms = 0
    if stream == ITEMS_TABLE:
        for shard_id in home.items.stream_shards():
            left = home.items.stream_read(shard_id, checkpoints.load(shard_id).sequence_number or "", 1)
            behind_ms = max([behind_ms] + [home.clock.now_ms() - change.at_ms for change in left])
    else:
        for shard in home.log.shards(stream):
            done_with = checkpoints.load(shard.shard_id).sequence_number
            start = Position("AFTER_SEQUENCE_NUMBER", done_with) if done_with else Position("TRIM_HORIZON")
            page = home.log.get_records(home.log.iterator(stream, shard.shard_id, start), 1)
            behind_ms = max([behind_ms] + [home.clock.now_ms() - record.arrival_ms for record in page.records])
    return {"stage": name, "stream": stream, "behind_ms": behind_ms}


def show_status(home: Home, watch: bool, as_json: bool) -> None:
    """One screen, once or refreshed every two seconds until Ctrl-C."""
    if as_json:
        put_json(snapshot(home))
        return
    console = wide_console()
    if not watch:
        console.print(_screen(snapshot(home)))
        return
    nobody = threading.Event()
    with Live(console=console, auto_refresh=False) as live:
        while True:
            live.update(_screen(snapshot(home)), refresh=True)
            home.clock.wait(nobody, REFRESH_MS)


def _screen(found: dict[str, Any]) -> Group:
    age = found["newest_event_age_s"]
    head = Text(f"{found['counted']:,} events of {found['subjects']} subjects, {found['articles']:,} articles")
    head.append(f"   newest event {age_text(age * 1000)} ago" if age is not None else "   no events yet")
    aside = f"{found['too_late']:,} too late · {found['quarantined']:,} quarantined · {found['given_up']:,} given up"
    stages = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("stage", "stream", "behind"):
        stages.add_column(title, no_wrap=True)
    for stage in found["stages"]:
        stages.add_row(
            stage["stage"], stage["stream"], age_text(stage["behind_ms"]) if stage["behind_ms"] else "up to date"
        )
    parts: list[Any] = [head, Text(aside, style="dim"), Text(), stages]
    if found["sources"]:
        parts += [Text(), source_table(found["sources"])]
    return Group(*parts)
