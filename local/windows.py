"""Tumbling windows of a mapping: by arrival time, per shard, with state carried from invocation to invocation."""

from dataclasses import dataclass
from typing import Any, Final

from contracts.instants import iso_s

MAX_STATE_BYTES: Final = 1 << 20
#: How long after its end a window stays open: a record stamped just before it may be committed just after.
CLOSING_GRACE_MS: Final = 1_000
EMPTY_STATE: Final = "{}"


@dataclass
class OpenWindow:
    """`[start_ms, end_ms)`; `state` is JSON text, as it crosses from one invocation to the next. `early`: the state
    outgrew 1 MB, so the window is to be ended now. `behind_ms`: how far behind its start the clock has been set."""

    start_ms: int
    end_ms: int
    state: str = EMPTY_STATE
    early: bool = False
    behind_ms: int = 0

    @property
    def due_ms(self) -> int:
        """When it may be closed if nothing else closes it."""
        return self.end_ms + CLOSING_GRACE_MS - self.behind_ms

    def seen(self, now_ms: int) -> None:
        """A clock that was set back need not come round again: the window is open for its width from there."""
        self.behind_ms = max(self.behind_ms, self.start_ms - now_ms)

    def holds(self, arrival_ms: int) -> bool:
        return self.start_ms <= arrival_ms < self.end_ms

    def keep(self, state: str) -> None:
        """Carry a state to the next invocation."""
        self.state = state
        self.early = len(state.encode()) > MAX_STATE_BYTES

    def event_fields(self, shard_id: str, arn: str, state: Any, final: bool) -> dict[str, Any]:
        """What a windowed event has besides its records."""
        return {
            "window": {"start": iso_s(self.start_ms), "end": iso_s(self.end_ms)},
            "state": state,
            "shardId": shard_id,
            "eventSourceARN": arn,
            "isFinalInvokeForWindow": final,
            "isWindowTerminatedEarly": final and self.early,
        }

    def document(self) -> dict[str, Any]:
        """For the checkpoint; `window_from` is the inverse."""
        return {"start_ms": self.start_ms, "end_ms": self.end_ms, "state": self.state, "early": self.early}


def window_of(arrival_ms: int, width_s: int, now_ms: int) -> OpenWindow:
    """The window an arrival belongs to, aligned to the epoch."""
    width_ms = width_s * 1_000
    start_ms = arrival_ms - arrival_ms % width_ms
    window = OpenWindow(start_ms, start_ms + width_ms)
    window.seen(now_ms)
    return window


def window_from(document: dict[str, Any] | None) -> OpenWindow | None:
    return None if document is None else OpenWindow(**document)
