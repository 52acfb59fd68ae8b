"""Law 3 in numbers: distinct received = counted + too late + quarantined.

The three parts come from three places (the buckets, the lake's `late/` and `quarantined/`), the sum from a fourth (the
log), so that a loss anywhere shows.
"""

from typing import NamedTuple

from aggregation.event import decode
from aggregation.gather import gather
from contracts.aside import digest_key
from contracts.bucket import BucketKey, member_hashes
from contracts.errors import BadEvent
from contracts.events import RAW_STREAM, SCORED_STREAM
from contracts.generation import live_generation
from contracts.resolution import COARSEST
from ops.asides import standing
from ops.log_reader import pages
from stores.home import Home


class Account(NamedTuple):
    """Distinct events of the whole log. An event is told by subject, event id and minute; a record that cannot be read
    by its bytes. `duplicates` are the records beyond the first of each. Articles the classifier had to quarantine
    count as received and quarantined."""

    received: int
    counted: int
    duplicates: int
    too_late: int
    quarantined: int

    @property
    def balanced(self) -> bool:
        """Whether law 3 holds."""
        return self.received == self.counted + self.too_late + self.quarantined


def account(home: Home, allowed_lateness_ms: int) -> Account:
    """Count the whole log against the buckets and the lake. Memory: about 100 bytes per distinct event."""
    accepted: set[tuple[BucketKey, int]] = set()
    accepted_names: set[str] = set()
    refused: set[str] = set()
    records = 0
    for _shard_id, page in pages(home.log, SCORED_STREAM):
        events = []
        records += len(page)
        for record in page:
            try:
                events.append(decode(record.data))
            except BadEvent:
                refused.add(digest_key(record.data))
        gathered = gather(events, allowed_lateness_ms)
        for key, group in gathered.groups.items():
            accepted.update((key, hashed) for hashed in member_hashes(group.packed()))
        for aside in gathered.too_late + gathered.quarantined:
            refused.add(f"{aside.event.subject} {aside.event.event_id}")
    if refused:
        accepted_names = _names_among(home, refused, allowed_lateness_ms)
    late = {line["event_key"] for line in standing(home.lake, "late")} - accepted_names
    late_or_expired = {key for key in late if not key.startswith("sha256:")}
    set_aside = list(standing(home.lake, "quarantined"))
    quarantined_scored = {line["event_key"] for line in set_aside if line["stream"] == SCORED_STREAM} - accepted_names
    quarantined_raw = {line["event_key"] for line in set_aside if line["stream"] == RAW_STREAM}
    distinct = len(accepted) + len(refused - accepted_names)
    return Account(
        received=distinct + len(quarantined_raw),
        counted=_counted(home),
        duplicates=records - distinct,
        too_late=len(late_or_expired - quarantined_scored),
        quarantined=len(quarantined_scored) + len(quarantined_raw),
    )


def _counted(home: Home) -> int:
    generation = live_generation(home.control)
    return sum(
        bucket.summary.count
        for subject in home.buckets.subjects(generation)
        for bucket in home.buckets.range(generation, subject, COARSEST.name, limit=1_000_000)
    )


def _names_among(home: Home, names: set[str], allowed_lateness_ms: int) -> set[str]:
    """Which refused events were also accepted: the same event once in time and once, ingested again, too late."""
    found: set[str] = set()
    for _shard_id, page in pages(home.log, SCORED_STREAM):
        events = []
        for record in page:
            try:
                event = decode(record.data)
            except BadEvent:
                continue
            if f"{event.subject} {event.event_id}" in names:
                events.append(event)
        for group in gather(events, allowed_lateness_ms).groups.values():
            found |= {f"{event.subject} {event.event_id}" for event in group.members.values()}
    return found
