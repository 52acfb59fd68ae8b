"""What the dashboard must keep to, beside what `make bench-web` measured."""

from collections.abc import Callable
from typing import Any


def _cuts(cuts: int, missed: int, duplicated: int, not_the_newest_state: int) -> str:
    return f"{cuts:,}; {missed}, {duplicated}, {not_the_newest_state}"


def bars(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(what, bar, measured) of all that was measured."""
    rows: list[tuple[str, str, Callable[[], Any]]] = [
        ("first load, gzipped", "≤ 85,000 bytes", lambda: f"{found['first_load_gz_bytes']:,}"),
        ("first candles, cold, p95", "≤ 1,000 ms", lambda: found["first_candles_cold_ms"]["p95"]),
        ("first candles, warm, p95", "≤ 300 ms", lambda: found["first_candles_warm_ms"]["p95"]),
        ("switch from memory, p95", "≤ 50 ms", lambda: found["switch_memory_ms"]["p95"]),
        ("switch from IndexedDB, p95", "≤ 100 ms", lambda: found["switch_indexeddb_ms"]["p95"]),
        ("reconnect to the right state, p95", "≤ 2,000 ms", lambda: found["reconnect_ms"]["p95"]),
        ("cuts; missed, doubled, outdated", "≥ 1,000; 0, 0, 0", lambda: _cuts(**found["cuts"])),
        ("connections of 8 tabs", "1", lambda: found["tabs"]["connections"]),
        ("updates a second", "≥ 500", lambda: found["load"]["updates_per_s"]),
        ("frames a second meanwhile", "≥ 55", lambda: found["load"]["frames_per_s"]),
        ("another generation seen, p95", "≤ 2,000 ms", lambda: found["swap_followed_ms"]["p95"]),
        ("heap of 30 minutes, MB", "no growth", lambda: found["heap_mb"]["after_each_third"]),
        ("the same with a leak", "growth", lambda: found["heap_mb"]["leaking_control"]),
    ]
    shown = []
    for name, bar, figure in rows:
        try:
            shown.append((name, bar, str(figure())))
        except KeyError:
            continue
    return shown
