"""What an event source mapping says: which handler reads which stream, in what batches, and what failure means."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

Handler = Callable[[dict[str, Any], Any], Any]

#: Limits of Lambda, so that what runs here is what can be deployed.
MAX_BATCH_SIZE: Final = 10_000
MAX_BATCHING_WINDOW_MS: Final = 300_000
MAX_TUMBLING_WINDOW_S: Final = 900
MAX_RETRIES: Final = 10_000
#: Names go into lake keys and checkpoints.
NAME: Final = re.compile(r"[A-Za-z0-9_\-]{1,64}\Z", re.ASCII)
#: `max_retries` and `max_record_age_ms`: no limit. On AWS the record's expiry would be the limit.
UNLIMITED: Final = -1


@dataclass(frozen=True)
class Mapping:
    """One event source mapping; the fields are those of Lambda, in milliseconds where theirs are in seconds.

    `stream`: stream or table name. `batching_window_ms`: how long to gather a batch. `tumbling_window_s`: 0 = none.
    `max_retries`, `max_record_age_ms`: when either is passed *after a failure*, the batch goes to the lake below
    `failure_prefix` and the shard goes on; an untried record is never too old. `bisect`: halve a failing batch first,
    which uses up no retries. `report_item_failures`: the handler answers `batchItemFailures`.
    """

    name: str
    stream: str
    handler: Handler
    batch_size: int = 100
    batching_window_ms: int = 0
    tumbling_window_s: int = 0
    max_retries: int = UNLIMITED
    max_record_age_ms: int = UNLIMITED
    bisect: bool = False
    report_item_failures: bool = False
    failure_prefix: str = "failed"
    first_backoff_ms: int = 100
    max_backoff_ms: int = 30_000

    def __post_init__(self) -> None:
        assert NAME.match(self.name), self.name
        assert 1 <= self.batch_size <= MAX_BATCH_SIZE, self.batch_size
        assert 0 <= self.batching_window_ms <= MAX_BATCHING_WINDOW_MS, self.batching_window_ms
        assert 0 <= self.tumbling_window_s <= MAX_TUMBLING_WINDOW_S, self.tumbling_window_s
        assert UNLIMITED <= self.max_retries <= MAX_RETRIES, self.max_retries
        assert self.max_record_age_ms >= UNLIMITED, self.max_record_age_ms
        assert 1 <= self.first_backoff_ms <= self.max_backoff_ms

    def backoff_ms(self, failures: int) -> int:
        """Pause after so many failures in a row: doubling, bounded. No jitter: one reader a shard, no herd."""
        return min(self.max_backoff_ms, self.first_backoff_ms << min(failures - 1, 30))

    def out_of_retries(self, attempts: int) -> bool:
        """True after the last permitted retry has failed."""
        return 0 <= self.max_retries < attempts
