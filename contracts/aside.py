"""Records set aside (quarantined, too late, expired): what is kept of them and where (law 3).

One JSON line each, in the lake under `quarantined/` or `late/`. An object's name comes from the sequence numbers it
holds, so a retried batch writes the same object again; readers tell repeats by (stream, shard, sequence, part).
"""

import base64
import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

from contracts.errors import BadEvent
from contracts.instants import date_of, iso_ms
from contracts.kinesis import StreamRecord
from contracts.ports import Lake

Kind = Literal["quarantined", "late"]
Place = tuple[str, str, str, int]
MAX_KEPT_BYTES = 64 * 1024


class Aside(NamedTuple):
    """One record that does not count. `event_key` tells distinct events apart (subject and event id, or the id of an
    article; the digest of the bytes when nothing could be read)."""

    kind: Kind
    reason: str
    detail: str
    stream: str
    shard_id: str
    sequence_number: str
    part: int
    arrival_ms: int
    event_key: str
    data: bytes


def digest_key(data: bytes) -> str:
    """An event key for bytes that say nothing."""
    return "sha256:" + hashlib.sha256(data).hexdigest()[:32]


def aside_of(kind: Kind, record: StreamRecord, reason: str, detail: str, event_key: str) -> Aside:
    """A stream record that does not count."""
    return Aside(
        kind,
        reason,
        detail,
        record.stream,
        record.shard_id,
        record.sequence_number,
        record.sub_sequence,
        record.arrival_ms,
        event_key,
        record.data,
    )


def put_asides(lake: Lake, asides: Sequence[Aside]) -> None:
    """Store them, one object per kind, stream, shard and arrival day. Idempotent for the same batch."""
    groups: defaultdict[tuple[str, str, str, str], list[Aside]] = defaultdict(list)
    for aside in asides:
        groups[aside.kind, aside.stream, aside.shard_id, date_of(aside.arrival_ms)].append(aside)
    for (kind, stream, shard_id, date), members in groups.items():
        lines = [_line(aside) for aside in members]
        digest = hashlib.sha256(b"\n".join(lines)).hexdigest()[:12]
        name = f"{shard_id}-{members[0].sequence_number}-{members[-1].sequence_number}-{digest}"
        lake.put(f"{kind}/stream={stream}/date={date}/{name}.jsonl.gz", lines)


def _line(aside: Aside) -> bytes:
    document: dict[str, Any] = {
        "reason": aside.reason,
        "detail": aside.detail,
        "stream": aside.stream,
        "shard_id": aside.shard_id,
        "sequence_number": aside.sequence_number,
        "part": aside.part,
        "arrived_at": iso_ms(aside.arrival_ms),
        "event_key": aside.event_key,
        "bytes": len(aside.data),
        "data": base64.b64encode(aside.data[:MAX_KEPT_BYTES]).decode(),
    }
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()


def list_asides(lake: Lake, kind: Kind, damaged: Callable[[str], None] | None = None) -> Iterator[dict[str, Any]]:
    """Every record set aside, once, oldest object first. `damaged` is told of every object that could not be read to
    its end, and the next one follows; without it that is a `BadEvent`."""
    seen: set[Place] = set()
    for key in lake.keys(f"{kind}/"):
        try:
            for place, document in _documents(lake, key):
                if place not in seen:
                    seen.add(place)
                    yield document
        except BadEvent as error:
            if damaged is None:
                raise
            damaged(error.detail)


def place_of(document: dict[str, Any]) -> Place:
    """Where a record that was set aside had been."""
    return document["stream"], document["shard_id"], document["sequence_number"], document["part"]


def _documents(lake: Lake, key: str) -> Iterator[tuple[Place, dict[str, Any]]]:
    for line in lake.read(key):
        try:
            document = json.loads(line)
            place = place_of(document)
        except (ValueError, KeyError, TypeError) as error:
            raise BadEvent("unparseable", f"lake object {key} is damaged: {error!r}") from None
        yield place, document
