"""Records set aside (quarantined, too late, expired): what is kept of them and where (law 3).

One JSON line each, in the lake under `quarantined/` or `late/`. An object's name comes from the sequence numbers it
holds, so a retried batch writes the same object again; readers tell repeats by (stream, shard, sequence, part).
"""

import base64
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

from contracts.instants import date_of, iso_ms
from contracts.kinesis import StreamRecord
from contracts.ports import Lake

Kind = Literal["quarantined", "late"]
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


def list_asides(lake: Lake, kind: Kind) -> Iterator[dict[str, Any]]:
    """Every record set aside, once, oldest object first."""
    seen: set[tuple[str, str, str, int]] = set()
    for line in _lines(lake, f"{kind}/"):
        document = json.loads(line)
        place = (document["stream"], document["shard_id"], document["sequence_number"], document["part"])
        if place not in seen:
            seen.add(place)
            yield document


def _lines(lake: Lake, prefix: str) -> Iterable[bytes]:
    for key in lake.keys(prefix):
        yield from lake.read(key)
