"""One reader of one shard for one mapping: batches, windows, retries, bisecting, checkpoints.

A steppable object without thread or clock. Records read and not done with are in `_buffer`; the first of them form the
segments being worked on: one, or after bisecting several. Everything about an invocation, such as whether it is the
last of its window, is derived from the buffer when it is made, so a retry after partial success or a split is nothing
special.
"""

import json
import logging
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from contracts import trouble
from contracts.errors import BadRequest, Transient, Unusable, bug_of, cause_of
from local.driver_answers import Answer, judged
from local.driver_checkpoint import Checkpoint, Checkpoints, foreign_checkpoint
from local.driver_context import LambdaContext, request_id
from local.driver_failures import Condition, FailureDestination
from local.driver_source import Source
from local.driver_status import ShardStatus, Step, StepKind
from local.mappings import Mapping
from local.windows import OpenWindow, window_of

#: Lambda's limit on an event.
MAX_EVENT_BYTES: Final = 6 << 20
#: Read ahead no further than this: more than an event takes, so that its limit cuts the batch.
MAX_BUFFER_BYTES: Final = 2 * MAX_EVENT_BYTES
log = logging.getLogger(__name__)


@dataclass
class Segment:
    """The next `count` records of the buffer, to be invoked together (0: the empty final invocation of a window).
    `attempts` that used up retries; `discard`: it is given up and goes to the destination next."""

    count: int
    attempts: int = 0
    discard: Condition | None = None


class ShardReader:
    """Steps through a shard. Not thread-safe: one caller at a time, which is also why concurrency is 1."""

    def __init__(
        self,
        mapping: Mapping,
        source: Source,
        shard_id: str,
        checkpoints: Checkpoints,
        destination: FailureDestination,
    ) -> None:
        """Raises `Transient`, or `Unusable` when the checkpoint is not of this log."""
        self.shard_id = shard_id
        self._mapping = mapping
        self._source = source
        self._checkpoints = checkpoints
        self._destination = destination
        checkpoint = checkpoints.load(shard_id)
        self._position = checkpoint.sequence_number
        self._window: OpenWindow | None = checkpoint.window
        self._ended = checkpoint.done
        self._place = self._open()
        self._unsaved = False
        self._buffer: list[Any] = []
        self._sizes: list[int] = []  # of the buffer's records, in the event
        self._gathering_since_ms = 0
        self._segments: list[Segment] = []
        self._failures_in_row = 0
        self._due_ms = self._stepped_ms = 0
        self._page_behind_ms = 0
        self._tip_seen_ms = -1
        self._state: StepKind = "idle"
        self._error: str | None = None
        self._invocations = self._records = self._failures = self._discarded = 0

    def _open(self) -> str | None:
        if self._ended:
            return None
        try:
            return self._source.open(self.shard_id, self._position)
        except BadRequest as error:
            raise foreign_checkpoint(self._mapping.name, error) from None

    @property
    def done(self) -> bool:
        """The shard is closed, read to its end, and that is durable."""
        return self._ended and not self._unsaved

    # ---- stepping ---------------------------------------------------------------------------------------------
    def step(self, now_ms: int, hurry: bool = False, close: bool = False) -> Step:
        """Do one thing: at most one invocation. `hurry`: do not wait for a batching window. `close`: at the tip, close
        an open tumbling window before its time. Never raises for what handlers or stores do; the state tells."""
        step = self._guarded_step(now_ms, hurry, close)
        self._state = step.kind
        return step

    def _guarded_step(self, now_ms: int, hurry: bool, close: bool) -> Step:
        if self._state == "stopped":
            return Step("stopped")
        if self.done:
            return Step("done")
        if now_ms < self._stepped_ms:
            # The clock was set back: what waits for an instant of the old time would wait as long again.
            self._due_ms = min(self._due_ms, now_ms)
            self._gathering_since_ms = min(self._gathering_since_ms, now_ms)
        if self._window is not None:
            self._window.seen(now_ms)
        self._stepped_ms = now_ms
        if now_ms < self._due_ms:
            return Step("retry", self._due_ms)
        try:
            if self._unsaved:
                self._save()
                return Step("worked")
            return self._advance(now_ms, hurry, close)
        except Transient as error:
            return self._back_off(now_ms, str(error))
        except (AssertionError, BadRequest, Unusable) as error:
            return self._stop(cause_of(error), bug_of(error))

    def _advance(self, now_ms: int, hurry: bool, close: bool) -> Step:
        if not self._segments:
            self._fill(now_ms)
            waiting = self._form(now_ms, hurry, close)
            if waiting is not None:
                return waiting
        self._ready_window(now_ms)
        segment = self._segments[0]
        if segment.discard is None:
            return self._invoke(segment, now_ms, close)
        self._discard(segment, segment.discard, now_ms)
        return Step("worked")

    def _fill(self, now_ms: int) -> None:
        """Read until there is a full batch, by number or by size, or all there is."""
        while (
            self._place is not None
            and len(self._buffer) < self._mapping.batch_size
            and sum(self._sizes) < MAX_BUFFER_BYTES
        ):
            page = self._source.read(self.shard_id, self._place, self._mapping.batch_size - len(self._buffer))
            if page.records and not self._buffer:
                self._gathering_since_ms = now_ms
            self._buffer += page.records
            self._sizes += map(self._source.size_of, page.records)
            self._place = page.place
            self._page_behind_ms = page.behind_ms
            if page.behind_ms == 0:
                self._tip_seen_ms = now_ms
                return

    def _form(self, now_ms: int, hurry: bool, close: bool) -> Step | None:
        """Make the next segment, or say what is being waited for."""
        window = self._window
        if window is not None and (window.early or not self._window_goes_on(window, now_ms, close)):
            self._segments = [Segment(0)]
            return None
        if not self._buffer:
            if self._place is None:
                self._ended = True
                self._save()
                return Step("worked")
            return Step("idle") if window is None else Step("window", window.due_ms)
        if window is None and self._mapping.tumbling_window_s:
            window = self._window_at(now_ms)
        count, cut = self._batch_size(window)
        due_ms = self._gathering_since_ms + self._mapping.batching_window_ms
        if window is not None:
            due_ms = min(due_ms, window.due_ms)
        if not cut and not hurry and self._place is not None and now_ms < due_ms:
            return Step("batching", due_ms)
        self._segments = [Segment(count)]
        return None

    def _ready_window(self, now_ms: int) -> None:
        """A window whose state outgrew its limit is ended before the next records, which open it anew."""
        window = self._window
        if window is not None and window.early and self._segments[0].count:
            self._segments.insert(0, Segment(0))
        elif window is None and self._mapping.tumbling_window_s:
            self._window = self._window_at(now_ms)

    def _window_at(self, now_ms: int) -> OpenWindow:
        """The window of the first record."""
        return window_of(self._source.arrival_ms_of(self._buffer[0]), self._mapping.tumbling_window_s, now_ms)

    def _window_goes_on(self, window: OpenWindow, now_ms: int, close: bool) -> bool:
        """False when the open window's records have all been handed over and no more can come."""
        if self._buffer:
            return window.holds(self._source.arrival_ms_of(self._buffer[0]))
        return not self._nothing_follows(window, now_ms, close)

    def _nothing_follows(self, window: OpenWindow, now_ms: int, close: bool) -> bool:
        """True when no record beyond the buffer will belong to the window. What was the tip at an earlier step, before
        a pause, may not be the tip any more."""
        at_tip = self._tip_seen_ms == now_ms
        return self._place is None or (at_tip and (close or now_ms >= window.due_ms))

    def _batch_size(self, window: OpenWindow | None) -> tuple[int, bool]:
        """How many records go together, and whether a limit cut the batch there (so waiting would not help)."""
        count = min(len(self._buffer), self._mapping.batch_size)
        cut = count == self._mapping.batch_size
        if window is not None:
            end = bisect_left(self._buffer, window.end_ms, hi=count, key=self._source.arrival_ms_of)
            count, cut = end, cut or end < count
        total = len(self._window.state) if self._window else 0
        for at in range(count):
            total += self._sizes[at]
            if total > MAX_EVENT_BYTES and at:
                return at, True
        return count, cut

    # ---- invoking ---------------------------------------------------------------------------------------------
    def _invoke(self, segment: Segment, now_ms: int, close: bool) -> Step:
        records = self._buffer[: segment.count]
        final = self._window is not None and self._ends_window(self._window, segment.count, now_ms, close)
        sequence_numbers = [self._source.sequence_of(record) for record in records]
        answer = self._call(records, sequence_numbers, final)
        if answer.done or answer.failure is None:
            if self._window is not None and answer.state is not None:
                self._window.keep(answer.state)
            self._consume(answer.done, now_ms)
            segment.count -= answer.done
        if answer.failure is not None:
            return self._failed(segment, answer, now_ms)
        self._failures_in_row, self._error = 0, None
        if final:
            self._window = None
        self._segments.pop(0)
        self._save()
        return Step("worked")

    def _ends_window(self, window: OpenWindow, count: int, now_ms: int, close: bool) -> bool:
        if count == 0:
            return True
        if count < len(self._buffer):
            return not window.holds(self._source.arrival_ms_of(self._buffer[count]))
        return self._nothing_follows(window, now_ms, close)

    def _call(self, records: Sequence[Any], sequence_numbers: Sequence[str], final: bool) -> Answer:
        """One invocation, with whatever the handler raises turned into an answer; our own bugs pass."""
        event = self._event(records, final)
        context = LambdaContext(self._mapping.name, self._request_id(sequence_numbers))
        self._invocations += 1
        trouble.take()  # what an invocation before this one left behind
        try:
            given = self._mapping.handler(event, context)
        except (AssertionError, Unusable):
            raise
        except Exception as error:  # noqa: BLE001 — a failed invocation: retried, counted, shown, set aside; not swallowed
            return Answer(0, cause_of(error))
        answer = judged(given, sequence_numbers, self._window is not None, self._mapping.report_item_failures)
        cause = trouble.take()
        return answer._replace(failure=f"{answer.failure}: {cause}") if answer.failure and cause else answer

    def _event(self, records: Sequence[Any], final: bool) -> dict[str, Any]:
        event_record, shard_id = self._source.event_record, self.shard_id
        event: dict[str, Any] = {"Records": [event_record(shard_id, record) for record in records]}
        window = self._window
        if window is not None:
            event |= window.event_fields(shard_id, self._source.arn, json.loads(window.state), final)
        return event

    def _request_id(self, sequence_numbers: Sequence[str]) -> str:
        ends = (sequence_numbers[0], sequence_numbers[-1]) if sequence_numbers else ()
        return request_id(self._mapping.name, self.shard_id, self._position, *ends, self._failures_in_row)

    def _consume(self, count: int, now_ms: int) -> None:
        """The first records are done with."""
        if count:
            self._position = self._source.sequence_of(self._buffer[count - 1])
            self._records += count
            del self._buffer[:count], self._sizes[:count]
            self._gathering_since_ms = now_ms
            self._unsaved = True

    # ---- failing ----------------------------------------------------------------------------------------------
    def _failed(self, segment: Segment, answer: Answer, now_ms: int) -> Step:
        """Decide what becomes of the rest of a segment after a failed invocation."""
        self._failures += 1
        self._failures_in_row += 1
        self._error = answer.failure
        mapping = self._mapping
        self._log("invocation failed", cause=answer.failure, records=segment.count, attempts=segment.attempts)
        if answer.done:
            segment.attempts, self._failures_in_row = 0, 1
        if mapping.bisect and (answer.done or segment.count > 1):
            if not answer.done:
                half = segment.count // 2
                self._segments[0:1] = [Segment(half), Segment(segment.count - half)]
            self._failures_in_row = 0
            if self._unsaved:
                self._save()
            return Step("worked")
        segment.attempts += 1
        if mapping.out_of_retries(segment.attempts):
            if segment.count == 0:
                return self._stop(f"the final invocation of a window failed {segment.attempts} times: {answer.failure}")
            segment.discard = "RetryAttemptsExhausted"
        elif segment.count and self._too_old(0, now_ms):
            segment.discard = "RecordAgeExceeded"
        if self._unsaved:
            self._save()
        return Step("worked") if segment.discard else self._back_off(now_ms, str(answer.failure))

    def _too_old(self, at: int, now_ms: int) -> bool:
        limit_ms = self._mapping.max_record_age_ms
        return limit_ms >= 0 and now_ms - self._source.arrival_ms_of(self._buffer[at]) > limit_ms

    def _discard(self, segment: Segment, condition: Condition, now_ms: int) -> None:
        """Write the given-up records to the failure destination, then go on behind them. Of a segment past its age only
        the records that are themselves past it. When the destination fails the handler is tried once more before it:
        what was down for both may be up again."""
        segment.discard = None
        count = segment.count
        if condition == "RecordAgeExceeded":
            count = next((at for at in range(1, count) if not self._too_old(at, now_ms)), count)
        records = self._buffer[:count]
        sequence_numbers = [self._source.sequence_of(record) for record in records]
        key = self._destination.put(
            self._source,
            self.shard_id,
            records,
            self._event(records, False),
            condition,
            segment.attempts,
            self._request_id(sequence_numbers),
            self._error or "",
            now_ms,
        )
        self._log("records given up", condition=condition, records=count, key=key, cause=self._error)
        self._discarded += count
        self._records -= count
        self._consume(count, now_ms)
        segment.count -= count
        if segment.count == 0:
            self._segments.pop(0)
        self._failures_in_row = 0
        self._save()

    def _back_off(self, now_ms: int, cause: str) -> Step:
        self._error = cause
        self._failures_in_row = max(1, self._failures_in_row)
        self._due_ms = now_ms + self._mapping.backoff_ms(self._failures_in_row)
        return Step("retry", self._due_ms)

    def _stop(self, cause: str, error: Exception | None = None) -> Step:
        """Our own bug, or an installation that cannot go on: nothing is skipped, somebody must look."""
        self._error = cause
        log.critical(self._message("shard stopped", cause=cause), exc_info=error)
        return Step("stopped")

    def _log(self, message: str, **fields: object) -> None:
        log.warning(self._message(message, **fields))

    def _message(self, message: str, **fields: object) -> str:
        return json.dumps({"message": message, "mapping": self._mapping.name, "shard": self.shard_id, **fields})

    # ---- bookkeeping ------------------------------------------------------------------------------------------
    def _save(self) -> None:
        self._unsaved = True
        self._checkpoints.save(self.shard_id, Checkpoint(self._position, self._window, self._ended))
        self._unsaved = False

    def status(self, now_ms: int) -> ShardStatus:
        """A snapshot; may be called from another thread."""
        buffered = self._buffer[:1]
        behind_ms = max(1, now_ms - self._source.arrival_ms_of(buffered[0])) if buffered else self._page_behind_ms
        return ShardStatus(
            self.shard_id,
            "done" if self.done else self._state,
            self._position,
            behind_ms,
            self._invocations,
            self._records,
            self._failures,
            self._discarded,
            self._error,
        )
