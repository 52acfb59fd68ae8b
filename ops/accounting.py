"""Law 3 in numbers: distinct received = counted + too late + quarantined.

The three parts come from three places (the buckets, the lake's `late/` and `quarantined/`), the sum from a fourth (the
log, and the lake for what retention took from it), so that a loss anywhere shows.
"""

import base64
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from aggregation.event import Event, decode
from aggregation.gather import gather
from aggregation.group import Group, Single
from aggregation.rollup import past_ttl
from contracts.aside import digest_key, list_asides
from contracts.bucket import LANE_SEPARATOR, BucketKey, member_hashes
from contracts.errors import BadEvent
from contracts.events import RAW_STREAM, SCORED_STREAM
from contracts.generation import live_generation
from contracts.hashing import member_hash
from contracts.resolution import COARSEST, window_start_ms
from ops.asides import built_from, standing
from ops.console import say
from ops.replay.sources import batches
from ops.replay.stitch import Piece, heads, log_after, stitched
from stores.home import Home

#: As `verify` does, whose module takes longer to load than most accounts.
SECOND_LOOKS: Final = 5
SECOND_LOOK_MS: Final = 200


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
        return self.received == self.dealt_with

    @property
    def dealt_with(self) -> int:
        """What was received, as far as it is known what became of it."""
        return self.counted + self.too_late + self.quarantined


def account(
    home: Home,
    allowed_lateness_ms: int,
    expire: bool = False,
    progress: Callable[[int], None] = lambda records: None,
) -> Account:
    """Count the whole log against the buckets and the lake. Beside a running line too: what does not balance is looked
    at again with what the log holds by then. Beside one that is never idle, what came while one counted is left out:
    then it is the members of the minutes that tell what is lost, or is counted and was not received.
    `expire`: events of days whose buckets are past their TTL are left out, unless they were set aside. Reads everything
    the archiver stored that the log has lost, as `verify` does; memory: about 100 bytes per distinct event, beside a
    line that is never idle three times as much."""
    damaged = cache(say)  # once for every object, however often one looks
    received = _Received(home, allowed_lateness_ms, expire, damaged, progress)
    tips = heads(home.log, SCORED_STREAM)
    received.add(stitched(home, SCORED_STREAM, tips))
    first = found = _account_of(home, received, damaged)
    if found.balanced and heads(home.log, SCORED_STREAM) == tips:
        return found
    accepted, refused = set(received.accepted), set(received.refused)
    for _ in range(SECOND_LOOKS):
        home.clock.wait(threading.Event(), SECOND_LOOK_MS)
        tips = _add_newer(home, received, tips)
        found = _account_of(home, received, damaged)
        if found.balanced and heads(home.log, SCORED_STREAM) == tips:
            return found
    # Beside a line that is never idle the buckets are behind the log, or ahead of what had been read of it: what loses
    # some and gains as many looks right.
    held, twice = _held(home)
    set_aside = {line["event_key"] for kind in ("quarantined", "late") for line in standing(home.lake, kind, damaged)}
    _add_newer(home, received, tips)
    later = _account_of(home, received, damaged)
    lost = sum(received.has_minute(key) for key, _ in accepted - held)
    lost += len(refused - set_aside - received.accepted_names())
    too_many = twice + sum(received.has_minute(key) for key, _ in held - received.accepted)
    if first.received <= found.dealt_with <= later.received:
        return found._replace(received=found.dealt_with + (lost or -too_many))
    return found


def _held(home: Home) -> tuple[set[tuple[BucketKey, int]], int]:
    """The members of every minute, in whichever lane, and how many counted more than once."""
    held: set[tuple[BucketKey, int]] = set()
    counted = 0
    for bucket in home.buckets.scan(live_generation(home.control)):
        if bucket.packed:
            key = BucketKey(bucket.subject.partition(LANE_SEPARATOR)[0], bucket.resolution, bucket.start_ms)
            held.update((key, hashed) for hashed in member_hashes(bucket.packed))
            counted += bucket.summary.count
    return held, counted - len(held)


def _add_newer(home: Home, received: "_Received", tips: Mapping[str, str]) -> dict[str, str]:
    """What the log holds past `tips`; up to where."""
    newer = heads(home.log, SCORED_STREAM)
    received.add(log_after(home.log, SCORED_STREAM, tips, newer))
    return newer


class _Received:
    """What came on the stream. With TTLs an event may come when its minute is gone: the aggregator set it aside as
    expired, also when it had counted in its time; one that came more often than it was expired did. What was set aside
    and then read by a replay that went live is judged anew."""

    def __init__(
        self,
        home: Home,
        allowed_lateness_ms: int,
        expire: bool,
        damaged: Callable[[str], None],
        progress: Callable[[int], None],
    ) -> None:
        self.records = 0
        self.accepted: set[tuple[BucketKey, int]] = set()
        self.refused: set[str] = set()
        self._home = home
        self._allowed_lateness_ms = allowed_lateness_ms
        self._expire = expire
        self._damaged = damaged
        self._progress = progress
        self._now_ms = home.clock.now_ms()
        self.is_built_from = built_from(home)
        self._expired: Counter[str] = Counter()
        self._doubtful: dict[str, list[Event]] = {}

    def add(self, pieces: Iterable[Piece]) -> None:
        """More of the stream, in its order."""
        if self._expire:
            late = list_asides(self._home.lake, "late", self._damaged)
            expired = (line for line in late if line["reason"] == "expired" and not self.is_built_from(line))
            self._expired = Counter(line["event_key"] for line in expired)
        for piece in pieces:
            for lines in batches(piece.lines):
                self._add_batch(lines)
                self._progress(len(lines))
        for name, events in self._doubtful.items():
            groups = gather(events, self._allowed_lateness_ms).groups
            if sum(len(group.members) + group.repeats for group in groups.values()) > self._expired[name]:
                self._accept(groups)

    def accepted_names(self) -> set[str]:
        """Which refused events were also accepted: once in time and once, ingested again, too late."""
        return self.accepted_among(self.refused)

    def accepted_among(self, events: Iterable[str]) -> set[str]:
        """Those of some names that were accepted."""
        names = {(name.partition(" ")[0], member_hash(name.partition(" ")[2])): name for name in events}
        return {names[pair] for key, hashed in self.accepted if (pair := (key.subject, hashed)) in names}

    def reads_now(self, line: Mapping[str, Any]) -> bool:
        """Whether a record that could not be read once is an event that counts, since a replay by a decoder that was
        mended went live."""
        if not self.is_built_from(line):
            return False
        try:
            return bool(self.accepted_among([_name(decode(base64.b64decode(line["data"])))]))
        except BadEvent:
            return False

    def is_living(self, key: BucketKey) -> bool:
        """Whether the day of a bucket still counts."""
        if not self._expire:
            return True
        day = BucketKey(key.subject, COARSEST.name, window_start_ms(key.start_ms, COARSEST.width_ms))
        return not past_ttl(day, self._now_ms)

    def has_minute(self, key: BucketKey) -> bool:
        """Whether a minute must still be there."""
        return not (self._expire and past_ttl(key, self._home.clock.now_ms()))

    def _add_batch(self, lines: list[bytes]) -> None:
        events = []
        for line in lines:
            try:
                event = decode(line)
            except BadEvent:
                self._refuse(digest_key(line))
                continue
            if self._expired and _name(event) in self._expired:
                self._refuse(_name(event))
                self._doubtful.setdefault(_name(event), []).append(event)
            else:
                events.append(event)
        gathered = gather(events, self._allowed_lateness_ms)
        self.records += self._accept(gathered.groups)
        for aside in gathered.too_late + gathered.quarantined:
            self._refuse(_name(aside.event))

    def _accept(self, groups: Mapping[BucketKey, Single | Group]) -> int:
        """How many records they are of."""
        records = 0
        for key, group in groups.items():
            if self.is_living(key):
                hashes = member_hashes(group.packed())
                self.accepted.update((key, hashed) for hashed in hashes)
                records += len(hashes) + group.repeats
        return records

    def _refuse(self, name: str) -> None:
        self.records += 1
        self.refused.add(name)


def _name(event: Event) -> str:
    return f"{event.subject} {event.event_id}"


def _account_of(home: Home, received: _Received, damaged: Callable[[str], None]) -> Account:
    accepted_names = received.accepted_names() if received.refused else set()
    set_aside = list(standing(home.lake, "quarantined", damaged))
    unread = [line for line in set_aside if line["stream"] == SCORED_STREAM and not received.reads_now(line)]
    quarantined_scored = {line["event_key"] for line in unread} - accepted_names
    quarantined_raw = {line["event_key"] for line in set_aside if line["stream"] == RAW_STREAM}
    late = list(standing(home.lake, "late", damaged))
    counted_since = received.accepted_among({line["event_key"] for line in late if received.is_built_from(line)})
    too_late = {line["event_key"] for line in late} - accepted_names - quarantined_scored - counted_since
    distinct = len(received.accepted) + len(received.refused - accepted_names)
    generation = live_generation(home.control)
    counted = sum(
        bucket.summary.count
        for subject in home.buckets.subjects(generation)
        for bucket in home.buckets.range(generation, subject, COARSEST.name, limit=1_000_000)
        if received.is_living(bucket.key)
    )
    return Account(
        received=distinct + len(quarantined_raw),
        counted=counted,
        duplicates=received.records - distinct,
        too_late=len(too_late),
        quarantined=len(quarantined_scored) + len(quarantined_raw),
    )
