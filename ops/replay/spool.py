"""The spool: the plan's records sorted by subject and day, in working files that are gone when the run is done.

A shard's records come in order of arrival, a work unit wants those of one hour of event time, which may have arrived
on any later day. So each part of the sources is read once and its records put into one file, ordered by (subject,
day); a unit then reads its pieces of all files, in the order of the sources, which is the order of the log. A file is
there in full or not at all; after a crash only the missing ones are made.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
import numpy

from aggregation.instant_table import instant_ms
from contracts.errors import BadEvent
from contracts.hashing import member_hash
from contracts.instants import date_of
from ops.replay.plan import Plan
from ops.replay.scan import Filter
from ops.replay.sources import Segment, read
from stores.durable_files import write_atomically
from stores.home import Home

PART_RECORDS: Final = 50_000
_DAY_CHARACTERS: Final = 10
_CANONICAL_CHARACTERS: Final = 24


class _Place(msgspec.Struct, gc=False):
    """All that sorting needs of an event."""

    subject: str
    event_time: str
    article_id: str


_decode: Final = msgspec.json.Decoder(_Place).decode
Index = dict[str, dict[str, tuple[int, int]]]


def parts_of(segments: Sequence[Segment]) -> list[list[Segment]]:
    """Consecutive segments of about `PART_RECORDS` records together, always cut in the same places."""
    parts: list[list[Segment]] = []
    size = PART_RECORDS
    for one in segments:
        if size >= PART_RECORDS:
            parts.append([])
            size = 0
        parts[-1].append(one)
        size += one.records or 0
    return parts


class Spool:
    """The files of one run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._indexes: list[tuple[Path, Index]] | None = None

    def missing(self, parts: int) -> list[int]:
        """Numbers of the parts that are not there yet."""
        return [number for number in range(parts) if not self._index(number).exists()]

    def fill(self, home: Home, plan: Plan, number: int, segments: Sequence[Segment]) -> int:
        """Read a part and write its file; returns how many records it has. Raises `Altered`, `Transient`, `OSError`."""
        wanted = Filter(_ms(plan.start), _ms(plan.end), frozenset(plan.subjects))
        groups: dict[tuple[str, str], list[bytes]] = {}
        articles: set[int] = set()
        records = 0
        for segment in segments:
            for line in read(home, segment):
                records += 1
                try:
                    place = _decode(line)
                    day = _day(place.event_time)
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, BadEvent):
                    continue  # counted as quarantined when planned; it never had a bucket
                if not wanted.everything and not wanted.passes(place.subject, place.event_time):
                    continue
                group = groups.get((place.subject, day))
                if group is None:
                    group = groups[place.subject, day] = []
                group.append(line)
                if plan.model is not None:
                    articles.add(member_hash(place.article_id))
        self._write(number, groups, articles)
        return records

    def _write(self, number: int, groups: dict[tuple[str, str], list[bytes]], articles: set[int]) -> None:
        index: Index = {}
        at = 0
        bodies = []
        for subject, day in sorted(groups):
            body = msgspec.msgpack.encode(groups.pop((subject, day)))
            index.setdefault(subject, {})[day] = (at, len(body))
            at += len(body)
            bodies.append(body)
        write_atomically(self._data(number), lambda file: file.writelines(bodies), durable=False)
        wanted = numpy.sort(numpy.fromiter(articles, dtype=numpy.uint64, count=len(articles))).tobytes()
        write_atomically(self._wanted(number), lambda file: _put(file, wanted), durable=False)
        # The index comes last: a part with an index is whole.
        encoded = json.dumps(index).encode()
        write_atomically(self._index(number), lambda file: _put(file, encoded), durable=False)

    def lines(self, subject: str, day: str) -> Iterator[list[bytes]]:
        """A group's records in the order of the sources, a list a part."""
        for path, index in self._loaded():
            place = index.get(subject, {}).get(day)
            if place is not None:
                with path.open("rb") as file:
                    file.seek(place[0])
                    yield _decode_lines(file.read(place[1]))

    def articles(self) -> numpy.ndarray:
        """Hashes of all article ids, ascending."""
        parts = [numpy.fromfile(path, dtype=numpy.uint64) for path in sorted(self._folder.glob("*.articles"))]
        return numpy.unique(numpy.concatenate(parts)) if parts else numpy.array([], dtype=numpy.uint64)

    def ids_of(self, hashes: set[int]) -> Iterator[str]:
        """The article ids behind hashes, each once."""
        left = set(hashes)
        for path, index in self._loaded():
            with path.open("rb") as file:
                for days in index.values():
                    for at, size in days.values():
                        file.seek(at)
                        for line in _decode_lines(file.read(size)):
                            name = _decode(line).article_id
                            if member_hash(name) in left:
                                left.discard(member_hash(name))
                                yield name

    def _loaded(self) -> list[tuple[Path, Index]]:
        if self._indexes is None:
            self._indexes = [
                (path.with_suffix(".records"), json.loads(path.read_bytes()))
                for path in sorted(self._folder.glob("*.index"))
            ]
        return self._indexes

    def _data(self, number: int) -> Path:
        return self._folder / f"{number:06d}.records"

    def _index(self, number: int) -> Path:
        return self._folder / f"{number:06d}.index"

    def _wanted(self, number: int) -> Path:
        return self._folder / f"{number:06d}.articles"


_decode_lines: Final = msgspec.msgpack.Decoder(list[bytes]).decode


def _put(file: BinaryIO, body: bytes) -> None:
    file.write(body)


def _ms(text: str | None) -> int | None:
    return None if text is None else instant_ms(text)


def _day(event_time: str) -> str:
    """The UTC day of an event; the canonical form says it in its first ten characters."""
    if len(event_time) == _CANONICAL_CHARACTERS and event_time[-1] == "Z":
        return event_time[:_DAY_CHARACTERS]
    return date_of(instant_ms(event_time))
