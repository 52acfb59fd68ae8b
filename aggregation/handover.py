"""Handing the live name from one generation to another while the aggregator keeps writing.

The aggregator reads the live pointer after it has read a batch, and writes the whole batch into that generation. So:

    replay                           aggregator                        new generation holds
    catch up to K                                                      all records ≤ K
    swap the pointer                 (a batch read before the swap
                                      still goes to the old one)
    read the log's tips H            batches read from here on         all records > H, by the aggregator
                                      go to the new one
    catch up from K to H                                               all records

Whatever both of them bring is counted once, because a bucket knows its members; whoever loses a guarded write reads
again. Up to K a re-scored generation has the new model's scores, beyond K every event counts as the log has it,
whichever of the two brought it: so the result is a function of the log and K. The last step is owed until the pointer
says `settled`; whoever comes first does it again, and the finaliser looks every five minutes.
"""

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from aggregation.changes import MAX_CHANGE_EVENTS, changes_of
from aggregation.event import Event, decode
from aggregation.gather import gather
from aggregation.lanes import Lanes
from aggregation.operator import EMPTY, Batch, Limits, keys_needed, step
from aggregation.service import appeared
from contracts.clock import Clock
from contracts.errors import BadEvent, BadRequest, Conflict, Transient
from contracts.events import SCORED_STREAM
from contracts.generation import POINTER
from contracts.kinesis import user_data
from contracts.log_reading import first_record
from contracts.ports import BucketStore, ControlStore, EventLog, Position, PositionKind, Record
from contracts.resolution import DAY_MS
from contracts.settings import AggregatorSettings

log = logging.getLogger(__name__)

LANE: Final = "replay"
MAX_COMMIT_ATTEMPTS: Final = 50
#: Records applied together: a batch of this size holds the embedded store for some ten milliseconds.
BATCH_RECORDS: Final = 2_000

Positions = Mapping[str, str]
Rescore = Callable[[list[Event]], list[Event]]
#: Is told of events with the instants they arrived at.
TellExpired = Callable[[list[tuple[Event, int]]], None]
#: No log of Kinesis keeps less.
KEPT_AT_LEAST_MS: Final = DAY_MS


class Handover:
    """Brings generations up to date with the log; guarded, so it may run beside the aggregator and beside itself."""

    def __init__(
        self, buckets: BucketStore, control: ControlStore, log: EventLog, clock: Clock, settings: AggregatorSettings
    ) -> None:
        self._buckets = buckets
        self._control = control
        self._log = log
        self._clock = clock
        self._settings = settings
        self._lanes = Lanes(control, settings.lanes, settings.allowed_lateness_ms)
        self._limits = Limits(settings.out_of_orderness_ms, settings.idle_after_ms, settings.expire)

    def catch_up(
        self,
        generation: str,
        after: Positions,
        rescore: Rescore | None = None,
        tell: bool = False,
        still_mine: Callable[[], None] = lambda: None,
        inclusive: bool = False,
        expired: TellExpired = lambda events: None,
    ) -> tuple[dict[str, str], int]:
        """Add everything past `after` (shards it does not name: from their oldest record) up to the log's tips as they
        are now; returns the position reached and how many records were past them. `tell`: log the changes, so that
        watchers see them. `still_mine` is asked before each batch and raises to stop. `inclusive`: with the records at
        `after` themselves; what is there already counts no second time. `expired` is told of events that cannot be
        added, their minute being past its TTL."""
        reached = dict(after)
        count = 0
        for shard in self._log.shards(SCORED_STREAM):
            for records in self._pages(shard.shard_id, after.get(shard.shard_id), inclusive):
                still_mine()
                if found := self._apply(generation, shard.shard_id, records, rescore, tell):
                    expired(found)
                reached[shard.shard_id] = records[-1].sequence_number
                count += sum(record.sequence_number != after.get(shard.shard_id) for record in records)
        return reached, count

    def settle(self) -> bool:
        """Do the last step of a swap when it is owed; true when it was. Raises `Transient`; then it is still owed."""
        pointer, version = self._control.get(*POINTER)
        if pointer is None or pointer.get("settled", True):
            return False
        # The pointer may be the copy of another region's, whose places mean nothing here. A shard without a place is
        # read from its oldest record: what is there already counts no second time.
        places = {
            name: place for name, place in pointer["handover"].items() if is_of(self._log, SCORED_STREAM, name, place)
        }
        self.catch_up(pointer["generation"], places, tell=True, expired=_left_out)
        try:
            self._control.put(*POINTER, {**pointer, "settled": True}, expected_version=version)
        except Conflict:
            return False  # somebody else settled it, or swapped again and owes a step of his own
        return True

    def _pages(self, shard_id: str, after: str | None, inclusive: bool) -> Iterator[Sequence[Record]]:
        """Up to the tip as it is when a read finds nothing behind it."""
        kind: PositionKind = "AT_SEQUENCE_NUMBER" if inclusive else "AFTER_SEQUENCE_NUMBER"
        start = Position(kind, after) if after else Position("TRIM_HORIZON")
        iterator: str | None = self._log.iterator(SCORED_STREAM, shard_id, start)
        while iterator:
            page = self._log.get_records(iterator, BATCH_RECORDS)
            if page.records:
                yield page.records
            if page.behind_ms == 0:
                return
            iterator = page.next_iterator

    def _apply(
        self, generation: str, shard_id: str, records: Sequence[Record], rescore: Rescore | None, tell: bool
    ) -> list[tuple[Event, int]]:
        """What may not count was set aside by the aggregator; here it is only left out. But what expired by now may
        have counted in its time: it is the answer, with when it arrived first."""
        events: list[Event] = []
        arrived: dict[tuple[str, str], int] = {}
        for record in records:
            for data in user_data(record.data):
                try:
                    event = decode(data)
                except BadEvent:
                    continue
                events.append(event)
                arrived.setdefault((event.subject, event.event_id), record.arrival_ms)
        if rescore is not None:
            events = rescore(events)
        gathered = gather(events, self._settings.allowed_lateness_ms, self._lanes.of(generation))
        keys = keys_needed(gathered.groups)
        for _ in range(MAX_COMMIT_ATTEMPTS):
            stored = self._buckets.get_many(generation, keys)
            now_ms = self._clock.now_ms()
            decided = step(EMPTY, Batch(shard_id, gathered, stored), now_ms, self._limits)
            if appeared(self._buckets, generation, decided, stored):
                continue
            gone = [aside.event for aside in decided.too_late if aside.reason == "expired"]
            expired = [(event, arrived[event.subject, event.event_id]) for event in gone]
            if not decided.writes and not tell:
                return expired
            # With nothing to write there may still be watchers to tell: of what was written before a crash.
            fresh = decided.newest(MAX_CHANGE_EVENTS)
            changes = changes_of(generation, decided.buckets, fresh, now_ms) if tell else []
            if not self._buckets.commit(generation, decided.writes, changes, LANE):
                return expired
        raise Transient("bucket store", f"{MAX_COMMIT_ATTEMPTS} commits in a row lost against other writers")


def is_of(log: EventLog, stream: str, shard_id: str, place: str) -> bool:
    """Whether a shard that the log has gave out a place, and not one of the same name in another region."""
    try:
        log.iterator(stream, shard_id, Position("AFTER_SEQUENCE_NUMBER", place))
    except BadRequest:
        return False
    return True


def _left_out(events: list[tuple[Event, int]]) -> None:
    """After a swap nothing can be refused any more."""
    log.warning(json.dumps({"message": "events past their time to live were left out of a swap", "count": len(events)}))


def check_retention(log: EventLog, after: Positions, since_ms: int, now_ms: int) -> None:
    """Raises `BadRequest` unless nothing past `after`, which was read at `since_ms`, can have left the log by now.

    Retention goes by arrival: while any shard keeps a record older than `since_ms`, no shard has lost a younger one.
    Without such a record every position must still be there itself, and a shard that had none may have lost something
    once the least that a log keeps has gone by. A closed shard is listed until all its records have
    expired: what came behind a position went with it, and what went into its children may have followed.
    """
    shards = {shard.shard_id: shard for shard in log.shards(SCORED_STREAM)}
    oldest = {}
    for shard_id in shards:
        found = first_record(log, SCORED_STREAM, shard_id, Position("TRIM_HORIZON"))
        if found and found.arrival_ms <= since_ms:
            return
        oldest[shard_id] = int(found.sequence_number) if found else None
    lost = []
    for shard_id, place in after.items():
        first = oldest.get(shard_id)
        if first is None or first > int(place):
            lost.append(shard_id)
    for shard_id, shard in shards.items():
        unknown = not shard.parent_ids and now_ms - since_ms >= KEPT_AT_LEAST_MS
        if shard_id not in after and (unknown or not shards.keys() >= set(shard.parent_ids)):
            lost.append(shard_id)
    if lost:
        raise BadRequest(
            f"the log has lost records that arrived since ({', '.join(lost)}): retention has passed the plan; "
            "plan and run again (`auto` takes them from the lake)"
        )


def checkpoints_of(control: ControlStore, kind: str, mapping: str) -> dict[str, Any]:
    """Shard → the last record a mapping is done with, where it keeps its checkpoints in the control store."""
    prefix = f"{mapping}/"
    return {
        name.removeprefix(prefix): value["sequence_number"]
        for name, value in control.list(kind).items()
        if name.startswith(prefix) and value["sequence_number"]
    }
