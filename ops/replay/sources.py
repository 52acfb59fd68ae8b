"""Where a replay reads from: segments of the log, of the lake, of files, and of what was set aside.

A segment is a fixed, ordered piece of input with a digest of its content, so that a run reads exactly what was planned
or says which piece is not what it was. The order of segments is the order of the log: by shard (a parent's id is lower
than its children's), older before newer.
"""

import base64
import gzip
import itertools
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import msgspec
from xxhash import xxh3_128

from contracts.aside import MAX_KEPT_BYTES
from contracts.errors import BadEvent, BadRequest, Transient
from contracts.events import SCORED_STREAM
from contracts.kinesis import user_data
from contracts.ports import EventLog, Position, Record
from stores.home import Home

if TYPE_CHECKING:
    from stores.aws_client import Service

BATCH_LINES: Final = 10_000
#: How the place of a batch that Lambda gave up on begins.
IN_BUCKET: Final = "s3://"
SegmentKind = Literal["log", "lake", "unread", "file", "failed", "quarantine"]


class Segment(msgspec.Struct, frozen=True):
    """`place`: shard, lake key or path. `first` and `last` bound it in the log (inclusive; empty for files). `records`,
    `bytes` and `digest` are what planning found there; None before it looked."""

    kind: SegmentKind
    stream: str
    place: str
    shard_id: str = ""
    first: str = ""
    last: str = ""
    records: int | None = None
    bytes: int | None = None
    digest: str | None = None

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.kind} {self.place}" + (f" {self.first}…{self.last}" if self.kind == "log" else "")


class Altered(BadRequest):
    """A segment is not what was planned: expired, damaged, replaced or gone."""


class Digest:
    """Content of a segment: count, bytes, and XXH3 over the lines."""

    def __init__(self) -> None:
        self.records = 0
        self.bytes = 0
        self._hash = xxh3_128()

    def add(self, lines: Sequence[bytes]) -> None:
        if lines:
            joined = b"\n".join(lines)
            self.records += len(lines)
            self.bytes += len(joined) - len(lines) + 1
            self._hash.update(joined)
            self._hash.update(b"\n")

    @property
    def hex(self) -> str:
        return self._hash.hexdigest()


def batches(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Lines a few thousand at a time."""
    source = iter(lines)
    while batch := list(itertools.islice(source, BATCH_LINES)):
        yield batch


def read(home: Home, segment: Segment) -> Iterator[list[bytes]]:
    """The records of a planned segment, in order, a batch at a time. Raises `Altered` at the first sign that it is not
    what was planned (at the latest behind its last record), so a reader must not act before the end."""
    digest = Digest()
    try:
        for batch in batches(lines_of(home, segment)):
            digest.add(batch)
            yield batch
    except (BadRequest, BadEvent) as error:
        raise Altered(f"{segment.name} cannot be read as planned: {error}; {_remedy(segment)}") from None
    if segment.digest is not None and digest.hex != segment.digest:
        found = f"{digest.records} records where {segment.records} were planned"
        raise Altered(f"{segment.name} is not what was planned ({found}); {_remedy(segment)}")


def _remedy(segment: Segment) -> str:
    if segment.kind == "log":
        return "the log's retention has passed it: plan again (`auto` takes from the lake what the log has lost)"
    if segment.kind in ("failed", "quarantine") and segment.digest is None:
        return "move it away and plan again"
    return "restore it and resume, or plan again"


def lines_of(home: Home, segment: Segment) -> Iterator[bytes]:
    """The bytes of every record, unchecked. Raises `BadRequest` (gone), `BadEvent` (damaged) or `Transient`."""
    if segment.kind == "log":
        return _log_lines(home.log, segment)
    if segment.kind == "lake":
        return home.lake.read(segment.place)
    if segment.kind == "unread":
        return _decoded(segment, home.lake.read(segment.place), _unread)
    if segment.kind == "failed":
        in_bucket = segment.place.startswith(IN_BUCKET)
        lines = _of_bucket(home, segment.place) if in_bucket else home.lake.read(segment.place)
        return _decoded(segment, lines, lambda line: _given_up(segment.place, line))
    if segment.kind == "quarantine":
        return _decoded(segment, home.lake.read(segment.place), _quarantined)
    return _file_lines(Path(segment.place))


def _decoded(segment: Segment, lines: Iterable[bytes], decode: Callable[[bytes], list[bytes]]) -> Iterator[bytes]:
    """The records in the lines of an object. Raises `BadEvent` for a line that is not what its writer writes."""
    for line in lines:
        try:
            yield from decode(line)
        except (ValueError, KeyError, TypeError) as error:
            raise BadEvent("unparseable", f"{segment.place} is damaged: {error!r}") from None


def _until(log: EventLog, iterator: str | None, last: int) -> Iterator[Record]:
    while iterator:
        page = log.get_records(iterator)
        for record in page.records:
            if int(record.sequence_number) > last:
                return
            yield record
            if int(record.sequence_number) == last:
                return
        if not page.records and page.behind_ms == 0:
            return
        iterator = page.next_iterator


def _log_lines(log: EventLog, segment: Segment) -> Iterator[bytes]:
    start = Position("AT_SEQUENCE_NUMBER", segment.first)
    for record in _until(log, log.iterator(segment.stream, segment.shard_id, start), int(segment.last)):
        yield from user_data(record.data)


def failed_batches(home: Home, bucket: str | None) -> Iterator[Segment]:
    """Batches that were given up on: our own driver's, in the lake, and Lambda's, where there is a bucket of them."""
    from stores.failed_batches import LAKE_PREFIX, places_in_bucket

    places = home.lake.keys(LAKE_PREFIX)
    if bucket is not None:
        places += places_in_bucket(_s3(home), bucket)
    return (Segment("failed", SCORED_STREAM, place) for place in places)


def _s3(home: Home) -> "Service":
    """The lake's client, which reaches other buckets as well."""
    from stores.s3 import S3Lake

    assert isinstance(home.lake, S3Lake), "only on AWS a batch lies in a bucket"
    return home.lake._s3


def _of_bucket(home: Home, place: str) -> Iterator[bytes]:
    from botocore.exceptions import BotoCoreError

    from stores.aws_client import Refused

    bucket, _, key = place.removeprefix(IN_BUCKET).partition("/")
    try:
        yield _s3(home).call("get_object", expect=("NoSuchKey", "NoSuchBucket"), Bucket=bucket, Key=key)["Body"].read()
    except Refused:
        raise BadRequest(f"{place} is gone") from None
    except (BotoCoreError, OSError) as error:
        raise Transient("s3", f"{place}: {error}") from error


def _unread(line: bytes) -> list[bytes]:
    return [base64.b64decode(json.loads(line)["data"])]


def _given_up(place: str, line: bytes) -> list[bytes]:
    from stores.failed_batches import batch_of

    return [record.data for record in batch_of(place, line).records if record.stream.endswith(SCORED_STREAM)]


def _quarantined(line: bytes) -> list[bytes]:
    document = json.loads(line)
    whole = document["stream"].endswith(SCORED_STREAM) and document["bytes"] <= MAX_KEPT_BYTES
    return [base64.b64decode(document["data"])] if whole else []


def _file_lines(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            for line in file:
                if line.strip():
                    yield line.rstrip(b"\r\n")
    except FileNotFoundError:
        raise BadRequest(f"there is no file {path}") from None
    except (IsADirectoryError, PermissionError) as error:
        raise BadRequest(f"{path} cannot be read: {error.strerror}") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadEvent("unparseable", f"{path} is damaged: {error}") from None
