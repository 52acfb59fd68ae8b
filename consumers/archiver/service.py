"""Everything that was on the streams, kept in the lake.

    raw/source=<source>/date=<UTC day of arrival>/<shard>-<first>-<last>.jsonl.gz
    scored/date=<UTC day of arrival>/<shard>-<first>-<last>.jsonl.gz
    raw/source=unknown/date=<UTC day of arrival>/<stream>-<shard>-<first>-<last>.jsonl.gz     what cannot be read
                                                              (a source of that name has the folder `unknown_`)

A line is the record as it was (line breaks inside it taken out); what cannot be read is a line with the record's place
and its bytes in base64. The range is that of the sequence numbers in the object. A batch is a gapless piece of its
shard, so an object holds everything of its partition within its range: a record inside the range of an object that is
there has been archived, however a retry cuts its batches. What cannot be read is stored last, so that a batch of which
a part was refused leaves no readable record out below the newest that is there.
"""

import base64
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Annotated, Final, NamedTuple

import msgspec

from contracts.events import MAX_EVENT_BYTES, SCORED_STREAM, is_too_deep
from contracts.instants import date_of, iso_ms
from contracts.kinesis import StreamRecord, raw_prefix
from contracts.ports import Lake

_SUFFIX: Final = ".jsonl.gz"
_SPAN: Final = re.compile(r"(\d+)-(\d+)\.jsonl\.gz")
"""An object's range behind its prefix; what has another name was put there by somebody else."""


class _Sourced(msgspec.Struct):
    source: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_\-]{0,39}\Z")]


_decoder: Final = msgspec.json.Decoder(_Sourced)


class Archived(NamedTuple):
    """Counts of one batch."""

    received: int
    written: int
    already_there: int
    objects: int


class Archiver:
    """The archiver over the lake; holds no state."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def archive(self, records: Sequence[StreamRecord]) -> Archived:
        """Store one batch of one shard. Raises `Transient`: then the whole batch must come again, and what was
        stored is not stored twice."""
        groups: defaultdict[tuple[bool, str], list[StreamRecord]] = defaultdict(list)
        for record in records:
            groups[_place(record)].append(record)
        written = objects = 0
        for (unread, prefix), members in sorted(groups.items(), key=lambda group: group[0][0]):
            fresh = self._not_there(prefix, members)
            if fresh:
                name = f"{fresh[0].sequence_number}-{fresh[-1].sequence_number}{_SUFFIX}"
                self._lake.put(prefix + name, [_unread_line(each) if unread else _line(each) for each in fresh])
                written += len(fresh)
                objects += 1
        return Archived(len(records), written, len(records) - written, objects)

    def _not_there(self, prefix: str, members: list[StreamRecord]) -> list[StreamRecord]:
        oldest = int(members[0].sequence_number)
        spans = map(_SPAN.fullmatch, (key.removeprefix(prefix) for key in self._lake.keys(prefix)))
        ranges = [(int(span[1]), int(span[2])) for span in spans if span and int(span[2]) >= oldest]
        return [
            record
            for record in members
            if not any(first <= int(record.sequence_number) <= last for first, last in ranges)
        ]


def _place(record: StreamRecord) -> tuple[bool, str]:
    """Whether it cannot be read, and the key of its object up to the range."""
    date = date_of(record.arrival_ms)
    source = None if record.error else _source_of(record.data)
    if source is None:
        return True, f"raw/source=unknown/date={date}/{record.stream}-{record.shard_id}-"
    if record.stream.endswith(SCORED_STREAM):
        return False, f"scored/date={date}/{record.shard_id}-"
    return False, raw_prefix(source, record)


def _source_of(data: bytes) -> str | None:
    """None of what cannot be read, and of what is too large: without its line feeds it might count."""
    if len(data) > MAX_EVENT_BYTES or is_too_deep(data):
        return None
    try:
        return _decoder.decode(data).source
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _line(record: StreamRecord) -> bytes:
    return msgspec.json.format(record.data, indent=-1) if b"\n" in record.data else record.data


def _unread_line(record: StreamRecord) -> bytes:
    return msgspec.json.encode(
        {
            "stream": record.stream,
            "shard_id": record.shard_id,
            "sequence_number": record.sequence_number,
            "part": record.sub_sequence,
            "partition_key": record.partition_key,
            "arrived_at": iso_ms(record.arrival_ms),
            "data": base64.b64encode(record.data).decode(),
        }
    )
