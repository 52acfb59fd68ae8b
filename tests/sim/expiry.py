"""Worlds where buckets expire: the processor may be down for days, and TTL deletes what is old, in any order and late.

One thing is left out: an outage longer than a minute's TTL (48 h) that begins in the middle of a commit, with the
minute deleted in the end. The retry then finds it gone and sets its events aside, though some of the levels above, or
none of the watchers, know them. While the minute and all above it are there the retry finishes what was begun
(tests/unit/aggregation/test_laws.py).

What was counted is known from the writes themselves. An event may be set aside as expired only when its minute is past
its TTL; every bucket within its TTL must hold exactly what was counted.
"""

import random
from typing import Any, Final

from contracts.aside import list_asides
from contracts.bucket import LANE_SEPARATOR, Bucket, BucketKey
from contracts.generation import FIRST_GENERATION
from contracts.hashing import member_hash
from contracts.ports import Lake
from contracts.resolution import BY_NAME, HOUR_MS, MINUTE_MS
from tests import oracle
from tests.sim.checkers import check
from tests.sim.store import MemoryBuckets

OUTAGES_MS: Final = (2 * HOUR_MS, 47 * HOUR_MS, 49 * HOUR_MS, 75 * HOUR_MS)
SETTLED_MS: Final = HOUR_MS  # TTL does not hit what was written within the hour
Documents = list[dict[str, Any]]


def alive(key: BucketKey, now_ms: int) -> bool:
    """Whether a bucket is within its TTL; past it, it is as good as gone."""
    resolution = BY_NAME[key.resolution]
    return key.start_ms + resolution.width_ms + resolution.ttl_ms > now_ms


class Expiry:
    """Keeps what was counted, and deletes what is old."""

    def __init__(self, store: MemoryBuckets) -> None:
        self._store = store
        self._counted: set[tuple[str, int, int]] = set()

    def on_write(self, generation: str, before: Bucket | None, after: Bucket) -> None:
        """Members that a written minute has more than before were counted now."""
        if generation == FIRST_GENERATION and after.members:
            subject = after.subject.partition(LANE_SEPARATOR)[0]
            new = after.members - before.members if before else after.members
            self._counted.update((subject, after.start_ms, hashed) for hashed in new)

    def sweep(self, rnd: random.Random, now_ms: int) -> None:
        """TTL deletes some of the buckets that are past theirs."""
        for bucket in list(self._store.scan(FIRST_GENERATION)):
            settled = now_ms - bucket.last_updated_ms > SETTLED_MS
            if settled and not alive(bucket.key, now_ms) and rnd.random() < 0.5:
                self._store.delete(FIRST_GENERATION, bucket.key)

    def counted(self, documents: Documents, lake: Lake, lateness_ms: int, now_ms: int) -> Documents:
        """The documents that the buckets must hold: all but those set aside as expired and never counted. Checks that
        an event was set aside so only when its minute was past its TTL."""
        expired = {line["event_key"] for line in list_asides(lake, "late") if line["reason"] == "expired"}
        kept = []
        for document in documents:
            if oracle.verdict(document, lateness_ms) != "accepted":
                kept.append(document)
                continue
            at = oracle.to_ms(document["event_time"])
            minute = BucketKey(document["subject"], "1m", at - at % MINUTE_MS)
            identity = (minute.subject, minute.start_ms, member_hash(document["event_id"]))
            if f"{minute.subject} {document['event_id']}" in expired:
                check(not alive(minute, now_ms), "only what is old expires", f"{document['event_id']} of {minute}")
            if identity in self._counted or f"{minute.subject} {document['event_id']}" not in expired:
                kept.append(document)
        return kept
