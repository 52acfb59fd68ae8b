"""Which segments a source names: listing the log and the lake, and stitching them at the retention border.

`auto` takes from the lake what the log has lost or will soon. Per shard, once it has lost anything: objects that begin
before the records it keeps longer than `SOON_LOST_MS`, and any object that overlaps those; what lies between two of
them, and what comes behind the last, is read from the log as far as it reaches. So no record is read twice, and none is
left out as long as the archiver kept up with retention. In a region that took over, the lake's copy holds objects of
the old region's streams under the same names of shards: those are read whole. So are those of records that a log which
was restored from a backup had lost.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from aggregation.handover import is_of
from contracts.errors import BadRequest
from contracts.events import RAW_STREAM, SCORED_STREAM
from contracts.kinesis import user_data
from contracts.log_reading import first_record
from contracts.ports import EventLog, Lake, Position, Record, Waking
from contracts.resolution import HOUR_MS
from contracts.sequence import LAST_SUB, as_the_log_counts
from ops.home import expanded
from ops.replay.sources import Segment, failed_batches, lines_of
from stores.home import Home
from stores.log_tip import newest

SOURCES: Final = ("auto", "log", "lake", "failed", "quarantine", "file:PATH")
_OBJECT: Final = re.compile(r"(?:(?P<stream>.*)-)?(?P<shard>shardId-\d+)-(?P<first>\d+)-(?P<last>\d+)\.jsonl\.gz\Z")
SOON_LOST_MS: Final = 6 * HOUR_MS
"""What the log loses within six hours is read from the lake, so that a plan can still be run after as long."""
_NOWHERE: Final[Mapping[str, str]] = MappingProxyType({})


class Start(NamedTuple):
    """Where a `log` source begins: at the first record that arrived at or after an instant, or at a sequence number of
    a shard; everything kept when neither is given."""

    arrival_ms: int | None = None
    positions: Mapping[str, str] = {}


class Piece(NamedTuple):
    """A segment that planning has come to, and its records."""

    segment: Segment
    lines: Iterable[bytes]


def heads(log: EventLog, stream: str) -> dict[str, str]:
    """Shard → sequence number of its newest record (shards without any left out)."""
    found = {shard.shard_id: newest(log, stream, shard.shard_id) for shard in log.shards(stream)}
    return {shard_id: sequence for shard_id, sequence in found.items() if sequence is not None}


def pieces(
    home: Home, source: str, stream: str, tips: Mapping[str, str], start: Start, failed_bucket: str | None = None
) -> Iterator[Piece]:
    """Every segment of a source, in the order of the log, bounded by `tips`. `failed_bucket`: where Lambda puts the
    batches it gives up on. Raises `BadRequest` for no source."""
    if source == "auto":
        yield from stitched(home, stream, tips)
    elif source == "log":
        for shard_id in sorted(tips):
            yield from _log_pieces(home.log, stream, shard_id, _opening(shard_id, start), tips[shard_id])
    elif source == "lake":
        for _shard_id, objects in sorted(lake_objects(home.lake, stream, tips).items()):
            yield from _whole(home, objects)
    elif source == "failed":
        yield from _whole(home, failed_batches(home, failed_bucket))
    elif source == "quarantine":
        yield from _whole(home, [Segment("quarantine", stream, key) for key in home.lake.keys("quarantined/")])
    elif source.startswith("file:"):
        one = Segment("file", stream, str(expanded(source.removeprefix("file:")).absolute()))
        yield Piece(one, lines_of(home, one))
    else:
        raise BadRequest(f"no source {source!r}", SOURCES)


def stitched(
    home: Home, stream: str, tips: Mapping[str, str], cuts: Mapping[str, str] = _NOWHERE, soon_ms: int = SOON_LOST_MS
) -> Iterator[Piece]:
    """All of a stream up to `tips`, each record once. A piece of the log ends where its shard is cut, if it is. What
    the log loses within `soon_ms` is read from the lake."""
    objects = lake_objects(home.lake, stream, tips)
    for shard_id in sorted({*tips, *objects}):
        if shard_id in tips:
            shard = _Stitching(home, stream, shard_id, tips[shard_id], cuts.get(shard_id))
            yield from shard.pieces(objects.get(shard_id, []), soon_ms)
        else:
            yield from _whole(home, objects[shard_id])


def _whole(home: Home, objects: Iterable[Segment]) -> Iterator[Piece]:
    return (Piece(one, lines_of(home, one)) for one in objects)


class _Stitching:
    """One shard, from the lake as far as the log has lost it, then from the log."""

    def __init__(self, home: Home, stream: str, shard_id: str, tip: str, cut: str | None) -> None:
        self._home = home
        self._log = home.log
        self._stream = stream
        self._shard_id = shard_id
        self._tip = tip
        #: By object: what was once told apart is not once more, when the log has lost what told it.
        self._mine: dict[str, bool] = {}
        self._cut = cut if cut is not None and is_of(home.log, stream, shard_id, cut) else None

    def pieces(self, objects: list[Segment], soon_ms: int) -> Iterator[Piece]:
        others, mine = self._sorted_out(objects)
        yield from _whole(self._home, others)
        border = None
        oldest = self._first(Position("TRIM_HORIZON"))
        while lost := self._lost_by_log(mine, oldest, border, soon_ms):
            for one in lost:
                if border and oldest and int(oldest.sequence_number) < int(one.first):
                    yield from self._between(border, one.first)
                yield Piece(one, lines_of(self._home, one))
                border = max(border or one.last, one.last, key=int)
            # While they were read the log may have lost more, and the archiver stored it.
            again = lake_objects(self._home.lake, self._stream, {self._shard_id: self._tip})
            mine = self._sorted_out(again.get(self._shard_id, []))[1]
            oldest = self._first(Position("TRIM_HORIZON"))
        yield from self._logged(border, self._tip)

    def _sorted_out(self, objects: list[Segment]) -> tuple[list[Segment], list[Segment]]:
        """(those of another region's stream, whose lake was copied here, or of what a restored log had lost; those of
        this one), each by their first record. On Kinesis a shard's numbers are a block of their own, for they begin
        with the time it was made; asking our own log for each costs little."""
        if isinstance(self._log, Waking):
            mine = [one for one in objects if self._is_mine(one)]
            return [one for one in objects if not self._is_mine(one)], mine
        past = bisect_right(objects, int(self._tip), key=lambda one: int(one.first))
        first = bisect_left(objects, True, 0, past, key=self._is_mine)
        last = bisect_left(objects, True, past, key=lambda one: not self._is_mine(one))
        return objects[:first] + objects[last:], objects[first:last]

    def _is_mine(self, one: Segment) -> bool:
        if one.place not in self._mine:
            self._mine[one.place] = is_of(self._log, self._stream, self._shard_id, one.last)
        return self._mine[one.place]

    def _lost_by_log(
        self, objects: list[Segment], oldest: Record | None, border: str | None, soon_ms: int
    ) -> list[Segment]:
        """The lake objects behind `border` (None: the first call) that hold what the log has lost, by their first
        record; at the first call also what it will lose soon."""
        tip = int(self._tip)
        wanted = int(oldest.sequence_number) - 1 if oldest else tip
        if border is None and soon_ms and oldest and objects and int(objects[0].first) <= wanted:
            kept = self._first(Position("AT_TIMESTAMP", str(oldest.arrival_ms + soon_ms)))
            wanted = int(kept.sequence_number) - 1 if kept else tip
        chosen: list[Segment] = []
        for one in objects:
            if (border is None or int(one.first) > int(border)) and int(one.first) <= min(wanted, tip):
                chosen.append(one)
                wanted = max(wanted, int(one.last))
        return chosen

    def _between(self, after: str, before: str) -> Iterator[Piece]:
        """What the log has between two objects: a batch the archiver gave up on, or an object that is gone. Normally
        nothing, so it is asked for one record first."""
        next_one = self._first(_behind(after))
        if next_one and int(next_one.sequence_number) < int(before):
            yield from self._logged(after, str(int(before) - 1))

    def _logged(self, after: str | None, last: str) -> Iterator[Piece]:
        """Of the log, up to `last`, in pieces that end where the shard is cut."""
        if self._cut is not None and int(after or 0) < int(self._cut) < int(last):
            yield from _log_pieces(self._log, self._stream, self._shard_id, _behind(after), self._cut)
            after = self._cut
        yield from _log_pieces(self._log, self._stream, self._shard_id, _behind(after), last)

    def _first(self, position: Position) -> Record | None:
        return first_record(self._log, self._stream, self._shard_id, position)


def _behind(number: str | None) -> Position:
    return Position("AFTER_SEQUENCE_NUMBER", number) if number else Position("TRIM_HORIZON")


def lake_objects(lake: Lake, stream: str, tips: Mapping[str, str]) -> dict[str, list[Segment]]:
    """Shard → the archiver's objects of a stream, by their first record; records nobody could read are among them.
    Bounded by numbers as the log counts them, which `tips` are."""
    tip = max(tips.values(), key=len, default="")
    prefix = "scored/" if stream.endswith(SCORED_STREAM) else "raw/"
    found: dict[str, list[Segment]] = {}
    keys = lake.keys(prefix) if prefix == "raw/" else [*lake.keys(prefix), *lake.keys("raw/source=unknown/")]
    for key in keys:
        parts = _OBJECT.match(key.rpartition("/")[2])
        if parts is None:
            raise BadRequest(f"the lake holds {key!r}, which the archiver did not write; move it away")
        unread = parts["stream"] is not None
        if unread and not parts["stream"].endswith(stream):
            continue
        first, last = as_the_log_counts(parts["first"], 0, tip), as_the_log_counts(parts["last"], LAST_SUB, tip)
        one = Segment("unread" if unread else "lake", stream, key, parts["shard"], first, last)
        found.setdefault(one.shard_id, []).append(one)
    for objects in found.values():
        objects.sort(key=lambda one: int(one.first))
    return found


def _opening(shard_id: str, start: Start) -> Position:
    if shard_id in start.positions:
        return Position("AT_SEQUENCE_NUMBER", start.positions[shard_id])
    return Position("TRIM_HORIZON") if start.arrival_ms is None else Position("AT_TIMESTAMP", str(start.arrival_ms))


def _log_pieces(log: EventLog, stream: str, shard_id: str, opening: Position, until: str) -> Iterator[Piece]:
    """A segment a page, up to a number."""
    last = int(until)
    iterator: str | None = log.iterator(stream, shard_id, opening)
    while iterator:
        page = log.get_records(iterator)
        records = [record for record in page.records if int(record.sequence_number) <= last]
        if records:
            first_number, last_number = records[0].sequence_number, records[-1].sequence_number
            segment = Segment("log", stream, shard_id, shard_id, first_number, last_number)
            yield Piece(segment, [line for each in records for line in user_data(each.data)])
        if len(records) < len(page.records) or (page.behind_ms == 0 and not page.records):
            return
        if records and int(records[-1].sequence_number) >= last:
            return
        iterator = page.next_iterator


def log_after(log: EventLog, stream: str, positions: Mapping[str, str], tips: Mapping[str, str]) -> Iterator[Piece]:
    """What the log holds past positions (shards they do not name: all of it), up to its tips."""
    for shard_id in sorted(tips):
        yield from _log_pieces(log, stream, shard_id, _behind(positions.get(shard_id)), tips[shard_id])


def raw_pieces(home: Home) -> Iterator[Piece]:
    """All raw articles, for their texts: log and lake stitched, as they are now."""
    yield from stitched(home, RAW_STREAM, heads(home.log, RAW_STREAM))
