"""Bugs planted on purpose: each breaks the program at a public seam, and the simulator must notice within 300 seeds.

A harness that cannot see these proves nothing. A canary counts as caught only by the `Violation` of the checker that is
there for it: a canary that merely crashes is broken itself, and a checker that only others save sees nothing.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any, Final, NamedTuple

import msgspec

from aggregation import operator, service, summary
from aggregation.event import Event
from aggregation.instant_table import instant_ms
from aggregation.operator import Step
from aggregation.verdict import SetAside
from aggregation.watermark import NEVER_MS
from contracts.bucket import E4, Bucket, Summary
from contracts.resolution import DAY_MS, MINUTE_MS, WIDTH_MS, window_start_ms
from tests.sim import canaries_of_checkers
from tests.sim.checkers import Violation
from tests.sim.client import Client
from tests.sim.pipeline import Pipeline
from tests.sim.swapped import swapped
from tests.sim.world import World, run

SEEDS: Final = 300
_replaced = msgspec.structs.replace


@contextmanager
def no_membership() -> Iterator[None]:
    """Stored members are not looked at: a duplicate in another batch counts again (law 1)."""
    real = service.step

    def step(state: Any, batch: Any, *more: Any) -> Step:
        stored = {key: _replaced(bucket, packed=b"") for key, bucket in batch.stored.items()}
        return real(state, batch._replace(stored=stored), *more)

    with swapped(service, step=step):
        yield


@contextmanager
def ties_by_arrival() -> Iterator[None]:
    """Of two events at one instant, the one that came first opens and the one that came last closes (law 1)."""
    real = operator.merge

    def merge(a: Summary, b: Summary) -> Summary:
        right = real(a, b)
        if a.open_ms == b.open_ms:
            right = _replaced(right, open_id=a.open_id, open_e4=a.open_e4)
        if a.close_ms == b.close_ms:
            right = _replaced(right, close_id=b.close_id, close_e4=b.close_e4)
        return right

    with swapped(operator, merge=merge):
        yield


@contextmanager
def float_sums() -> Iterator[None]:
    """Sums are floats: they depend on the order of addition (law 1)."""
    real = summary.merge

    def merge(a: Summary, b: Summary) -> Summary:
        return _replaced(real(a, b), sum_e4=(a.sum_e4 / E4 + b.sum_e4 / E4) * E4)

    with swapped(operator, merge=merge), swapped(summary, merge=merge):
        yield


@contextmanager
def acknowledge_before_commit() -> Iterator[None]:
    """The batch is acknowledged before it is durable (law 3)."""
    with swapped(Pipeline, acknowledges_first=True):
        yield


@contextmanager
def verdict_from_the_clock() -> Iterator[None]:
    """Lateness is judged by when an event is processed, not by when it was ingested (law 4)."""
    real = service.gather_chunks
    worlds: list[World] = []
    begin = World.rage

    def rage(world: World) -> None:
        worlds[:] = [world]
        begin(world)

    def gather(chunks: Iterable[list[Event]], allowed_lateness_ms: int = DAY_MS) -> Any:
        now_ms, events = worlds[0].clock.now_ms(), [*chain.from_iterable(chunks)]
        kept: list[Event] = []
        late: list[SetAside] = []
        for event in events:
            if window_start_ms(instant_ms(event.event_time), MINUTE_MS) + MINUTE_MS + allowed_lateness_ms > now_ms:
                kept.append(event)
            else:
                late.append(SetAside(event, "too_late", "by the clock"))
        gathered = real([kept], allowed_lateness_ms)
        return gathered._replace(events=events, too_late=gathered.too_late + late)

    with swapped(service, gather_chunks=gather), swapped(World, rage=rage):
        yield


@contextmanager
def watermark_from_the_fastest_shard() -> Iterator[None]:
    """The watermark follows the shard that is furthest, not the slowest that is not idle (law 5)."""
    real = operator.combined_ms

    def combined_ms(shards: Any, now_ms: int, held_ms: int, out_of_orderness_ms: int, idle_after_ms: int) -> int:
        fastest = dict(sorted(shards.items(), key=lambda item: item[1].newest_event_ms)[-1:])
        return real(fastest, now_ms, held_ms, out_of_orderness_ms, idle_after_ms)

    with swapped(operator, combined_ms=combined_ms):
        yield


@contextmanager
def no_cascade_on_a_duplicate() -> Iterator[None]:
    """A minute that already has the event is taken as done, though a crash left the levels above undone (law 2)."""
    real = service.step

    def step(*arguments: Any) -> Step:
        done = real(*arguments)
        fine = [bucket for bucket in done.changed if not bucket.children]
        changed = [bucket for bucket in done.changed if any(_holds(bucket, each) for each in fine)]
        return done._replace(changed=changed)

    with swapped(service, step=step):
        yield


@contextmanager
def coarse_by_addition() -> Iterator[None]:
    """A coarse bucket adds the new events to what it says, instead of replacing its child's summary (law 2)."""
    real = service.step

    def step(state: Any, batch: Any, *more: Any) -> Step:
        done = real(state, batch, *more)
        fresh = done.newest(sys.maxsize)
        changed, touched = [], {bucket.key: bucket for bucket in done.buckets}
        for bucket in done.changed:
            if not bucket.children:
                changed.append(bucket)
                continue
            before = batch.stored.get(bucket.key)
            parts = [before.summary] if before else []
            parts += [_alone(event) for event in fresh.get(bucket.subject, ()) if _inside(bucket, event)]
            if len(parts) > (before is not None):
                touched[bucket.key] = _replaced(bucket, summary=summary.merge_all(parts))
                changed.append(touched[bucket.key])
        return done._replace(changed=changed, buckets=list(touched.values()))

    with swapped(service, step=step):
        yield


@contextmanager
def nothing_set_aside() -> Iterator[None]:
    """What may not count is dropped without a trace (law 3)."""
    with swapped(service, put_asides=lambda lake, asides: None):
        yield


@contextmanager
def client_by_arrival() -> Iterator[None]:
    """A watcher applies changes as they come, not by `rev` (law 6)."""
    with swapped(Client, by_rev=False):
        yield


@contextmanager
def watermark_goes_back() -> Iterator[None]:
    """A shard that wakes up with old news pulls the watermark back (law 5)."""
    real = operator.combined_ms

    def combined_ms(shards: Any, now_ms: int, held_ms: int, *more: Any) -> int:
        return real(shards, now_ms, NEVER_MS, *more)

    with swapped(operator, combined_ms=combined_ms):
        yield


@contextmanager
def last_of_an_id_stands() -> Iterator[None]:
    """Of two events with one id in a batch the last stands: the batching shows, and a replay differs (law 4)."""
    real = service.gather_chunks

    def gather(chunks: Iterable[list[Event]], *more: Any) -> Any:
        events = [*chain.from_iterable(chunks)]
        return real([events[::-1]], *more)._replace(events=events)

    with swapped(service, gather_chunks=gather):
        yield


@contextmanager
def candles_of_confidence() -> Iterator[None]:
    """Candles are made of how sure the classifier is, not of what it says (law 8)."""
    real = service.gather_chunks

    def gather(chunks: Iterable[list[Event]], *more: Any) -> Any:
        return real([[_replaced(event, polarity=event.confidence) for event in events] for events in chunks], *more)

    with swapped(service, gather_chunks=gather):
        yield


@contextmanager
def watermark_stands_still() -> Iterator[None]:
    """The newest event of a batch is not looked at: the process' own watermark never moves (law 5)."""
    real = service.gather_chunks

    def gather(*arguments: Any) -> Any:
        return real(*arguments)._replace(newest_event_ms=None)

    with swapped(service, gather_chunks=gather):
        yield


@contextmanager
def progress_unpublished() -> Iterator[None]:
    """Nobody but the process knows how far a shard has come (law 5)."""
    with swapped(service.Aggregator, _publish_progress=lambda self, shard_id: None):
        yield


@contextmanager
def no_news() -> Iterator[None]:
    """Watchers hear of buckets only, not of the events in them (law 6)."""
    real = service.changes_of

    def changes_of(generation: str, buckets: Any, fresh: Any, now_ms: int) -> Any:
        return real(generation, buckets, {}, now_ms)

    with swapped(service, changes_of=changes_of):
        yield


@contextmanager
def miscounted() -> Iterator[None]:
    """Duplicates are counted as counted too (law 3)."""
    real = service.step

    def step(*arguments: Any) -> Step:
        done = real(*arguments)
        return done._replace(counted=done.counted + done.duplicates)

    with swapped(service, step=step):
        yield


#: Which checker must notice each.
CAUGHT_BY: Final[dict[Callable[[], Any], str]] = {
    no_membership: "buckets equal the oracle",
    ties_by_arrival: "buckets equal the oracle",
    float_sums: "buckets equal the oracle",
    acknowledge_before_commit: "counted + too late + quarantined = received",
    verdict_from_the_clock: "buckets equal the oracle",
    watermark_from_the_fastest_shard: "watermark = minimum over shards that are not idle",
    no_cascade_on_a_duplicate: "coarse = merge of fine",
    coarse_by_addition: "fine before coarse",
    nothing_set_aside: "counted + too late + quarantined = received",
    client_by_arrival: "reconnect is invisible",
    watermark_goes_back: "time moves one way",
    last_of_an_id_stands: "a replay during live traffic gives the same bytes",
    candles_of_confidence: "buckets equal the oracle",
    watermark_stands_still: "a shard's own watermark follows its events",
    progress_unpublished: "progress is published",
    no_news: "news is told",
    miscounted: "counted + duplicates + too late + quarantined = read",
    **canaries_of_checkers.CAUGHT_BY,
}
CANARIES: Final = {canary.__name__: canary for canary in CAUGHT_BY}


class Catch(NamedTuple):
    """Where a canary was noticed, and by which checker, which is the one that must."""

    seed: int
    law: str


def hunt(name: str, seeds: int = SEEDS) -> Catch | None:
    """The first seed whose checker for it notices the planted bug; None when there is none."""
    canary = CANARIES[name]
    with canary():
        for seed in range(seeds):
            try:
                run(seed, memory=True)
            except Violation as violation:
                if violation.law == CAUGHT_BY[canary]:
                    return Catch(seed, violation.law)
    return None


def _holds(bucket: Bucket, fine: Bucket) -> bool:
    subject = fine.subject.partition("~")[0]
    end_ms = bucket.start_ms + WIDTH_MS[bucket.resolution]
    same = bucket.key == fine.key or bucket.subject == subject
    return same and bucket.start_ms <= fine.start_ms < end_ms


def _inside(bucket: Bucket, event: Event) -> bool:
    return bucket.start_ms <= instant_ms(event.event_time) < bucket.start_ms + WIDTH_MS[bucket.resolution]


def _alone(event: Event) -> Summary:
    at, polarity_e4 = instant_ms(event.event_time), round(event.polarity * E4)
    labels = [int(event.label == label) for label in ("positive", "neutral", "negative")]
    return Summary(
        1, polarity_e4, polarity_e4, polarity_e4, polarity_e4, at, event.event_id, polarity_e4, at, event.event_id,
        *labels, (event.source,), (event.model_version,),
    )  # fmt: skip
