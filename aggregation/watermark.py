"""Watermarks: how far event time has come. They say what is *final*, never what is accepted (design section 5)."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from contracts.resolution import MINUTE_MS

OUT_OF_ORDERNESS_MS: Final = 2 * MINUTE_MS
IDLE_AFTER_MS: Final = MINUTE_MS
NEVER_MS: Final = -(1 << 62)


class ShardProgress(NamedTuple):
    """One shard: the newest accepted event time, and when its last record came (processing time)."""

    newest_event_ms: int = NEVER_MS
    last_record_ms: int = NEVER_MS


def advance(progress: ShardProgress, newest_event_ms: int, now_ms: int) -> ShardProgress:
    """Progress after a batch; neither part ever goes back (law 5)."""
    return ShardProgress(max(progress.newest_event_ms, newest_event_ms), max(progress.last_record_ms, now_ms))


def combined_ms(
    shards: Mapping[str, ShardProgress],
    now_ms: int,
    held_ms: int = NEVER_MS,
    out_of_orderness_ms: int = OUT_OF_ORDERNESS_MS,
    idle_after_ms: int = IDLE_AFTER_MS,
) -> int:
    """The watermark W: minimum over shards that are not idle of newest event time − out-of-orderness; when all are
    idle it holds. `held_ms` is the value before: a shard waking up with old news cannot pull it back (law 5)."""
    active = [p.newest_event_ms for p in shards.values() if now_ms - p.last_record_ms <= idle_after_ms]
    if not active or min(active) == NEVER_MS:
        return held_ms
    return max(held_ms, min(active) - out_of_orderness_ms)
