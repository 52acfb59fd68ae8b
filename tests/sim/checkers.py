"""What must be true, while it runs and at the end. Checkers know nothing of faults.

Content is compared with the independent oracle (tests/oracle.py) and, byte for byte, with one batch recomputation from
the log.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from aggregation import gather as gathering
from aggregation import operator
from aggregation.event import Event, decode
from aggregation.finalizer import Findings
from aggregation.rollup import child_key, is_lane, violation
from aggregation.service import Aggregator, Processed
from contracts.aside import digest_key, list_asides
from contracts.bucket import LANE_SEPARATOR, Bucket, BucketKey, content_bytes
from contracts.clock import ManualClock
from contracts.errors import BadEvent
from contracts.instants import iso_ms
from contracts.ports import ControlStore, Lake, Record
from contracts.resolution import MINUTE_MS, WIDTH_MS
from contracts.settings import AggregatorSettings
from tests import oracle
from tests.fakes.stores import FakeControl
from tests.sim.client import Client, Series
from tests.sim.store import MemoryBuckets

NEVER_MS = -(1 << 62)
#: What is checked, by the name it has when it does not hold; each has a planted bug of its own (tests/sim/canaries.py).
LAWS: Final = frozenset({
    "rev only grows", "nothing vanishes", "fine before coarse", "a published watermark never goes back",
    "the watermark waits for the slowest shard", "a shard's own watermark follows its events", "time moves one way",
    "watermark = minimum over shards that are not idle", "counted + duplicates + too late + quarantined = read",
    "a process goes forward only", "open windows are bounded", "coarse = merge of fine", "buckets equal the oracle",
    "counted + too late + quarantined = received", "reconnect is invisible", "news is told",
    "replay gives the same bytes", "a replay during live traffic gives the same bytes", "progress is published",
    "everything drains", "nothing is left to mend", "what is over is marked", "ends are told",
})  # fmt: skip


class Violation(AssertionError):
    """A law is broken. `law` names the checker."""

    def __init__(self, law: str, detail: str) -> None:
        assert law in LAWS, law
        super().__init__(f"{law}: {detail}")
        self.law = law


def check(holds: bool, law: str, detail: str) -> None:
    if not holds:
        raise Violation(law, detail)


class WriteWatch:
    """At every write: rev grows by one exactly when content changes, a bucket never loses events, and no parent says
    more of a child than the child itself (fine is written before coarse)."""

    def __init__(self, store: MemoryBuckets | None) -> None:
        self._store = store
        self.writes = 0

    def on_write(self, generation: str, before: Bucket | None, after: Bucket) -> None:
        self.writes += 1
        if before is None:
            check(after.rev == 1, "rev only grows", f"{after.key} begins at rev {after.rev}")
        else:
            changed = (before.summary, before.members, before.children) != (
                after.summary, after.members, after.children,
            )  # fmt: skip
            if after.rev != (before.rev + 1 if changed else before.rev):
                raise Violation("rev only grows", f"{after.key}: {before.rev} → {after.rev}, changed: {changed}")
            if after.summary.count < before.summary.count:
                raise Violation("nothing vanishes", f"{after.key} lost events")
        if self._store is None:
            return
        known = dict(before.children) if before else {}
        for name, summary in after.children:
            if known.get(name) != summary:
                child = self._store.generations[generation].get(child_key(after, name))
                held = child.summary.count if child else 0
                if held < summary.count:
                    raise Violation("fine before coarse", f"{after.key} says {summary.count} of a child of {held}")


class WatchedControl(FakeControl):
    """Published watermarks never go back."""

    def put(
        self,
        kind: str,
        name: str,
        value: Mapping[str, Any],
        expected_version: int | None = None,
        expires_ms: Any = None,
    ) -> int:
        if kind == "watermark":
            before = self.documents.get((kind, name), ({},))[0]
            for field in ("watermark_ms", "newest_event_ms"):
                check(
                    value[field] >= before.get(field, NEVER_MS),
                    "a published watermark never goes back",
                    f"{name} {field}: {before.get(field)} → {value[field]}",
                )
        return super().put(kind, name, value, expected_version, expires_ms)


class WatermarkWatch:
    """The watermark over all shards, stepped by the real operator, beside its definition: the minimum over shards that
    are not idle, held, never back. An event inside the bound, of a shard that kept up, never meets a final window."""

    decisive = min  # a canary takes another

    def __init__(self, settings: AggregatorSettings, clock: ManualClock) -> None:
        self._settings, self._clock = settings, clock
        self._state = operator.EMPTY
        self._newest: dict[str, int] = {}
        self._last: dict[str, int] = {}
        self._behind: set[str] = set()
        self._held_ms = NEVER_MS

    def on_answer(self, shard_id: str, records: Sequence[Record], state: dict[str, Any]) -> None:
        settings, now_ms = self._settings, self._clock.now_ms()
        events = _decodable(records)
        times = [oracle.to_ms(event.event_time) for event in _accepted(events, settings.allowed_lateness_ms)]
        newest_ms = self._newest.get(shard_id, NEVER_MS)
        if newest_ms > NEVER_MS and shard_id not in self._behind:
            for at in times:
                end_ms = at - at % MINUTE_MS + MINUTE_MS
                inside = at >= newest_ms - settings.out_of_orderness_ms
                if inside and end_ms <= self._held_ms:
                    raise Violation(
                        "the watermark waits for the slowest shard",
                        f"{iso_ms(at)} of {shard_id} is inside the bound, the watermark is {iso_ms(self._held_ms)}",
                    )
        behind = [at for at in times if at > state["watermark_ms"] + settings.out_of_orderness_ms]
        check(not behind, "a shard's own watermark follows its events", f"{shard_id}: {state}, {behind[:1]}")
        if records:
            self._newest[shard_id] = max(newest_ms, *times) if times else newest_ms
            self._last[shard_id] = max(self._last.get(shard_id, NEVER_MS), now_ms)
        if newest_ms == NEVER_MS:
            self._behind.add(shard_id)  # a shard that begins behind the watermark has not kept up yet
        gathered = gathering.gather(events, settings.allowed_lateness_ms)._replace(groups={}, events=list(records))
        limits = operator.Limits(settings.out_of_orderness_ms, settings.idle_after_ms)
        done = operator.step(self._state, operator.Batch(shard_id, gathered, {}), now_ms, limits)
        check(done.state.watermark_ms >= self._state.watermark_ms, "time moves one way", "the watermark went back")
        self._state = done.state
        self._define(now_ms)
        check(
            done.state.watermark_ms == self._held_ms,
            "watermark = minimum over shards that are not idle",
            f"{done.state.watermark_ms}, by definition {self._held_ms}",
        )

    def _define(self, now_ms: int) -> None:
        settings = self._settings
        active = {s for s, last_ms in self._last.items() if now_ms - last_ms <= settings.idle_after_ms}
        if active:
            newest_ms = self.decisive(self._newest[shard] for shard in active)
            if newest_ms > NEVER_MS:
                self._held_ms = max(self._held_ms, newest_ms - settings.out_of_orderness_ms)
        for shard, newest_ms in self._newest.items():
            if shard not in active and newest_ms - settings.out_of_orderness_ms < self._held_ms:
                self._behind.add(shard)
            elif newest_ms - settings.out_of_orderness_ms >= self._held_ms:
                self._behind.discard(shard)


class StepWatch:
    """What a process says it did adds up; its own watermark of a shard never goes back, and its open windows are those
    past it."""

    def __init__(self) -> None:
        self._watermarks: dict[tuple[int, str], int] = {}
        self._kept: list[Aggregator] = []

    def on_step(self, process: Aggregator, shard_id: str, batch: Processed) -> None:
        counts, read = batch.counts(), len(batch.events) + len(batch.bad)
        said = sum(counts[name] for name in ("counted", "duplicates", "too_late", "quarantined"))
        check(said == read, "counted + duplicates + too late + quarantined = read", f"{shard_id}: {counts} of {read}")
        done = batch.step
        place = (id(process), shard_id)
        if place not in self._watermarks:
            self._kept.append(process)  # so that its id is not given to another
        watermark_ms = done.state.watermark_ms
        before_ms = self._watermarks.get(place, NEVER_MS)
        check(watermark_ms >= before_ms, "a process goes forward only", f"{shard_id} went back")
        self._watermarks[place] = watermark_ms
        late = [end_ms for end_ms in done.state.open if end_ms <= watermark_ms]
        check(not late, "open windows are bounded", f"{len(late)} windows past the watermark are still open")


# ---- at the end ----------------------------------------------------------------------------------------------------
def check_content(
    stored: Iterable[Bucket],
    documents: Sequence[dict[str, Any]],
    lateness_ms: int,
    concerns: Callable[[BucketKey], bool] = bool,
) -> None:
    """Buckets equal the oracle's batch recomputation from the accepted events."""
    actual = {tuple(b.key): oracle.fields_of(b) for b in stored if LANE_SEPARATOR not in b.subject}
    right = oracle.buckets(documents, lateness_ms)
    for key in sorted(right.keys() | actual.keys()):
        if actual.get(key) != right.get(key) and concerns(BucketKey(*key)):
            raise Violation("buckets equal the oracle", f"{key}: {actual.get(key)}, the oracle says {right.get(key)}")


def recompute(batches: Iterable[Sequence[Record]], settings: AggregatorSettings) -> dict[BucketKey, bytes]:
    """Replay: log → empty store, by the pure step, as canonical bytes."""
    stored: dict[BucketKey, Bucket] = {}
    state = operator.EMPTY
    for batch in batches:
        gathered = gathering.gather(_decodable(batch), settings.allowed_lateness_ms, settings.lanes)
        done = operator.step(state, operator.Batch("replay", gathered, stored), 0)
        stored.update((write.bucket.key, write.bucket) for write in done.writes)
        state = done.state
    return {key: content_bytes(bucket) for key, bucket in stored.items()}


def check_bytes(stored: Iterable[Bucket], right: Mapping[BucketKey, bytes], law: str) -> None:
    """The same keys, the same canonical bytes."""
    actual = {bucket.key: content_bytes(bucket) for bucket in stored}
    check(actual.keys() == right.keys(), law, f"keys differ: {sorted(actual.keys() ^ right.keys())[:3]}")
    wrong = [key for key in sorted(actual) if actual[key] != right[key]]
    check(not wrong, law, f"{len(wrong)} buckets differ, first {wrong[:1]}")


def check_law_2(stored: Mapping[BucketKey, Bucket]) -> None:
    """Every coarse bucket is the merge of its fine ones, before any finaliser looks."""
    known = dict(stored)
    for key, bucket in known.items():
        why = violation(bucket, known)
        if why is not None:
            raise Violation("coarse = merge of fine", f"{key}: {why}")


def check_balance(
    stored: Iterable[Bucket],
    lake: Lake,
    documents: Sequence[dict[str, Any]],
    poisoned: Sequence[bytes],
    lateness_ms: int,
) -> None:
    """Law 3: distinct received = counted + too late + quarantined, and each of them by name."""
    by_verdict: defaultdict[str, set[Any]] = defaultdict(set)
    for document in documents:
        verdict = oracle.verdict(document, lateness_ms)
        name = f"{document['subject']} {document['event_id']}"
        minute = oracle.to_ms(document["event_time"]) // MINUTE_MS if verdict == "accepted" else 0
        by_verdict[verdict].add((name, minute) if verdict == "accepted" else name)
    late = {line["event_key"] for line in list_asides(lake, "late")}
    quarantined = {line["event_key"] for line in list_asides(lake, "quarantined")}
    counted = sum(b.summary.count for b in stored if b.resolution == "1m" and LANE_SEPARATOR not in b.subject)
    law = "counted + too late + quarantined = received"
    check(counted == len(by_verdict["accepted"]), law, f"counted {counted} of {len(by_verdict['accepted'])}")
    check(late == by_verdict["too_late"], law, f"too late differ by {sorted(late ^ by_verdict['too_late'])[:3]}")
    right = by_verdict["future"] | {_aside_name(data) for data in poisoned}
    check(quarantined == right, law, f"quarantined differ by {sorted(quarantined ^ right)[:3]}")


def _aside_name(data: bytes) -> str:
    """What bytes that may not count are listed under."""
    try:
        event = decode(data)
    except BadEvent:
        return digest_key(data)
    return f"{event.subject} {event.event_id}"


def check_clients(clients: Iterable[Client], right: Series) -> None:
    """Law 6: a client that lost its connection ends with the same series as a fresh page load, `right`."""
    for number, client in enumerate(clients):
        wrong = [key for key in right.keys() | client.series.keys() if right.get(key) != client.series.get(key)]
        check(not wrong, "reconnect is invisible", f"client {number}: {len(wrong)} buckets differ, e.g. {wrong[:1]}")


def check_told(told: Collection[str], documents: Sequence[dict[str, Any]], lateness_ms: int) -> None:
    """Watchers were told of every counted event."""
    counted = {each["event_id"] for each in documents if oracle.verdict(each, lateness_ms) == "accepted"}
    untold = counted.difference(told)
    check(not untold, "news is told", f"{len(untold)} of {len(counted)} events, e.g. {sorted(untold)[:1]}")


def check_published(control: ControlStore, states: Mapping[str, dict[str, Any]]) -> None:
    """When its windows are over, a shard's progress is published."""
    for shard_id, state in states.items():
        saved = control.get("watermark", shard_id).value or {}
        behind = [name for name in ("watermark_ms", "newest_event_ms") if saved.get(name, NEVER_MS) < state[name]]
        check(not behind, "progress is published", f"{shard_id}: {saved}, its last answer says {state}")


def check_finalised(findings: Findings) -> None:
    """After the drain there is nothing to mend."""
    whole = findings.repaired == findings.unsettled == 0
    check(whole, "nothing is left to mend", f"the finaliser found {findings}")


def check_marks(stored: Iterable[Bucket], clients: Iterable[Client], now_ms: int) -> None:
    """Once all windows are over, none is still marked as partial, and every client was told so."""
    for bucket in stored:
        over = bucket.start_ms + WIDTH_MS[bucket.resolution] <= now_ms
        check(not (over and bucket.is_partial), "what is over is marked", f"{bucket.key} is still marked partial")
    shown = {bucket.key for bucket in stored if not bucket.is_partial and not is_lane(bucket.key)}
    for number, client in enumerate(clients):
        untold = shown - client.ended
        check(not untold, "ends are told", f"client {number}: {len(untold)} ends untold, e.g. {[*untold][:1]}")


def _decodable(records: Sequence[Record]) -> list[Event]:
    events = []
    for record in records:
        try:
            events.append(decode(record.data))
        except BadEvent:
            continue
    return events


def _accepted(events: Iterable[Event], lateness_ms: int) -> list[Event]:
    return [
        event
        for event in events
        if oracle.verdict({"event_time": event.event_time, "ingested_at": event.ingested_at.isoformat()}, lateness_ms)
        == "accepted"
    ]
