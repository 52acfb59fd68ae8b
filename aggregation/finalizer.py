"""The finaliser, every five minutes: re-checks law 2 on recently touched windows, mends what a crash between two writes
left behind, marks windows that have ended, and counts what it had to mend (should be 0).

Marking is bookkeeping (`is_partial`), so it leaves `rev` alone; mending changes content, so it adds one.
"""

import itertools
import json
import logging
import os
from collections.abc import Container, Iterator
from functools import cache
from typing import Any, NamedTuple

import msgspec

from aggregation.changes import changes_of
from aggregation.handover import Handover
from aggregation.lanes import Lanes
from aggregation.rollup import ancestors, is_lane, past_ttl, summary_of
from contracts.bucket import LANE_SEPARATOR, Bucket, BucketKey, BucketWrite, Summary, flat
from contracts.clock import Clock
from contracts.documents import end_ms
from contracts.generation import FIRST_GENERATION, POINTER
from contracts.instants import parse_ms
from contracts.logs import invoked
from contracts.ports import BucketStore, ControlStore
from contracts.resolution import CHILD, FINEST, MINUTE_MS, WIDTH_MS
from contracts.settings import AggregatorSettings, load
from contracts.telemetry import record
from stores.home import open_home

log = logging.getLogger(__name__)

LOOK_BACK_MS = 15 * MINUTE_MS
#: Between two writes of a commit law 2 does not hold; the aggregator's function lives no longer (infra/functions.py).
IN_FLIGHT_MS = 2 * MINUTE_MS
MAX_COMMIT_ATTEMPTS = 20
LANE = "finalizer"
#: Buckets read together: what a quarter of an hour touched has no bound, and its members come with it.
READ_TOGETHER = 100


class Findings(NamedTuple):
    """What one run looked at and did, in buckets. `unsettled` were being written by others all the time."""

    checked: int
    repaired: int
    ended: int
    unsettled: int


class Finalizer:
    """Reads the store, decides, writes guarded."""

    def __init__(
        self, buckets: BucketStore, control: ControlStore, clock: Clock, lanes: int = 1, expire: bool = False
    ) -> None:
        """`expire`: buckets past their TTL are as good as gone; what is left of them is not mended, since TTL deletes
        in no order and a parent made anew from its last child would say less than the truth."""
        self._buckets = buckets
        self._control = control
        self._clock = clock
        self._lanes = Lanes(control, lanes)
        self._expire = expire

    def run(self, look_back_ms: int = LOOK_BACK_MS) -> Findings:
        """One pass over what was touched in the last `look_back_ms` of processing time, or is still marked partial.
        What may still be in the middle of a commit is left to the next."""
        now_ms = self._clock.now_ms()
        pointer = self._control.get(*POINTER).value or {}
        generation = str(pointer.get("generation", FIRST_GENERATION))
        since_ms = now_ms - look_back_ms
        if "swapped_at" in pointer:
            # What a replay wrote can be millions of buckets; what it or the swap left torn, they mend themselves.
            since_ms = max(since_ms, parse_ms(pointer["swapped_at"]))
        touched = self._buckets.touched_since(generation, since_ms)
        family: dict[BucketKey, None] = {}
        for key in touched:
            for member in (key, *ancestors(key)):
                if not (self._expire and past_ttl(member, now_ms)):
                    family[member] = None
        repaired = unsettled = 0
        own: set[BucketKey] = set()  # mended by this run, so in the middle of no commit
        ended: list[BucketKey] = []
        for _, level in itertools.groupby(sorted(family, key=_level), key=_level):
            for keys in _some_together(list(level)):
                stored, torn = self._look(generation, keys, own)
                for key in torn:
                    mended = self._mend(generation, key, own)
                    repaired += mended == 1
                    unsettled += mended == -1
                ended += [key for key in keys if key in stored and _to_be_marked(stored[key], now_ms)]
        marked = sum(self._mark_ended(generation, keys) for keys in _some_together(ended))
        return Findings(len(family), repaired, marked, unsettled)

    def _look(
        self, generation: str, keys: list[BucketKey], own: Container[BucketKey]
    ) -> tuple[dict[BucketKey, Bucket], dict[BucketKey, Bucket]]:
        """Some buckets of one level: (as they are, and as law 2 wants them where that is something else)."""
        lanes = self._lanes.of(generation)
        children = {key: _possible_children(key, lanes) for key in keys}
        # The buckets first and their children after them: read together, in no promised order, a child could be older
        # than its parent, and the guard, which knows the parent only, would let the child's past through.
        stored = self._buckets.get_many(generation, keys)
        below = self._buckets.get_many(generation, [at for each in children.values() for at in each.values()])
        now_ms = self._clock.now_ms()
        still = {key for key, each in below.items() if key in own or each.last_updated_ms <= now_ms - IN_FLIGHT_MS}
        mended = {
            key: _mended(key, stored.get(key), {n: below[at].summary for n, at in each.items() if at in still}, now_ms)
            for key, each in children.items()
        }
        return stored, {key: bucket for key, bucket in mended.items() if bucket is not None}

    def _mend(self, generation: str, key: BucketKey, own: set[BucketKey]) -> int:
        """1: the bucket was mended; 0: nothing to do; −1: others kept winning the race (the next run looks again)."""
        for _ in range(MAX_COMMIT_ATTEMPTS):
            mended = self._look(generation, [key], own)[1].get(key)
            if mended is None:
                return 0
            changes = changes_of(generation, [mended], {}, self._clock.now_ms())
            if not self._buckets.commit(generation, [BucketWrite(mended, mended.rev - 1)], changes, LANE):
                log.warning(json.dumps({"message": "law 2 mended", "bucket": str(key), "rev": mended.rev}))
                record({"FinalizerRepairs": 1})
                own.add(key)
                return 1
        return -1

    def _mark_ended(self, generation: str, keys: list[BucketKey]) -> int:
        """How many of them had ended and are marked so. They are told first and marked after: of a marked one nobody
        would tell again. One that others wrote meanwhile is told and marked once more, by the next run if they keep
        winning."""
        found = 0
        for _ in range(MAX_COMMIT_ATTEMPTS):
            now_ms = self._clock.now_ms()
            stored = self._buckets.get_many(generation, keys).values()
            ended = [each for each in stored if _to_be_marked(each, now_ms)]
            found = found or len(ended)
            finals = [msgspec.structs.replace(each, is_partial=False) for each in ended]
            self._buckets.commit(generation, [], changes_of(generation, finals, {}, now_ms), LANE)
            if not self._buckets.commit(generation, [BucketWrite(final, final.rev) for final in finals], (), LANE):
                return found
        return 0


def _some_together(keys: list[BucketKey]) -> Iterator[list[BucketKey]]:
    for at in range(0, len(keys), READ_TOGETHER):
        yield keys[at : at + READ_TOGETHER]


def _to_be_marked(bucket: Bucket, now_ms: int) -> bool:
    return bucket.is_partial and end_ms(bucket) <= now_ms


def _level(key: BucketKey) -> tuple[int, int]:
    """Fine before coarse, lanes first of all."""
    return (0 if is_lane(key) else 1, WIDTH_MS[key.resolution])


def _possible_children(key: BucketKey, lanes: int) -> dict[int, BucketKey]:
    """Every child a bucket can have, by the name it has among its children: child windows, or lanes of a 1m bucket."""
    if key.resolution == FINEST.name:
        if is_lane(key) or lanes == 1:
            return {}
        return {lane: BucketKey(f"{key.subject}{LANE_SEPARATOR}{lane}", *key[1:]) for lane in range(lanes)}
    fine = CHILD[key.resolution]
    starts = range(key.start_ms, key.start_ms + WIDTH_MS[key.resolution], WIDTH_MS[fine])
    return {start_ms: BucketKey(key.subject, fine, start_ms) for start_ms in starts}


def _mended(key: BucketKey, bucket: Bucket | None, actual: dict[int, Summary], now_ms: int) -> Bucket | None:
    """The bucket as law 2 wants it, or None when it is so already. Children that are gone keep their summary; so do
    those read from the past: a child only grows, so one that counts less than its parent says is old news."""
    known = dict(bucket.children) if bucket else {}
    right = known | {
        name: summary for name, summary in actual.items() if name not in known or summary.count >= known[name].count
    }
    if not right:
        return None
    children = flat(sorted(right.items()))
    summary = summary_of(children)
    if bucket is not None and bucket.flat_children == children and bucket.summary == summary:
        return None
    rev = bucket.rev + 1 if bucket else 1
    is_partial = key.start_ms + WIDTH_MS[key.resolution] > now_ms
    return Bucket(key, summary, b"", children, rev, now_ms, is_partial)


@cache
def finalizer(settings: AggregatorSettings) -> Finalizer:
    """The process's finaliser."""
    home = open_home(settings)
    return Finalizer(home.buckets, home.control, home.clock, settings.lanes, settings.expire)


def settle_swap(settings: AggregatorSettings) -> None:
    """Finish a promote that was killed between the swap and its last step (aggregation/handover.py)."""
    home = open_home(settings)
    if Handover(home.buckets, home.control, home.log, home.clock, settings).settle():
        log.warning(json.dumps({"message": "finished a swap of generations that was cut short"}))


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Scheduled entry point; answers with its findings."""
    settings = load(AggregatorSettings, os.environ)
    open_home(settings)
    invoked(event, context)
    try:
        findings = finalizer(settings).run()
        log.info(json.dumps({"message": "finaliser", **findings._asdict()}))
    finally:  # last: nothing bounds what it reads, and neither holds the other up
        settle_swap(settings)
    return findings._asdict()
