"""The spool: the plan's records sorted by subject and day, in working files that are gone when the run is done.

A shard's records come in order of arrival, a work unit wants those of one hour of event time, which may have arrived
on any later day. So each part of the sources is read once and its records put into one file, ordered by (subject,
day); a unit then reads its pieces of all files, in the order of the sources, which is the order of the log. A file is
there in full or not at all; after a crash only the missing ones are made.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
import numpy
from xxhash import xxh3_128

from aggregation.instant_table import instant_ms
from contracts.errors import BadEvent
from contracts.events import MAX_EVENT_BYTES, is_too_deep
from contracts.hashing import member_hash
from contracts.instants import date_of
from ops.replay.plan import Plan
from ops.replay.scan import Filter
from ops.replay.sources import Segment, read
from stores.durable_files import write_atomically
from stores.home import Home

PART_RECORDS: Final = 50_000
#: A part may be one large file: so many records are held in memory at most.
MAX_BUFFERED: Final = 100_000
READ_BYTES: Final = 1 << 22
_DAY_CHARACTERS: Final = 10
_CANONICAL_CHARACTERS: Final = 24


class _Place(msgspec.Struct, gc=False):
    """All that sorting needs of an event."""

    subject: str
    event_time: str
    article_id: str


class _Origin(msgspec.Struct, gc=False):
    """Asked for only where a news source is left out."""

    source: str = ""


_decode: Final = msgspec.json.Decoder(_Place).decode
_decode_origin: Final = msgspec.json.Decoder(_Origin).decode
#: Subject → day → (offset, bytes) of its pieces.
Groups = dict[str, dict[str, list[tuple[int, int]]]]


class _Index(msgspec.Struct, frozen=True):
    """Where the groups of a part are, and the digests of its two other files."""

    groups: Groups
    records: str
    articles: str


_decode_index: Final = msgspec.json.Decoder(_Index).decode


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
        self._indexes: list[tuple[Path, Groups]] | None = None

    def missing(self, parts: int) -> list[int]:
        """Numbers of the parts that are not there yet, or not whole: the files are not synced to disk, so a power cut
        may leave names without content."""
        return [number for number in range(parts) if not self._is_whole(number)]

    def _is_whole(self, number: int) -> bool:
        try:
            index = _decode_index(self._index(number).read_bytes())
            return index.records == _digest(self._data(number)) and index.articles == _digest(self._wanted(number))
        except (FileNotFoundError, msgspec.DecodeError):
            return False

    def fill(self, home: Home, plan: Plan, number: int, segments: Sequence[Segment]) -> int:
        """Read a part and write its file; returns how many records it has. Raises `Altered`, `Transient`, `OSError`."""
        left_out = frozenset(plan.without_sources)
        wanted = Filter(_ms(plan.start), _ms(plan.end), frozenset(plan.subjects), left_out)
        part = _Part(plan.model is not None)
        groups: Groups = {}
        records = 0

        def write(file: BinaryIO) -> None:
            nonlocal records
            for segment in segments:
                for batch in read(home, segment):
                    part.add(batch, wanted)
                    records += len(batch)
                    if part.lines >= MAX_BUFFERED:
                        part.flush(file, groups)
            part.flush(file, groups)

        write_atomically(self._data(number), write, durable=False)
        hashes = numpy.sort(numpy.fromiter(part.articles, dtype=numpy.uint64, count=len(part.articles))).tobytes()
        write_atomically(self._wanted(number), lambda file: _put(file, hashes), durable=False)
        # The index comes last: while nobody cuts the power, a part with an index is whole.
        index = msgspec.json.encode(_Index(groups, part.digest.hexdigest(), xxh3_128(hashes).hexdigest()))
        write_atomically(self._index(number), lambda file: _put(file, index), durable=False)
        return records

    def lines(self, subject: str, day: str) -> Iterator[bytes]:
        """A group's records as JSON lines, in the order of the sources, piece by piece."""
        for path, index in self._loaded():
            places = index.get(subject, {}).get(day)
            if places:
                with path.open("rb") as file:
                    for at, size in places:
                        file.seek(at)
                        yield file.read(size)

    def articles(self) -> numpy.ndarray:
        """Hashes of all article ids, ascending."""
        parts = [numpy.fromfile(path, dtype=numpy.uint64) for path in sorted(self._folder.glob("*.articles"))]
        return numpy.unique(numpy.concatenate(parts)) if parts else numpy.array([], dtype=numpy.uint64)

    def ids_of(self, hashes: set[int]) -> Iterator[str]:
        """The article ids behind hashes, each once."""
        left = set(hashes)
        for _path, index in self._loaded():
            for subject, days in index.items():
                for day in days:
                    for piece in self.lines(subject, day):
                        for line in piece.split(b"\n"):
                            name = _decode(line).article_id
                            hashed = member_hash(name)
                            if hashed in left:
                                left.discard(hashed)
                                yield name

    def _loaded(self) -> list[tuple[Path, Groups]]:
        if self._indexes is None:
            self._indexes = [
                (path.with_suffix(".records"), _decode_index(path.read_bytes()).groups)
                for path in sorted(self._folder.glob("*.index"))
            ]
        return self._indexes

    def _data(self, number: int) -> Path:
        return self._folder / f"{number:06d}.records"

    def _index(self, number: int) -> Path:
        return self._folder / f"{number:06d}.index"

    def _wanted(self, number: int) -> Path:
        return self._folder / f"{number:06d}.articles"


class _Part:
    """Records of a part in memory, by group."""

    def __init__(self, with_articles: bool) -> None:
        self.lines = 0
        self.articles: set[int] = set()
        self.digest = xxh3_128()
        self._with_articles = with_articles
        self._groups: dict[tuple[str, str], list[bytes]] = {}

    def add(self, batch: Sequence[bytes], wanted: Filter) -> None:
        groups, everything = self._groups, wanted.everything
        for line in batch:
            try:
                place = _decode(line)
                time = place.event_time
                day = time[:_DAY_CHARACTERS] if time[_CANONICAL_CHARACTERS - 1 :] == "Z" else _day(time)
                source = _decode_origin(line).source if wanted.without else ""
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, BadEvent):
                continue  # counted as quarantined when planned; it never had a bucket
            if len(line) > MAX_EVENT_BYTES or is_too_deep(line):
                continue
            if not (everything or wanted.passes(place.subject, time, source)):
                continue
            if b"\n" in line:
                line = msgspec.json.format(line, indent=-1)
            group = groups.get((place.subject, day))
            if group is None:
                group = groups[place.subject, day] = []
            group.append(line)
            if self._with_articles:
                self.articles.add(member_hash(place.article_id))
        self.lines += len(batch)

    def flush(self, file: BinaryIO, groups: Groups) -> None:
        """Append what is in memory to the file, ordered by group."""
        at = file.tell()
        for subject, day in sorted(self._groups):
            body = b"\n".join(self._groups[subject, day])
            file.write(body)
            self.digest.update(body)
            groups.setdefault(subject, {}).setdefault(day, []).append((at, len(body)))
            at += len(body)
        self._groups = {}
        self.lines = 0


def _digest(path: Path) -> str:
    digest = xxh3_128()
    with path.open("rb") as file:
        while block := file.read(READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _put(file: BinaryIO, body: bytes) -> None:
    file.write(body)


def _ms(text: str | None) -> int | None:
    return None if text is None else instant_ms(text)


def _day(event_time: str) -> str:
    """The UTC day of an event whose time is not in the canonical form, which says it in its first ten characters."""
    return date_of(instant_ms(event_time))
